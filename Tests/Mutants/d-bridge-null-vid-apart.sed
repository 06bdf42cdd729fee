# Bridge: an untagged address and one in a VLAN are taken for two.
# file: Sources/EVBDaemon/Bridge/AddressLedger.swift
# swift: AddressLedgerTests
s/ \|\| slot\.vid == 0 \|\| entry\.vid == 0//

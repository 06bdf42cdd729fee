# Bridge: an untagged address and one in a VLAN are taken for two.
# file: Sources/EVBBridge/Admission/AddressLedger.swift
# swift: AddressLedgerTests
s/overlaps = vid == nil \|\| only\.vid == vid \|\| only\.vid == 0/overlaps = vid == nil || only.vid == vid/

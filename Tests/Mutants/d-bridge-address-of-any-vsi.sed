# Bridge: a VSI gets an address that another one holds.
# file: Sources/EVBDaemon/Bridge/AddressLedger.swift
# swift: AddressLedgerTests
s/return other\.vsiID != holder\.vsiID \&\&/return other.vsiID == holder.vsiID \&\& other.vsiID != holder.vsiID \&\&/

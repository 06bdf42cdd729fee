# Bridge: a VSI gets an address that another one holds.
# file: Sources/EVBBridge/Admission/AddressLedger.swift
# swift: AddressLedgerTests
s/guard other\.vsiID != holder\.vsiID,/guard other.vsiID == holder.vsiID, other.vsiID != holder.vsiID,/

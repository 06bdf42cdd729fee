# Bridge: whether VSIs may share an address is not asked before they are looked at.
# file: Sources/EVBBridge/Admission/AddressLedger.swift
# swift: AddressLedgerTests
s/ where !\(isShared \&\& key\.isShared\)//

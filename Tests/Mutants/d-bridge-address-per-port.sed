# Bridge: addresses are kept apart on each port alone.
# file: Sources/EVBBridge/Admission/AddressLedger.swift
# swift: AddressLedgerTests|BridgeRegistryTests
s/guard other\.vsiID != holder\.vsiID,/guard other.port == holder.port, other.vsiID != holder.vsiID,/

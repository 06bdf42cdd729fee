# Bridge: addresses are kept apart on each port alone.
# file: Sources/EVBDaemon/Bridge/AddressLedger.swift
# swift: AddressLedgerTests|BridgeRegistryTests
s/return other\.vsiID != holder\.vsiID \&\&/return other.port == holder.port \&\& other.vsiID != holder.vsiID \&\&/

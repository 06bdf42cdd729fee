# Bridge: VSIs keep addresses that VSI types protect from now on.
# file: Sources/EVBBridge/Admission/BridgeRegistry.swift
# swift: BridgeRegistryTests
s/guard !added\.isEmpty else \{ return \}/guard !added.isEmpty, case .port = part else { return }/

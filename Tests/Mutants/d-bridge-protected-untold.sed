# Bridge: VSIs keep addresses that VSI types protect from now on.
# file: Sources/EVBDaemon/Bridge/BridgeRegistry.swift
# swift: BridgeRegistryTests
s/guard !added\.isEmpty else \{ return \}/guard !added.isEmpty, case .port = part else { return }/

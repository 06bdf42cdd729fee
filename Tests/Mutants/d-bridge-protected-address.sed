# Bridge: protected addresses are anybody's.
# file: Sources/EVBBridge/Admission/BridgeRegistry.swift
# swift: BridgeRegistryTests
s/if allProtected\.contains\(mac\) \{ throw/if allProtected.contains(mac), mac.isGroup { throw/

# Bridge: protected addresses are anybody's.
# file: Sources/EVBDaemon/Bridge/BridgeRegistry.swift
# swift: BridgeRegistryTests
s/if allProtected\.contains\(mac\) \{ throw/if allProtected.contains(mac), mac.isGroup { throw/

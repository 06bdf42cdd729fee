# Bridge: a VSI that has moved stays at its old port.
# file: Sources/EVBDaemon/Bridge/BridgeRegistry.swift
# swift: BridgeRegistryTests
s/onMoved\?\(vsiID, loser, port\)/_ = loser/

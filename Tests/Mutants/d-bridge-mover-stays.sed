# Bridge: a VSI that has moved stays at its old port.
# file: Sources/EVBBridge/Admission/BridgeRegistry.swift
# swift: BridgeRegistryTests
s/onMoved\?\(vsiID, loser, port\)/_ = loser/

# VSI types: an element that nftables refuses keeps the others out of force.
# file: Sources/BridgeDataplane/PortFilter/BridgeEnforcer+Elements.swift
# swift: BridgeCompareTests
s/guard elements\.count > 1, additions\.searchesLeft > 0 else/guard elements.count < 0 else/

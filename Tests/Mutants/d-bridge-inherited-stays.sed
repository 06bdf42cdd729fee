# VSI types: what is inherited stays with the port that the VSI has left.
# file: Sources/BridgeDataplane/PortFilter/BridgeEnforcer.swift
# swift: BridgeEnforcerTests
s/_ = settle\(other, ports\[other\]\?\.claims\.disinherit\(items\) \?\? \[\]\)/_ = items/

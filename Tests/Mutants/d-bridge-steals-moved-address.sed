# Bridge: a comparison takes the address of a VSI that has moved back to the port that it has left.
# file: Sources/BridgeDataplane/PortFilter/BridgeEnforcer+Compare.swift
# swift: BridgeCompareTests
s/if isHeld, try isThere/if !isHeld, try isThere/

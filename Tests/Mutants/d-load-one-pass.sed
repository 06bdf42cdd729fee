# VDP, bridge: all VSIs of a lost station are gone through in one call.
# file: Sources/EVBProtocol/Bridge/VDPBridge+Rounds.swift
# swift: BridgeRoundsTests
s/min\(current\.next \+ placesPerCall, current\.end\)/current.end/

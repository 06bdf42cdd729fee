# VDP, bridge: a station that is back meets its VSIs as they were, until the round comes to them.
# file: Sources/EVBProtocol/Bridge/VDPBridge.swift
# swift: BridgeRoundsTests
s/bringUpToDate\(known, at: now\)/_ = known/

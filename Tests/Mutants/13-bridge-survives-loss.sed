# VDP, bridge: VSIs are held when the station is lost.
# file: Sources/EVBProtocol/Bridge/VDPBridgeMachine.swift
# runs: 60
s/case \(_, \.stationLost\): return end\(answer: nil, release: \.stationLost\)/case (_, .stationLost): return .none/

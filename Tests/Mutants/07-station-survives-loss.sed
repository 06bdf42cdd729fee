# VDP, station: VSIs stay bound when the bridge is lost.
# file: Sources/EVBProtocol/Station/VDPStationMachine.swift
# runs: 60
s/case \(_, \.peerLost\): return end\(\.peerLost\)/case (_, .peerLost): return .none/

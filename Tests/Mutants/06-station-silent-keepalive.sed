# VDP, station: a keep-alive that is not answered changes nothing.
# file: Sources/EVBProtocol/Station/VDPStationMachine.swift
# runs: 40
/func handleKeepAlive/,/^    }/s/case \.responseTimeout: return end\(\.timedOut\)/case .responseTimeout: return .none/

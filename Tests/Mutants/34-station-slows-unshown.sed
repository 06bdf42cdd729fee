# VDP, station: slows down to the longer keep-alive period as soon as it offers it, which the bridge may never take.
# file: Sources/EVBProtocol/Station/EVBStationNegotiation.swift
# swift: SlowBridgeTests
s/times\.reinitKeepAlive = min\(times\.reinitKeepAlive, \.exponent\(shown\)\)/times.reinitKeepAlive = max(times.reinitKeepAlive, .exponent(shown))/

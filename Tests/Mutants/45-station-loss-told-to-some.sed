# VDP, station: of many VSIs only the first learn that the bridge is lost, or is there.
# file: Sources/EVBProtocol/Station/VDPStation+Sweep.swift
# swift: SweepTests
s/if let next = sweep\?\.next, next >= slots\.count \{ sweep = nil \}/sweep = nil/

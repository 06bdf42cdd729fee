# VDP, station: counts the keep-alive period from a slow bridge's late answer.
# file: Sources/EVBProtocol/Station/VDPStation+Time.swift
# swift: SlowBridgeTests
s/pace\.isSlow \? heardAt : now/now/

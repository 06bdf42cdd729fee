# VDP, station: associates all VSIs, however few the bridge can keep alive.
# file: Sources/EVBProtocol/Station/VDPStation+Capacity.swift
# swift: SlowBridgeTests
s/capacity\.map \{ max\(\$0 - keptCount, 0\) \} \?\? \.max/.max/

# Limits: filter entries have no bound.
# file: Sources/EVBProtocol/Bridge/VDPBridge+Limits.swift
# swift: BridgeLimitTests
s/return count <= counted \|\| .*$/return count >= 0/

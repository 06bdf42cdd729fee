# Limits: the VSIs of a port have no bound.
# file: Sources/EVBProtocol/Bridge/VDPBridge+Limits.swift
# swift: BridgeLimitTests
s/if livingCount >= vsisMax \{ return .vsisPerPort \}//

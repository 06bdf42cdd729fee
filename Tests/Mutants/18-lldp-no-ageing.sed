# LLDP: what a neighbour said holds for an hour, whatever its TTL says.
# file: Sources/EVBProtocol/Common/LLDPAgent.swift
# runs: 60
s/expiry: now \+ \.seconds\(UInt64\(lldpdu\.timeToLive\)\)/expiry: now + .seconds(3600)/

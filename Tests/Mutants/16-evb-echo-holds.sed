# EVB: a peer that gives our echo of its own value back as ours is not told our own value, so that both hold it up for ever.
# file: Sources/EVBProtocol/Station/EVBStationNegotiation.swift
# runs: 60
s/^( *)isEchoed = true/\1isEchoed = false/

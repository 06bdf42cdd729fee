# VDP, station: a refusal with Keep makes a VSI bound that never was (lldpad's mistake).
# file: Sources/EVBProtocol/Station/VDPStationMachine.swift
# runs: 120
# options: --faults false-keep,refuse,change
s/guard refusal\.isKept, operCommand != nil else/guard refusal.isKept else/

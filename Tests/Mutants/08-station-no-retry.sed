# VDP, station: what the bridge refused for now is not tried again.
# file: Sources/EVBProtocol/Station/VDPStation.swift
# runs: 60
s/setWait\(slot, \.retry\(at: now \+ backoff\(slot, at: now\)\)\)/setWait(slot, .none)/

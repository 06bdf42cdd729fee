# VDP, station: a request that a newer one replaces is never ended.
# file: Sources/EVBProtocol/Station/VDPStation.swift
# runs: 40
s/endRequest\(slot, \.superseded\)/_ = slot/

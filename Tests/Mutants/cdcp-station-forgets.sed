# CDCP: a station asks a bridge that has forgotten for any SVIDs.
# file: Sources/EVBProtocol/Channels/CDCPStation.swift
# runs: 200
# options: --channels
s/last\[scid\] \?\? \.unassigned : configured/.unassigned : configured/

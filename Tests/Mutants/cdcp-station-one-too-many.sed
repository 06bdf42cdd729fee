# CDCP: a station asks for one channel more than both sides bear.
# file: Sources/EVBProtocol/Channels/CDCPStation.swift
# runs: 120
# options: --channels
s/keys\.sorted\(\)\.prefix\(capacity - 1\)/keys.sorted().prefix(capacity)/

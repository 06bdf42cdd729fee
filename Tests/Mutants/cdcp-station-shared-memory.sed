# CDCP: a station remembers one SVID for two channels.
# file: Sources/EVBProtocol/Channels/CDCPStation.swift
# runs: 200
# options: --channels
s/last\.filter \{ !taken\.contains\(\$0\.value\) \}/last.filter { !taken.contains($0.value) || true }/

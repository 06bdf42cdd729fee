# CDCP: neighbours that have fallen silent keep the one that speaks from being followed.
# file: Sources/EVBProtocol/Channels/CDCPUplink.swift
# runs: 400
# options: --channels
s/candidates\.filter \{ !agent\.isSilent\(\$0\.lastHeard, at: now\) \}/candidates/

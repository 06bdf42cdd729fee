# CDCP: a bridge does not hold the SVIDs of a station that is gone for it.
# file: Sources/EVBProtocol/Channels/CDCPBridge.swift
# runs: 500
# options: --channels
s/^        if chassis != station \{ held = \[:\] \}/        held = [:]/

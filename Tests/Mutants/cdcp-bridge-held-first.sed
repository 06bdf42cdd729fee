# CDCP: what is held for a channel's return is given to others first.
# file: Sources/EVBProtocol/Channels/CDCPBridge.swift
# runs: 400
# options: --channels
s/last: Set\(held\.values\)/last: []/

# VDP, bridge: the answer has the filter that was asked for in place of the one that was granted.
# file: Sources/EVBProtocol/Bridge/VDPBridge+Exchange.swift
# runs: 60
s/as: bound\?\.request, filter: bound\?\.grant\.filter\)$/as: bound?.request, filter: nil)/

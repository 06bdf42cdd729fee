# VDP, bridge: the answer has the filter that was asked for in place of the one that was granted.
# file: Sources/EVBProtocol/Bridge/VDPBridge+Exchange.swift
# runs: 60
s/let filter = command == \.deAssociate \? nil : vsi\.bound\?\.grant\.filter/let filter: FilterInfo? = nil/

# The bridge: entries are sticky beside a VXLAN port too, so that FRR announces addresses that can never move.
# file: Sources/BridgeDataplane/PortFilter/BridgeEnforcer+Settle.swift
# swift: looseEntries
s/let isSticky = fabric\(of: port\)\.tunnels\.isEmpty/let isSticky = true/

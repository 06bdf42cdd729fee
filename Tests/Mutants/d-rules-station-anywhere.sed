# VSI types: what a station itself may send passes in every VLAN.
# file: Sources/BridgeDataplane/PortFilter/PortRules.swift
# swift: PortRulesTests
s/ vlan id @\\\(name\(\.served\)\) accept/ accept/

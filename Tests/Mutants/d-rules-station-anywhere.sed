# VSI types: what a station itself may send passes in every VLAN.
# file: Sources/EVBDaemon/VSITypes/PortRules.swift
# swift: PortRulesTests
s/ vlan id @\\\(name\(\.served\)\) accept/ accept/

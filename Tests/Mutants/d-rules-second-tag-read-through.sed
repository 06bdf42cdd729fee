# VSI types: the tag behind the tag is looked for where Linux 7.2 does not show it.
# file: Sources/BridgeDataplane/PortFilter/PortRules.swift
# swift: PortRulesTests
/"ether type 8021q vlan type \{ /d

# VSI types: the tag behind the tag is looked for where Linux 7.2 does not show it.
# file: Sources/EVBDaemon/VSITypes/PortRules.swift
# swift: PortRulesTests
/"ether type 8021q vlan type \{ /d

# Packet filter: the kernel's program lets everything through.
# file: Sources/PacketSocket/PacketFilter.swift
# swift: PacketFilterTests
s/Self\.check\(etherTypes\) \+ Self\.check\(sources\)/[Self.end(keeping: UInt32(snapLength))] + &/

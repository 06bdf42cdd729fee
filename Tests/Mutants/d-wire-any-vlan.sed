# Packet filter: tagged frames pass.
# file: Sources/PacketSocket/PacketFilter.swift
# swift: PacketFilterTests
s/jump\(BPF_JSET, 0x0FFF, ifSo: 0, ifNot: 1\)/jump(BPF_JSET, 0x0FFF, ifSo: 1, ifNot: 1)/

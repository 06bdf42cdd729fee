# Packet filter: what this host sends is counted as a stray.
# file: Sources/PacketSocket/PacketFilter.swift
# swift: PacketFilterTests
s/ifEqual\(UInt32\(PACKET_OUTGOING\), skip: 0, otherwise: 1\)/ifEqual(UInt32(PACKET_OUTGOING), skip: 1, otherwise: 1)/

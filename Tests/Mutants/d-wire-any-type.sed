# Packet filter: frames to this host, and of VLANs that it does not have, pass where the address is a group's.
# file: Sources/PacketSocket/PacketFilter.swift
# swift: PacketFilterTests
s/ifEqual\(UInt32\(PACKET_MULTICAST\), skip: 1\)/ifEqual(UInt32(PACKET_MULTICAST), skip: 1, otherwise: 1)/

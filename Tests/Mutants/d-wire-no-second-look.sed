# Packet socket: frames to this host's own address are taken where the kernel's filter lets them through.
# file: Sources/PacketSocket/PacketSocket.swift
# swift: PacketSocketTests
s/\(type == PACKET_MULTICAST \|\| hasAddress/(type != PACKET_OUTGOING || hasAddress/

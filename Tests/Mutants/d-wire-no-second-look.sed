# Packet socket: frames to this host's own address are taken where the kernel's filter lets them through.
# file: Sources/PacketSocket/PacketSocket.swift
# swift: PacketSocketTests
s/Int32\(ingress\.packet_type\) == PACKET_MULTICAST/Int32(ingress.packet_type) != PACKET_OUTGOING/

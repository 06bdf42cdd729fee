# Packet filter: the last four octets of a group address are enough.
# file: Sources/PacketSocket/PacketFilter.swift
# swift: PacketFilterTests
s/ifEqual\(UInt32\(truncatingIfNeeded: group\.value >> 32\), skip: 0, otherwise: 1\)/ifEqual(UInt32(truncatingIfNeeded: group.value >> 32), skip: 0, otherwise: 0)/

# Packet filter: frames of VLAN devices on the port pass for the port's own.
# file: Sources/PacketSocket/PacketFilter.swift
# swift: PacketFilterTests
s/ifEqual\(UInt32\(bitPattern: interfaceIndex\), skip: 1\)/jump(BPF_JSET, UInt32(bitPattern: interfaceIndex), ifSo: 1, ifNot: 1)/

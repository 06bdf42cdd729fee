# The claim on an interface: there is room for two.
# file: Sources/PacketSocket/InterfaceClaim.swift
# swift: InterfaceClaimTests
s/group\.max_num_members = 1/group.max_num_members = 2/

# The claim on an interface: there is room for two.
# file: Sources/PacketSocket/InterfaceClaim.swift
# swift: SEC-94
s/group\.max_num_members = 1/group.max_num_members = 2/

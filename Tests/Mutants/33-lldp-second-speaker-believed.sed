# LLDP: each LLDPDU without the EVB TLV withdraws it, whoever sends it.
# file: Sources/EVBProtocol/Common/LLDPAgent+Company.swift
# swift: TakeoverTests
s/guard company\.other != nil \|\| isAlternating else/guard company.other != nil else/

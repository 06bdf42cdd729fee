# LLDP: each LLDPDU without the EVB TLV withdraws it, from any sender.
# file: Sources/EVBProtocol/Common/LLDPAgent+Company.swift
# swift: TakeoverTests
s/company\.returnedAt\.map \{ now\.since\(\$0\) <= LLDPAgent\.alternationMax \}/company.returnedAt.map { $0 > now }/

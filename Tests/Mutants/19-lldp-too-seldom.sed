# LLDP: LLDPDUs are sent less often than they hold.
# file: Sources/EVBProtocol/Common/LLDPAgent.swift
# runs: 40
s/static let transmitInterval = Interval\.seconds\(30\)/static let transmitInterval = Interval.seconds(150)/

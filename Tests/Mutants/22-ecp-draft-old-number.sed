# ECP, draft: what is sent again has the number that it had.
# file: Sources/EVBProtocol/Common/WireDialect.swift
# runs: 60
# options: --faults draft,loss
s/var renumbersRetransmissions: Bool \{ self == \.draft \}/var renumbersRetransmissions: Bool { false }/

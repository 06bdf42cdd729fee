# EVB: R goes out as it holds, so that two sides hold each other up.
# file: Sources/EVBProtocol/Station/EVBStationNegotiation.swift
# runs: 60
s/retries: local\.retries, retransmissionExponent: local/retries: self.operational.retries, retransmissionExponent: local/

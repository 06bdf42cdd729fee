# ECP: a PDU is sent 2 + R times.
# file: Sources/EVBProtocol/Common/ECPTransmitter.swift
# runs: 20
s/guard transmissions <= Int\(timers\.retries\) else/guard transmissions <= Int(timers.retries) + 1 else/

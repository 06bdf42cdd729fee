# ECP: a repetition has a number of its own.
# file: Sources/EVBProtocol/Common/ECPTransmitter.swift
# runs: 20
s/return \.retransmit\(ecpdu\)/return .retransmit(ECPDU(operation: .request, subtype: ecpdu.subtype, sequence: ecpdu.sequence \&+ UInt16(transmissions), payload: ecpdu.payload))/

# ECP: an acknowledgement of another PDU is taken for the one that is waited for.
# file: Sources/EVBProtocol/Common/ECPTransmitter.swift
# runs: 40
s/guard sent\.sequence == ecpdu\.sequence, sent/guard sent/

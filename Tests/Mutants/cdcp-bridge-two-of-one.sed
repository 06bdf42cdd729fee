# CDCP: a bridge gives what is asked for also to a second channel.
# file: Sources/EVBProtocol/Channels/CDCPBridge.swift
# runs: 80
# options: --channels
s/taken\.insert\(svid\)\.inserted else/taken.insert(svid).inserted || true else/

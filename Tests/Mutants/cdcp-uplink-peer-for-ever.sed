# CDCP: channels outlive the neighbour that offered them.
# file: Sources/EVBProtocol/Channels/CDCPUplink.swift
# runs: 120
# options: --channels
s/^        if let peer, !candidates\.contains\(where: peer\.isSame\) \{ losePeer\(loss\) \}/        _ = loss/

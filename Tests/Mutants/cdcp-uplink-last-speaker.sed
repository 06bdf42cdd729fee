# CDCP: of several neighbours the last that was heard is followed.
# file: Sources/EVBProtocol/Channels/CDCPUplink.swift
# runs: 120
# options: --channels
s/if peer == nil, speaking\.count == 1 \{ peer = Peer\(speaking\[0\]\) \}/if !speaking.isEmpty, let last = candidates.max(by: { $0.lastHeard < $1.lastHeard }) { peer = Peer(last) }/

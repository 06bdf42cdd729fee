# CDCP: a channel keeps an SVID that the pool has no more.
# file: Sources/EVBProtocol/Channels/CDCPBridge.swift
# runs: 80
# options: --channels
s/asked\.contains\(\$0\.key\) && configuration\.svids\.contains\(\$0\.value\)/asked.contains($0.key)/

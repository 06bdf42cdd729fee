# Edge relay: that a network namespace has ended, and a link with it, is not noticed.
# file: Sources/EdgeRelayMachine/RelayMachine+News.swift
# runs: 80
# options: --dataplane
s/^            for vsiID in Self\.ordered\(concerned.map\(\\.key\)\) \{ lookElsewhere\(vsiID, &effects\) \}/            _ = concerned/

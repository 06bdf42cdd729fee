# Edge relay: the end of a network namespace is forgotten where something is under way for a link.
# file: Sources/EdgeRelayMachine/RelayMachine+Results.swift
# runs: 400
# options: --dataplane
s/if running\.hasLostNamespace \{ lookElsewhere\(vsiID, &effects\) \}/_ = running/

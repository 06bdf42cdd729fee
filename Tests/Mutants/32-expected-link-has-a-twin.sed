# Edge relay: a link that leaves between a restart and the bridge's word is not looked for.
# file: Sources/EdgeRelayMachine/RelayMachine.swift
# runs: 40
# options: --dataplane
s/expected\.insert\(vsiID\)/_ = vsiID/

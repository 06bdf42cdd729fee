# Edge relay: a link is left up when its VSI is not associated any more.
# file: Sources/EdgeRelayMachine/RelayPlan.swift
# runs: 20
# options: --dataplane
s/guard desired\.isUp else \{ return policy\.closesGate \? false : nil \}/guard desired.isUp else { return nil }/

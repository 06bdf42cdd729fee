# Edge relay: links do not follow the MTU of their port.
# file: Sources/EdgeRelayMachine/RelayPlan.swift
# runs: 20
# options: --dataplane
s/spec\.mtu \?\? link\.lowerMTU/spec.mtu/

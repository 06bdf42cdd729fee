# Edge relay: a created link stays though another kind or VLAN is wanted by now.
# file: Sources/EdgeRelayMachine/RelayMachine.swift
# runs: 40
# options: --dataplane
s/made\.serves\(spec, vlan\) \? nil : link/made.serves(spec, vlan) ? nil : nil/

# Edge relay: after a restart a link that comes back is set up before the bridge has spoken.
# file: Sources/EdgeRelayMachine/RelayMachine.swift
# runs: 40
# options: --dataplane
s/var slot = LinkSlot\(\.down\(spec, vlan: vlan\)\)/var slot = LinkSlot(.up(spec, vlan: vlan))/

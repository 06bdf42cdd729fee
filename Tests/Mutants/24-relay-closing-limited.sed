# Edge relay: a link that may not send is left up once corrections are at their end.
# file: Sources/EdgeRelayMachine/RelayMachine.swift
# runs: 120
# options: --dataplane
s/case \.setUp\(_, false\), \.delete, \.locate, \.openAddresses: true/case .delete, .locate, .openAddresses: true/

# Edge relay: a link that comes back from another namespace is not noticed.
# file: Sources/EdgeRelayMachine/RelayMachine+News.swift
# runs: 40
# options: --dataplane
s/case \.inOtherNamespace: _ = lookForReturn\(.*$/case .inOtherNamespace: break/

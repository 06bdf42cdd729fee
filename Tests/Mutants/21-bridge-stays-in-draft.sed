# EVB, bridge: one that may speak either dialect announces the draft alone to a draft station, and both stay with it for ever.
# file: Sources/EVBProtocol/Bridge/BridgeDialectNegotiation.swift
# runs: 200
# options: --faults draft,dialect,bridge-reboot
s/case \.ratified: return \.ratified\(ratified\.outgoing\)/case .ratified: return dialect == .ratified || choice == .ratified ? .ratified(ratified.outgoing) : nil/

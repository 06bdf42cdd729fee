# EVB, bridge: one that may speak either dialect announces the draft alone to a draft station, and both stay with it for ever.
# file: Sources/EVBProtocol/Common/DialectNegotiation.swift
# runs: 200
# options: --faults draft,dialect,bridge-reboot
s/guard Ratified\.announcesBothDialects else/guard Ratified.announcesBothDialects, dialect == .ratified || choice == .ratified else/

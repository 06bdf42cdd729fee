# Bridge: after a restart addresses are anybody's until their holders speak.
# file: Sources/EVBBridge/Admission/BridgeRegistry+Holdings.swift
# swift: ReservationTests
s/let holdings = journal\.read\(ports: ports\)/let holdings = journal.read(ports: ports).filter { $0.state == .lost }/

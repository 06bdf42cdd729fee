# VDP, bridge: VSIs that are kept alive together are kept for good.
# file: Sources/EVBProtocol/Bridge/VDPBridge+Cohorts.swift
# swift: AnswerCohortTests
s/cohorts\.setDeadline\(number, until\)/cohorts.setDeadline(number, nil)/

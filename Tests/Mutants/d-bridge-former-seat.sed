# Bridge: a port that has left still speaks for the one of its name.
# file: Sources/EVBBridge/Admission/BridgeRegistry.swift
# swift: BridgeSeatTests
s/func isSeated\(_ port: String, _ number: UInt64\) -> Bool \{ seats\[port\] == number \}/func isSeated(_ port: String, _ number: UInt64) -> Bool { seats[port] != nil }/

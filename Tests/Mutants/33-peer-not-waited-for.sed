# EVB: another neighbour takes the peer's place before the peer can have answered.
# file: Sources/EVBProtocol/Common/PeerProbe.swift
# swift: TakeoverTests
s/static let length = Interval\.milliseconds\(1500\)/static let length = Interval.milliseconds(76)/

import EVBWire
import LinuxSystem
import Testing

@testable import Dataplane
@testable import EVBSettings
@testable import EdgeRelays
@testable import Netlink

/// How a card is told to relay between its functions, with a worker that makes notes in place of the kernel.
@Suite struct CardSwitchModeTests {
    private static let vsi = VSIID("5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51")
    private static let other = VSIID("5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a52")

    private static func demand(_ number: UInt32 = 3) -> EdgeRelay.Demand {
        .function(
            VirtualFunctions.Demand(number: number, address: MACAddress(truncating: 0x5254_0000_0001 + UInt64(number))))
    }

    @Test("OVL-604: told before the first function is open, once; the mode stays when the last has gone")
    func life() throws {
        let bench = try FunctionBench()
        let (vsi, other) = (try #require(Self.vsi), try #require(Self.other))
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand(), vid: nil, completion: $0) })
        #expect(bench.card.state.withLock { $0.modes.first?.before } == 0)
        #expect(try bench.isDone { bench.relay.raise(other, Self.demand(4), vid: nil, completion: $0) })
        #expect(bench.takeModes() == [.vepa])
        for one in [vsi, other] { #expect(try bench.isDone { bench.relay.remove(one, completion: $0) }) }
        try bench.settle { bench.change { $0.edgeRelay = .veb } }
        #expect(bench.takeModes().isEmpty && bench.relay.cardSwitch.failure == nil)
        bench.end()
    }

    @Test(
        "OVL-605: the mode is that of the edge relay, with its fallback; card-switch: leave and edge-relay: direct leave it",
        arguments: [
            (PortSettings.EdgeRelay.vepa, PortSettings.Fallback.vepa, false, [CardSwitchMode.vepa]),
            (.vepa, .bridge, true, [.vepa]), (.vepa, .bridge, false, [.veb]), (.vepa, .hold, false, [.vepa]),
            (.veb, .vepa, false, [.veb]), (.direct, .vepa, false, []),
        ])
    func modes(
        relay: PortSettings.EdgeRelay, fallback: PortSettings.Fallback, isReflected: Bool, modes: [CardSwitchMode]
    ) throws {
        for choice in PortSettings.CardSwitch.allCases {
            let bench = try FunctionBench {
                ($0.edgeRelay, $0.fallback, $0.cardSwitch) = (relay, fallback, choice)
            }
            bench.change(isReflected: isReflected)
            let vsi = try #require(Self.vsi)
            #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand(), vid: nil, completion: $0) })
            #expect(bench.takeModes() == (choice == .follow ? modes : []), "\(choice)")
            bench.end()
        }
    }

    @Test("OVL-606: it follows the bridge's word and a reload")
    func follows() throws {
        let bench = try FunctionBench { $0.fallback = .bridge }
        let vsi = try #require(Self.vsi)
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand(), vid: nil, completion: $0) })
        try bench.settle { bench.change(isReflected: false) }
        try bench.settle { bench.change(isReflected: true) }
        try bench.settle { bench.change { $0.cardSwitch = .leave } }
        try bench.settle { bench.change(isReflected: false) }
        #expect(bench.takeModes() == [.vepa, .veb, .vepa])
        bench.end()
    }

    @Test(
        "OVL-607: a card that refuses is told of and not asked again, before something has changed; a VSI is not held up by it"
    )
    func refusal() throws {
        let bench = try FunctionBench()
        let vsi = try #require(Self.vsi)
        let refusal = NetlinkError(operation: "set hwmode", kind: .notSupported, reason: "Operation not supported")
        bench.card.state.withLock { $0.modeFailure = refusal }
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand(), vid: nil, completion: $0) })
        #expect(
            bench.relay.cardSwitch.failure?.mode == .vepa && bench.relay.cardSwitch.failure?.reason == refusal.reason)
        try bench.settle { bench.relay.portChanged() }
        try bench.settle { bench.relay.cut(vsi) }
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand(), vid: nil, completion: $0) })
        #expect(bench.takeModes() == [.vepa])
        // A VEB is what such a card is by itself.
        try bench.settle { bench.change { $0.edgeRelay = .veb } }
        #expect(bench.takeModes() == [.veb] && bench.relay.cardSwitch.failure == nil)
        bench.card.state.withLock { $0.modeFailure = nil }
        try bench.settle { bench.change { $0.edgeRelay = .vepa } }
        #expect(bench.takeModes() == [.vepa] && bench.relay.cardSwitch.failure == nil)
        bench.end()
    }

    @Test("OVL-608: what another process sets is set back after half a second, once for each time")
    func another() throws {
        let bench = try FunctionBench()
        let vsi = try #require(Self.vsi)
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand(), vid: nil, completion: $0) })
        // The kernel's word of what evbd has set changes nothing.
        bench.table.take([.cardSwitch(index: FunctionBench.port.index, .vepa)])
        try bench.settle { bench.relay.portChanged() }
        #expect(bench.takeModes() == [.vepa])
        for _ in 0..<2 {
            bench.table.take([.cardSwitch(index: FunctionBench.port.index, .veb)])
            try bench.settle { bench.relay.portChanged() }
            #expect(bench.takeModes().isEmpty)
            try bench.pass(milliseconds: 700)
            try bench.settle()
            #expect(bench.takeModes() == [.vepa])
        }
        bench.end()
    }
}

import EVBWire
import LinuxSystem
import Logging
import Synchronization
import Testing

@testable import Dataplane
@testable import EVBDaemon
@testable import EVBSettings
@testable import EdgeRelays
@testable import EventLoop
@testable import Netlink

/// What a card is told about the function of a VSI, with a worker that makes notes in place of the kernel.
@Suite struct VirtualFunctionsTests {
    private static let vsi = VSIID("5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51")
    private static let demand = EdgeRelay.Demand.function(
        VirtualFunctions.Demand(number: 3, address: MACAddress(truncating: 0x5254_0000_0001), priority: 5))

    private static func settings(_ change: (inout VirtualFunctionSettings) -> Void) -> VirtualFunctionSettings {
        var settings = VirtualFunctionSettings(number: 3)
        change(&settings)
        return settings
    }

    private static let raised = settings {
        $0.address = HardwareAddress(0x5254_0000_0001)
        $0.vlan = 100
        $0.priority = 5
        $0.spoofCheck = true
        $0.linkState = .auto
    }

    private static let reset = settings {
        $0.address = HardwareAddress(0)
        $0.vlan = 0
        $0.spoofCheck = true
        $0.linkState = .auto
    }

    @Test("Set at the association, off without it, on with it again, reset at the end")
    func life() throws {
        let bench = try FunctionBench()
        let vsi = try #require(Self.vsi)
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand, vid: 100, completion: $0) })
        #expect(bench.card.take() == [Self.raised] && bench.relay.link(of: vsi)?.name == "vf:3")
        try bench.settle { bench.relay.cut(vsi) }
        let cut = bench.card.take()
        #expect(cut.first?.linkState == .disable && cut.first?.address == nil && cut.first?.vlan == nil)
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand, vid: 100, completion: $0) })
        let again = bench.card.take()
        #expect(again.count == 1 && again[0].linkState == .auto && again[0].address == nil)
        #expect(try bench.isDone { bench.relay.remove(vsi, completion: $0) })
        let last = bench.card.take()
        // What is right already is not set again.
        #expect(last.count == 1 && last[0].address == Self.reset.address && last[0].vlan == 0)
        #expect(bench.relay.isEmpty && bench.relay.link(of: vsi)?.name == nil)
        bench.end()
    }

    @Test("fallback: hold keeps a function off until reflective relay is granted; gate: none leaves it on")
    func policies() throws {
        let bench = try FunctionBench { $0.fallback = .hold }
        let vsi = try #require(Self.vsi)
        bench.change(isReflected: false)
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand, vid: nil, completion: $0) })
        let held = bench.card.take()
        #expect(held.count == 1 && held[0].linkState == .disable && held[0].vlan == 0 && held[0].priority == 0)
        try bench.settle { bench.change(isReflected: true) }
        #expect(bench.card.take().first?.linkState == .auto)
        try bench.settle { bench.change { $0.gate = .none } }
        _ = bench.card.take()
        try bench.settle { bench.relay.cut(vsi) }
        #expect(bench.card.take().isEmpty)
        bench.end()
    }

    @Test("What a card refuses fails the request, and is reset at its end, for part of it may have been taken")
    func refusal() throws {
        let bench = try FunctionBench()
        let vsi = try #require(Self.vsi)
        bench.card.state.withLock { $0.refuses = { _, _ in true } }
        #expect(try !bench.isDone { bench.relay.raise(vsi, Self.demand, vid: 100, completion: $0) })
        #expect(bench.card.take() == [Self.raised])
        bench.card.state.withLock { $0.refuses = { _, _ in false } }
        #expect(try bench.isDone { bench.relay.remove(vsi, completion: $0) })
        #expect(bench.card.take() == [Self.reset] && bench.relay.isEmpty)
        bench.end()
    }

    @Test("A function of the run before passes nothing before the bridge has granted it again, or its VSI is gone")
    func former() throws {
        let bench = try FunctionBench()
        let vsi = try #require(Self.vsi)
        try bench.settle { bench.relay.cutFormer(vsi, Self.demand, vid: 100) }
        let cut = bench.card.take()
        #expect(cut.count == 1 && cut[0].linkState == .disable && cut[0].address == Self.raised.address)
        #expect(try bench.isDone { bench.relay.raise(vsi, Self.demand, vid: 100, completion: $0) })
        #expect(bench.card.take().map(\.linkState) == [.auto])
        bench.end()

        let other = try FunctionBench()
        var isGone = false
        try other.settle { other.relay.discard(vsi, Self.demand, vid: 100) { isGone = true } }
        let discarded = other.card.take()
        #expect(isGone && other.relay.isEmpty && discarded.last?.address == Self.reset.address)
        #expect(discarded.allSatisfy { $0.linkState != .auto || $0.address == Self.reset.address })
        other.end()
    }

    @Test(
        arguments: [
            ("vf:0", 0), ("vf:3", 3), ("vf:127", 127), ("vf:", nil), ("vf:03", nil), ("vf:+3", nil), ("vf:-1", nil),
            ("vf3", nil), ("vf:4294967296", nil), ("vf:3x", nil),
        ] as [(String, UInt32?)]) func names(_ name: String, _ number: UInt32?)
    {
        #expect(VirtualFunctions.Demand.number(in: name) == number)
    }
}

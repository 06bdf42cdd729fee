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
    /// What the worker is given, and whether it refuses.
    private final class Card: Sendable {
        let notes = Mutex<(settings: [VirtualFunctionSettings], refuses: Bool)>(([], false))

        func perform(_ command: LinkCommand) -> Result<Link?, NetlinkError> {
            notes.withLock { notes in
                guard case .setVirtualFunction(2, let settings) = command else {
                    return .failure(NetlinkError(operation: "\(command)", kind: .other, reason: "not expected"))
                }
                notes.settings.append(settings)
                return notes.refuses
                    ? .failure(NetlinkError(operation: "set", kind: .notSupported, reason: "refused")) : .success(nil)
            }
        }

        /// What was set since the last call.
        func take() -> [VirtualFunctionSettings] {
            notes.withLock { notes in
                defer { notes.settings = [] }
                return notes.settings
            }
        }
    }

    private final class Bench {
        let card = Card()
        let programmer: KernelQueue
        let functions: VirtualFunctions
        private let loop: EventLoop

        init(_ change: (inout PortSettings) -> Void = { _ in }) throws {
            let card = card
            loop = try EventLoop()
            programmer = try KernelQueue(loop: loop) { card.perform($0) }
            var configuration = PortSettings(interface: "eth0")
            change(&configuration)
            functions = VirtualFunctions(
                programmer: programmer, portName: "eth0", portIndex: { 2 },
                policy: RelayPolicy(configuration, isReflected: true), logger: Logger(label: "test"))
        }

        /// Runs the loop until `start` has called back what it is given, and tells how that ended.
        func finish(_ start: (@escaping VirtualFunctions.Completion) -> Void) throws -> Bool {
            var outcome: Bool?
            start { [loop] result in
                if case .success = result { outcome = true } else { outcome = false }
                loop.stop()
            }
            if outcome == nil { try loop.run() }
            return outcome == true
        }

        func settle(_ change: () -> Void) throws {
            change()
            // Behind what was given before it.
            let barrier = LinkCommand.setVirtualFunction(portIndex: 2, VirtualFunctionSettings(number: 999))
            _ = programmer.submit(barrier, of: "eth0") { [loop] _ in
                loop.later { loop.stop() }
            }
            try loop.run()
        }
    }

    private static let vsi = VSIID("5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51")
    private static let demand = VirtualFunctions.Demand(
        number: 3, address: MACAddress(truncating: 0x5254_0000_0001), priority: 5)

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
        let bench = try Bench()
        let vsi = try #require(Self.vsi)
        #expect(try bench.finish { bench.functions.raise(vsi, Self.demand, vid: 100, then: $0) })
        #expect(bench.card.take() == [Self.raised] && bench.functions.name(of: vsi) == "vf:3")
        try bench.settle { bench.functions.cut(vsi) }
        let cut = bench.card.take()
        #expect(cut.first?.linkState == .disable && cut.first?.address == nil && cut.first?.vlan == nil)
        #expect(try bench.finish { bench.functions.raise(vsi, Self.demand, vid: 100, then: $0) })
        let again = bench.card.take()
        #expect(again.count == 1 && again[0].linkState == .auto && again[0].address == nil)
        #expect(try bench.finish { bench.functions.remove(vsi, then: $0) })
        let last = bench.card.take()
        // What is right already is not set again.
        #expect(last.count == 1 && last[0].address == Self.reset.address && last[0].vlan == 0)
        #expect(bench.functions.isEmpty && bench.functions.name(of: vsi) == nil)
        bench.programmer.finish()
    }

    @Test("fallback: hold keeps a function off until reflective relay is granted; gate: none leaves it on")
    func policies() throws {
        let bench = try Bench { $0.fallback = .hold }
        let vsi = try #require(Self.vsi)
        bench.functions.policy.isReflected = false
        #expect(try bench.finish { bench.functions.raise(vsi, Self.demand, vid: nil, then: $0) })
        let held = bench.card.take()
        #expect(held.count == 1 && held[0].linkState == .disable && held[0].vlan == 0 && held[0].priority == 0)
        try bench.settle { bench.functions.policy.isReflected = true }
        #expect(bench.card.take().first?.linkState == .auto)
        try bench.settle { bench.functions.policy.gate = .none }
        _ = bench.card.take()
        try bench.settle { bench.functions.cut(vsi) }
        #expect(bench.card.take().map(\.number) == [999], "nothing but what the test itself asks for")
        bench.programmer.finish()
    }

    @Test("What a card refuses fails the request, and is reset at its end, for part of it may have been taken")
    func refusal() throws {
        let bench = try Bench()
        let vsi = try #require(Self.vsi)
        bench.card.notes.withLock { $0.refuses = true }
        #expect(try !bench.finish { bench.functions.raise(vsi, Self.demand, vid: 100, then: $0) })
        #expect(bench.card.take() == [Self.raised])
        bench.card.notes.withLock { $0.refuses = false }
        #expect(try bench.finish { bench.functions.remove(vsi, then: $0) })
        #expect(bench.card.take() == [Self.reset] && bench.functions.isEmpty)
        bench.programmer.finish()
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

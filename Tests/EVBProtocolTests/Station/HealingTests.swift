import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// What a manager wanted and never took back is asked for until it is bound, also by one that never asks again.
@Suite struct HealingTests {
    /// RTE 8 makes ECP give up within milliseconds.
    private static let hasty = OperationalTimers(rte: 8, rwd: 18, rka: 18)

    private func bench() -> Bench {
        Bench(.test(timers: Self.hasty), bridges: [FakeBridge(timers: Self.hasty)]).start()
    }

    @Test("HEAL-102 a bridge that hangs and goes on is asked by its first LLDPDU", arguments: [20, 40, 70, 100])
    func frozen(seconds: UInt64) throws {
        let bench = bench()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.isAlive = false
        bench.run(for: .seconds(seconds))
        #expect(bench.state(1) == .deassociated && bench.port.peer != nil)
        bench.bridge.isAlive = true
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(2))
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1) == [.granted])
    }

    @Test("HEAL-102 a bridge that answers ECP and not VDP is not pressed by its LLDPDUs")
    func silent() throws {
        let bench = bench()
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(60))
        let before = try bench.tlvs(1).count
        for _ in 0..<20 {
            bench.bridge.announce(at: bench.now)
            bench.run(for: .milliseconds(100))
        }
        #expect(try bench.tlvs(1).count <= before + 1)
    }

    @Test("HEAL-103 HEAL-104 once is no more than once, whatever it was", arguments: [true, false])
    func once(isRefused: Bool) throws {
        let bench = bench()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        var isFirst = true
        bench.bridge.policy = { _ in
            defer { isFirst = false }
            guard isFirst else { return .init(verdict: .grant()) }
            return .init(verdict: isRefused ? .refuse(.otherFailure) : .silence)
        }
        bench.bridge.deassociate(.number(1), at: bench.now)
        bench.run(for: .seconds(15))
        #expect(bench.state(1) == .associated)
    }

    @Test(
        "HEAL-106 a bridge that has restarted in silence is asked again at once for what it had refused",
        arguments: [true, false])
    func restarted(isHard: Bool) throws {
        let bench = bench()
        bench.bridge.policy = { _ in .init(verdict: .refuse(.invalidFormat, isHard ? .hard : [])) }
        try bench.request(.vsi(1))
        // Late enough for a long pause between two tries.
        bench.run(for: .seconds(70))
        #expect(bench.state(1) == .deassociated)
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        bench.bridge.restart(at: bench.now)
        bench.run(for: .seconds(2))
        #expect(bench.state(1) == .associated)
    }
}

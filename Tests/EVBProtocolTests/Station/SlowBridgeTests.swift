import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Bridges that need long for each answer: all VSIs stay, or as many as the bridge can keep.
@Suite struct SlowBridgeTests {
    /// As many VSIs as told, on a bridge like lldpad's that sends a PDU each 164 ms.
    private func bench(_ count: UInt64, rte: UInt8 = 14, loss: UInt64 = 0, keepsOwn: Bool = false) throws -> Bench {
        let bridge = FakeBridge.lldpad(rte: rte)
        bridge.keepsOwnKeepAlive = keepsOwn
        bridge.keepsHeard = false
        let bench = Bench(.test(timers: OperationalTimers(rte: rte)), bridges: [bridge])
        bench.keepsLog = false
        bench.start()
        bench.loss = loss
        for number in 0..<count { try bench.request(.vsi(number)) }
        return bench
    }

    @Test(
        "HEAL-601 a slow bridge that takes a longer keep-alive period loses no VSI",
        arguments: [(100, 14, 0), (200, 14, 5), (1000, 14, 0), (1000, 14, 5), (100, 14, 20), (50, 16, 0)]
            as [(UInt64, UInt8, UInt64)])
    func followed(count: UInt64, rte: UInt8, loss: UInt64) throws {
        let bench = try bench(count, rte: rte, loss: loss)
        bench.run(for: .seconds(300))
        #expect(bench.associatedCount == Int(count))
        #expect(bench.bridge.holds(.associate) == Int(count))
        let aged = bench.bridge.agedCount
        for _ in 0..<60 {
            bench.run(for: .seconds(10))
            #expect(bench.associatedCount == Int(count))
        }
        #expect(bench.bridge.agedCount == aged)
        if loss == 0 { #expect(aged == 0) }
        #expect(bench.bridge.operational.reinitKeepAliveExponent > 20)
    }

    @Test("HEAL-602 a slow bridge that keeps its own keep-alive period gets as many VSIs as it can keep; none flaps")
    func kept() throws {
        let bench = try bench(100, keepsOwn: true)
        bench.run(for: .seconds(60))
        let held = bench.associatedCount
        // 64 answers fit a period.
        #expect((40...64).contains(held))
        let aged = bench.bridge.agedCount
        for _ in 0..<60 {
            bench.run(for: .seconds(10))
            #expect(abs(bench.associatedCount - held) <= 2)
        }
        #expect(bench.bridge.agedCount == aged)
        let rest = (0..<100 as Range<UInt64>).filter { bench.state($0) != .associated }
        for number in rest {
            #expect(bench.open[.number(number)] == 0)
            #expect(bench.port.vsi(.number(number))?.reason == .bridgeOverloaded)
        }
        // What goes makes room.
        let kept = (0..<100 as Range<UInt64>).filter { !rest.contains($0) }
        for number in kept.prefix(10) { try bench.withdraw(.number(number)) }
        bench.run(for: .seconds(600))
        #expect(bench.associatedCount >= held - 2)
    }

    @Test("HEAL-603 keep-alives keep the old pace until the bridge shows the longer period, and once after that")
    func oldPace() throws {
        let bench = try bench(100)
        bench.bridge.hearsLLDP = false
        bench.run(for: .seconds(30))
        #expect(bench.bridge.agedCount == 0)
        bench.bridge.hearsLLDP = true
        bench.run(for: .seconds(120))
        #expect(bench.bridge.agedCount == 0)
        #expect(bench.associatedCount == 100)
    }

    @Test(
        "HEAL-604 a bridge that answers many VSIs in a PDU is spoken to in batches, whatever the wire loses",
        arguments: 1...4 as ClosedRange<UInt64>)
    func lossyGrants(seed: UInt64) throws {
        let bench = Bench(.test(), bridges: [FakeBridge()])
        bench.random = SplitMix64(seed: Environment.seed("lossyGrants", otherwise: seed))
        bench.keepsLog = false
        bench.bridge.keepsHeard = false
        bench.start()
        bench.loss = 20
        for number in 0..<1000 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(600))
        #expect(bench.associatedCount == 1000)
        #expect(bench.bridge.agedCount == 0)
        #expect(bench.port.snapshot.timers.reinitKeepAliveExponent == 20)
    }

    @Test("HEAL-605 the keep-alive period falls again when the VSIs go")
    func fallsAgain() throws {
        let bench = try bench(100)
        bench.run(for: .seconds(120))
        #expect(bench.port.snapshot.timers.reinitKeepAliveExponent >= 22)
        for number in 5..<100 as Range<UInt64> { try bench.withdraw(.number(number)) }
        bench.run(for: .seconds(1800))
        #expect(bench.port.snapshot.timers.reinitKeepAliveExponent == 20)
        #expect(bench.bridge.operational.reinitKeepAliveExponent == 20)
        #expect(bench.associatedCount == 5)
        #expect(bench.bridge.agedCount == 0)
    }

    @Test("HEAL-606 a manual configuration is not changed for a slow bridge")
    func manual() throws {
        let bench = Bench(.test(isManual: true), bridges: [FakeBridge.lldpad(rte: 14)]).start()
        for number in 0..<100 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(120))
        #expect(bench.port.snapshot.timers.reinitKeepAliveExponent == 20)
        #expect(bench.bridge.agedCount == 0)
        #expect((40...64).contains(bench.associatedCount))
    }

    @Test("HEAL-608 a bridge that takes several VSIs of a PDU is trusted again within seconds of a loss")
    func trust() throws {
        let bridge = FakeBridge.lldpad(rte: 10)
        let bench = Bench(.test(timers: OperationalTimers(rte: 10)), bridges: [bridge]).start()
        for number in 0..<50 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(5))
        #expect(bench.associatedCount == 50)
        // The next keep-alive of each of them is let fall once.
        var isLost: Set<VSIID> = []
        bridge.policy = { .init(verdict: isLost.insert($0.vsiID).inserted ? .silence : .grant()) }
        bench.run(for: .seconds(10))
        bridge.policy = { _ in .init(verdict: .grant()) }
        bench.run(for: .seconds(15))
        #expect(bench.port.vdp.effectivePacing == .batch)
        #expect(bench.bridge.agedCount == 0)
    }

    @Test(
        "HEAL-614 a slow bridge that loses a PDU and reads the next one twice is not asked for all of them once more",
        arguments: 1...12 as ClosedRange<UInt64>)
    func readsTwice(seed: UInt64) throws {
        let bridge = FakeBridge.lldpad(rte: 14)
        var random = SplitMix64(seed: Environment.seed("readsTwice", otherwise: seed))
        bridge.parseDelay = { .milliseconds(UInt64(random.chance(33) ? random.below(150) : 2)) }
        bridge.keepsHeard = false
        let bench = Bench(.test(timers: OperationalTimers(rte: 14)), bridges: [bridge])
        bench.keepsLog = false
        bench.start()
        for number in 0..<100 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(35))
        #expect(bench.associatedCount == 100)
        #expect(bench.port.vdp.statistics.repeats <= 50)
        bench.run(for: .seconds(300))
        #expect(bench.associatedCount == 100)
        #expect(bridge.agedCount == 0)
    }

    @Test("HEAL-615 an answer to what was asked before says nothing of what the bridge has lost since")
    func strays() throws {
        var repeats: UInt64 = 0
        for seed in 1...10 as ClosedRange<UInt64> {
            let bridge = FakeBridge.lldpad(rte: 14)
            var random = SplitMix64(seed: Environment.seed("strays", otherwise: seed))
            bridge.parseDelay = { .milliseconds(UInt64(random.chance(33) ? random.below(150) : 2)) }
            bridge.keepsHeard = false
            let bench = Bench(.test(timers: OperationalTimers(rte: 14)), bridges: [bridge])
            bench.random = SplitMix64(seed: Environment.seed("strays", otherwise: seed))
            bench.keepsLog = false
            bench.start()
            bench.loss = 5
            for number in 0..<100 as Range<UInt64> { try bench.request(.vsi(number)) }
            bench.run(for: .seconds(120))
            #expect(bench.associatedCount == 100)
            repeats += bench.port.vdp.statistics.repeats
        }
        // A request in two; where each such answer had others asked again, as many as there were requests.
        #expect(repeats < 500)
    }

    @Test("HEAL-615 to which of several PDUs an answer is cannot be known until a round has gone without")
    func answeredPDU() {
        var asking = VDPStation.Asking()
        asking.send(in: 1, isRepeated: false)
        #expect(asking.answeredPDU == 1)
        asking.send(in: 2, isRepeated: true)
        #expect(asking.answeredPDU == nil)
        asking.answer()
        // The other answer may still come, and then be taken for that to the next request.
        asking.send(in: 3, isRepeated: false)
        #expect(asking.answeredPDU == nil)
        var late = asking
        asking.answer()
        asking.answer()
        asking.send(in: 4, isRepeated: false)
        #expect(asking.answeredPDU == 4)
        // One that has not come for a whole round is lost.
        late.answer()
        late.send(in: 4, isRepeated: false)
        #expect(late.answeredPDU == 4)
        late.answer()
        late.answer()
        late.send(in: 5, isRepeated: false)
        #expect(late.answeredPDU == 5)
        for payload in 6..<900 as Range<UInt64> { late.send(in: payload, isRepeated: true) }
        #expect(late.unanswered == .max)
    }
}

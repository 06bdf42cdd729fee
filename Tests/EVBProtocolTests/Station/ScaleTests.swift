import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Many VSIs, and bridges and links that are not what they should be.
@Suite struct ScaleTests {
    @Test("VDP-39 1,000 VSIs in a burst, on a bridge that takes all at once")
    func burst() throws {
        let bench = Bench().start()
        bench.bridge.keepsHeard = false
        let began = bench.now
        for number in 0..<1000 as Range<UInt64> { try bench.request(.vsi(number)) }
        var ended: Instant?
        while ended == nil, bench.now < began + .seconds(5) {
            bench.run(for: .milliseconds(1))
            if bench.associatedCount == 1000 { ended = bench.now }
        }
        // 50 TLVs of 29 octets fit a PDU; one alone leaves first. Each PDU takes one round trip of 100 us. At RTE 14 no more
        // than 53 VSIs may wait for an answer, so that between two full PDUs there is one of three.
        let took = try #require(ended).since(began)
        #expect(took <= .milliseconds(10))
        #expect(bench.requestPDUs <= 1 + 2 * 20)
        bench.run(for: .seconds(600))
        #expect(bench.associatedCount == 1000)
        #expect(bench.bridge.holds(.associate) == 1000)
        #expect(bench.bridge.agedCount == 0)
        // About 75,000 keep-alives.
        #expect(bench.requestPDUs < 6000)
        #expect((65_000...95_000).contains(bench.statistics.vdp.keepAlives))
        #expect(bench.statistics.vdp.repeats == 0)
    }

    @Test("VDP-39 1,000 VSIs in a burst, and for ten minutes, on a bridge like lldpad's at RTE 8")
    func lldpad() throws {
        let bench = Bench(.test(timers: OperationalTimers(rte: 8)), bridges: [.lldpad()]).start()
        bench.keepsLog = false
        bench.bridge.keepsHeard = false
        let began = bench.now
        for number in 0..<1000 as Range<UInt64> { try bench.request(.vsi(number)) }
        var ended: Instant?
        while ended == nil, bench.now < began + .seconds(60) {
            bench.run(for: .milliseconds(100))
            if bench.associatedCount == 1000 { ended = bench.now }
        }
        let took = try #require(ended).since(began)
        print("lldpad: 1,000 VSIs associated after \(took.text), \(bench.requestPDUs) PDUs")
        #expect(took <= .seconds(10))
        bench.run(for: .seconds(600))
        #expect(bench.associatedCount == 1000)
        #expect(bench.bridge.holds(.associate) == 1000)
        #expect(bench.bridge.agedCount == 0)
        #expect(bench.statistics.vdp.commandsFailed == 0)
        print("lldpad: \(bench.requestPDUs) PDUs, \(bench.statistics.vdp)")
    }

    @Test("100 VSIs with 20 % loss both ways for ten minutes end associated", arguments: [1, 2, 3] as [UInt64])
    func loss(seed: UInt64) throws {
        let bench = Bench().start()
        bench.random = SplitMix64(seed: Environment.seed("loss", otherwise: seed))
        bench.loss = 20
        for number in 0..<100 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(600))
        #expect(bench.transmissionsMax <= 4)
        bench.loss = 0
        bench.run(for: .seconds(330))
        #expect(bench.associatedCount == 100)
        #expect(bench.bridge.holds(.associate) == 100)
        for number in 0..<100 as Range<UInt64> { #expect(bench.outcomes(number).count == 1) }
        #expect(bench.transmissionsMax >= 3)
    }

    @Test("1,000 VSIs on a bridge like lldpad's at RTE 8, for ten minutes of 20 % loss both ways: all stay")
    func lossyLldpad() throws {
        let bench = Bench(.test(timers: OperationalTimers(rte: 8)), bridges: [.lldpad()]).start()
        (bench.keepsLog, bench.bridge.keepsHeard, bench.checksRetries) = (false, false, false)
        bench.random = SplitMix64(seed: Environment.seed("lossyLldpad", otherwise: 1))
        bench.loss = 20
        for number in 0..<1000 as Range<UInt64> { try bench.request(.vsi(number)) }
        var counts: [Int] = []
        for _ in 0..<20 {
            bench.run(for: .seconds(30))
            counts.append(bench.bridge.holds(.associate))
        }
        print("20 % loss: held by the bridge each 30 s: \(counts), aged out \(bench.bridge.agedCount)")
        #expect(counts.min() == 1000)
        bench.loss = 0
        bench.run(for: .seconds(330))
        #expect(bench.associatedCount == 1000)
        #expect(bench.bridge.holds(.associate) == 1000)
    }

    @Test("1,000 withdrawals at once leave nothing on either side")
    func withdrawals() throws {
        let bench = Bench().start()
        for number in 0..<1000 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        for number in 0..<1000 as Range<UInt64> { try bench.withdraw(.number(number)) }
        bench.run(for: .seconds(1))
        #expect(bench.port.vsis.isEmpty)
        #expect(bench.bridge.entries.isEmpty)
        #expect(bench.port.vdp.deadlines.count == 0)
        #expect(bench.port.vdp.outstanding == 0)
        #expect(bench.open.values.allSatisfy { $0 == 0 })
    }

    @Test("commands of managers go before keep-alives, on a bridge that takes one at a time")
    func priority() throws {
        let bench = Bench(.test(timers: OperationalTimers(rte: 8)), bridges: [.lldpad()]).start()
        bench.bridge.keepsHeard = false
        for number in 0..<300 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(20))
        for number in 1000..<1020 as Range<UInt64> {
            try bench.request(.vsi(number))
            bench.run(for: .milliseconds(500))
            #expect(bench.state(number) == .associated)
        }
    }
}

import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Bridges that lose what they have acknowledged, that fall silent or begin anew: what was granted is not lost by it.
@Suite struct LossyBridgeTests {
    /// RTE 8 makes ECP give up within milliseconds, RKA 17 a bridge forget within 2 s.
    private static let hasty = OperationalTimers(rte: 8, rwd: 20, rka: 17)

    private func bench(_ timers: OperationalTimers = hasty) -> Bench {
        Bench(.test(timers: timers), bridges: [FakeBridge(timers: timers)]).start()
    }

    @Test("VDP-18 VDP-33 a keep-alive that the bridge has let fall is repeated before it forgets", arguments: [0, 60])
    func droppedKeepAlive(others: UInt64) throws {
        let bench = bench()
        for number in 0...others { try bench.request(.vsi(number)) }
        bench.run(for: .milliseconds(500))
        var heard = 0
        bench.bridge.policy = { tlv in
            guard tlv.vsiID == .number(0) else { return .init(verdict: .grant()) }
            heard += 1
            return .init(verdict: heard % 2 == 1 ? .silence : .grant())
        }
        bench.run(for: .seconds(60))
        #expect(heard >= 60)
        #expect(bench.bridge.agedCount == 0)
        #expect(bench.changes(0) == [.pending, .associated])
    }

    @Test("VDP-18 half a second in which nothing gets through costs no VSI, however soon ECP gives up")
    func shortSilence() throws {
        let bench = bench(OperationalTimers(rte: 8, rwd: 18, rka: 18))
        for number in 0..<100 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(2))
        for _ in 0..<20 {
            bench.loss = 100
            bench.run(for: .milliseconds(500))
            bench.loss = 0
            bench.run(for: .seconds(3))
        }
        #expect(bench.statistics.ecpTxFailures > 0)
        #expect(bench.bridge.agedCount == 0)
        for number in 0..<100 as Range<UInt64> { #expect(bench.changes(number) == [.pending, .associated]) }
    }

    @Test("VDP-18 a silent bridge is not flooded with keep-alives")
    func noFlood() throws {
        let bench = bench()
        for number in 0..<100 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .milliseconds(500))
        bench.clearLog()
        bench.bridge.sendsAcks = false
        bench.bridge.agesVSIs = false
        bench.run(for: .seconds(15))
        // RTE 8 alone would allow 390 frames a second, as long as the bridge is silent.
        #expect(bench.ecp(.request).count < 15 * 60)
        #expect(bench.associatedCount == 100)
        bench.bridge.sendsAcks = true
        bench.run(for: .seconds(10))
        #expect(bench.bridge.holds(.associate) == 100)
        #expect(bench.associatedCount == 100)
    }

    @Test("VDP-18 VDP-33 commands that are tried again on a silent bridge do not keep keep-alives waiting")
    func keepAlivesAmongCommands() throws {
        let bench = bench()
        for number in 0..<5 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .milliseconds(500))
        bench.bridge.sendsAcks = false
        bench.bridge.agesVSIs = false
        for number in 100..<200 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(2))
        bench.clearLog()
        bench.run(for: .seconds(5))
        // Five VSIs, a try each fifth of 1.3 s and a hold of 0.1 s at most between two.
        for number in 0..<5 as Range<UInt64> { #expect(try bench.tlvs(number).count >= 5 * 4) }
    }

    @Test("VDP-33 VSIs whose keep-alives are never answered hold up no others")
    func silentFew() throws {
        let bench = bench(OperationalTimers(rte: 8, rwd: 20, rka: 18))
        for number in 0..<200 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .milliseconds(500))
        bench.bridge.policy = { tlv in
            .init(verdict: (0..<20).contains { tlv.vsiID == .number($0) } ? .silence : .grant())
        }
        bench.run(for: .seconds(60))
        for number in 20..<200 as Range<UInt64> { #expect(bench.changes(number) == [.pending, .associated]) }
    }

    @Test("VDP-18 a longer keep-alive period is kept to once the bridge has shown that it heard of it")
    func raisedKeepAlive() throws {
        let bench = bench(OperationalTimers(rka: 17))
        for number in 0..<10 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        bench.bridge.hearsLLDP = false
        bench.reconfigure(.test(timers: OperationalTimers(rka: 21)))
        bench.run(for: .seconds(60))
        #expect(bench.bridge.agedCount == 0)
        #expect(bench.associatedCount == 10)
        bench.bridge.hearsLLDP = true
        bench.run(for: .seconds(60))
        bench.clearLog()
        bench.run(for: .seconds(40))
        #expect(bench.bridge.agedCount == 0)
        #expect(try bench.tlvs(0).count <= 4)
    }

    @Test("VDP-18 a bridge that never shows what it has heard is kept alive at its own period, but not below 0.6 s")
    func neverShown() throws {
        let bridge = FakeBridge(timers: OperationalTimers(rka: 0))
        bridge.echoesNothing = true
        bridge.agesVSIs = false
        let bench = Bench(.test(timers: OperationalTimers(rka: 20)), bridges: [bridge]).start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(60))
        #expect(try bench.tlvs(1).count <= 60 * 10 / 4)
    }

    @Test("VDP-40 a bridge that begins anew is asked for all as soon as its TLV shows it, null VIDs as such")
    func noticedRestart() throws {
        let bench = bench(OperationalTimers(rka: 24))
        bench.bridge.policy = { _ in .init(verdict: .grant(.vid(7))) }
        for number in 1...200 as ClosedRange<UInt64> { try bench.request(.vsi(number, vids: [0])) }
        bench.run(for: .seconds(10))
        #expect(bench.port.vsi(.number(1))?.filter == .vid(7))
        bench.bridge.policy = { tlv in
            .init(verdict: tlv.filter.entries.first?.vid == 0 ? .grant(.vid(9)) : .silence)
        }
        bench.bridge.restart(at: bench.now)
        bench.run(for: .seconds(2))
        #expect(bench.bridge.holds(.associate) == 200)
        #expect(bench.associatedCount == 200)
        #expect(bench.port.vsi(.number(1))?.filter == .vid(9))
        // It was not held to have lost them meanwhile.
        #expect(bench.changes(1) == [.pending, .associated])
    }

    @Test("TLV-23 a bridge that is heard no more gives way to one that is, whatever TTL it announced")
    func phantom() throws {
        let (gone, present) = (FakeBridge(), FakeBridge())
        gone.timeToLive = .max
        (present.address, present.portName) = (MACAddress(truncating: 0x0200_0000_00B2), "2/7")
        let bench = Bench(bridges: [gone, present])
        present.isAlive = false
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(gone.holds(.associate) == 1)
        gone.isAlive = false
        present.isAlive = true
        bench.run(for: .seconds(200))
        #expect(present.holds(.associate) == 1)
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1) == [.granted])
    }

    @Test("VDP-39 a bridge that has lost nothing for long is given more at once again")
    func trust() throws {
        let bench = bench(OperationalTimers(rte: 8))
        bench.bridge.grouping = .firstOnly
        for number in 0..<20 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(30))
        #expect(bench.associatedCount == 20)
        #expect(bench.port.vdp.pacing > .batch)
        bench.bridge.grouping = .together
        bench.run(for: .seconds(3600))
        #expect(bench.port.vdp.pacing == .batch)
        #expect(bench.bridge.agedCount == 0)
    }
}

extension FilterInfo {
    /// One VLAN.
    fileprivate static func vid(_ vid: UInt16) -> FilterInfo? { try? FilterInfo(checking: [FilterEntry(vid: vid)]) }
}

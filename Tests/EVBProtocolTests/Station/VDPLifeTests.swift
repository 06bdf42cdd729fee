import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Keep-alives, bridges that come and go, withdrawals and slow VSIs; ids of the conformance matrix.
@Suite struct VDPLifeTests {
    @Test("VDP-18 a keep-alive each 65 to 90 % of reinitKeepAlive, with the command that is bound")
    func keepAlive() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1, .preAssociatedWithReservation))
        bench.run(for: .seconds(300))
        let tlvs = try bench.tlvs(1)
        #expect(tlvs.allSatisfy { $0.tlv.command == .preAssociateWithReservation })
        let period = Double(OperationalTimers().reinitKeepAlive.nanoseconds)
        for (one, next) in zip(tlvs, tlvs.dropFirst()) {
            let gap = Double(next.at.since(one.at).nanoseconds) / period
            #expect((0.65...0.9001).contains(gap))
        }
        #expect(bench.statistics.vdp.keepAlives == UInt64(tlvs.count - 1))
        #expect(bench.changes(1) == [.pending, .preassociatedWithReservation])
        #expect(bench.bridge.agedCount == 0)
    }

    @Test("VDP-39 keep-alives of a burst drift apart, and those that are due together leave together")
    func keepAliveSpread() throws {
        let bench = Bench().start()
        for number in 0..<500 as Range<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(120))
        let pdus = try bench.vdp().filter { $0.at > .seconds(60) }
        let tlvs = pdus.reduce(0) { $0 + $1.pdu.associations.count }
        // About 500 in 8 s. No second has many more than its share, and few PDUs carry them.
        #expect((3000...4600).contains(tlvs))
        var perSecond: [UInt64: Int] = [:]
        for entry in pdus {
            perSecond[entry.at.nanoseconds / 1_000_000_000, default: 0] += entry.pdu.associations.count
        }
        #expect((perSecond.values.max() ?? 0) <= 150)
        #expect(pdus.count < tlvs / 10)
        #expect(bench.associatedCount == 500)
        #expect(bench.bridge.agedCount == 0)
    }

    @Test("VDP-18 a shorter reinitKeepAlive is kept at once")
    func shorterKeepAlive() throws {
        let bridge = FakeBridge(timers: OperationalTimers(rka: 24))
        let bench = Bench(.test(timers: OperationalTimers(rka: 17)), bridges: [bridge]).start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(10))
        #expect(try bench.tlvs(1).count == 1)
        bridge.timers = OperationalTimers(rka: 17)
        bridge.announce(at: bench.now)
        bench.run(for: .seconds(5))
        #expect(try bench.tlvs(1).count >= 4)
    }

    @Test("VDP-18 RKA 0 does not flood")
    func flood() throws {
        let bench = Bench(
            .test(timers: OperationalTimers(rka: 0)), bridges: [FakeBridge(timers: OperationalTimers(rka: 0))]
        ).start()
        bench.bridge.agesVSIs = false
        try bench.request(.vsi(1))
        bench.run(for: .seconds(10))
        #expect(try bench.tlvs(1).count <= 101)
    }

    @Test("VDP-18 a keep-alive period that is made shorter puts no keep-alive off")
    func shorterPeriodLate() throws {
        let bench = Bench(.test(timers: OperationalTimers(rka: 24))).start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(100))
        // It is due after 65 to 90 % of 168 s; 65 % of 84 s from now on would be later than that.
        let due = try #require(bench.port.vdp.nextDeadline)
        bench.reconfigure(.test(timers: OperationalTimers(rka: 23)))
        bench.run(for: .milliseconds(10))
        #expect(bench.port.vdp.nextDeadline == due)
        bench.run(until: due)
        #expect(try bench.tlvs(1).count == 2)
    }

    @Test("VDP-20 a keep-alive without an answer ends the association, and it is asked for anew")
    func keepAliveTimeout() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        bench.run(for: .seconds(28))
        #expect(bench.changes(1) == [.pending, .associated, .deassociated, .pending])
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        bench.run(for: .seconds(20))
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1) == [.granted])
    }

    @Test("VDP-15 a keep-alive refused without Keep ends the association")
    func keepAliveRefused() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .refuse(.managerUnreachable)) }
        bench.run(for: .seconds(10))
        #expect(bench.state(1) == .deassociated)
        #expect(bench.port.vsi(.number(1))?.reason == .managerUnreachable)
        #expect(bench.statistics.vdp.commandsFailed >= 1)
    }

    @Test("VDP-34 a request without a bridge waits, and is answered by noBridge after respWaitDelay")
    func noBridge() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        try bench.request(.vsi(1))
        try bench.request(.vsi(2, persistence: .once))
        #expect(bench.state(1) == .pending)
        bench.run(for: .seconds(60))
        #expect(
            bench.trace.sorted() == [
                "at 0 s: vsi 1 is pending", "at 0 s: vsi 2 is pending",
                "at 17.44896 s: vsi 1 ended: noBridge", "at 17.44896 s: vsi 1 is deassociated",
                "at 17.44896 s: vsi 2 ended: noBridge", "at 17.44896 s: vsi 2 is deassociated",
                "at 17.44896 s: vsi 2 is forgotten",
            ])
        #expect(bench.port.vsi(.number(1))?.reason == .bridgeLost)
        #expect(bench.port.vsis.count == 1)
    }

    @Test("VDP-34 a bridge that comes in time is asked, one that comes later as well")
    func bridgeComes() throws {
        let bench = Bench()
        bench.bridge.isAlive = false
        bench.setLink(up: true)
        try bench.request(.vsi(1))
        bench.run(for: .seconds(10))
        try bench.request(.vsi(2))
        bench.run(for: .seconds(10))
        #expect(bench.outcomes(1) == [.noBridge])
        bench.bridge.isAlive = true
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(2) == [.granted])
        #expect(bench.associatedCount == 2)
    }

    @Test("VDP-35 link flap: everything is de-associated, told, and associated again")
    func linkFlap() throws {
        let bench = Bench().start()
        for number in 1...50 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        bench.setLink(up: false)
        #expect(bench.states.values.allSatisfy { $0 == .deassociated })
        #expect(bench.port.vsi(.number(1))?.reason == .bridgeLost)
        bench.run(for: .seconds(5))
        bench.setLink(up: true)
        bench.run(for: .seconds(2))
        #expect(bench.associatedCount == 50)
        #expect(bench.outcomes(1) == [.granted])
    }

    @Test("VDP-34 a request under way when the bridge goes is ended when it is back, or after the wait")
    func underWayWhenLost() throws {
        for isBack in [true, false] {
            let bench = Bench().start()
            bench.bridge.policy = { _ in .init(verdict: .silence) }
            try bench.request(.vsi(1))
            bench.run(for: .seconds(1))
            bench.setLink(up: false)
            bench.bridge.policy = { _ in .init(verdict: .grant()) }
            if isBack { bench.setLink(up: true) }
            bench.run(for: .seconds(60))
            #expect(bench.outcomes(1) == [isBack ? .granted : .noBridge])
        }
    }

    @Test("VDP-34 a request under way for longer than a bridge is waited for ends when the bridge is lost")
    func lostAfterTheWait() throws {
        let bench = Bench()
        // The larger RWD holds: the answer is waited for much longer than a bridge would be.
        bench.bridge.timers = OperationalTimers(rwd: 23)
        _ = bench.start()
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(30))
        bench.setLink(up: false)
        #expect(bench.port.nextDeadline == bench.now)
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.noBridge])
    }

    @Test("the VSIs of a bridge that forgot them in silence are granted by their keep-alives")
    func silentRestart() throws {
        let bench = Bench().start()
        for number in 1...10 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        bench.bridge.restart(at: bench.now)
        bench.run(for: .seconds(12))
        #expect(bench.bridge.holds(.associate) == 10)
        #expect(bench.associatedCount == 10)
    }

    // MARK: Withdrawals

    /// The states from which a withdrawal is tried.
    enum Moment: CaseIterable {
        case noBridge, queued, processing, overdue, associated, keepAlive, retrying, refusedForGood, disagreeing
    }

    private func bench(at moment: Moment) throws -> Bench {
        let bench = Bench()
        if moment == .noBridge {
            bench.bridge.isAlive = false
            bench.setLink(up: true)
        } else {
            bench.start()
        }
        bench.bridge.policy = { tlv in
            switch moment {
            case .processing, .overdue: .init(verdict: .silence)
            case .retrying: .init(verdict: .refuse(.otherFailure))
            case .refusedForGood: .init(verdict: .refuse(.otherFailure, .hard))
            case .disagreeing: .init(verdict: tlv.command == .deAssociate ? .silence : .grant(try? .unchecked([1, 2])))
            case .noBridge, .queued, .associated, .keepAlive: .init(verdict: .grant())
            }
        }
        if moment == .queued { try bench.request(.vsi(2)) }
        try bench.request(.vsi(1))
        if moment != .queued { bench.run(for: .seconds(moment == .overdue ? 5 : 1)) }
        if moment == .keepAlive {
            bench.bridge.policy = { tlv in .init(verdict: tlv.command == .deAssociate ? .grant() : .silence) }
            bench.run(for: .seconds(10))
        }
        return bench
    }

    @Test("VDP-09 a withdrawal ends once and leaves nothing, in every state", arguments: Moment.allCases)
    func withdrawal(moment: Moment) throws {
        let bench = try bench(at: moment)
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(60))
        #expect(bench.outcomes(1).last == .released)
        #expect(bench.outcomes(1).count == 2)
        #expect(bench.state(1) == nil)
        #expect(bench.trace.count { $0.hasSuffix("vsi 1 is forgotten") } == 1)
        #expect(throws: VSIRequestError.unknownVSI) { try bench.withdraw(.number(1)) }
    }

    @Test("VDP-34 a withdrawal ends also when the bridge goes before its answer", arguments: Moment.allCases)
    func withdrawalAndLoss(moment: Moment) throws {
        let bench = try bench(at: moment)
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        try bench.withdraw(.number(1))
        bench.setLink(up: false)
        #expect(bench.outcomes(1).last == .released)
        #expect(bench.outcomes(1).count == 2)
        #expect(bench.state(1) == nil)
    }

    @Test("VDP-09 a withdrawn VSI that is wanted again is associated again", arguments: Moment.allCases)
    func wantedAgain(moment: Moment) throws {
        let bench = try bench(at: moment)
        try bench.withdraw(.number(1))
        bench.bridge.isAlive = true
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(120))
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1).last == .granted)
        #expect(bench.outcomes(1).count == 3)
        #expect(bench.bridge.entries[.number(1)] != nil)
    }

    @Test("VDP-09 while it is released a VSI that is wanted again is not shown as bound")
    func notBoundWhileReleased() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { tlv in
            .init(verdict: tlv.command == .deAssociate ? .grant() : .refuse(.otherFailure, .keep))
        }
        try bench.withdraw(.number(1))
        try bench.request(.vsi(1))
        #expect(bench.state(1) == .pending)
        bench.run(for: .seconds(1))
        // Keep of a bridge that had been told to forget is no association.
        #expect(bench.state(1) == .deassociated)
        #expect(bench.changes(1) == [.pending, .associated, .pending, .deassociated])
    }

    @Test("VDP-09 a De-Associate whose answer never came does not swallow a later one")
    func lateReleaseAnswer() throws {
        let bench = Bench().start()
        let other = try FilterInfo.vids(1, 2)
        bench.bridge.policy = { tlv in .init(verdict: tlv.command == .deAssociate ? .silence : .grant(other)) }
        try bench.request(.vsi(1))
        // respWaitDelay is over after 17.5 s, and a second later it is asked for again.
        bench.run(for: .seconds(18))
        bench.bridge.policy = { _ in .init(verdict: .deassociate) }
        bench.clearLog()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.bridgeDeassociated])
    }

    @Test("superseded requests end as such, each once")
    func superseded() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .grant(), after: .milliseconds(50)) }
        for _ in 1...5 { try bench.request(.vsi(1)) }
        try bench.withdraw(.number(1))
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [RequestOutcome](repeating: .superseded, count: 6) + [.released])
    }

    // MARK: Slow and silent ones

    @Test("VDP-33 a slow VSI does not stall others")
    func slow() throws {
        let bench = Bench().start()
        bench.bridge.policy = { tlv in
            .init(verdict: .grant(), after: tlv.vsiID == .number(7) ? .seconds(12) : .milliseconds(1))
        }
        for number in 1...100 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 99)
        try bench.request(.vsi(200))
        bench.run(for: .milliseconds(900))
        #expect(bench.state(200) == .associated)
        bench.run(for: .seconds(12))
        #expect(bench.associatedCount == 101)
        #expect(bench.outcomes(7) == [.granted])
    }

    @Test("VDP-33 nor does a silent one, however often it is asked")
    func silent() throws {
        let bench = Bench().start()
        bench.bridge.policy = { tlv in .init(verdict: tlv.vsiID == .number(7) ? .silence : .grant()) }
        for number in 1...20 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(5))
        for number in 100..<160 as Range<UInt64> {
            try bench.request(.vsi(number))
            bench.run(for: .seconds(1))
            #expect(bench.state(number) == .associated)
        }
        #expect(bench.associatedCount == 79)
        #expect(bench.bridge.agedCount == 0)
    }

    @Test("VDP-33 nor does a slow one while lost ones are asked again")
    func slowWhileRecovering() throws {
        let bench = Bench().start()
        bench.bridge.policy = { tlv in
            switch tlv.vsiID {
            case .number(2): .init(verdict: .silence)
            case .number(4): .init(verdict: .grant(), after: .seconds(12))
            default: .init(verdict: .grant())
            }
        }
        try bench.request(.vsi(2))
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(900))
        try bench.request(.vsi(4))
        bench.run(for: .milliseconds(300))
        try bench.request(.vsi(5))
        bench.run(for: .seconds(2))
        #expect(bench.state(5) == .associated)
        bench.run(for: .seconds(12))
        #expect(bench.outcomes(4) == [.granted])
    }

    @Test("those that are asked again are counted apart from those that are merely slow")
    func recoveringCount() throws {
        var station = VDPStation()
        let peer = VDPStation.Peer(timers: OperationalTimers().times, usesGroupIDs: false, payloadMax: 1496)
        station.peerAppeared(peer, at: .origin)
        for number in 1...3 as ClosedRange<UInt64> { try station.request(.vsi(number), at: .origin) }
        _ = station.nextPayload(at: .origin)
        var answer = try VSIRequest.vsi(1).tlv(.associate, filter: .vids(100))
        answer.status = .answer(.success)
        let manager = VSIManagerID(short: 5, placement: .first)
        station.receive(VDPDU(managerID: manager, associations: [answer]).encoded(), at: .milliseconds(1))
        try station.request(.vsi(4), at: .milliseconds(900))
        _ = station.nextPayload(at: .milliseconds(900))
        station.advance(to: .milliseconds(1001))
        #expect(station.recovering == 2)
        station.pacing = .lockstep
        station.advance(to: .milliseconds(2000))
        #expect(station.recovering == station.vsis.count(where: \.exchange.isRecovering))
        #expect(station.outstanding == 0)
    }

    @Test("VDP-27 a bridge that answers only the first TLV of a PDU gets one at a time", arguments: [20, 16, 13])
    func firstOnly(rwd: UInt8) throws {
        let timers = OperationalTimers(rte: 10, rwd: rwd)
        let bench = Bench(.test(timers: timers), bridges: [FakeBridge(timers: timers)]).start()
        bench.bridge.grouping = .firstOnly
        for number in 1...50 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(5))
        #expect(bench.associatedCount == 50)
        #expect(bench.statistics.vdp.stalls >= 1)
        bench.clearLog()
        bench.run(for: .seconds(120))
        #expect(try bench.vdp().allSatisfy { $0.pdu.associations.count == 1 })
        #expect(bench.associatedCount == 50)
        #expect(bench.trace.filter { !$0.contains("send") } == [])
    }

    @Test("a port takes 16,384 VSIs and no more")
    func limit() throws {
        var station = VDPStation()
        for number in 0..<UInt64(VDPStation.vsisMax) { try station.request(.vsi(number), at: .origin) }
        #expect(throws: VSIRequestError.tooManyVSIs(limit: 16_384)) {
            try station.request(.vsi(99_999), at: .origin)
        }
        try station.request(.vsi(5), at: .origin)
        #expect(station.index.count == 16_384)
    }

    @Test("SEC-85 what is asked of a station beyond the limits is refused with the limit, and what there is stays")
    func limits() throws {
        var station = VDPStation()
        station.vsisMax = 3
        station.room = ResourceRoom(vsis: 2, filterEntries: 5)
        try station.request(.vsi(1, vids: [1, 2, 3]), at: .origin)
        #expect(throws: VSIRequestError.noRoom(.filterEntries)) {
            try station.request(.vsi(2, vids: [1, 2, 3]), at: .origin)
        }
        try station.request(.vsi(2, vids: [1, 2]), at: .origin)
        #expect(throws: VSIRequestError.noRoom(.vsis)) { try station.request(.vsi(3), at: .origin) }
        #expect(throws: VSIRequestError.noRoom(.filterEntries)) {
            try station.request(.vsi(1, vids: [1, 2, 3, 4]), at: .origin)
        }
        #expect(station.use == ResourceUse(vsis: 2, filterEntries: 5))
        // Less, and the same again, are always taken.
        station.room = ResourceRoom(vsis: 0, filterEntries: 0)
        try station.request(.vsi(1, vids: [1]), at: .origin)
        try station.request(.vsi(2, vids: [1, 2]), at: .origin)
        #expect(station.use.filterEntries == 3)
        station.room = ResourceRoom()
        try station.request(.vsi(3), at: .origin)
        #expect(throws: VSIRequestError.tooManyVSIs(limit: 3)) { try station.request(.vsi(4), at: .origin) }
        for number in 1...3 as ClosedRange<UInt64> { try station.withdraw(.number(number), at: .origin) }
        #expect(station.use == ResourceUse())
    }
}

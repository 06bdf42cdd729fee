import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Commands, refusals and what the bridge does on its own; ids of the conformance matrix.
@Suite struct VDPCommandTests {
    @Test("VDP-01 VDP-09 an association and its end")
    func associate() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(2))
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(2))
        #expect(
            bench.trace == [
                "at 0.00005 s: bridge found",
                "at 0.01 s: send 1: associate vsi 1",
                "at 0.01 s: vsi 1 is pending",
                "at 0.0101 s: vsi 1 is associated",
                "at 0.0101 s: vsi 1 ended: granted",
                "at 2.01 s: send 2: deAssociate vsi 1",
                "at 2.01 s: vsi 1 is pending",
                "at 2.0101 s: vsi 1 is deassociated",
                "at 2.0101 s: vsi 1 ended: released",
                "at 2.0101 s: vsi 1 is forgotten",
            ])
        #expect(bench.bridge.entries.isEmpty)
        #expect(bench.port.vsis.isEmpty)
    }

    @Test("VDP-07 VDP-08 each target asks by its own command and ends in its own state")
    func targets() throws {
        let bench = Bench().start()
        for (target, command, state) in [
            (.preAssociated, .preAssociate, .preassociated),
            (.preAssociatedWithReservation, .preAssociateWithReservation, .preassociatedWithReservation),
            (.associated, .associate, .associated),
        ] as [(VSIRequest.Target, VDPCommand, VSIState)] {
            try bench.request(.vsi(1, target))
            bench.run(for: .seconds(1))
            #expect(bench.state(1) == state)
            #expect(try bench.tlvs(1).last?.tlv.command == command)
            #expect(bench.bridge.holds(command) == 1)
        }
        #expect(bench.outcomes(1) == [.granted, .granted, .granted])
    }

    @Test("VDP-10 only the De-Associate may come unasked; anything else is ignored and counted")
    func unsolicited() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        let manager = VSIManagerID(short: 5, placement: .first)
        for command in [VDPCommand.preAssociate, .preAssociateWithReservation, .associate] {
            let tlv = try VSIRequest.vsi(1).tlv(command, filter: .vids(100))
            bench.bridge.send(manager, [tlv], at: bench.now)
            bench.run(for: .seconds(1))
        }
        #expect(bench.statistics.vdp.unsolicited == 3)
        #expect(bench.state(1) == .associated)
        #expect(bench.changes(1) == [.pending, .associated])
    }

    @Test("VDP-11 a De-Associate of the bridge ends the association, is told, and is asked again")
    func bridgeDeassociates() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.clearLog()
        bench.bridge.deassociate(.number(1), at: bench.now)
        bench.perform([])
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .deassociated)
        #expect(bench.port.vsi(.number(1))?.reason == .bridgeDeassociated)
        #expect(bench.trace == ["at 1.01005 s: vsi 1 is deassociated"])
        bench.run(for: .seconds(2))
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1).isEmpty)
    }

    @Test("VDP-12 M and S are set in requests as hinted, 0 otherwise and in a De-Associate")
    func hints() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1, hint: .migrating))
        try bench.request(.vsi(2, hint: .suspended))
        try bench.request(.vsi(3))
        bench.run(for: .seconds(1))
        #expect(try bench.tlvs(1).last?.tlv.status.rawValue == 0x10)
        #expect(try bench.tlvs(2).last?.tlv.status.rawValue == 0x20)
        #expect(try bench.tlvs(3).last?.tlv.status.rawValue == 0)
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(1))
        #expect(try bench.tlvs(1).last?.tlv.command == .deAssociate)
        #expect(try bench.tlvs(1).last?.tlv.status.rawValue == 0)
    }

    @Test("VDP-13 all reasons; an unknown one counts as another failure", arguments: 1...15 as ClosedRange<UInt8>)
    func reasons(code: UInt8) throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .refuse(VDPReason(rawValue: code))) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        let expected: [VSIReason] = [
            .invalidFormat, .insufficientResources, .managerUnreachable, .otherFailure, .invalidFilter,
        ]
        #expect(bench.port.vsi(.number(1))?.reason == (code <= 5 ? expected[Int(code) - 1] : .otherFailure))
        let refusal = Refusal(reason: VDPReason(rawValue: code), isHard: false, isKept: false)
        #expect(bench.outcomes(1) == [.refused(refusal)])
        #expect(bench.changes(1) == [.pending, .deassociated])
        #expect(bench.statistics.vdp.commandsFailed == 1)
    }

    @Test("VDP-13 Keep and Hard with reason 0 mean nothing")
    func flagsOfSuccess() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .refuse(.success, [.keep, .hard])) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.granted])
    }

    @Test("VDP-14 Keep=1: what was bound stays bound, and counts as a revert")
    func kept() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1, vids: [100]))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { tlv in
            .init(verdict: tlv.filter.vids == [200] ? .refuse(.insufficientResources, .keep) : .grant())
        }
        try bench.request(.vsi(1, vids: [200]))
        bench.run(for: .seconds(1))
        let refusal = Refusal(reason: .insufficientResources, isHard: false, isKept: true)
        #expect(bench.outcomes(1) == [.granted, .refused(refusal)])
        #expect(bench.state(1) == .associated)
        #expect(bench.port.vsi(.number(1))?.filter.vids == [100])
        #expect(bench.statistics.vdp.commandReverts == 1)
        // And it is kept alive as it was.
        bench.run(for: .seconds(10))
        #expect(try bench.tlvs(1).last?.tlv.filter.vids == [100])
        #expect(bench.changes(1) == [.pending, .associated])
    }

    @Test("VDP-14 an Associate refused with Keep leaves the Pre-Associate")
    func keptPreassociation() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1, .preAssociated))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { tlv in
            .init(verdict: tlv.command == .associate ? .refuse(.otherFailure, .keep) : .grant())
        }
        try bench.request(.vsi(1, .associated))
        bench.run(for: .seconds(12))
        #expect(bench.state(1) == .preassociated)
        #expect(try bench.tlvs(1).last?.tlv.command == .preAssociate)
    }

    @Test("VDP-15 Keep=0: a refused change of an associated VSI de-associates it")
    func notKept() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1, vids: [100]))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .refuse(.invalidFilter)) }
        try bench.request(.vsi(1, vids: [200]))
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .deassociated)
        #expect(bench.port.vsi(.number(1))?.reason == .invalidFilter)
    }

    @Test("VDP-16 Keep with nothing to keep does not associate", arguments: VSIRequest.Target.all)
    func nothingToKeep(target: VSIRequest.Target) throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .refuse(.otherFailure, .keep)) }
        try bench.request(.vsi(1, target, persistence: .once))
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.refused(Refusal(reason: .otherFailure, isHard: false, isKept: false))])
        #expect(bench.statistics.vdp.commandReverts == 0)
        #expect(bench.changes(1) == [.pending, .deassociated])
        #expect(bench.port.vsis.isEmpty)
    }

    @Test("VDP-16 nor does it after the bridge has taken the association back")
    func nothingToKeepAnyMore() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .refuse(.otherFailure, .keep)) }
        bench.bridge.deassociate(.number(1), at: bench.now)
        bench.perform([])
        bench.run(for: .seconds(3))
        #expect(bench.state(1) == .deassociated)
    }

    @Test("VDP-17 respWaitDelay is 1.5 x (RWD + (2R + 1) x RTE)")
    func responseWaitDelay() {
        #expect(OperationalTimers().responseWaitDelay == .microseconds(17_448_960))
        #expect(OperationalTimers(rte: 8).responseWaitDelay == .microseconds(15_755_520))
        #expect(OperationalTimers(rte: 16).responseWaitDelay == .microseconds(22_609_920))
        #expect(OperationalTimers(retries: 0, rte: 0, rwd: 0, rka: 0).responseWaitDelay == .microseconds(30))
        #expect(OperationalTimers().keepAliveTimeout == .microseconds(17_448_960))
        #expect(OperationalTimers(rka: 21).keepAliveTimeout == .microseconds(33_177_600))
    }

    @Test("VDP-20 no answer for respWaitDelay: de-associated and told; asked a second time half-way")
    func timeout() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        try bench.request(.vsi(1, persistence: .once))
        bench.run(for: .seconds(60))
        #expect(
            bench.trace == [
                "at 0.00005 s: bridge found",
                "at 0.01 s: send 1: associate vsi 1",
                "at 0.01 s: vsi 1 is pending",
                "at 8.73448 s: send 2: associate vsi 1",
                "at 17.45896 s: vsi 1 is deassociated",
                "at 17.45896 s: vsi 1 ended: timedOut",
                "at 17.45896 s: vsi 1 is forgotten",
            ])
    }

    @Test("VDP-20 an answer that comes late, but in time, is an answer")
    func lateAnswer() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .grant(), after: .seconds(17)) }
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(17_200))
        #expect(bench.outcomes(1) == [.granted])
        #expect(bench.changes(1) == [.pending, .associated])
    }

    @Test("VDP-26 a VSI cannot go back from what is bound", arguments: VSIRequest.Target.all, VSIRequest.Target.all)
    func backward(from: VSIRequest.Target, to target: VSIRequest.Target) throws {
        let bench = Bench().start()
        try bench.request(.vsi(1, from))
        bench.run(for: .seconds(1))
        let before = bench.port.vsi(.number(1))
        if target < from {
            #expect(throws: VSIRequestError.goesBackward(from: from.command)) { try bench.request(.vsi(1, target)) }
            #expect(bench.port.vsi(.number(1)) == before)
        } else {
            try bench.request(.vsi(1, target))
        }
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == (max(from, target)).state)
    }

    @Test("VDP-26 nor from what is on its way to the bridge")
    func backwardOnTheWay() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .grant(), after: .seconds(1)) }
        try bench.request(.vsi(1, .associated))
        #expect(throws: VSIRequestError.goesBackward(from: .associate)) { try bench.request(.vsi(1, .preAssociated)) }
        bench.run(for: .seconds(5))
        #expect(bench.state(1) == .associated)
        #expect(try bench.tlvs(1).allSatisfy { $0.tlv.command == .associate })
    }

    @Test("VDP-26 after a withdrawal it may start anew from below, but only once the De-Associate has left")
    func belowAfterWithdrawal() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        // ECP is busy with another VSI, so that the De-Associate has to wait.
        try bench.request(.vsi(2))
        try bench.withdraw(.number(1))
        #expect(throws: VSIRequestError.goesBackward(from: .associate)) { try bench.request(.vsi(1, .preAssociated)) }
        bench.run(for: .microseconds(120))
        #expect(try bench.tlvs(1).last?.tlv.command == .deAssociate)
        bench.run(for: .seconds(1))
        try bench.request(.vsi(1, .preAssociated))
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .preassociated)
        #expect(try bench.tlvs(1).map(\.tlv.command) == [.associate, .deAssociate, .preAssociate])
        #expect(bench.outcomes(1) == [.granted, .released, .granted])
    }

    @Test("VDP-38 HEAL-101 a soft refusal is tried again ever later, from a second to a minute")
    func softRefusal() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .refuse(.insufficientResources)) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(3600))
        let times = try bench.tlvs(1).map(\.at)
        let gaps = zip(times, times.dropFirst()).map { $1.since($0).nanoseconds / 1_000_000 }
        // Doubled each time, and an eighth more at the most; never more than 60 s.
        let whole: [Double] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 53_333]
        #expect(gaps.count > 60)
        for (number, gap) in gaps.enumerated() {
            let whole = number < whole.count ? whole[number] : 53_333
            #expect((whole...whole * 1.125 + 11).contains(Double(gap)), "gap \(number)")
        }
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        bench.run(for: .seconds(61))
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1).count == 1)
    }

    @Test("VDP-38 a time-out is tried again after a second")
    func timeoutRetry() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(20))
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        bench.run(for: .seconds(20))
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1) == [.timedOut])
    }

    @Test("VDP-38 a hard refusal is not tried again, until the request or the bridge is another")
    func hardRefusal() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .refuse(.invalidFormat, .hard)) }
        try bench.request(.vsi(1))
        try bench.request(.vsi(2))
        bench.run(for: .seconds(3600))
        #expect(try bench.tlvs(1).count == 1)
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated)
        #expect(bench.state(2) == .deassociated)
        bench.setLink(up: false)
        bench.run(for: .seconds(1))
        bench.setLink(up: true)
        bench.run(for: .seconds(1))
        #expect(bench.state(2) == .associated)
    }

    @Test("VDP-20 a bridge that answers by a De-Associate refuses")
    func answeredByDeassociate() throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .deassociate) }
        try bench.request(.vsi(1, persistence: .once))
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.bridgeDeassociated])
        #expect(bench.port.vsis.isEmpty)
    }
}

extension VSIRequest.Target {
    static let all: [Self] = [.preAssociated, .preAssociatedWithReservation, .associated]

    var state: VSIState {
        switch self {
        case .preAssociated: .preassociated
        case .preAssociatedWithReservation: .preassociatedWithReservation
        case .associated: .associated
        }
    }
}

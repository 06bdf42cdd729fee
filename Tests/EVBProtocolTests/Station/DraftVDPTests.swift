import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

@Suite("Draft: VDP")
struct DraftVDPTests {
    @Test("A VSI is associated, kept alive within 10 s, and de-associated")
    func life() throws {
        let bench = DraftBench().start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        #expect(bench.outcomes(1) == [.granted])
        let asked = try #require(bench.bridge.heard.first)
        #expect(asked.managerID == 5)
        #expect(asked.vsi.command == .associate)
        #expect(asked.vsi.status == [])
        let address = MACAddress(truncating: 0x5254_0000_0001)
        #expect(asked.vsi.filter.entries == [FilterEntry(vid: 10, macAddress: address)])
        bench.run(for: .seconds(60))
        #expect(bench.state(1) == .associated)
        let gaps = zip(bench.requests.dropFirst(), bench.requests).map { $0.at.since($1.at) }
        #expect((6...9).contains(gaps.count))
        #expect(gaps.allSatisfy { $0 > .seconds(6) && $0 < .seconds(10) })
        try bench.withdraw(1)
        bench.run(for: .milliseconds(1))
        #expect(bench.bridge.heard.last?.vsi.command == .deAssociate)
        #expect(bench.outcomes(1) == [.granted, .released])
        #expect(bench.state(1) == nil)
    }

    @Test("Pre-association comes before association, and a null VID is filled in and used from then on")
    func nullVID() throws {
        let bench = DraftBench().start()
        bench.bridge.answer = { asked in
            var vsi = asked.vsi
            vsi.status = .answer(.success)
            let entries = vsi.filter.entries.map {
                FilterEntry(vid: $0.vid == 0 ? 42 : $0.vid, macAddress: $0.macAddress)
            }
            vsi.filter = FilterInfo(format: .macVID, entries: entries)
            return vsi
        }
        try bench.request(DraftBench.request(1, .preAssociated, vid: 0))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .preassociated)
        try bench.request(DraftBench.request(1, .preAssociatedWithReservation, vid: 0))
        bench.run(for: .milliseconds(1))
        try bench.request(DraftBench.request(1, vid: 0))
        bench.run(for: .seconds(12))
        #expect(bench.state(1) == .associated)
        #expect(bench.port.vsi(DraftBench.id(1))?.filter.entries.map(\.vid) == [42])
        #expect(
            bench.bridge.heard.map(\.vsi.command)
                == [.preAssociate, .preAssociateWithReservation, .associate, .associate])
        #expect(bench.bridge.heard.last?.vsi.filter.entries.map(\.vid) == [42])
    }

    @Test("A null VID that the bridge gives back as it came is granted, as lldpad's peers do")
    func nullVIDKept() throws {
        let bench = DraftBench().start()
        try bench.request(DraftBench.request(1, vid: 0))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .associated)
    }

    @Test("VSIs of different managers share PDUs of at most 1500 octets", arguments: [1500, 9000])
    func several(mtu: Int) throws {
        let bench = DraftBench(mtu: mtu).start()
        for number in 1...100 { try bench.request(DraftBench.request(UInt64(number), manager: UInt8(number))) }
        bench.run(for: .seconds(1))
        #expect(bench.port.vsis.count { $0.state == .associated } == 100)
        #expect(bench.bridge.heardCounts == [1, 37, 37, 25])
        #expect(bench.bridge.heard.map(\.managerID) == (1...100).map { UInt8($0) })
        #expect(bench.sent.allSatisfy { $0.frame.encoded().count <= 1514 })
        bench.run(for: .seconds(110))
        #expect(bench.port.vsis.count { $0.state == .associated } == 100)
    }

    @Test("Every response code ends the request, and is kept", arguments: 1...6 as ClosedRange<UInt8>)
    func refusals(code: UInt8) throws {
        let bench = DraftBench().start()
        bench.bridge.answer = DraftBridge.refuse(try #require(VDPReason(draftCode: code)))
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        guard case .refused(let refusal)? = bench.outcomes(1).first, bench.outcomes(1).count == 1 else {
            Issue.record("\(bench.outcomes(1))")
            return
        }
        #expect(refusal.reason.draftCode == code)
        #expect(!refusal.isHard && !refusal.isKept)
        let reasons: [VSIReason] = [.invalidFormat, .insufficientResources]
        #expect(bench.reason(1) == (code <= 2 ? reasons[Int(code) - 1] : .otherFailure))
        #expect(bench.state(1) == .deassociated)
        // The draft has no hard refusals: the bridge's database may have been mended.
        bench.bridge.answer = DraftBridge.grant
        bench.run(for: .seconds(15))
        #expect(bench.state(1) == .associated)
    }

    @Test("A keep-alive that is refused takes the VSI down")
    func refusedKeepAlive() throws {
        let bench = DraftBench().start()
        try bench.request(DraftBench.request(1, persistence: .once))
        bench.run(for: .seconds(1))
        bench.bridge.answer = DraftBridge.refuse(.draftTypeVersionViolation)
        bench.run(for: .seconds(10))
        #expect(bench.changes(1) == [.pending, .associated, .deassociated])
        #expect(bench.state(1) == nil)
    }

    @Test("A bridge that never answers is waited for 3 s, as lldpad waits")
    func silence() throws {
        let bench = DraftBench().start()
        bench.bridge.answer = { _ in nil }
        try bench.request(DraftBench.request(1, persistence: .once))
        bench.run(for: .milliseconds(2990))
        #expect(bench.outcomes(1) == [])
        #expect(bench.bridge.heard.count == 2)
        bench.run(for: .milliseconds(20))
        #expect(bench.outcomes(1) == [.timedOut])
    }

    @Test("The bridge de-associates at any time")
    func bridgeDeassociates() throws {
        let bench = DraftBench().start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        bench.say(try DraftBench.word(1, .deAssociate))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .deassociated)
        #expect(bench.reason(1) == .bridgeDeassociated)
        bench.run(for: .seconds(3))
        #expect(bench.state(1) == .associated)
        // While a command waits for its answer it is the answer.
        bench.bridge.answer = { _ in nil }
        try bench.request(DraftBench.request(2, .preAssociated, persistence: .once))
        bench.run(for: .milliseconds(1))
        bench.say(try DraftBench.word(2, .deAssociate))
        bench.run(for: .milliseconds(1))
        #expect(bench.outcomes(2) == [.bridgeDeassociated])
        // Nobody's VSI.
        bench.say(try DraftBench.word(3, .deAssociate))
        bench.run(for: .milliseconds(1))
        #expect(bench.statistics.vdp.unknownVSI == 1)
    }

    @Test("The answer to a de-association that a new request overtook takes nothing down")
    func overtakenRelease() throws {
        let bench = DraftBench().start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        bench.bridge.answer = { _ in nil }
        try bench.withdraw(1)
        bench.run(for: .milliseconds(1))
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        bench.say(try DraftBench.word(1, .deAssociate))
        bench.say(try DraftBench.word(1, .associate))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .associated)
        #expect(bench.outcomes(1).last == .granted)
        // From now on a De-Associate is the bridge's own.
        bench.say(try DraftBench.word(1, .deAssociate))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .deassociated)
    }

    // MARK: Changes made by the bridge

    @Test("An answer with another mode changes the VSI, and that is kept alive")
    func changed() throws {
        let bench = DraftBench().start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        bench.say(try DraftBench.word(1, .preAssociate))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .preassociated)
        #expect(bench.reason(1) == .bridgeDeassociated)
        bench.run(for: .seconds(10))
        #expect(bench.bridge.heard.last?.vsi.command == .preAssociate)
        bench.say(try DraftBench.word(1, .associate))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .associated)
        #expect(bench.reason(1) == .success)
        #expect(bench.outcomes(1) == [.granted])
    }

    @Test("More than was asked for is granted, less is not")
    func changedAtOnce() throws {
        let bench = DraftBench().start()
        bench.bridge.answer = { asked in
            var vsi = asked.vsi
            vsi.status = .answer(.success)
            if vsi.command != .deAssociate { vsi.command = .preAssociateWithReservation }
            return vsi
        }
        try bench.request(DraftBench.request(1, .preAssociated))
        bench.run(for: .milliseconds(1))
        #expect(bench.outcomes(1) == [.granted])
        #expect(bench.state(1) == .preassociatedWithReservation)
        try bench.request(DraftBench.request(2, persistence: .once))
        bench.run(for: .milliseconds(1))
        #expect(bench.outcomes(2) == [.mismatched])
        #expect(bench.bridge.heard.last?.vsi.command == .deAssociate)
        #expect(bench.state(2) == nil)
    }

    @Test("The answer to a command that another one overtook is no change")
    func overtaken() throws {
        let bench = DraftBench().start()
        bench.bridge.answer = { _ in nil }
        try bench.request(DraftBench.request(1, .preAssociated))
        bench.run(for: .milliseconds(1))
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        bench.say(try DraftBench.word(1, .preAssociate))
        bench.run(for: .milliseconds(1))
        #expect(bench.outcomes(1) == [.superseded])
        bench.say(try DraftBench.word(1, .associate))
        bench.run(for: .milliseconds(1))
        #expect(bench.outcomes(1) == [.superseded, .granted])
        #expect(bench.changes(1) == [.pending, .associated])
    }

    @Test("A change with another filter is not taken")
    func changedFilter() throws {
        let bench = DraftBench().start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        bench.say(try DraftBench.word(1, .preAssociate, vid: 11))
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .associated)
        #expect(bench.statistics.vdp.mismatchedAnswers == 1)
    }

    // MARK: What the draft cannot say

    @Test("What the draft cannot say is refused here, and asked for of a ratified bridge")
    func limits() throws {
        var wrong: [(VSIRequest, DialectLimit, VSIReason)] = []
        var request = try DraftBench.request(1)
        request.filter = try FilterInfo(checking: [FilterEntry(vid: 10)])
        wrong.append((request, .filterFormat, .invalidFilter))
        request = try DraftBench.request(1)
        let entry = FilterEntry(vid: 10, macAddress: MACAddress(truncating: 2), groupID: 7)
        request.filter = try FilterInfo(checking: [entry])
        wrong.append((request, .filterFormat, .invalidFilter))
        request = try DraftBench.request(1)
        request.managerID = VSIManagerID(high: 1, low: 1)
        wrong.append((request, .managerID, .invalidFormat))
        for (request, limit, reason) in wrong {
            let bench = DraftBench().start()
            try bench.request(request)
            bench.run(for: .seconds(30))
            #expect(bench.outcomes(1) == [.inexpressible(limit)])
            #expect(bench.reason(1) == reason)
            #expect(bench.requests.isEmpty)
        }
        let bench = DraftBench(.automatic).start()
        let local = VSIID(format: .local, high: 0, low: 1)
        request = try DraftBench.request(1)
        request.vsiID = local
        try bench.request(request)
        #expect(bench.effects.contains(.vsi(.ended(local, .inexpressible(.vsiIDFormat)))))
        bench.bridge.tlvs = [.evb(DraftBridge.ratifiedTLV)]
        bench.hello()
        bench.run(for: .seconds(1))
        #expect(bench.port.vsi(local)?.state == .associated)
        // And back: what was bound falls, and is not asked for.
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv())]
        bench.hello()
        bench.run(for: .seconds(30))
        #expect(bench.port.vsi(local)?.state == .deassociated)
        #expect(bench.requests.isEmpty)
    }

    @Test("An answer of another manager is not taken")
    func otherManager() throws {
        let bench = DraftBench().start()
        bench.bridge.answer = { _ in nil }
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(1))
        var word = try DraftBench.word(1, .associate)
        word.managerID = 6
        bench.say(word)
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .pending)
        #expect(bench.statistics.vdp.mismatchedAnswers == 1)
    }
}

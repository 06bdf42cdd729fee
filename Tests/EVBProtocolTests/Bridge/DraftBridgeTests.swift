import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// The bridge's port in the draft, against the station's.
@Suite("Draft: the bridge's side")
struct DraftBridgeTests {
    static let capabilities: DraftEVBTLV.Capabilities = [.retransmissionExponent, .ecp, .vdp]

    // MARK: EVB TLV

    @Test("TLV-27 the bridge's draft TLV: what it can do, what both can, and how many VSIs there are")
    func negotiation() throws {
        let bench = PairBench(bridge: .draft)
        bench.bridgeDoes { $0.setLink(up: true, at: $1) }
        bench.run(for: .milliseconds(1))
        // Nobody is heard: nothing is configured.
        #expect(
            bench.announced == [
                .draftEVB(
                    DraftEVBTLV(
                        supportedModes: [.standard, .reflectiveRelay], supportedCapabilities: Self.capabilities,
                        configuredModes: .standard, configuredCapabilities: [], supportedVSIs: 0, configuredVSIs: 0,
                        retransmissionExponent: 14))
            ])
        bench.stationDoes { $0.setLink(up: true, at: $1) }
        bench.run(for: .seconds(3))
        try bench.request(1)
        bench.run(for: .seconds(31))
        let agreed = DraftEVBTLV(
            supportedModes: [.standard, .reflectiveRelay], supportedCapabilities: Self.capabilities,
            configuredModes: .reflectiveRelay, configuredCapabilities: Self.capabilities, supportedVSIs: 100,
            configuredVSIs: 1, retransmissionExponent: 14)
        #expect(bench.announced == [.draftEVB(agreed)])
        #expect(bench.relays == [true])
        let snapshot = bench.bridge.snapshot
        #expect(snapshot.localTLVs == [.draft(agreed)])
        #expect(snapshot.dialect == .draft)
        #expect(snapshot.times == .draft)
        #expect(snapshot.reflectsFrames)
        #expect(!snapshot.usesGroupIDs)
        #expect(snapshot.station?.advertised.dialect == .draft)
        #expect(bench.station.snapshot.reflectiveRelay == .on)
    }

    @Test("TLV-27 a bridge that may not reflect does not, and RTE is the larger of both")
    func reconfigured() throws {
        let bench = PairBench(bridge: .draft).start()
        bench.bridgeDoes {
            $0.reconfigure(PairBench.bridgeConfiguration(.draft, reflects: false, rte: 17), at: $1)
        }
        bench.run(for: .seconds(3))
        #expect(bench.relays == [true, false])
        #expect(bench.station.snapshot.reflectiveRelay == .off)
        #expect(bench.station.snapshot.timers.retransmissionExponent == 17)
        #expect(bench.bridge.snapshot.timers.retransmissionExponent == 17)
        bench.bridgeDoes { $0.reconfigure(PairBench.bridgeConfiguration(.draft), at: $1) }
        bench.run(for: .seconds(3))
        #expect(bench.bridge.snapshot.timers.retransmissionExponent == 14)
        #expect(bench.relays == [true, false, true])
    }

    @Test("While no station is heard an automatic bridge announces both dialects, then what the station speaks")
    func announcements() {
        func kinds(_ bench: PairBench) -> [WireDialect] {
            bench.announced.compactMap {
                switch $0 {
                case .evb: .ratified
                case .draftEVB: .draft
                default: nil
                }
            }
        }
        let bench = PairBench()
        bench.bridgeDoes { $0.setLink(up: true, at: $1) }
        bench.run(for: .milliseconds(1))
        #expect(kinds(bench) == [.ratified, .draft])
        #expect(bench.bridge.snapshot.dialect == .ratified)
        bench.stationDoes { $0.setLink(up: true, at: $1) }
        bench.run(for: .seconds(3))
        #expect(kinds(bench) == [.ratified])
        #expect(bench.dialects == [.ratified, .ratified])
        let draft = PairBench(station: .draft).start()
        // Who speaks the draft because it has to is offered the other dialect all the same.
        #expect(kinds(draft) == [.ratified, .draft])
        #expect(draft.dialects == [.draft, .draft])
        #expect(kinds(PairBench(bridge: .ratified).start()) == [.ratified])
    }

    @Test("VDP waits until the station has ECP and VDP too, and VSIs are released when it has not any more")
    func agreement() throws {
        let bench = PairBench(bridge: .draft)
        bench.bridgeDoes { $0.setLink(up: true, at: $1) }
        func hear(_ capabilities: DraftEVBTLV.Capabilities) {
            bench.bridgeDoes { $0.receive(Self.hello(capabilities), at: $1) }
        }
        func ask(_ sequence: UInt16) throws {
            let frame = Self.request(sequence, try DraftBench.word(1, .associate).asked)
            bench.bridgeDoes { $0.receive(frame, at: $1) }
        }
        hear([.retransmissionExponent, .ecp])
        try ask(1)
        #expect(bench.held(1) == nil)
        #expect(bench.bridge.snapshot.statistics.ecpRxDiscarded == 1)
        hear(Self.capabilities)
        try ask(2)
        #expect(bench.held(1)?.command == .associate)
        hear([.vdp])
        #expect(bench.releases == [.stationLost])
        #expect(bench.stationLosses.isEmpty)
        #expect(bench.bridge.vsis.isEmpty)
    }

    @Test("TLV-20 a draft TLV that cannot be used is told of, and what was heard before holds")
    func unusable() throws {
        let bench = PairBench(bridge: .draft)
        bench.bridgeDoes { $0.setLink(up: true, at: $1) }
        bench.bridgeDoes { $0.receive(Self.hello([.ecp, .vdp], modes: []), at: $1) }
        #expect(bench.bridge.snapshot.station == nil)
        #expect(bench.notices.count == 1)
        bench.bridgeDoes { $0.receive(Self.hello([.ecp, .vdp]), at: $1) }
        bench.bridgeDoes { $0.receive(Self.hello([.ecp, .vdp], copies: 2), at: $1) }
        #expect(bench.bridge.snapshot.station != nil)
        #expect(bench.notices.last == .unusableTLV(.misplaced(.draftEVBTLV)))
        #expect(bench.bridge.snapshot.statistics.evbTLVsDiscarded == 1)
    }

    @Test("A station whose dialect is not to be spoken is told of, and nothing else comes of it")
    func alienDialect() throws {
        let ratified = PairBench(station: .draft, bridge: .ratified).start()
        #expect(ratified.bridge.snapshot.station == nil)
        #expect(ratified.notices == [.draftNeighbour])
        ratified.bridgeDoes { $0.receive(Self.request(1, []), at: $1) }
        #expect(ratified.bridge.snapshot.statistics.ecpRxDiscarded == 1)
        let draft = PairBench(station: .ratified, bridge: .draft).start()
        #expect(draft.bridge.snapshot.station == nil)
        #expect(draft.notices == [.ratifiedNeighbour])
    }

    // MARK: VDP

    @Test("VDP-09 VDP-18 a VSI of the draft is associated, kept alive past toutKeepAlive, and de-associated")
    func life() throws {
        let bench = PairBench(bridge: .draft).start()
        try bench.request(1, .preAssociated)
        bench.run(for: .milliseconds(10))
        #expect(bench.held(1)?.command == .preAssociate)
        try bench.request(1)
        bench.run(for: .milliseconds(10))
        #expect(bench.outcomes == [.granted, .granted])
        #expect(bench.held(1)?.command == .associate)
        bench.run(for: .seconds(100))
        #expect(bench.state(1) == .associated)
        #expect(bench.releases.isEmpty)
        #expect(bench.bridge.snapshot.statistics.vdp.keepAlives >= 10)
        #expect(bench.bridge.snapshot.statistics.vdp.commandsSucceeded == 2)
        #expect(bench.said.allSatisfy { $0.managerID == 5 && $0.vsi.status == .answer(.success) })
        try bench.withdraw(1)
        bench.run(for: .milliseconds(10))
        #expect(bench.outcomes.last == .released)
        #expect(bench.releases == [.station])
        #expect(bench.bridge.load.vsis == 0)
    }

    @Test("VDP-20 a silent VSI of the draft is released after 20.25 s")
    func ageing() throws {
        let bench = PairBench(bridge: .draft).start()
        try bench.request(1)
        bench.run(for: .milliseconds(10))
        // Only what VDP says is lost; LLDP goes on.
        bench.losesFromStation = { $0.isDraftRequest }
        bench.run(for: .milliseconds(20_200))
        #expect(bench.releases.isEmpty)
        bench.run(for: .milliseconds(50))
        #expect(bench.releases == [.keepAliveTimeout])
        #expect(bench.said.last?.vsi.command == .deAssociate)
    }

    @Test("VDP-11 the bridge takes back what it granted, and the station asks anew")
    func retraction() throws {
        let bench = PairBench(bridge: .draft).start()
        try bench.request(1)
        bench.run(for: .milliseconds(10))
        bench.clear()
        bench.bridgeDoes { $0.deassociate(DraftBench.id(1), at: $1) }
        bench.run(for: .milliseconds(10))
        #expect(bench.releases == [.retracted])
        #expect(bench.said.map(\.vsi.command) == [.deAssociate])
        #expect(bench.said.map(\.managerID) == [5])
        #expect(bench.station.vsi(DraftBench.id(1))?.reason == .bridgeDeassociated)
        #expect(bench.state(1) == .deassociated)
        bench.run(for: .seconds(3))
        #expect(bench.state(1) == .associated)
        #expect(bench.held(1)?.command == .associate)
    }

    @Test("VDP-21 null VIDs are filled in; a priority, which the draft has no place for, is not granted")
    func nullVID() throws {
        let bench = PairBench(bridge: .draft).start()
        bench.decision = { request in
            let entries = request.filter.entries.flatMap { entry in
                [42, 43, 42].map { FilterEntry(vid: $0, pcp: $0 == 42 ? 3 : nil, macAddress: entry.macAddress) }
            }
            return (try? FilterInfo(checking: Array(entries.prefix(2)))).map { .grant($0) }
        }
        try bench.request(1, vid: 0)
        bench.run(for: .milliseconds(10))
        let own = try #require(bench.station.vsi(DraftBench.id(1)))
        #expect(own.filter.entries.map(\.vid) == [42, 43])
        #expect(bench.held(1)?.filter == own.filter)
        // The keep-alives name what was granted, and are not asked about.
        bench.decision = { _ in nil }
        bench.run(for: .seconds(60))
        #expect(bench.state(1) == .associated)
        #expect(bench.bridge.snapshot.statistics.vdp.commandsSucceeded == 1)
    }

    @Test("VSIs of several managers share a PDU, each with its own manager, in frames of at most 1514 octets")
    func several() throws {
        let bench = PairBench(bridge: .draft).start()
        bench.losesFromBridge = { $0.isDraftRequest }
        for number in 1...100 {
            try bench.stationDoes {
                try $0.request(DraftBench.request(UInt64(number), manager: UInt8(number)), at: $1)
            }
        }
        bench.run(for: .milliseconds(900))
        bench.losesFromBridge = { _ in false }
        bench.clear()
        bench.run(for: .seconds(2))
        #expect(bench.bridge.vsis.count == 100)
        #expect(bench.station.vsis.count { $0.state == .associated } == 100)
        let counts = bench.sentByBridge.compactMap { entry -> Int? in
            guard case .draftECP(let ecpdu) = entry.frame.payload, ecpdu.operation == .request else { return nil }
            #expect(entry.frame.destination == .nearestBridge)
            #expect(entry.frame.encoded().count <= 1514)
            return DraftVDPDU.decode(ecpdu.payload, from: .bridge).pdu.associations.count
        }
        #expect(counts.max() == 37)
        for word in bench.said { #expect(word.vsi.vsiID == DraftBench.id(UInt64(word.managerID))) }
    }

    @Test(
        "VDP-13 every reason becomes a response of the draft",
        arguments: [
            (VDPReason.invalidFormat, 1), (.insufficientResources, 2), (.managerUnreachable, 2), (.otherFailure, 2),
            (.invalidFilter, 1), (.draftUnusedTypeID, 3), (.draftTypeIDViolation, 4),
            (.draftTypeVersionViolation, 5), (.draftOutOfSync, 6), (VDPReason(rawValue: 9), 2),
        ] as [(VDPReason, UInt8)])
    func reasons(_ reason: VDPReason, code: UInt8) throws {
        let bench = PairBench(bridge: .draft).start()
        bench.decision = { _ in .refuse(Refusal(reason: reason, isHard: true, isKept: false)) }
        try bench.request(1)
        bench.run(for: .milliseconds(10))
        #expect(bench.said.map(\.vsi.status.reason.draftCode) == [code])
        #expect(bench.state(1) == .deassociated)
        #expect(bench.bridge.load.vsis == 0)
        guard case .refused? = bench.outcomes.first, bench.outcomes.count == 1 else {
            Issue.record("\(bench.outcomes)")
            return
        }
    }

    @Test("VDP-14 the draft has no Keep: a change that is refused releases what was, on both sides")
    func noKeep() throws {
        let bench = PairBench(bridge: .draft).start()
        try bench.request(1)
        bench.run(for: .milliseconds(10))
        bench.decision = { _ in .refuse(Refusal(reason: .insufficientResources, isHard: false, isKept: true)) }
        try bench.request(1, vid: 20)
        bench.run(for: .milliseconds(10))
        let final = Refusal(reason: .insufficientResources, isHard: false, isKept: false)
        #expect(bench.releases == [.refused(final)])
        #expect(bench.outcomes.last == .refused(final))
        #expect(bench.state(1) == .deassociated)
        #expect(bench.bridge.snapshot.statistics.vdp.commandReverts == 0)
        bench.decision = { .grant($0.filter) }
        bench.run(for: .seconds(12))
        #expect(bench.held(1)?.filter.entries.map(\.vid) == [20])
    }

    @Test("VDP-08 who decides too late is answered for with a refusal within the 3 s of the draft")
    func slowDecision() throws {
        let bench = PairBench(bridge: .draft).start()
        bench.decision = { _ in nil }
        try bench.request(1, .preAssociated)
        bench.run(for: .milliseconds(1990))
        #expect(bench.outcomes.isEmpty)
        bench.run(for: .milliseconds(20))
        #expect(bench.said.map(\.vsi.command) == [.preAssociate])
        #expect(
            bench.outcomes
                == [.refused(Refusal(reason: .insufficientResources, isHard: false, isKept: false))])
        #expect(bench.bridgeEffects.contains { if case .cancel = $0 { true } else { false } })
        #expect(bench.bridge.snapshot.statistics.vdp.resourceWaitTimeouts == 1)
        // A De-Associate that came early would be lost on lldpad.
        #expect(bench.said.allSatisfy { $0.vsi.command != .deAssociate })
    }

    @Test("VDP-32 a TLV that cannot be read is refused with the manager that it names; one with an answer in it is not")
    func malformed() throws {
        let bench = PairBench(bridge: .draft).start()
        var octets = DraftVDPDU(associations: [try DraftBench.word(1, .associate).asked]).encoded()
        octets[2 + 27] = 3  // the filter's format
        func receive(_ sequence: UInt16) {
            let ecpdu = DraftECPDU(operation: .request, sequence: sequence, payload: octets)
            bench.bridgeDoes { $0.receive(Self.frame(ecpdu), at: $1) }
        }
        receive(700)
        bench.run(for: .milliseconds(1))
        #expect(bench.said.map(\.vsi.status.reason) == [.invalidFormat])
        #expect(bench.said.map(\.managerID) == [5])
        #expect(bench.said.map(\.vsi.vsiID) == [DraftBench.id(1)])
        octets[2 + 5] = 1  // the response
        receive(701)
        octets[2 + 27] = 2
        receive(702)
        octets[2 + 5] = 7
        receive(703)
        bench.run(for: .milliseconds(1))
        #expect(bench.said.count == 1)
        #expect(bench.bridge.snapshot.statistics.vdp.malformed == 3)
        #expect(bench.bridge.snapshot.statistics.vdp.unsolicited == 1)
    }

    // MARK: ECP

    @Test("ECP-05 an answer whose ack is lost is sent again after 500 ms under a new number, four times in all")
    func retransmission() throws {
        let bench = PairBench(bridge: .draft).start()
        bench.losesFromStation = { $0.isDraftAcknowledgement }
        try bench.request(1)
        bench.run(for: .milliseconds(1990))
        let sent = bench.sentByBridge.compactMap { entry -> (at: Instant, ecpdu: DraftECPDU)? in
            guard case .draftECP(let ecpdu) = entry.frame.payload, ecpdu.operation == .request else { return nil }
            return (entry.at, ecpdu)
        }
        #expect(sent.map(\.ecpdu.sequence) == [0x0101, 0x0102, 0x0103, 0x0104])
        #expect(Set(sent.map(\.ecpdu.payload)).count == 1)
        #expect(zip(sent.dropFirst(), sent).allSatisfy { $0.at.since($1.at) == .milliseconds(500) })
        #expect(bench.state(1) == .associated)
        bench.run(for: .milliseconds(20))
        #expect(bench.bridge.snapshot.statistics.ecpTxFailures == 1)
    }

    @Test("ECP-08 a request that comes twice is acknowledged twice, with zeros, and delivered once")
    func duplicates() throws {
        let bench = PairBench(bridge: .draft).start()
        bench.clear()
        let frame = Self.request(900, try DraftBench.word(9, .associate).asked)
        bench.bridgeDoes { $0.receive(frame, at: $1) }
        bench.bridgeDoes { $0.receive(frame, at: $1) }
        #expect(bench.bridge.snapshot.statistics.ecpRxDuplicates == 1)
        #expect(bench.bridgeEffects.count { if case .decide = $0 { true } else { false } } == 1)
        let acks = bench.sentByBridge.filter { $0.frame.isDraftAcknowledgement }
        #expect(acks.count == 2)
        for (_, ack) in acks {
            #expect(ack.encoded().count == frame.encoded().count)
            #expect(ack.encoded()[14..<23] == [0x00, 0x1B, 0x3F, 0, 0, 0, 1, 0x03, 0x84])
            #expect(ack.encoded()[23...].allSatisfy { $0 == 0 })
        }
    }

    // MARK: Change-over

    @Test("TLV-27 automatic bridge: ratified, draft and ratified again, as the station is configured; VSIs follow")
    func stationChanges() throws {
        let bench = PairBench().start()
        try bench.request(1)
        bench.run(for: .seconds(1))
        #expect(bench.held(1)?.command == .associate)
        for (choice, dialect) in [(DialectChoice.draft, WireDialect.draft), (.automatic, .ratified)] {
            bench.clear()
            bench.stationDoes { $0.reconfigure(DraftBench.configuration(choice), at: $1) }
            bench.run(for: .seconds(5))
            #expect(bench.dialects == [dialect, dialect])
            #expect(bench.stationLosses == [.dialectChanged])
            #expect(bench.releases == [.stationLost])
            // The port reflects in both, and goes on doing so.
            #expect(bench.relays.isEmpty)
            #expect(bench.state(1) == .associated)
            #expect(bench.held(1)?.command == .associate)
            bench.run(for: .seconds(60))
            #expect(bench.state(1) == .associated)
        }
    }

    @Test("TLV-27 automatic station: the bridge is told to speak the draft, and then what it likes")
    func bridgeChanges() throws {
        let bench = PairBench().start()
        try bench.request(1)
        bench.run(for: .seconds(1))
        for (choice, dialect) in [
            (DialectChoice.draft, WireDialect.draft), (.automatic, .ratified), (.draft, .draft), (.ratified, .ratified),
        ] {
            bench.clear()
            bench.bridgeDoes { $0.reconfigure(PairBench.bridgeConfiguration(choice), at: $1) }
            bench.run(for: .seconds(5))
            #expect(bench.dialects == [dialect, dialect])
            #expect(bench.releases == [.stationLost])
            #expect(bench.state(1) == .associated)
            #expect(bench.held(1)?.command == .associate)
        }
    }

    @Test("What the draft cannot say waits for the ratified dialect")
    func limits() throws {
        let bench = PairBench(bridge: .draft).start()
        let vsiID = VSIID(format: .local, high: 0, low: 1)
        var request = try DraftBench.request(1)
        request.vsiID = vsiID
        try bench.stationDoes { try $0.request(request, at: $1) }
        bench.run(for: .seconds(1))
        #expect(bench.outcomes == [.inexpressible(.vsiIDFormat)])
        bench.bridgeDoes { $0.reconfigure(PairBench.bridgeConfiguration(.automatic), at: $1) }
        bench.run(for: .seconds(5))
        #expect(bench.bridge.vsi(vsiID)?.grant?.command == .associate)
        #expect(bench.station.vsi(vsiID)?.state == .associated)
    }
}

extension DraftBridgeTests {
    private static func frame(_ ecpdu: DraftECPDU) -> Frame {
        Frame(
            destination: .nearestBridge, source: DraftBench.configuration(.draft).address, payload: .draftECP(ecpdu))
    }

    private static func request(_ sequence: UInt16, _ associations: DraftVDPDU.Association...) -> Frame {
        request(sequence, associations)
    }

    private static func request(_ sequence: UInt16, _ associations: [DraftVDPDU.Association]) -> Frame {
        let payload = DraftVDPDU(associations: associations).encoded()
        return frame(DraftECPDU(operation: .request, sequence: sequence, payload: payload))
    }

    private static func hello(
        _ capabilities: DraftEVBTLV.Capabilities, modes: DraftEVBTLV.ForwardingModes = .standard, copies: Int = 1
    ) -> Frame {
        let tlv = DraftEVBTLV(
            supportedModes: modes, supportedCapabilities: capabilities, configuredModes: .standard,
            configuredCapabilities: capabilities, supportedVSIs: 3295, configuredVSIs: 0, retransmissionExponent: 15)
        let address = DraftBench.configuration(.draft).address
        let lldpdu = LLDPDU(
            chassisID: .chassis(address), portID: .port(address), timeToLive: 120,
            optional: Array(repeating: .draftEVB(tlv), count: copies))
        return Frame(destination: .nearestCustomerBridge, source: address, payload: .lldp(lldpdu))
    }
}

extension DraftVDPDU.Association {
    /// As a station asks it.
    fileprivate var asked: DraftVDPDU.Association {
        var asked = self
        asked.vsi.status = []
        return asked
    }
}

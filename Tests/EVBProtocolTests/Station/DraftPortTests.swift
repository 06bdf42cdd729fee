import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

@Suite("Draft: negotiation and ECP")
struct DraftPortTests {
    // MARK: EVB TLV

    @Test("TLV-27 the draft's TLV is sent, and what both sides can do is configured")
    func negotiation() throws {
        let bench = DraftBench().start()
        let all: DraftEVBTLV.Capabilities = [.retransmissionExponent, .ecp, .vdp]
        let expected = DraftEVBTLV(
            supportedModes: [.standard, .reflectiveRelay], supportedCapabilities: all,
            configuredModes: .reflectiveRelay, configuredCapabilities: all, supportedVSIs: 3295, configuredVSIs: 0,
            retransmissionExponent: 14)
        #expect(bench.bridge.stationTLV == expected)
        #expect(bench.reflectiveRelays == [.on])
        let snapshot = bench.port.snapshot
        #expect(snapshot.dialect == .draft)
        #expect(snapshot.localTLV == .draft(expected))
        #expect(snapshot.peer?.advertised == .draft(DraftBridge.tlv()))
        #expect(snapshot.peer?.tlv == nil)
        #expect(snapshot.timers.retransmissionExponent == 15)
        #expect(snapshot.times == .draft)
        try bench.request(DraftBench.request(1))
        bench.run(for: .seconds(31))
        #expect(bench.bridge.stationTLV?.configuredVSIs == 1)
    }

    @Test("TLV-27 before a bridge is heard nothing is configured")
    func alone() throws {
        let bench = DraftBench()
        bench.bridge.tlvs = []
        bench.start()
        let tlv = try #require(bench.bridge.stationTLV)
        #expect(tlv.configuredModes == .standard)
        #expect(tlv.configuredCapabilities == [])
        #expect(tlv.supportedVSIs == 0)
        #expect(bench.port.snapshot.reflectiveRelay == .unknown)
        #expect(bench.port.snapshot.peer == nil)
    }

    @Test("TLV-27 a VEB, or a bridge that cannot reflect, forwards as 802.1Q has it")
    func standard() throws {
        let veb = DraftBench(relay: false).start()
        #expect(veb.bridge.stationTLV?.supportedModes == .standard)
        #expect(veb.bridge.stationTLV?.configuredModes == .standard)
        #expect(veb.notices == [.reflectsUnasked])
        let bench = DraftBench()
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv(modes: .standard, configured: .standard))]
        bench.start()
        #expect(bench.bridge.stationTLV?.configuredModes == .standard)
        #expect(bench.reflectiveRelays == [.off])
        #expect(bench.notices == [.reflectiveRelayRefused])
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv())]
        bench.hello()
        bench.run(for: .milliseconds(1))
        #expect(bench.reflectiveRelays == [.off, .on])
    }

    @Test("VDP waits until both sides have ECP and VDP, and VSIs fall when one has not any more")
    func agreement() throws {
        let bench = DraftBench()
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv(capabilities: [.retransmissionExponent, .ecp]))]
        bench.start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .seconds(1))
        #expect(bench.requests.isEmpty)
        #expect(bench.bridge.stationTLV?.configuredCapabilities == [.retransmissionExponent, .ecp])
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv())]
        bench.hello()
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated)
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv(capabilities: [.vdp]))]
        bench.hello()
        bench.run(for: .milliseconds(1))
        #expect(bench.state(1) == .deassociated)
        #expect(bench.reason(1) == .bridgeLost)
        #expect(bench.losses.isEmpty)
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv())]
        bench.hello()
        bench.run(for: .seconds(2))
        #expect(bench.state(1) == .associated)
    }

    @Test("A draft TLV without a forwarding mode, or two of them, are not used")
    func unusable() {
        for tlvs: [LLDPDU.OptionalTLV] in [
            [.draftEVB(DraftBridge.tlv(modes: []))], [.draftEVB(DraftBridge.tlv()), .draftEVB(DraftBridge.tlv())],
        ] {
            let bench = DraftBench()
            bench.bridge.tlvs = tlvs
            bench.start()
            #expect(bench.port.snapshot.peer == nil)
            guard case .unusableTLV? = bench.notices.first, bench.notices.count == 1 else {
                Issue.record("\(bench.notices)")
                continue
            }
        }
    }

    @Test("A dialect that the port is not to speak is told of, and nothing else comes of it")
    func alienDialect() throws {
        let draft = DraftBench(.ratified).start()
        #expect(draft.port.snapshot.peer == nil)
        #expect(draft.notices == [.draftNeighbour])
        #expect(draft.tlvs.allSatisfy { if case .evb = $0 { true } else { false } })
        draft.say(try DraftBench.word(1, .deAssociate))
        draft.run(for: .milliseconds(1))
        #expect(draft.statistics.ecpRxDiscarded == 1)
        let ratified = DraftBench(.draft)
        ratified.bridge.tlvs = [.evb(DraftBridge.ratifiedTLV)]
        ratified.start()
        #expect(ratified.port.snapshot.peer == nil)
        #expect(ratified.notices == [.ratifiedNeighbour])
    }

    // MARK: Change-over

    @Test("automatic: ratified, then draft, then ratified again; VSIs fall and are asked for anew each time")
    func changeOver() throws {
        let bench = DraftBench(.automatic)
        bench.bridge.tlvs = [.evb(DraftBridge.ratifiedTLV)]
        bench.start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .seconds(1))
        #expect(bench.port.snapshot.dialect == .ratified)
        #expect(bench.state(1) == .associated)
        #expect(bench.bridge.ratifiedHeard.count == 1)
        bench.clear()

        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv())]
        bench.hello()
        bench.run(for: .seconds(2))
        #expect(bench.port.snapshot.dialect == .draft)
        #expect(bench.losses == [.dialectChanged])
        #expect(bench.changes(1) == [.deassociated, .pending, .associated])
        let reasons = bench.effects.compactMap { effect -> VSIReason? in
            if case .vsi(.changed(let change)) = effect, change.to == .deassociated { change.reason } else { nil }
        }
        #expect(reasons == [.bridgeLost])
        #expect(bench.bridge.heard.map(\.vsi.command) == [.associate])
        // The bridge must know that its dialect is spoken before it is asked for something.
        let first = try #require(bench.sent.first { $0.frame.isDraftRequest })
        let told = try #require(bench.sent.first { if case .lldp = $0.frame.payload { true } else { false } })
        #expect(told.at <= first.at)
        #expect(bench.tlvs.allSatisfy { if case .draftEVB = $0 { true } else { false } })
        bench.clear()

        // A bridge that sends both speaks the ratified dialect.
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv()), .evb(DraftBridge.ratifiedTLV)]
        bench.hello()
        bench.run(for: .seconds(1))
        #expect(bench.port.snapshot.dialect == .ratified)
        #expect(bench.losses == [.dialectChanged])
        #expect(bench.changes(1) == [.deassociated, .pending, .associated])
        #expect(bench.bridge.ratifiedHeard.count == 2)
        #expect(bench.requests.isEmpty)
    }

    @Test("automatic: when the bridge is gone the ratified TLV is sent again")
    func fallBack() throws {
        let bench = DraftBench(.automatic).start()
        #expect(bench.port.snapshot.dialect == .draft)
        bench.hello(timeToLive: 0)
        bench.run(for: .seconds(2))
        #expect(bench.losses == [.shutdown])
        #expect(bench.port.snapshot.dialect == .ratified)
        guard case .evb? = bench.tlvs.last else {
            Issue.record("\(bench.tlvs)")
            return
        }
    }

    @Test("The dialect is changed while the port runs")
    func reconfigured() throws {
        let bench = DraftBench(.automatic)
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv()), .evb(DraftBridge.ratifiedTLV)]
        bench.start()
        try bench.request(DraftBench.request(1))
        bench.run(for: .seconds(1))
        #expect(bench.port.snapshot.dialect == .ratified)
        bench.reconfigure(DraftBench.configuration(.draft))
        bench.run(for: .seconds(2))
        #expect(bench.port.snapshot.dialect == .draft)
        #expect(bench.state(1) == .associated)
        #expect(bench.bridge.heard.count == 1)
        bench.bridge.tlvs = [.draftEVB(DraftBridge.tlv())]
        bench.hello()
        bench.reconfigure(DraftBench.configuration(.ratified))
        bench.run(for: .seconds(1))
        #expect(bench.port.snapshot.peer == nil)
        #expect(bench.port.snapshot.dialect == .ratified)
        #expect(bench.state(1) == .deassociated)
    }

    @Test("The dialect is changed while nobody is heard")
    func reconfiguredAlone() {
        let bench = DraftBench(.automatic)
        bench.reconfigure(DraftBench.configuration(.draft))
        bench.bridge.tlvs = []
        bench.start()
        #expect(bench.port.snapshot.dialect == .draft)
        #expect(bench.tlvs.allSatisfy { if case .draftEVB = $0 { true } else { false } })
    }

    // MARK: ECP

    @Test("A request whose ack is lost is sent again after 500 ms under a new number, and answered once more")
    func lostAck() throws {
        let bench = DraftBench().start()
        var lost = 0
        bench.losesFromBridge = { frame in
            defer { if frame.isDraftAcknowledgement { lost += 1 } }
            return frame.isDraftAcknowledgement && lost == 0
        }
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(400))
        // The answer says that the request has arrived; only ECP does not know.
        #expect(bench.state(1) == .associated)
        bench.run(for: .seconds(2))
        #expect(bench.requests.map(\.ecpdu.sequence) == [1, 2])
        #expect(bench.requests[1].at.since(bench.requests[0].at) == .milliseconds(500))
        #expect(bench.requests[0].ecpdu.payload == bench.requests[1].ecpdu.payload)
        #expect(bench.bridge.acknowledged == [1, 2])
        #expect(bench.statistics.ecpTxRetries == 1)
        #expect(bench.statistics.vdp.unsolicited == 1)
        #expect(bench.outcomes(1) == [.granted])
        #expect(bench.changes(1) == [.pending, .associated])
    }

    @Test("Three repetitions, then the PDU is made up anew; the numbers go on through the wrap")
    func failure() throws {
        let bench = DraftBench(firstSequence: 0xFFFE).start()
        bench.losesFromStation = { $0.isDraftRequest }
        try bench.request(DraftBench.request(1, persistence: .once))
        bench.run(for: .seconds(10))
        #expect(bench.requests.prefix(5).map(\.ecpdu.sequence) == [0xFFFE, 0xFFFF, 0, 1, 2])
        #expect(Set(bench.requests.map(\.ecpdu.sequence)).count == bench.requests.count)
        #expect(bench.statistics.ecpTxFailures >= 1)
        #expect(bench.outcomes(1) == [.timedOut])
        let took = bench.requests.last.map { $0.at.since(bench.requests[0].at) }
        #expect(took.map { $0 <= .seconds(5) } == true)
    }

    @Test("An ack of a former number, of none, and of the ratified dialect change nothing")
    func alienAcks() throws {
        let bench = DraftBench().start()
        bench.losesFromStation = { $0.isDraftRequest }
        try bench.request(DraftBench.request(1))
        bench.run(for: .milliseconds(600))
        #expect(bench.requests.map(\.ecpdu.sequence) == [1, 2])
        func receive(_ payload: Frame.Payload) throws {
            // Each to the group address of its dialect.
            let destination =
                if case .ecp = payload { MACAddress.nearestCustomerBridge } else { MACAddress.nearestBridge }
            let frame = Frame(destination: destination, source: DraftBridge.address, payload: payload)
            try bench.receive(frame.encoded())
        }
        try receive(.draftECP(DraftECPDU(operation: .acknowledgement, sequence: 1)))
        try receive(.draftECP(DraftECPDU(operation: .acknowledgement, sequence: 3)))
        try receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 2)))
        #expect(!bench.port.link.transmitter.isIdle)
        #expect(bench.statistics.ecpRxStrayAcks == 2)
        #expect(bench.statistics.ecpRxDiscarded == 1)
        try receive(.draftECP(DraftECPDU(operation: .acknowledgement, sequence: 2)))
        #expect(bench.port.link.transmitter.isIdle)
    }

    @Test("A duplicate is acknowledged and not delivered; each ack is its request with zeros")
    func duplicates() throws {
        let bench = DraftBench().start()
        let payload = DraftVDPDU(associations: [try DraftBench.word(7, .associate)]).encoded()
        let frame = Frame(
            destination: .nearestBridge, source: DraftBridge.address,
            payload: .draftECP(DraftECPDU(operation: .request, sequence: 9, payload: payload)))
        bench.clear()
        try bench.receive(frame.encoded())
        try bench.receive(frame.encoded())
        #expect(bench.statistics.vdp.unknownVSI == 1)
        #expect(bench.statistics.ecpRxDuplicates == 1)
        #expect(bench.sent.count == 2)
        for (_, ack) in bench.sent {
            let octets = ack.encoded()
            #expect(octets.count == frame.encoded().count)
            #expect(octets[14..<23] == [0x00, 0x1B, 0x3F, 0, 0, 0, 1, 0, 9])
            #expect(octets[23...].allSatisfy { $0 == 0 })
        }
    }

    @Test("A PDU with nothing in it, as lldpad sends at its start, is acknowledged")
    func empty() throws {
        let bench = DraftBench().start()
        bench.clear()
        bench.say()
        bench.run(for: .milliseconds(1))
        #expect(bench.bridge.acknowledgements == [0x0100])
        #expect(bench.statistics.vdp == StationVDPStatistics())
    }
}

import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Recorded exchanges between lldpad's station and bridges of the draft, with our port in the bridge's place.
@Suite("Draft: recorded stations")
struct DraftBridgeReplayTests {
    static let bridge = MACAddress(truncating: 0x0200_0000_BB01)

    /// What a replay gave.
    private struct Outcome {
        /// The frames of draft ECP that our port has sent, and those of the recorded bridge.
        var ours: [Frame] = []
        var theirs: [Frame] = []
        var effects: [BridgeEffect] = []
        var port: BridgePort
    }

    /// Gives the station's frames of a capture to a port, which grants what it is asked for. When the station acknowledges
    /// something it acknowledges all that our port has sent, since that may be more than the recorded bridge did.
    private static func replay(
        _ name: String, dialect: DialectChoice, _ before: (inout BridgePort, Instant) -> [BridgeEffect] = { _, _ in [] }
    ) throws -> Outcome {
        let frames = try DraftReplayTests.frames(name)
        var outcome = Outcome(
            port: BridgePort(
                configuration: BridgePortConfiguration(
                    address: bridge, interfaceName: "swp1", evb: EVBBridgeNegotiation.Configuration(),
                    dialect: dialect),
                firstSequence: 0x0101))
        var last: UInt16?
        func take(_ effects: [BridgeEffect], at now: Instant) {
            outcome.effects += effects
            for effect in effects {
                switch effect {
                case .transmit(let frame):
                    guard case .draftECP(let ecpdu) = frame.payload else { continue }
                    if ecpdu.operation == .request { last = ecpdu.sequence }
                    outcome.ours.append(frame)
                case .decide(let ticket, let request):
                    take(outcome.port.decided(ticket, .grant(request.filter), at: now), at: now)
                default: break
                }
            }
        }
        let start = try #require(frames.first).at
        take(outcome.port.setLink(up: true, at: start), at: start)
        let hello = Self.hello
        take(outcome.port.receive(hello, at: start), at: start)
        for (at, octets) in frames {
            while let deadline = outcome.port.nextDeadline, deadline <= at {
                take(outcome.port.advance(to: deadline), at: deadline)
            }
            let frame = try Frame(decoding: octets)
            guard case .draftECP(var ecpdu) = frame.payload else {
                if frame.source != bridge { take(outcome.port.receive(frame, at: at), at: at) }
                continue
            }
            if frame.source == bridge {
                outcome.theirs.append(frame)
                if ecpdu.operation == .request { take(before(&outcome.port, at), at: at) }
            } else if ecpdu.operation == .request {
                take(outcome.port.receive(frame, at: at), at: at)
            }
            while frame.source != bridge, ecpdu.operation == .acknowledgement, let sequence = last {
                last = nil
                ecpdu.sequence = sequence
                let acknowledgement = Frame(
                    destination: frame.destination, source: frame.source, payload: .draftECP(ecpdu))
                take(outcome.port.receive(acknowledgement, at: at), at: at)
            }
        }
        return outcome
    }

    /// What lldpad's station says by LLDP, in the first of the captures.
    private static var hello: Frame {
        let tlv = DraftEVBTLV(
            supportedModes: .reflectiveRelay, supportedCapabilities: [.retransmissionExponent, .ecp, .vdp],
            configuredModes: .reflectiveRelay, configuredCapabilities: [.retransmissionExponent, .ecp, .vdp],
            supportedVSIs: 3295, configuredVSIs: 0, retransmissionExponent: 15)
        let station = DraftReplayTests.station
        let lldpdu = LLDPDU(
            chassisID: .chassis(station), portID: .port(station), timeToLive: 120, optional: [.draftEVB(tlv)])
        return Frame(destination: .nearestCustomerBridge, source: station, payload: .lldp(lldpdu))
    }

    private static func ecpdus(_ frames: [Frame], _ operation: ECPDU.Operation) -> [DraftECPDU] {
        frames.compactMap { frame in
            guard case .draftECP(let ecpdu) = frame.payload, ecpdu.operation == operation else { return nil }
            return ecpdu
        }
    }

    private static func associations(_ frames: [Frame]) -> [DraftVDPDU.Association] {
        ecpdus(frames, .request).flatMap { DraftVDPDU.decode($0.payload, from: .bridge).pdu.associations }
    }

    @Test(
        "The recorded bridge's answers, about one VSI or two, and to keep-alives",
        arguments: [DialectChoice.draft, .automatic])
    func answers(dialect: DialectChoice) throws {
        let outcome = try Self.replay("draft-libvirt-pybridge.pcap", dialect: dialect)
        let (ours, theirs) = (Self.associations(outcome.ours), Self.associations(outcome.theirs))
        #expect(theirs.count == 5)
        // Of the two VSIs of the first PDU the one that is unknown needs no decision, and is answered first.
        #expect(ours == [theirs[1], theirs[0]] + theirs[2...])
        // Everything after that is the same to the octet, the number aside.
        let (mine, recorded) = (Self.ecpdus(outcome.ours, .request), Self.ecpdus(outcome.theirs, .request))
        #expect(mine.dropFirst(2).map(\.payload) == recorded.dropFirst().map(\.payload))
        #expect(
            Self.ecpdus(outcome.ours, .acknowledgement).map(\.sequence)
                == Self.ecpdus(outcome.theirs, .acknowledgement).map(\.sequence))
        #expect(outcome.ours.allSatisfy { $0.destination == .nearestBridge && $0.source == Self.bridge })
        #expect(outcome.port.snapshot.statistics.vdp.keepAlives == 2)
        #expect(outcome.port.vsis.isEmpty)
    }

    @Test("VDP-11 the recorded bridge's own De-Associate, and its answers, to the octet")
    func deassociates() throws {
        var answers = 0
        let request = try DraftReplayTests.request()
        let outcome = try Self.replay("draft-libvirt-bridge-initiated-deassoc.pcap", dialect: .automatic) {
            port, now in
            answers += 1
            // The second PDU of the recorded bridge is one that it was not asked for.
            return answers == 2 ? port.deassociate(request.vsiID, at: now) : []
        }
        var payloads: [[UInt8]] = []
        // lldpad sleeps for a second before it acknowledges, so that ours is sent again meanwhile.
        for ecpdu in Self.ecpdus(outcome.ours, .request) where ecpdu.payload != payloads.last {
            payloads.append(ecpdu.payload)
        }
        #expect(payloads == Self.ecpdus(outcome.theirs, .request).map(\.payload))
        #expect(outcome.port.snapshot.statistics.ecpTxRetries == 2)
        #expect(outcome.port.snapshot.statistics.ecpTxFailures == 0)
        let events = outcome.effects.compactMap { if case .vsi(let event) = $0 { event } else { nil } }
        let bound = BridgeVSIEvent.bound(
            request.vsiID, BridgeGrant(command: .associate, filter: request.filter))
        #expect(
            events == [
                bound, .released(request.vsiID, .retracted), bound, .released(request.vsiID, .station),
            ])
    }

    @Test(
        "ECP-08 acknowledgements as lldpad's own bridge makes them, to the octet",
        arguments: ["draft-libvirt-lldpadbridge.pcap", "draft-lldptool-assoc-deassoc.pcap"])
    func acknowledgements(name: String) throws {
        let outcome = try Self.replay(name, dialect: .draft)
        let acknowledgements = outcome.ours.filter(\.isDraftAcknowledgement).map { $0.encoded() }
        #expect(!acknowledgements.isEmpty)
        #expect(acknowledgements == outcome.theirs.filter(\.isDraftAcknowledgement).map { $0.encoded() })
        // And, as lldpad's does not, it answers.
        #expect(Self.associations(outcome.ours).allSatisfy { $0.vsi.status == .answer(.success) })
        #expect(!Self.associations(outcome.ours).isEmpty)
    }

    @Test("TLV-27 a bridge that hears lldpad's recorded station agrees with it, and says so at once")
    func negotiation() throws {
        let station = DraftReplayTests.station
        var port = BridgePort(
            configuration: BridgePortConfiguration(
                address: Self.bridge, interfaceName: "swp1",
                evb: EVBBridgeNegotiation.Configuration(timers: OperationalTimers(rte: 15)), vsisMax: 3295,
                dialect: .draft),
            firstSequence: 1)
        var said: [DraftEVBTLV] = []
        let frames = try DraftReplayTests.frames("draft-evb-negotiation.pcap")
        let start = try #require(frames.first).at
        func take(_ effects: [BridgeEffect]) {
            for case .transmit(let frame) in effects {
                if case .lldp(let lldpdu) = frame.payload { said += lldpdu.draftEVBTLVs }
            }
        }
        take(port.setLink(up: true, at: start))
        for (at, octets) in frames {
            while let deadline = port.nextDeadline, deadline <= at { take(port.advance(to: deadline)) }
            let frame = try Frame(decoding: octets)
            if frame.source == station { take(port.receive(frame, at: at)) }
        }
        // The recorded bridge cannot forward but by reflection; the rest of its TLV is ours.
        guard case .lldp(let lldpdu) = try Frame(decoding: frames[1].octets).payload,
            var recorded = lldpdu.draftEVBTLVs.first
        else {
            Issue.record("the second frame is no LLDPDU of the draft")
            return
        }
        recorded.supportedModes = [.standard, .reflectiveRelay]
        #expect(said.last == recorded)
        #expect(said.dropFirst().allSatisfy { $0 == recorded })
        #expect(port.snapshot.statistics.ecpRxFrames > 0)
        #expect(port.snapshot.statistics.vdp == BridgeVDPStatistics())
    }
}

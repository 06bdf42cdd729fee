import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// A bridge that speaks the draft, or the ratified EVB TLV when told: as much of one as these tests need.
final class DraftBridge {
    static let address = MACAddress(truncating: 0x0200_0000_BB01)

    /// The EVB TLVs that its LLDPDUs carry.
    var tlvs: [LLDPDU.OptionalTLV] = [.draftEVB(DraftBridge.tlv())]
    /// What it says to a VSI's TLV; nil says nothing.
    var answer: (DraftVDPDU.Association) -> VSITLV? = DraftBridge.grant
    /// What it has heard of VDP, in order; retransmissions are not there twice.
    private(set) var heard: [DraftVDPDU.Association] = []
    /// VSIs in each PDU that it has heard.
    private(set) var heardCounts: [Int] = []
    /// The numbers that it has acknowledged, and those of the station's acknowledgements.
    private(set) var acknowledged: [UInt16] = []
    private(set) var acknowledgements: [UInt16] = []
    /// The station's last draft TLV.
    private(set) var stationTLV: DraftEVBTLV?
    /// Ratified VSIs that it has heard, which it grants.
    private(set) var ratifiedHeard: [VSITLV] = []
    var outbox: [Frame] = []
    private var sequence: UInt16 = 0x0100
    private var lastOctets: [UInt8] = []

    static func tlv(
        modes: DraftEVBTLV.ForwardingModes = [.standard, .reflectiveRelay],
        configured: DraftEVBTLV.ForwardingModes = .reflectiveRelay,
        capabilities: DraftEVBTLV.Capabilities = [.retransmissionExponent, .ecp, .vdp], rte: UInt8 = 15
    ) -> DraftEVBTLV {
        DraftEVBTLV(
            supportedModes: modes, supportedCapabilities: capabilities, configuredModes: configured,
            configuredCapabilities: capabilities, supportedVSIs: 3295, configuredVSIs: 0, retransmissionExponent: rte)
    }

    static let ratifiedTLV = EVBTLV(
        bridgeStatus: [.reflectiveRelayCapable, .reflectiveRelayControl],
        stationStatus: StationStatus(groupIDs: false, reflectiveRelayRequest: true, reflectiveRelayStatus: .on),
        retries: 3, retransmissionExponent: 14, mode: .bridge,
        resourceWaitDelay: NegotiatedExponent(20, isRemote: false),
        reinitKeepAlive: NegotiatedExponent(20, isRemote: false))

    static func grant(_ asked: DraftVDPDU.Association) -> VSITLV? {
        var vsi = asked.vsi
        vsi.status = .answer(.success)
        return vsi
    }

    static func refuse(_ reason: VDPReason) -> (DraftVDPDU.Association) -> VSITLV? {
        { asked in
            var vsi = asked.vsi
            vsi.status = .answer(reason)
            return vsi
        }
    }

    func sayHello(timeToLive: UInt16 = 120) {
        let lldpdu = LLDPDU(
            chassisID: .chassis(Self.address), portID: .port(Self.address), timeToLive: timeToLive,
            optional: timeToLive == 0 ? [] : tlvs)
        outbox.append(
            Frame(destination: .nearestCustomerBridge, source: Self.address, payload: .lldp(lldpdu)))
    }

    /// Says something of VSIs, unasked or as an answer.
    func say(_ associations: [DraftVDPDU.Association]) {
        let payload = DraftVDPDU(associations: associations).encoded()
        send(DraftECPDU(operation: .request, sequence: sequence, payload: payload))
        sequence &+= 1
    }

    private func send(_ ecpdu: DraftECPDU) {
        outbox.append(Frame(destination: .nearestBridge, source: Self.address, payload: .draftECP(ecpdu)))
    }

    func receive(_ octets: [UInt8]) throws {
        let frame = try Frame(decoding: octets)
        switch frame.payload {
        case .lldp(let lldpdu): stationTLV = lldpdu.draftEVBTLVs.first
        case .ecp(let ecpdu): try receive(ecpdu)
        case .draftECP(let ecpdu):
            #expect(frame.destination == .nearestBridge)
            // lldpad drops a frame that is like the one before it, and does not acknowledge it.
            guard octets != lastOctets else { return }
            lastOctets = octets
            receive(ecpdu)
        }
    }

    private func receive(_ ecpdu: DraftECPDU) {
        guard ecpdu.operation == .request else {
            acknowledgements.append(ecpdu.sequence)
            #expect(ecpdu.payload.allSatisfy { $0 == 0 })
            return
        }
        acknowledged.append(ecpdu.sequence)
        send(ecpdu.acknowledgement)
        let decoded = DraftVDPDU.decode(ecpdu.payload, from: .station)
        #expect(decoded.rejected.isEmpty)
        heard += decoded.pdu.associations
        heardCounts.append(decoded.pdu.associations.count)
        let answers = decoded.pdu.associations.compactMap { asked in
            answer(asked).map { DraftVDPDU.Association(managerID: asked.managerID, vsi: $0) }
        }
        if !answers.isEmpty { say(answers) }
    }

    private func receive(_ ecpdu: ECPDU) throws {
        guard ecpdu.operation == .request else { return }
        var pdu = try VDPDU.decode(ecpdu.payload).pdu
        ratifiedHeard += pdu.associations
        for index in pdu.associations.indices { pdu.associations[index].status = .answer(.success) }
        let answer = ECPDU(operation: .request, sequence: sequence, payload: pdu.encoded())
        sequence &+= 1
        outbox += [ecpdu.acknowledgement, answer].map {
            Frame(destination: .nearestCustomerBridge, source: Self.address, payload: .ecp($0))
        }
    }
}

/// A station port and a ``DraftBridge``, a wire between them that takes 50 us, and a clock of their own.
final class DraftBench {
    var port: StationPort
    let bridge = DraftBridge()
    private(set) var now = Instant(nanoseconds: 0)
    /// Which frames the wire loses.
    var losesFromStation: (Frame) -> Bool = { _ in false }
    var losesFromBridge: (Frame) -> Bool = { _ in false }
    private(set) var sent: [(at: Instant, frame: Frame)] = []
    private(set) var effects: [StationEffect] = []
    private var wire: [(at: Instant, isToStation: Bool, octets: [UInt8])] = []

    init(
        _ dialect: StationPortConfiguration.Dialect = .draft, relay: Bool = true, mtu: Int = 1500,
        firstSequence: UInt16 = 1
    ) {
        port = StationPort(
            configuration: Self.configuration(dialect, relay: relay, mtu: mtu), firstSequence: firstSequence)
    }

    static func configuration(
        _ dialect: StationPortConfiguration.Dialect, relay: Bool = true, mtu: Int = 1500
    ) -> StationPortConfiguration {
        StationPortConfiguration(
            address: MACAddress(truncating: 0x0200_0000_AA01), interfaceName: "eth0", mtu: mtu,
            evb: EVBStationNegotiation.Configuration(requestsReflectiveRelay: relay), dialect: dialect)
    }

    /// Sets the link up and lets bridge and station find each other.
    @discardableResult
    func start() -> DraftBench {
        perform(port.setLink(up: true, at: now))
        hello()
        run(for: .milliseconds(10))
        return self
    }

    /// The bridge sends an LLDPDU.
    func hello(timeToLive: UInt16 = 120) {
        bridge.sayHello(timeToLive: timeToLive)
        collect()
    }

    func say(_ associations: DraftVDPDU.Association...) {
        bridge.say(associations)
        collect()
    }

    func request(_ request: VSIRequest) throws { perform(try port.request(request, at: now)) }

    func withdraw(_ number: UInt64) throws { perform(try port.withdraw(Self.id(number), at: now)) }

    func reconfigure(_ configuration: StationPortConfiguration) { perform(port.reconfigure(configuration, at: now)) }

    func receive(_ octets: [UInt8]) throws { perform(port.receive(try Frame(decoding: octets), at: now)) }

    func run(for interval: Interval) {
        let end = now + interval
        for _ in 0..<100_000 {
            let next = [port.nextDeadline, wire.map(\.at).min()].compactMap { $0 }.min()
            guard let next, next <= end else {
                now = end
                return
            }
            now = max(now, next)
            step()
        }
        Issue.record("time does not go on")
    }

    private func step() {
        let due = wire.filter { $0.at <= now }
        wire.removeAll { $0.at <= now }
        for event in due {
            do {
                if event.isToStation { try receive(event.octets) } else { try bridge.receive(event.octets) }
            } catch {
                Issue.record("a frame cannot be read: \(error)")
            }
        }
        perform(port.advance(to: now))
    }

    private func perform(_ list: [StationEffect]) {
        for effect in list {
            effects.append(effect)
            guard case .transmit(let frame) = effect else { continue }
            sent.append((now, frame))
            if !losesFromStation(frame) { wire.append((now + Interval(nanoseconds: 50_000), false, frame.encoded())) }
        }
        collect()
    }

    private func collect() {
        for frame in bridge.outbox where !losesFromBridge(frame) {
            wire.append((now + Interval(nanoseconds: 50_000), true, frame.encoded()))
        }
        bridge.outbox = []
    }

    func clear() {
        sent = []
        effects = []
    }
}

// MARK: - Questions

extension DraftBench {
    static func id(_ number: UInt64) -> VSIID { VSIID(format: .uuid, high: 0xB0, low: number) }

    static func request(
        _ number: UInt64, _ target: VSIRequest.Target = .associated, vid: UInt16 = 10, manager: UInt8 = 5,
        persistence: VSIRequest.Persistence = .untilWithdrawn
    ) throws -> VSIRequest {
        let address = MACAddress(truncating: 0x5254_0000_0000 | number)
        return VSIRequest(
            vsiID: id(number), target: target, managerID: VSIManagerID(short: manager, placement: .last),
            typeID: 0x12_3456, typeVersion: 1,
            filter: try FilterInfo(checking: [FilterEntry(vid: vid, pcp: 3, macAddress: address)]),
            persistence: persistence)
    }

    /// What a bridge says of a VSI.
    static func word(
        _ number: UInt64, _ command: VDPCommand, _ reason: VDPReason = .success, vid: UInt16 = 10
    ) throws -> DraftVDPDU.Association {
        let tlv = try request(number, vid: vid).tlv(command, filter: try request(number, vid: vid).filter)
        return DraftVDPDU.Association(
            managerID: 5,
            vsi: VSITLV(
                command: command, status: .answer(reason), typeID: tlv.typeID, typeVersion: tlv.typeVersion,
                vsiID: tlv.vsiID, filter: tlv.filter))
    }

    func state(_ number: UInt64) -> VSIState? { port.vsi(Self.id(number))?.state }
    func reason(_ number: UInt64) -> VSIReason? { port.vsi(Self.id(number))?.reason }

    var statistics: StationPortStatistics { port.snapshot.statistics }

    func outcomes(_ number: UInt64) -> [RequestOutcome] {
        effects.compactMap { effect in
            guard case .vsi(.ended(let vsiID, let outcome)) = effect, vsiID == Self.id(number) else { return nil }
            return outcome
        }
    }

    func changes(_ number: UInt64) -> [VSIState] {
        effects.compactMap { effect in
            guard case .vsi(.changed(let change)) = effect, change.vsiID == Self.id(number) else { return nil }
            return change.to
        }
    }

    var losses: [PeerLoss] {
        effects.compactMap { if case .peer(.lost(let loss)) = $0 { loss } else { nil } }
    }

    var notices: [StationNotice] {
        effects.compactMap { if case .notice(let notice) = $0 { notice } else { nil } }
    }

    var reflectiveRelays: [ReflectiveRelayStatus] {
        effects.compactMap { if case .reflectiveRelay(let status) = $0 { status } else { nil } }
    }

    /// The requests by ECP that the station sent.
    var requests: [(at: Instant, ecpdu: DraftECPDU)] {
        sent.compactMap { entry in
            guard case .draftECP(let ecpdu) = entry.frame.payload, ecpdu.operation == .request else { return nil }
            return (entry.at, ecpdu)
        }
    }

    /// The EVB TLVs that the station sent.
    var tlvs: [LLDPDU.OptionalTLV] {
        sent.compactMap { if case .lldp(let lldpdu) = $0.frame.payload { lldpdu.optional.first } else { nil } }
    }
}

extension Frame {
    var isDraftRequest: Bool {
        if case .draftECP(let ecpdu) = payload { ecpdu.operation == .request } else { false }
    }

    var isDraftAcknowledgement: Bool {
        if case .draftECP(let ecpdu) = payload { ecpdu.operation == .acknowledgement } else { false }
    }
}

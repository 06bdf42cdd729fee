// A bridge's port between a station, a clock and an owner who decides, all three made of the input's octets.

import EVBProtocol
import EVBTime
import EVBWire
import Glibc

/// Reads an input as instructions for a bridge's port, and checks after each what has to hold whatever happens.
///
/// An instruction is one octet, of which four bits count, and its operands; operands behind the end are zero. seeds.py
/// writes the same. What has no meaning yet does what instruction 12 does.
struct BridgeDriver {
    private static let own = MACAddress(truncating: 0x5254_0000_0001)
    private static let mtu = 1500
    /// Instructions of one input; an input is no faster for having more.
    private static let stepsMax = 40
    private static let vsisMax = 6
    /// FUZZ_TRACE=1 shows what an input makes of the port.
    private static let isTraced = getenv("FUZZ_TRACE") != nil

    private var port: BridgePort
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var input: DriverInput
    private var isLinkUp = false
    /// The station's ECP sequence number.
    private var stationSequence: UInt16 = 0
    /// The ECP request that the port sent last, and how often.
    private var outstanding: (ecpdu: ECPDU, transmissions: Int)?
    /// Decisions that are asked for, in their order.
    private var open: [(ticket: DecisionTicket, request: BridgeRequest)] = []
    /// What each VSI was granted, as it was told.
    private var held: [VSIID: BridgeGrant] = [:]

    private init(_ octets: [UInt8]) {
        input = DriverInput(octets)
        port = BridgePort(configuration: Self.configuration(0), firstSequence: 0xFFFE)
    }

    static func run(_ octets: [UInt8]) {
        var driver = BridgeDriver(octets)
        driver.flipLink()
        for _ in 0..<stepsMax where !driver.input.isEmpty {
            driver.step()
            driver.check()
        }
        driver.finish()
    }

    private mutating func step() {
        let instruction = input.next() % 16
        if Self.isTraced { print("\(now.nanoseconds) instruction \(instruction)") }
        switch instruction {
        case 0: receive(input.octets(Int(input.word() % 1515)))
        case 1: announce()
        case 2: announceDraft()
        case 3: send(.request, payload: input.octets(Int(input.word() % 1497)))
        case 4: acknowledge(distance: UInt16(input.next() % 4))
        case 5: pass(.exponent(input.next() % 32))
        case 6: passToDeadline()
        case 7: ask()
        case 8: decide(input.next(), input.next())
        case 9: flipLink()
        case 10:
            let bits = input.next()
            act(transmitsMax: 1) { [now] in $0.reconfigure(Self.configuration(bits), at: now) }
        case 11: retract()
        default:
            // What a station and an owner do right, all at once.
            acknowledge(distance: 0)
            while !open.isEmpty { decide(0, 0) }
            acknowledge(distance: 0)
        }
    }

    /// Lets so much time pass that nobody is heard any more, and takes the link away.
    private mutating func finish() {
        for _ in 0..<2 { pass(.seconds(86_400)) }
        require(port.snapshot.station == nil, "a station that has been silent for two days")
        if isLinkUp { flipLink() }
        require(port.load.vsis == 0 && port.vsis.isEmpty, "\(port.load.vsis) VSIs on a dead link")
        require(open.isEmpty && held.isEmpty, "left: \(open) \(held)")
        require(port.nextDeadline == nil, "something to do on a dead link")
    }

    // MARK: The station

    private mutating func receive(_ octets: [UInt8]) {
        do {
            let frame = try Frame(decoding: octets)
            // One TLV for each 27 octets, and each may change something, end a decision and ask for another.
            act(transmitsMax: 2, more: octets.count / 5) { [now] in $0.receive(frame, at: now) }
        } catch {
            port.countUnreadable(error, octets.withUnsafeBytes { FrameHeader($0) })
        }
    }

    /// An LLDPDU of a station, with any EVB TLV.
    private mutating func announce() {
        let number = input.next()
        let tlvs = input.evbTLVs([], otherwise: .station)
        receive(input.lldpdu(of: number, tlvs).encoded())
    }

    /// An LLDPDU of a station with the draft's EVB TLV.
    private mutating func announceDraft() {
        let (number, modes, capable) = (input.next(), input.next(), input.next())
        let tlv = DraftEVBTLV(
            supportedModes: .init(rawValue: modes), supportedCapabilities: .init(rawValue: capable),
            configuredModes: .init(rawValue: modes), configuredCapabilities: .init(rawValue: capable),
            supportedVSIs: 3295, configuredVSIs: 0, retransmissionExponent: capable >> 3)
        receive(input.lldpdu(of: number, [.draftEVB(tlv)]).encoded())
    }

    private var isDraft: Bool { port.snapshot.station?.advertised.dialect == .draft }

    private mutating func send(_ operation: ECPDU.Operation, sequence: UInt16? = nil, payload: [UInt8] = []) {
        if operation == .request { stationSequence &+= 1 }
        let number = sequence ?? stationSequence
        let ecpdu = ECPDU(operation: operation, sequence: number, payload: payload)
        receive(Frame.ecp(ecpdu, from: port.snapshot.station?.address, isDraft: isDraft).encoded(padded: false))
    }

    /// Acknowledges what the port sent last, or something near it.
    private mutating func acknowledge(distance: UInt16) {
        guard let sequence = outstanding?.ecpdu.sequence else { return }
        send(.acknowledgement, sequence: sequence &- distance)
    }

    /// Asks for something that is well-formed, for one VSI or for two.
    private mutating func ask() {
        let (name, kind, shape) = (input.next(), input.next(), input.next())
        var entries: [FilterEntry] = []
        for index in 0..<UInt64(shape & 0x03) + 1 {
            entries.append(
                FilterEntry(
                    vid: shape & 0x04 == 0 ? 0 : UInt16(10 + index), pcp: shape & 0x08 == 0 ? nil : 5,
                    macAddress: shape & 0x10 == 0 && !isDraft ? nil : MACAddress(truncating: 0x5254_0000_0100 + index),
                    groupID: shape & 0x20 == 0 || isDraft ? nil : UInt32(shape)))
        }
        guard let filter = try? FilterInfo(checking: entries) else { return }
        let tlvs = (0...UInt64(kind >> 7)).map { more in
            VSITLV(
                command: VDPCommand.allCases[Int(kind & 0x03)], status: VDPStatus(rawValue: kind & 0x30),
                typeID: UInt32(kind >> 2 & 3), typeVersion: 1,
                vsiID: VSIID(format: .uuid, high: 7, low: UInt64(name % 12) + more), filter: filter)
        }
        let manager = UInt8(shape >> 6)
        if isDraft {
            let associations = tlvs.map { DraftVDPDU.Association(managerID: manager, vsi: $0) }
            send(.request, payload: DraftVDPDU(associations: associations).encoded())
        } else {
            let pdu = VDPDU(managerID: VSIManagerID(short: manager, placement: .first), associations: tlvs)
            send(.request, payload: pdu.encoded())
        }
    }

    // MARK: The clock

    private mutating func pass(_ interval: Interval) {
        now = now + interval
        var rounds = 0
        repeat {
            act(transmitsMax: 2) { [now] in $0.advance(to: now) }
            rounds += 1
            require(rounds <= 8, "the port wants the same moment again and again")
            if let deadline = port.nextDeadline { require(deadline >= now, "a deadline in the past") }
        } while port.nextDeadline == now
    }

    private mutating func passToDeadline() {
        guard let deadline = port.nextDeadline else { return }
        pass(deadline.since(now))
    }

    // MARK: The owner

    private static func configuration(_ bits: UInt8) -> BridgePortConfiguration {
        let dialects: [DialectChoice] = [.automatic, .automatic, .draft, .ratified]
        return BridgePortConfiguration(
            address: own, interfaceName: "swp1", mtu: mtu,
            evb: EVBBridgeNegotiation.Configuration(
                timers: OperationalTimers(
                    retries: bits & 0x03, rte: bits & 0x04 == 0 ? 14 : 0, rwd: bits & 0x08 == 0 ? 20 : 31,
                    rka: bits & 0x10 == 0 ? 20 : 8),
                offersReflectiveRelay: bits & 0x20 == 0, groupIDs: true),
            vsisMax: vsisMax, dialect: dialects[Int(bits >> 6)])
    }

    /// Decides on one of the requests that wait.
    private mutating func decide(_ place: UInt8, _ kind: UInt8) {
        guard !open.isEmpty else { return }
        let (ticket, request) = open.remove(at: Int(place) % open.count)
        let decision: BridgeDecision
        if kind & 0x80 != 0 {
            decision = .refuse(
                Refusal(
                    reason: VDPReason(rawValue: kind & 0x0F), isHard: kind & 0x10 != 0, isKept: kind & 0x20 != 0))
        } else {
            let entries = request.filter.entries.map { entry in
                FilterEntry(
                    vid: entry.vid == 0 ? 100 + UInt16(kind & 0x0F) : entry.vid, pcp: kind & 0x40 == 0 ? nil : 3,
                    macAddress: entry.macAddress, groupID: entry.groupID)
            }
            decision = .grant((try? FilterInfo(checking: entries)) ?? request.filter)
        }
        act(transmitsMax: 1) { [now] in $0.decided(ticket, decision, at: now) }
        // What is decided a second time changes nothing.
        require(port.decided(ticket, decision, at: now).isEmpty, "one ticket for two decisions")
    }

    private mutating func retract() {
        let vsiID = VSIID(format: .uuid, high: 7, low: UInt64(input.next() % 12))
        let isKnown = port.vsi(vsiID) != nil
        act(transmitsMax: 1) { [now] in $0.deassociate(vsiID, at: now) }
        require(port.vsi(vsiID) == nil, "taken back and still there")
        require(isKnown || held[vsiID] == nil, "held and unknown")
    }

    private mutating func flipLink() {
        isLinkUp.toggle()
        act(transmitsMax: 0) { [isLinkUp, now] in $0.setLink(up: isLinkUp, at: now) }
    }

    // MARK: What has to hold

    /// Has the port do something and looks at what that gives.
    ///
    /// - Parameters:
    ///   - transmitsMax: frames that it may send.
    ///   - more: effects that it may have beyond a few for each VSI.
    ///   - action: what it is to do.
    private mutating func act(
        transmitsMax: Int, more: Int = 0, _ action: (inout BridgePort) -> [BridgeEffect]
    ) {
        let effectsMax = 24 + 4 * port.load.vsis + more
        let effects = action(&port)
        require(effects.count <= effectsMax, "\(effects.count) effects")
        var transmits = 0
        for effect in effects {
            if Self.isTraced { print("  \(effect)") }
            switch effect {
            case .transmit(let frame):
                transmits += 1
                look(at: frame)
            case .decide(let ticket, let request):
                require(!open.contains { $0.ticket == ticket }, "\(ticket) twice")
                require(request.command != .deAssociate, "a De-Associate to be decided on")
                require(request.holding == held[request.vsiID], "told \(request), held \(held)")
                open.append((ticket, request))
            case .cancel(let ticket):
                require(open.contains { $0.ticket == ticket }, "\(ticket) is cancelled and was not asked for")
                open.removeAll { $0.ticket == ticket }
            case .vsi(.bound(let vsiID, let grant)): held[vsiID] = grant
            case .vsi(.released(let vsiID, _)):
                require(held.removeValue(forKey: vsiID) != nil, "\(vsiID) is released and was not held")
            case .vsi(.departed(let vsiID, _)):
                require(held[vsiID] == nil, "\(vsiID) has departed and was held")
            case .notice(.unusableTLV(let error)):
                requirePrintable("\(error)", longest: 200)
            case .reflectiveRelay, .station, .timers, .notice: break
            }
        }
        require(transmits <= transmitsMax, "\(transmits) frames at once")
    }

    private func check() {
        let (snapshot, load) = (port.snapshot, port.load)
        require(snapshot.isLinkUp == isLinkUp, "the link is not what it is")
        require(isLinkUp || snapshot.station == nil, "a station on a dead link")
        require(load.isConsistent, "counters that do not agree: \(load)")
        require(load.vsis <= Self.vsisMax + 256 && snapshot.vsiCount <= Self.vsisMax, "too many VSIs: \(load)")
        require(snapshot.station != nil || load.vsis == 0, "VSIs of nobody")
        require(snapshot.station != nil || !snapshot.reflectsFrames, "reflection for nobody")
        let grants = port.vsis.filter { $0.grant != nil }
        require(grants.count == held.count, "told \(held), shown \(grants)")
        for vsi in grants { require(vsi.grant == held[vsi.vsiID], "told \(held), shown \(vsi)") }
        require(port.vsis.count { $0.pending != nil } == open.count, "\(open.count) decisions, and \(port.vsis)")
    }

    private mutating func look(at frame: Frame) {
        require(isLinkUp, "a frame on a dead link")
        require(frame.source == Self.own, "a frame of somebody else")
        switch frame.payload {
        case .lldp: require(frame.encoded().count < 200, "a long frame")
        case .ecp(let ecpdu):
            require(frame.destination == .nearestCustomerBridge, "a frame to somebody else")
            require(ECPDU.headerLength + ecpdu.payload.count <= Self.mtu, "\(ecpdu.payload.count) octets of payload")
            guard ecpdu.operation == .request else { return }
            let decoded = try? VDPDU.decode(ecpdu.payload)
            require(decoded?.rejected == [] && decoded?.pdu.associations.isEmpty == false, "an empty or broken VDPDU")
            let former = outstanding
            outstanding = (ecpdu, 1)
            guard let former, former.ecpdu.sequence == ecpdu.sequence else { return }
            require(former.ecpdu == ecpdu, "a repetition with other octets")
            require(former.transmissions <= 7, "more than 1 + R transmissions")
            outstanding = (ecpdu, former.transmissions + 1)
        case .draftECP(let draft):
            require(frame.destination == .nearestBridge, "a draft's frame to somebody else")
            // An acknowledgement is as long as its request, which a peer with a larger MTU may have made longer.
            guard draft.operation == .request else { return }
            require(DraftECPDU.headerLength + draft.payload.count <= Self.mtu, "\(draft.payload.count) octets")
            let decoded = DraftVDPDU.decode(draft.payload, from: .bridge)
            require(decoded.rejected == [] && !decoded.pdu.associations.isEmpty, "an empty or broken VDPDU")
            require(outstanding?.ecpdu.sequence != draft.sequence, "a repetition without a number of its own")
            outstanding = (ECPDU(operation: .request, sequence: draft.sequence, payload: draft.payload), 1)
        }
    }
}

// A port between a peer, a clock and a manager, all three made of the input's octets.

import EVBProtocol
import EVBTime
import EVBWire
import Glibc

/// Reads an input as instructions for a port, and checks after each what has to hold whatever happens.
///
/// An instruction is one octet, of which four bits count, and its operands; operands behind the end are zero. seeds.py
/// writes the same. What has no meaning yet does what instruction 11 does.
struct PortDriver {
    private static let own = MACAddress(truncating: 0x5254_0000_0001)
    private static let mtu = 1500
    /// Instructions of one input; an input is no faster for having more.
    private static let stepsMax = 40
    private static let vsiCount: UInt8 = 8
    /// FUZZ_TRACE=1 shows what an input makes of the port.
    private static let isTraced = getenv("FUZZ_TRACE") != nil

    private var port: StationPort
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var input: DriverInput
    private var isLinkUp = false
    /// The bridge's ECP sequence number.
    private var bridgeSequence: UInt16 = 0
    /// The ECP request that the port sent last, and how often.
    private var outstanding: (ecpdu: ECPDU, transmissions: Int)?
    /// Requests that were taken and have not ended.
    private var open: [VSIID: Int] = [:]
    /// The state of each VSI as it was told.
    private var told: [VSIID: VSIState] = [:]

    private init(_ octets: [UInt8]) {
        input = DriverInput(octets)
        port = StationPort(configuration: Self.configuration(0), firstSequence: 0xFFFE)
    }

    static func run(_ octets: [UInt8]) {
        var driver = PortDriver(octets)
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
        case 2: request(payload: input.octets(Int(input.word() % 1497)))
        case 3: acknowledge()
        case 4: answer()
        case 5: pass(.exponent(input.next() % 32))
        case 6: passToDeadline()
        case 7: ask()
        case 8: withdraw()
        case 9: flipLink()
        case 12: announceDraft()
        case 10: take(port.reconfigure(Self.configuration(input.next()), at: now), transmitsMax: 1)
        default:
            // What a bridge does right, all at once: an acknowledgement, and the answer that was asked for.
            acknowledge(distance: 0)
            answer(status: .answer(.success), omitted: 0, vid: 100)
        }
    }

    /// Withdraws everything and lets so much time pass that even the longest-lived bridge is forgotten.
    private mutating func finish() {
        for vsi in port.vsis { withdraw(vsi.request.vsiID) }
        for _ in 0..<2 { pass(.seconds(86_400)) }
        require(port.vsis.isEmpty, "\(port.vsis.count) VSIs were withdrawn and are still there")
        require(open.values.allSatisfy { $0 == 0 }, "requests without an end: \(open)")
    }

    // MARK: The peer

    private mutating func receive(_ octets: [UInt8]) {
        do {
            let frame = try Frame(decoding: octets)
            // One TLV for each 27 octets, and each may change a state, end a request and forget a VSI.
            take(port.receive(frame, at: now), transmitsMax: 2, more: octets.count / 9)
        } catch {
            port.countUnreadable(error, octets.withUnsafeBytes { FrameHeader($0) })
        }
    }

    /// An LLDPDU of a bridge, with any EVB TLV.
    private mutating func announce() {
        let number = input.next()
        let tlvs = input.evbTLVs(BridgeStatus(rawValue: input.next() & 0x07), otherwise: .bridge)
        receive(input.lldpdu(of: number, tlvs).encoded())
    }

    /// An LLDPDU of a bridge with the draft's EVB TLV.
    private mutating func announceDraft() {
        let number = input.next()
        let (supported, configured, capable, agreed) = (input.next(), input.next(), input.next(), input.next())
        let tlv = DraftEVBTLV(
            supportedModes: .init(rawValue: supported), supportedCapabilities: .init(rawValue: capable),
            configuredModes: .init(rawValue: configured), configuredCapabilities: .init(rawValue: agreed),
            supportedVSIs: input.word(), configuredVSIs: input.word(), retransmissionExponent: input.next())
        receive(input.lldpdu(of: number, [.draftEVB(tlv)]).encoded())
    }

    private mutating func send(_ ecpdu: ECPDU) {
        let peer = port.snapshot.peer
        let isDraft = peer?.advertised.dialect == .draft
        receive(Frame.ecp(ecpdu, from: peer?.address, isDraft: isDraft).encoded(padded: false))
    }

    private mutating func request(payload: [UInt8]) {
        bridgeSequence &+= 1
        send(ECPDU(operation: .request, sequence: bridgeSequence, payload: payload))
    }

    /// Acknowledges what the port sent last, or something near it.
    private mutating func acknowledge() { acknowledge(distance: UInt16(input.next() % 4)) }

    private mutating func acknowledge(distance: UInt16) {
        guard let sequence = outstanding?.ecpdu.sequence else { return }
        send(ECPDU(operation: .acknowledgement, sequence: sequence &- distance))
    }

    /// Answers what the port sent last, some of it, in one way or another.
    private mutating func answer() {
        let (status, omitted, vid) = (input.next(), input.next(), input.word())
        answer(status: VDPStatus(rawValue: status), omitted: omitted, vid: vid)
    }

    private mutating func answer(status: VDPStatus, omitted: UInt8, vid: UInt16) {
        if port.snapshot.peer?.advertised.dialect == .draft {
            answerInDraft(status: status, omitted: omitted, vid: vid)
            return
        }
        guard let payload = outstanding?.ecpdu.payload, var pdu = try? VDPDU.decode(payload).pdu else { return }
        var tlvs: [VSITLV] = []
        for (place, tlv) in pdu.associations.enumerated() where omitted >> UInt8(place & 7) & 1 == 0 {
            var entries = Array(tlv.filter.entries)
            for index in entries.indices where entries[index].vid == 0 { entries[index].vid = vid & 0x0FFF }
            guard let filter = try? FilterInfo(checking: entries) else { continue }
            tlvs.append(
                VSITLV(
                    command: tlv.command, status: status, typeID: tlv.typeID, typeVersion: tlv.typeVersion,
                    vsiID: tlv.vsiID, filter: filter))
        }
        pdu.associations = tlvs
        request(payload: pdu.encoded())
    }

    private mutating func answerInDraft(status: VDPStatus, omitted: UInt8, vid: UInt16) {
        guard let payload = outstanding?.ecpdu.payload else { return }
        var pdu = DraftVDPDU.decode(payload, from: .station).pdu
        var answers: [DraftVDPDU.Association] = []
        for (place, association) in pdu.associations.enumerated() where omitted >> UInt8(place & 7) & 1 == 0 {
            var answer = association
            answer.vsi.status = .answer(status.reason)
            var entries = Array(answer.vsi.filter.entries)
            for index in entries.indices where entries[index].vid == 0 { entries[index].vid = vid & 0x0FFF }
            if let filter = try? FilterInfo(checking: entries) { answer.vsi.filter = filter }
            answers.append(answer)
        }
        pdu.associations = answers
        request(payload: pdu.encoded())
    }

    // MARK: The clock

    private mutating func pass(_ interval: Interval) {
        now = now + interval
        var rounds = 0
        repeat {
            take(port.advance(to: now), transmitsMax: 2)
            rounds += 1
            require(rounds <= 8, "the port wants the same moment again and again")
            if let deadline = port.nextDeadline { require(deadline >= now, "a deadline in the past") }
        } while port.nextDeadline == now
    }

    private mutating func passToDeadline() {
        guard let deadline = port.nextDeadline else { return }
        pass(deadline.since(now))
    }

    // MARK: The manager

    private static func vsiID(_ number: UInt8) -> VSIID {
        let format = number & 1 == 0 ? VSIIDFormat.uuid : VSIIDFormat(rawValue: number % vsiCount % 5 + 1)
        return VSIID(format: format, high: 7, low: UInt64(number % vsiCount))
    }

    private static func configuration(_ bits: UInt8) -> StationPortConfiguration {
        StationPortConfiguration(
            address: own, interfaceName: "eth0", mtu: mtu,
            evb: EVBStationNegotiation.Configuration(
                timers: OperationalTimers(
                    retries: bits & 0x07, rte: bits & 0x08 == 0 ? 14 : 0, rwd: bits & 0x10 == 0 ? 20 : 31,
                    rka: bits & 0x20 == 0 ? 20 : 8),
                requestsReflectiveRelay: bits & 0x40 == 0, groupIDs: true, isManual: bits & 0x80 != 0))
    }

    private mutating func ask() {
        let (name, kind, shape) = (input.next(), input.next(), input.next())
        var entries: [FilterEntry] = []
        for index in 0..<UInt64(shape & 0x03) + 1 {
            entries.append(
                FilterEntry(
                    vid: shape & 0x04 == 0 ? 0 : UInt16(10 + index), pcp: shape & 0x08 == 0 ? nil : 5,
                    macAddress: shape & 0x10 == 0 ? nil : MACAddress(truncating: 0x5254_0000_0100 + index),
                    groupID: shape & 0x20 == 0 ? nil : UInt32(shape)))
        }
        guard let filter = try? FilterInfo(checking: entries) else { return }
        let targets: [VSIRequest.Target] = [
            .associated, .preAssociated, .preAssociatedWithReservation, .associated,
        ]
        let hints: [VSIRequest.Hint] = [.none, .migrating, .suspended, .none]
        let isLong = kind & 0x80 != 0
        let request = VSIRequest(
            vsiID: Self.vsiID(name), target: targets[Int(kind & 0x03)],
            managerID: VSIManagerID(short: kind >> 4 & 1, placement: .first), typeID: UInt32(kind >> 5 & 3),
            typeVersion: 1, filter: filter, hint: hints[Int(kind >> 2 & 0x03)],
            organizational: isLong ? [OrganizationalInformation(oui: 1, octets: Array(repeating: 1, count: 300))] : [],
            persistence: shape & 0x40 == 0 ? .untilWithdrawn : .once)
        open[request.vsiID, default: 0] += 1
        do {
            take(try port.request(request, at: now), transmitsMax: 1)
        } catch {
            require(error != .unknownVSI, "a request for a VSI is one for none")
            open[request.vsiID, default: 0] -= 1
        }
    }

    private mutating func withdraw() {
        let vsis = port.vsis.map(\.request.vsiID).sorted { ($0.format.rawValue, $0.low) < ($1.format.rawValue, $1.low) }
        let choice = Int(input.next())
        withdraw(vsis.isEmpty ? Self.vsiID(0) : vsis[choice % vsis.count])
    }

    private mutating func withdraw(_ vsiID: VSIID) {
        let isKnown = port.vsi(vsiID) != nil
        open[vsiID, default: 0] += 1
        do {
            take(try port.withdraw(vsiID, at: now), transmitsMax: 1)
            require(isKnown, "an unknown VSI was withdrawn")
        } catch {
            require(!isKnown, "a known VSI cannot be withdrawn")
            open[vsiID, default: 0] -= 1
        }
    }

    private mutating func flipLink() {
        isLinkUp.toggle()
        take(port.setLink(up: isLinkUp, at: now), transmitsMax: 0)
    }

    // MARK: What has to hold

    /// Looks at what a call gave.
    ///
    /// - Parameters:
    ///   - effects: what it gave.
    ///   - transmitsMax: frames that it may send.
    ///   - more: effects that it may have beyond a few for each VSI.
    private mutating func take(_ effects: [StationEffect], transmitsMax: Int, more: Int = 0) {
        require(effects.count <= 24 + 4 * Int(Self.vsiCount) * 5 + more, "\(effects.count) effects")
        var transmits = 0
        for effect in effects {
            if Self.isTraced { print("  \(effect)") }
            switch effect {
            case .transmit(let frame):
                transmits += 1
                look(at: frame)
            case .vsi(let event): note(event)
            case .notice(.unusableTLV(let error)): requirePrintable("\(error)", longest: 200)
            case .peer, .reflectiveRelay, .timers, .notice: break
            }
        }
        require(transmits <= transmitsMax, "\(transmits) frames at once")
    }

    private func check() {
        require(open.values.allSatisfy { $0 <= 1 }, "a VSI with two open requests: \(open)")
        let snapshot = port.snapshot
        require(snapshot.isLinkUp == isLinkUp, "the link is not what it is")
        require(isLinkUp || snapshot.peer == nil, "a bridge on a dead link")
        for vsi in port.vsis {
            let state = told[vsi.request.vsiID] ?? .deassociated
            require(vsi.state == state, "told \(state), shown \(vsi.state): \(vsi)")
            let isBound = vsi.state != .deassociated && vsi.state != .pending
            require(!isBound || snapshot.peer != nil, "bound to no bridge: \(vsi)")
        }
    }

    private mutating func note(_ event: StationVSIEvent) {
        switch event {
        case .changed(let change):
            let state = told[change.vsiID] ?? .deassociated
            require(change.from == state && change.to != state, "told \(state), then \(change)")
            told[change.vsiID] = change.to
        case .ended(let vsiID, let outcome):
            require((open[vsiID] ?? 0) > 0, "\(vsiID) ends twice, now by \(outcome)")
            open[vsiID, default: 0] -= 1
        case .forgotten(let vsiID):
            require((open[vsiID] ?? 0) == 0, "\(vsiID) is forgotten with its request open")
            require(told[vsiID] ?? .deassociated == .deassociated, "\(vsiID) is forgotten while bound")
            told[vsiID] = nil
        }
    }

    private mutating func look(at frame: Frame) {
        require(isLinkUp, "a frame on a dead link")
        require(frame.source == Self.own, "a frame of somebody else")
        if case .draftECP(let draft) = frame.payload {
            require(frame.destination == .nearestBridge, "a draft's frame to somebody else")
            require(DraftECPDU.headerLength + draft.payload.count <= Self.mtu, "\(draft.payload.count) octets")
            guard draft.operation == .request else { return }
            let decoded = DraftVDPDU.decode(draft.payload, from: .station)
            require(decoded.rejected == [] && !decoded.pdu.associations.isEmpty, "an empty or broken VDPDU")
            outstanding = (ECPDU(operation: .request, sequence: draft.sequence, payload: draft.payload), 1)
            return
        }
        guard case .ecp(let ecpdu) = frame.payload, ecpdu.operation == .request else {
            require(frame.encoded().count < 200, "a long frame")
            return
        }
        require(ECPDU.headerLength + ecpdu.payload.count <= Self.mtu, "\(ecpdu.payload.count) octets of payload")
        let decoded = try? VDPDU.decode(ecpdu.payload)
        require(decoded?.rejected == [] && decoded?.pdu.associations.isEmpty == false, "an empty or broken VDPDU")
        if let former = outstanding, former.ecpdu.sequence == ecpdu.sequence {
            require(former.ecpdu == ecpdu, "a repetition with other octets")
            require(former.transmissions <= 7, "more than 1 + R transmissions")
            outstanding = (ecpdu, former.transmissions + 1)
        } else {
            outstanding = (ecpdu, 1)
        }
    }
}

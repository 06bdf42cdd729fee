internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// The last that happened on one station's link. Values are kept, and made into text only when somebody wants to read it.
struct Trace {
    enum Entry {
        case sent(byBridge: Bool, Frame)
        case lost(byBridge: Bool, [UInt8])
        case arrived(atBridge: Bool, Frame)
        case unreadable(atBridge: Bool, WireError)
        case station(StationEffect)
        case bridge(BridgeEffect)
        case request(VSIRequest)
        case decision(DecisionTicket, BridgeDecision)
        case note(StaticString)
        case about(StaticString, VSIID)
        case configured(byBridge: Bool, OperationalTimers, DialectChoice)
    }

    static let entriesMax = 240

    private var entries: [(Instant, Entry)] = []
    private var next = 0

    mutating func add(_ entry: Entry, at now: Instant) {
        if entries.count < Self.entriesMax {
            entries.append((now, entry))
        } else {
            entries[next] = (now, entry)
            next = (next + 1) % Self.entriesMax
        }
    }

    /// What is remembered, oldest first.
    var lines: [String] {
        (entries[next...] + entries[..<next]).map { "\(Self.text($0.0))  \(Self.text($0.1))" }
    }

    // MARK: Text

    /// A moment as seconds.
    static func text(_ time: Instant) -> String { text(Interval(nanoseconds: time.nanoseconds)) }

    /// A length of time as seconds, to the microsecond.
    static func text(_ interval: Interval) -> String {
        let fraction = String(interval.nanoseconds % 1_000_000_000 / 1000)
        let zeros = String(repeating: "0", count: 6 - fraction.count)
        return "\(interval.nanoseconds / 1_000_000_000).\(zeros)\(fraction) s"
    }

    static func text(_ entry: Entry) -> String {
        switch entry {
        case .sent(let byBridge, let frame): "\(byBridge ? "B >" : "S >") \(text(frame, byBridge))"
        case .lost(let byBridge, let octets):
            "\(byBridge ? "B x" : "S x") \((try? Frame(decoding: octets)).map { text($0, byBridge) } ?? "unreadable")"
        case .arrived(let atBridge, let frame): "\(atBridge ? "> B" : "> S") \(text(frame, !atBridge))"
        case .unreadable(let atBridge, let error): "\(atBridge ? "> B" : "> S") \(error)"
        case .station(let effect): "S   \(text(effect))"
        case .bridge(let effect): "B   \(text(effect))"
        case .request(let request):
            "S   wanted: \(name(request.vsiID)) \(request.target) \(text(request.filter)) \(request.persistence)"
        case .decision(let ticket, .grant(let filter)): "B   ticket \(ticket.number) granted \(text(filter))"
        case .decision(let ticket, .refuse(let refusal)): "B   ticket \(ticket.number) refused \(text(refusal))"
        case .note(let note): "    -- \(note)"
        case .about(let note, let vsiID): "    -- \(note) \(name(vsiID))"
        case .configured(let byBridge, let timers, let dialect):
            "\(byBridge ? "B" : "S")   configured \(text(timers)) \(dialect)"
        }
    }

    static func name(_ vsiID: VSIID) -> String { "vsi \(vsiID.low & 0xFFFF)" }

    static func text(_ frame: Frame, _ isFromBridge: Bool) -> String {
        switch frame.payload {
        case .lldp(let lldpdu):
            let tlv = lldpdu.evbTLVs.first.map { tlv in
                let (delay, alive) = (tlv.resourceWaitDelay, tlv.reinitKeepAlive)
                return " status \(tlv.bridgeStatus.rawValue)/\(tlv.stationStatus.reflectiveRelayRequest ? "rr" : "-")"
                    + "\(tlv.stationStatus.groupIDs ? "g" : "") R\(tlv.retries) RTE\(tlv.retransmissionExponent)"
                    + " RWD\(delay.exponent)\(delay.isRemote ? "r" : "") RKA\(alive.exponent)\(alive.isRemote ? "r" : "")"
            }
            let draft = lldpdu.draftEVBTLVs.first.map { tlv in
                " draft modes \(tlv.supportedModes.rawValue)/\(tlv.configuredModes.rawValue) capabilities"
                    + " \(tlv.configuredCapabilities.rawValue) VSIs \(tlv.configuredVSIs) RTE\(tlv.retransmissionExponent)"
            }
            let channels = lldpdu.cdcpTLVs.map(text).joined()
            return "LLDP \(lldpdu.timeToLive) s\(tlv ?? "")\(draft ?? "")\(channels)"
        case .draftECP(let ecpdu):
            guard ecpdu.operation == .request else { return "draft ack \(ecpdu.sequence)" }
            let decoded = DraftVDPDU.decode(ecpdu.payload, from: isFromBridge ? .bridge : .station)
            return "draft ECP \(ecpdu.sequence)" + decoded.pdu.associations.map { text($0.vsi) }.joined()
                + (decoded.rejected.isEmpty ? "" : " rejected \(decoded.rejected.count)")
        case .ecp(let ecpdu):
            guard ecpdu.operation == .request else { return "ack \(ecpdu.sequence)" }
            guard let pdu = try? VDPDU.decode(ecpdu.payload) else { return "ECP \(ecpdu.sequence) unreadable" }
            return "ECP \(ecpdu.sequence)" + pdu.pdu.associations.map(text).joined()
                + (pdu.rejected.isEmpty ? "" : " rejected \(pdu.rejected.count)")
        }
    }

    private static func text(_ tlv: CDCPTLV) -> String {
        let component = tlv.hasSComponent ? "" : " no SComp"
        let pairs = tlv.pairs.map(\.description).joined(separator: " ")
        return " CDCP \(tlv.role) ChnCap \(tlv.capacity)\(component) \(pairs)"
    }

    private static func text(_ tlv: VSITLV) -> String {
        var status = ""
        if tlv.status.contains(.answer) {
            status = tlv.status.reason == .success ? " granted" : " reason \(tlv.status.reason.rawValue)"
            if tlv.status.contains(.keep) { status += " keep" }
            if tlv.status.contains(.hard) { status += " hard" }
        }
        return " [\(tlv.command) \(name(tlv.vsiID))\(status) \(text(tlv.filter))]"
    }

    private static func text(_ filter: FilterInfo) -> String {
        filter.entries.map { entry in
            (entry.groupID.map { "\($0)/" } ?? "") + (entry.macAddress.map { "m\($0.rawValue & 0xFF)/" } ?? "")
                + "\(entry.vid)"
        }.joined(separator: ",")
    }

    private static func text(_ refusal: Refusal) -> String {
        "\(refusal.reason.rawValue)\(refusal.isHard ? " hard" : "")\(refusal.isKept ? " keep" : "")"
    }

    private static func text(_ timers: OperationalTimers) -> String {
        "R\(timers.retries) RTE\(timers.retransmissionExponent) RWD\(timers.resourceWaitDelayExponent)"
            + " RKA\(timers.reinitKeepAliveExponent)"
    }

    private static func text(_ effect: StationEffect) -> String {
        switch effect {
        case .transmit(let frame): "transmit \(text(frame, false))"
        case .vsi(.changed(let change)):
            "\(name(change.vsiID)) \(change.from.rawValue) -> \(change.to.rawValue) (\(change.reason?.rawValue ?? "-"))"
        case .vsi(.ended(let vsiID, .refused(let refusal))): "\(name(vsiID)) request ended: refused \(text(refusal))"
        case .vsi(.ended(let vsiID, let outcome)): "\(name(vsiID)) request ended: \(outcome)"
        case .vsi(.forgotten(let vsiID)): "\(name(vsiID)) forgotten"
        case .peer(.found): "bridge found"
        case .peer(.lost(let loss)): "bridge lost: \(loss.text(of: .bridge))"
        case .reflectiveRelay(let status): "RRSTAT \(status)"
        case .timers(let timers): "operational \(text(timers))"
        case .notice(let notice): "notice \(notice)"
        }
    }

    private static func text(_ effect: BridgeEffect) -> String {
        switch effect {
        case .transmit(let frame): "transmit \(text(frame, true))"
        case .decide(let ticket, let request):
            "ticket \(ticket.number): \(name(request.vsiID)) \(request.command) \(text(request.filter))"
        case .cancel(let ticket): "ticket \(ticket.number) cancelled"
        case .vsi(.bound(let vsiID, let grant)): "\(name(vsiID)) bound: \(grant.command) \(text(grant.filter))"
        case .vsi(.released(let vsiID, .refused(let refusal))): "\(name(vsiID)) released: refused \(text(refusal))"
        case .vsi(.released(let vsiID, let release)): "\(name(vsiID)) released: \(release)"
        case .vsi(.departed(let vsiID, _)): "\(name(vsiID)) de-associated, though it had nothing"
        case .reflectiveRelay(let isOn): "RRCTR \(isOn)"
        case .station(.found): "station found"
        case .station(.lost(let loss)): "station lost: \(loss.text(of: .station))"
        case .timers(let timers): "operational \(text(timers))"
        case .notice(let notice): "notice \(notice)"
        }
    }
}

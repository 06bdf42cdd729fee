internal import EVBWire

/// The draft's negotiation, the same for both sides: what both can do is configured, and reflective relay goes before
/// standard forwarding.
struct DraftNegotiation {
    /// VSIs that are announced, as lldpad does. More are asked for all the same: the bridge knows best what it can take.
    static let supportedVSIs: UInt16 = 3295
    /// Everything that the draft has is supported.
    static let capabilities: DraftEVBTLV.Capabilities = [.retransmissionExponent, .ecp, .vdp]

    /// What this side is told of itself.
    struct Configuration {
        /// The numbers that it proposes; of these the draft has RTE alone.
        var timers: OperationalTimers
        /// Whether it can have reflective relay. A VEPA works without, and wants it; a VEB must not have it.
        var supportsReflectiveRelay: Bool
        /// Whether the local numbers hold whatever the other side says.
        var isManual: Bool
        /// VSIs that it says it can have.
        var supportedVSIs = DraftNegotiation.supportedVSIs
    }

    var configuration: Configuration
    /// The other side's last TLV; nil while it is not heard.
    var remote: DraftEVBTLV?

    init(configuration: Configuration) { self.configuration = configuration }

    private var supportedModes: DraftEVBTLV.ForwardingModes {
        configuration.supportsReflectiveRelay ? [.standard, .reflectiveRelay] : .standard
    }

    /// Whether both sides can have reflective relay, so that it is configured.
    var agreesOnReflectiveRelay: Bool {
        supportedModes.intersection(remote?.supportedModes ?? []).contains(.reflectiveRelay)
    }

    private var agreedCapabilities: DraftEVBTLV.Capabilities {
        Self.capabilities.intersection(remote?.supportedCapabilities ?? [])
    }

    /// Whether both sides have ECP and VDP.
    var isVDPAgreed: Bool { agreedCapabilities.isSuperset(of: [.ecp, .vdp]) }

    /// RTE as it holds: the larger one where both negotiate it. ECP does not use it.
    var retransmissionExponent: UInt8 {
        let local = configuration.timers.retransmissionExponent
        guard let remote, agreedCapabilities.contains(.retransmissionExponent), !configuration.isManual else {
            return local
        }
        return max(local, remote.retransmissionExponent)
    }

    /// The TLV to send for this many VSIs. RTE goes out as configured, so that no two sides echo each other.
    func outgoing(vsis: Int) -> DraftEVBTLV {
        DraftEVBTLV(
            supportedModes: supportedModes, supportedCapabilities: Self.capabilities,
            configuredModes: agreesOnReflectiveRelay ? .reflectiveRelay : .standard,
            configuredCapabilities: agreedCapabilities,
            supportedVSIs: isVDPAgreed ? configuration.supportedVSIs : 0,
            configuredVSIs: isVDPAgreed ? UInt16(clamping: vsis) : 0,
            retransmissionExponent: configuration.timers.retransmissionExponent)
    }
}

extension DraftNegotiation.Configuration {
    /// A station's.
    init(_ station: EVBNegotiation.Configuration) {
        self.init(
            timers: station.timers, supportsReflectiveRelay: station.requestsReflectiveRelay,
            isManual: station.isManual)
    }
}

/// The station's negotiation by EVB TLVs in the dialect that is spoken.
struct DialectNegotiation {
    /// Which dialects may be spoken.
    var choice: DialectChoice {
        didSet { if choice != oldValue, ratified.remote == nil, draft.remote == nil { dialect = choice.initial } }
    }
    /// The one that is: the bridge's, or the one to begin with.
    private(set) var dialect: WireDialect
    private var ratified: EVBNegotiation
    private var draft: DraftNegotiation

    init(configuration: PortConfiguration) {
        choice = configuration.dialect
        dialect = choice.initial
        ratified = EVBNegotiation(configuration: configuration.evb)
        draft = DraftNegotiation(configuration: DraftNegotiation.Configuration(configuration.evb))
    }

    var configuration: EVBNegotiation.Configuration {
        get { ratified.configuration }
        set {
            ratified.configuration = newValue
            draft.configuration = DraftNegotiation.Configuration(newValue)
        }
    }

    /// A neighbour's TLV as a bridge's, in the one dialect that is to be spoken with it.
    func offer(of lldpdu: LLDPDU) -> DialectTLV? { choice.offer(of: lldpdu, as: .bridge) }

    /// What is wrong with a neighbour that offers nothing.
    func obstacle(in lldpdu: LLDPDU) -> PortNotice? {
        switch choice.obstacle(in: lldpdu, to: .station) {
        case .unusableTLV(let defect): .unusableTLV(defect)
        case .sameSide: .stationNeighbour
        case .draftAlone: .draftNeighbour
        case .ratifiedAlone: .ratifiedNeighbour
        case nil: nil
        }
    }

    /// Takes in the bridge's TLV, and speaks its dialect from now on.
    mutating func hear(_ tlv: DialectTLV) {
        dialect = tlv.dialect
        switch tlv {
        case .ratified(let tlv): ratified.hear(tlv)
        case .draft(let tlv): draft.remote = tlv
        }
    }

    /// The bridge is gone, or has withdrawn its TLV.
    mutating func forget() {
        ratified.forget()
        draft.remote = nil
        dialect = choice.initial
    }

    /// Whether VDP may be spoken with the bridge.
    var isVDPAgreed: Bool {
        switch dialect {
        case .ratified: ratified.remote != nil
        case .draft: draft.isVDPAgreed
        }
    }

    /// The numbers that hold.
    var operational: OperationalTimers {
        switch dialect {
        case .ratified: return ratified.operational
        case .draft:
            var timers = configuration.timers
            timers.retransmissionExponent = draft.retransmissionExponent
            return timers
        }
    }

    /// The times that ECP and VDP keep.
    var times: ProtocolTimes {
        switch dialect {
        case .ratified: ratified.times
        case .draft: .draft
        }
    }

    /// Whether group IDs may be used in VDP.
    var usesGroupIDs: Bool { dialect == .ratified && ratified.usesGroupIDs }

    /// What is known of the bridge's reflective relay.
    var reflectiveRelay: ReflectiveRelayStatus {
        switch dialect {
        case .ratified: ratified.reflectiveRelay
        case .draft: draft.remote.map { DialectTLV.draft($0).reflects ? .on : .off } ?? .unknown
        }
    }

    /// The TLV to send for this many VSIs.
    func outgoing(vsis: Int) -> DialectTLV {
        switch dialect {
        case .ratified: .ratified(ratified.outgoing)
        case .draft: .draft(draft.outgoing(vsis: vsis))
        }
    }
}

/// Why a neighbour is not spoken with.
enum DialectObstacle {
    case unusableTLV(WireError)
    /// It is on the same side of EVB.
    case sameSide
    /// It speaks a dialect that is not to be spoken, and no other.
    case draftAlone, ratifiedAlone
}

extension DialectChoice {
    /// A neighbour's TLV as one of a side in `mode`, in the one dialect that is to be spoken with it.
    ///
    /// The ratified TLV goes before the draft's, whose senders do not say which side they are.
    func offer(of lldpdu: LLDPDU, as mode: EVBMode) -> DialectTLV? {
        let (tlvs, drafts) = (lldpdu.evbTLVs, lldpdu.draftEVBTLVs)
        if self != .draft, lldpdu.evbDefect == nil, let tlv = tlvs.first, tlv.mode == mode {
            return .ratified(tlv)
        }
        guard self != .ratified, lldpdu.draftEVBDefect == nil, !drafts.isEmpty, self == .draft || tlvs.isEmpty
        else {
            return nil
        }
        return Self.isUsable(drafts[0]) ? .draft(drafts[0]) : nil
    }

    /// What is wrong with a neighbour that offers nothing to a side in `mode`.
    func obstacle(in lldpdu: LLDPDU, to mode: EVBMode) -> DialectObstacle? {
        let (tlvs, drafts) = (lldpdu.evbTLVs, lldpdu.draftEVBTLVs)
        if self != .draft {
            if let defect = lldpdu.evbDefect { return .unusableTLV(defect) }
            if tlvs.first?.mode == mode { return .sameSide }
        }
        if self != .ratified, let defect = lldpdu.draftEVBDefect { return .unusableTLV(defect) }
        guard let first = drafts.first else {
            return self == .draft && !tlvs.isEmpty ? .ratifiedAlone : nil
        }
        if self == .ratified { return .draftAlone }
        return Self.isUsable(first) ? nil : .unusableTLV(.unknownValue(.draftEVBTLV, 0))
    }

    /// A draft TLV without a forwarding mode is not taken, as lldpad does not.
    private static func isUsable(_ tlv: DraftEVBTLV) -> Bool { !tlv.supportedModes.isEmpty }

    /// What may come to be spoken.
    var allowed: [WireDialect] {
        switch self {
        case .automatic: WireDialect.allCases
        case .ratified: [.ratified]
        case .draft: [.draft]
        }
    }

    /// What is spoken until a neighbour is heard.
    var initial: WireDialect { self == .draft ? .draft : .ratified }
}

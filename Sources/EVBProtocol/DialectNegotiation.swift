internal import EVBWire

/// The draft's negotiation, the same for both sides: what both can do is configured, and reflective relay goes before
/// standard forwarding.
struct DraftNegotiation {
    /// VSIs that are announced, as lldpad does. More are asked for all the same: the bridge knows best what it can take.
    static let supportedVSIs: UInt16 = 3295
    /// Everything that the draft has is supported.
    static let capabilities: DraftEVBTLV.Capabilities = [.retransmissionExponent, .ecp, .vdp]

    var configuration: EVBNegotiation.Configuration
    /// The bridge's last TLV; nil while there is no bridge.
    var remote: DraftEVBTLV?

    /// A VEPA works with either mode, and wants reflective relay; a VEB must not have it.
    private var supportedModes: DraftEVBTLV.ForwardingModes {
        configuration.requestsReflectiveRelay ? [.standard, .reflectiveRelay] : .standard
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
        let commonModes = supportedModes.intersection(remote?.supportedModes ?? [])
        return DraftEVBTLV(
            supportedModes: supportedModes, supportedCapabilities: Self.capabilities,
            configuredModes: commonModes.contains(.reflectiveRelay) ? .reflectiveRelay : .standard,
            configuredCapabilities: agreedCapabilities, supportedVSIs: isVDPAgreed ? Self.supportedVSIs : 0,
            configuredVSIs: isVDPAgreed ? UInt16(clamping: vsis) : 0,
            retransmissionExponent: configuration.timers.retransmissionExponent)
    }
}

/// The negotiation by EVB TLVs in the dialect that is spoken.
struct DialectNegotiation {
    /// Which dialects may be spoken.
    var choice: PortConfiguration.Dialect {
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
        draft = DraftNegotiation(configuration: configuration.evb)
    }

    var configuration: EVBNegotiation.Configuration {
        get { ratified.configuration }
        set {
            ratified.configuration = newValue
            draft.configuration = newValue
        }
    }

    /// A neighbour's TLV as a bridge's, in the one dialect that is to be spoken with it.
    ///
    /// The ratified TLV goes before the draft's, whose senders do not say whether they are bridges.
    func offer(of lldpdu: LLDPDU) -> DialectTLV? {
        let (tlvs, drafts) = (lldpdu.evbTLVs, lldpdu.draftEVBTLVs)
        if choice != .draft, lldpdu.evbDefect == nil, let tlv = tlvs.first, tlv.mode == .bridge {
            return .ratified(tlv)
        }
        guard choice != .ratified, lldpdu.draftEVBDefect == nil, !drafts.isEmpty, choice == .draft || tlvs.isEmpty
        else {
            return nil
        }
        return Self.isUsable(drafts[0]) ? .draft(drafts[0]) : nil
    }

    /// What is wrong with a neighbour that offers nothing.
    func obstacle(in lldpdu: LLDPDU) -> PortNotice? {
        let (tlvs, drafts) = (lldpdu.evbTLVs, lldpdu.draftEVBTLVs)
        if choice != .draft {
            if let defect = lldpdu.evbDefect { return .unusableTLV(defect) }
            if tlvs.first?.mode == .station { return .stationNeighbour }
        }
        if choice != .ratified, let defect = lldpdu.draftEVBDefect { return .unusableTLV(defect) }
        guard let first = drafts.first else {
            return choice == .draft && !tlvs.isEmpty ? .ratifiedNeighbour : nil
        }
        if choice == .ratified { return .draftNeighbour }
        return Self.isUsable(first) ? nil : .unusableTLV(.unknownValue(.draftEVBTLV, 0))
    }

    /// A draft TLV without a forwarding mode is not taken, as lldpad does not.
    private static func isUsable(_ tlv: DraftEVBTLV) -> Bool { !tlv.supportedModes.isEmpty }

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

extension PortConfiguration.Dialect {
    /// What may come to be spoken.
    var allowed: [WireDialect] {
        switch self {
        case .automatic: WireDialect.allCases
        case .ratified: [.ratified]
        case .draft: [.draft]
        }
    }

    /// What is spoken until a bridge is heard.
    var initial: WireDialect { self == .draft ? .draft : .ratified }
}

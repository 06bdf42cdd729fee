internal import EVBWire

/// One side's negotiation by the ratified EVB TLV, as far as it is the same for both sides.
protocol RatifiedNegotiation {
    associatedtype Configuration: Hashable, Sendable
    /// Which side it is, and the side that it negotiates with.
    static var ownRole: EVBMode { get }
    static var peerRole: EVBMode { get }
    /// Whether the other side may say EVB mode 3 as well.
    static func servesNVO3(_ configuration: Configuration) -> Bool
    /// Whether a port that may speak either dialect announces both, until the other side is heard in the ratified one.
    static var announcesBothDialects: Bool { get }

    init(configuration: Configuration)
    var configuration: Configuration { get set }
    /// The other side's last TLV; nil while it is not heard.
    var remote: EVBTLV? { get }
    /// The TLV to send.
    var outgoing: EVBTLV { get }
    /// The numbers that hold.
    var operational: OperationalTimers { get }
    /// The times that ECP and VDP keep by them.
    var times: ProtocolTimes { get }
    /// Whether group IDs may be used in VDP.
    var usesGroupIDs: Bool { get }
    /// Takes in the other side's TLV.
    mutating func hear(_ tlv: EVBTLV)
    /// The other side is gone, or has withdrawn its TLV.
    mutating func forget()
    /// What a port with these settings says in the draft.
    static func draft(_ port: EVBPortConfiguration<Configuration>) -> DraftNegotiation.Configuration
}

/// A side's negotiation by EVB TLVs in the dialect that is spoken.
///
/// What only one side has is in `StationDialectNegotiation.swift` and `BridgeDialectNegotiation.swift`.
struct DialectNegotiation<Ratified: RatifiedNegotiation> {
    /// Which dialects may be spoken.
    private(set) var choice: DialectChoice {
        didSet { if choice != oldValue, !isHeard { dialect = choice.initial } }
    }
    /// The one that is: the other side's, or the one to begin with.
    private(set) var dialect: WireDialect
    private(set) var ratified: Ratified
    private(set) var draft: DraftNegotiation

    init(configuration: EVBPortConfiguration<Ratified.Configuration>) {
        choice = configuration.dialect
        dialect = choice.initial
        ratified = Ratified(configuration: configuration.evb)
        draft = DraftNegotiation(configuration: Ratified.draft(configuration))
    }

    /// The operator has configured something else.
    mutating func reconfigure(_ configuration: EVBPortConfiguration<Ratified.Configuration>) {
        ratified.configuration = configuration.evb
        draft.configuration = Ratified.draft(configuration)
        choice = configuration.dialect
    }

    var configuration: Ratified.Configuration { ratified.configuration }

    /// Changes what the ratified TLV says for this side.
    mutating func adjustRatified(_ change: (inout Ratified) -> Void) { change(&ratified) }

    /// A neighbour's TLV as one of the other side, in the one dialect that is to be spoken with it.
    func offer(of lldpdu: LLDPDU) -> DialectTLV? {
        let isNVO3 = Ratified.servesNVO3(configuration)
        return choice.offer(of: lldpdu, as: isNVO3 ? [Ratified.peerRole, .nvo3] : [Ratified.peerRole])
    }

    /// What is wrong with a neighbour that offers nothing.
    func obstacle(in lldpdu: LLDPDU) -> DialectObstacle? { choice.obstacle(in: lldpdu, to: Ratified.ownRole) }

    /// The TLV for this many VSIs in the dialect that is spoken.
    func spoken(vsis: Int) -> DialectTLV { outgoing(dialect, vsis: vsis) }

    private func outgoing(_ dialect: WireDialect, vsis: Int) -> DialectTLV {
        switch dialect {
        case .ratified: .ratified(ratified.outgoing)
        case .draft: .draft(draft.outgoing(vsis: vsis))
        }
    }

    /// The TLVs to send for this many VSIs.
    func outgoing(vsis: Int) -> [DialectTLV] {
        guard Ratified.announcesBothDialects else { return [spoken(vsis: vsis)] }
        return choice.allowed.filter { $0 == .ratified || dialect == .draft || !isHeard }.map {
            outgoing($0, vsis: vsis)
        }
    }

    /// Whether the other side has been heard, in whichever dialect.
    var isHeard: Bool { ratified.remote != nil || draft.remote != nil }

    /// Takes in the other side's TLV, and speaks its dialect from now on.
    mutating func hear(_ tlv: DialectTLV) {
        dialect = tlv.dialect
        switch tlv {
        case .ratified(let tlv): ratified.hear(tlv)
        case .draft(let tlv): draft.remote = tlv
        }
    }

    /// The other side is gone, or has withdrawn its TLV.
    mutating func forget() {
        ratified.forget()
        draft.remote = nil
        dialect = choice.initial
    }

    /// Whether VDP may be spoken with the other side.
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
            var timers = draft.configuration.timers
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
    /// A neighbour's TLV as one of a side in one of `modes`, in the one dialect that is to be spoken with it.
    ///
    /// The ratified TLV goes before the draft's, whose senders do not say which side they are.
    func offer(of lldpdu: LLDPDU, as modes: [EVBMode]) -> DialectTLV? {
        let (tlvs, drafts) = (lldpdu.evbTLVs, lldpdu.draftEVBTLVs)
        if self != .draft, lldpdu.evbDefect == nil, let tlv = tlvs.first, modes.contains(tlv.mode) {
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

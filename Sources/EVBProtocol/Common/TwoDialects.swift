internal import EVBWire

/// One side's negotiation by the ratified EVB TLV, as far as it is the same for both sides.
protocol RatifiedNegotiation {
    /// The other side's last TLV; nil while it is not heard.
    var remote: EVBTLV? { get }
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
}

extension EVBStationNegotiation: RatifiedNegotiation {}
extension EVBBridgeNegotiation: RatifiedNegotiation {}

/// A negotiation by EVB TLVs in either dialect, as far as it is the same for both sides.
protocol TwoDialects {
    associatedtype Ratified: RatifiedNegotiation

    /// Which dialects may be spoken.
    var choice: DialectChoice { get }
    /// The one that is: the other side's, or the one to begin with.
    var dialect: WireDialect { get set }
    var ratified: Ratified { get set }
    var draft: DraftNegotiation { get set }
}

extension TwoDialects {
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

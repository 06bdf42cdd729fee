internal import EVBTime
internal import EVBWire

/// The bridge's negotiation by EVB TLVs in the dialect that is spoken: ``StationDialectNegotiation`` for the other side.
///
/// A station that may speak either dialect follows the bridge, and the bridge follows the station. The facts say who has to
/// begin: lldpad's draft sends its TLV whether it hears one or not, and so does any station that has one dialect alone. A
/// station that follows, as evbd's does, begins with the ratified TLV. So a bridge would find its station by announcing
/// either. An automatic one announces both, until a ratified station is heard: one that waits to hear its own dialect first
/// is served too, a draft station is agreed with an LLDPDU earlier, and one that speaks the draft only because its bridge did
/// finds out that it need not any more. Each reads the TLV that it knows and passes over the other, as LLDP has it.
struct BridgeDialectNegotiation: TwoDialects {
    /// Which dialects may be spoken.
    var choice: DialectChoice {
        didSet { if choice != oldValue, !isHeard { dialect = choice.initial } }
    }
    /// The one that is: the station's, or the one to begin with.
    var dialect: WireDialect
    var ratified: EVBBridgeNegotiation
    var draft: DraftNegotiation

    init(configuration: BridgePortConfiguration) {
        choice = configuration.dialect
        dialect = choice.initial
        ratified = EVBBridgeNegotiation(configuration: configuration.evb)
        draft = DraftNegotiation(configuration: DraftNegotiation.Configuration(configuration))
    }

    /// The operator has configured something else.
    mutating func reconfigure(_ configuration: BridgePortConfiguration) {
        ratified.configuration = configuration.evb
        draft.configuration = DraftNegotiation.Configuration(configuration)
        choice = configuration.dialect
    }

    var configuration: EVBBridgeNegotiation.Configuration { ratified.configuration }

    /// A neighbour's TLV as a station's, in the one dialect that is to be spoken with it.
    func offer(of lldpdu: LLDPDU) -> DialectTLV? { choice.offer(of: lldpdu, as: .station) }

    /// What is wrong with a neighbour that offers nothing.
    func obstacle(in lldpdu: LLDPDU) -> BridgeNotice? {
        switch choice.obstacle(in: lldpdu, to: .bridge) {
        case .unusableTLV(let defect): .unusableTLV(defect)
        case .sameSide: .bridgeNeighbour
        case .draftAlone: .draftNeighbour
        case .ratifiedAlone: .ratifiedNeighbour
        case nil: nil
        }
    }

    /// How long a silent VSI is kept.
    var keepAliveTimeout: Interval {
        switch dialect {
        case .ratified: ratified.patience.keepAliveTimeout
        case .draft: times.keepAliveTimeout
        }
    }

    /// Whether frames are reflected now.
    var reflectsFrames: Bool {
        switch dialect {
        case .ratified: ratified.reflectsFrames
        case .draft: draft.agreesOnReflectiveRelay
        }
    }

    /// The TLVs to send for this many VSIs.
    func outgoing(vsis: Int) -> [DialectTLV] {
        choice.allowed.compactMap { allowed in
            switch allowed {
            case .ratified: return .ratified(ratified.outgoing)
            case .draft:
                let isNeeded = dialect == .draft || !isHeard
                return isNeeded ? .draft(draft.outgoing(vsis: vsis)) : nil
            }
        }
    }
}

extension DraftNegotiation.Configuration {
    /// A bridge's.
    fileprivate init(_ bridge: BridgePortConfiguration) {
        self.init(
            timers: bridge.evb.timers, supportsReflectiveRelay: bridge.evb.offersReflectiveRelay,
            isManual: bridge.evb.isManual, supportedVSIs: UInt16(clamping: bridge.vsisMax))
    }
}

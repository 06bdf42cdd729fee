internal import EVBWire

extension DraftNegotiation.Configuration {
    /// A station's.
    init(_ station: EVBStationNegotiation.Configuration) {
        self.init(
            timers: station.timers, supportsReflectiveRelay: station.requestsReflectiveRelay,
            isManual: station.isManual)
    }
}

/// The station's negotiation by EVB TLVs in the dialect that is spoken.
struct StationDialectNegotiation: TwoDialects {
    /// Which dialects may be spoken.
    var choice: DialectChoice {
        didSet { if choice != oldValue, !isHeard { dialect = choice.initial } }
    }
    /// The one that is: the bridge's, or the one to begin with.
    var dialect: WireDialect
    var ratified: EVBStationNegotiation
    var draft: DraftNegotiation

    init(configuration: StationPortConfiguration) {
        choice = configuration.dialect
        dialect = choice.initial
        ratified = EVBStationNegotiation(configuration: configuration.evb)
        draft = DraftNegotiation(configuration: DraftNegotiation.Configuration(configuration.evb))
    }

    var configuration: EVBStationNegotiation.Configuration {
        get { ratified.configuration }
        set {
            ratified.configuration = newValue
            draft.configuration = DraftNegotiation.Configuration(newValue)
        }
    }

    /// A neighbour's TLV as a bridge's, in the one dialect that is to be spoken with it.
    func offer(of lldpdu: LLDPDU) -> DialectTLV? { choice.offer(of: lldpdu, as: .bridge) }

    /// What is wrong with a neighbour that offers nothing.
    func obstacle(in lldpdu: LLDPDU) -> StationNotice? {
        switch choice.obstacle(in: lldpdu, to: .station) {
        case .unusableTLV(let defect): .unusableTLV(defect)
        case .sameSide: .stationNeighbour
        case .draftAlone: .draftNeighbour
        case .ratifiedAlone: .ratifiedNeighbour
        case nil: nil
        }
    }

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

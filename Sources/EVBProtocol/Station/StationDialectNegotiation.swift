internal import EVBWire

typealias StationDialectNegotiation = DialectNegotiation<EVBStationNegotiation>

extension EVBStationNegotiation: RatifiedNegotiation {
    static var ownRole: EVBMode { .station }
    static var peerRole: EVBMode { .bridge }
    static func servesNVO3(_ configuration: Configuration) -> Bool { configuration.isNVO3 }
    static var announcesBothDialects: Bool { false }

    static func draft(_ port: StationPortConfiguration) -> DraftNegotiation.Configuration {
        DraftNegotiation.Configuration(
            timers: port.evb.timers, supportsReflectiveRelay: port.evb.requestsReflectiveRelay,
            isManual: port.evb.isManual)
    }
}

extension StationDialectNegotiation {
    /// What is known of the bridge's reflective relay.
    var reflectiveRelay: ReflectiveRelayStatus {
        switch dialect {
        case .ratified: ratified.reflectiveRelay
        case .draft: draft.remote.map { DialectTLV.draft($0).reflects ? .on : .off } ?? .unknown
        }
    }
}

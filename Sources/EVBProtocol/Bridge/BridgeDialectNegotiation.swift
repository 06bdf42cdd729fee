internal import EVBTime
internal import EVBWire

/// The bridge's negotiation by EVB TLVs.
///
/// A station that may speak either dialect follows the bridge, and the bridge follows the station. The facts say which side
/// begins: lldpad's draft sends its TLV whether it hears one or not, and so does any station that has one dialect alone. A
/// station that follows, as evbd's does, begins with the ratified TLV. So a bridge would find its station by announcing
/// either. An automatic one announces both, until a ratified station is heard: one that waits to hear its own dialect first
/// is served too, a draft station is agreed with an LLDPDU earlier, and one that speaks the draft only because its bridge did
/// finds out that it need not any more. Each reads the TLV that it knows and passes over the other, as LLDP has it.
typealias BridgeDialectNegotiation = DialectNegotiation<EVBBridgeNegotiation>

extension EVBBridgeNegotiation: RatifiedNegotiation {
    static var ownRole: EVBMode { .bridge }
    static var peerRole: EVBMode { .station }
    static func servesNVO3(_ configuration: Configuration) -> Bool { configuration.isNVO3 }
    static var announcesBothDialects: Bool { true }

    static func draft(_ port: BridgePortConfiguration) -> DraftNegotiation.Configuration {
        DraftNegotiation.Configuration(
            timers: port.evb.timers, supportsReflectiveRelay: port.evb.offersReflectiveRelay,
            isManual: port.evb.isManual, supportedVSIs: UInt16(clamping: port.vsisMax))
    }
}

extension BridgeDialectNegotiation {
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
}

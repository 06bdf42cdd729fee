public import EVBWire

/// The bridge's side of the EVB TLV (802.1Q D.2.12): what is sent, what holds.
///
/// The four numbers are agreed on exactly as the station's side does it, ``EVBStationNegotiation``: each is the larger of the two
/// sides' own proposals, and an echo is no proposal. This type adds the bridge's status octet and the echo of the station's.
public struct EVBBridgeNegotiation: Sendable {
    /// What the operator configured.
    public struct Configuration: Hashable, Sendable {
        /// The four numbers that this side proposes.
        public var timers: OperationalTimers
        /// RRCAP: whether the port may reflect frames when the station asks for it.
        public var offersReflectiveRelay: Bool
        /// BGID: whether group IDs may be used.
        public var groupIDs: Bool
        /// Whether the local numbers hold whatever the station says (the MIB's SbpLldpManual).
        public var isManual: Bool
        /// Whether stations that say EVB mode 3 are served: ends of a network virtualization edge (802.1Qcy). This side, the nNVE, says
        /// that it is a bridge all the same, for those that know no other mode.
        public var isNVO3: Bool

        /// Joins the settings; by default those of a port that can do all.
        public init(
            timers: OperationalTimers = OperationalTimers(), offersReflectiveRelay: Bool = true,
            groupIDs: Bool = true, isManual: Bool = false, isNVO3: Bool = false
        ) {
            self.timers = timers
            self.offersReflectiveRelay = offersReflectiveRelay
            self.groupIDs = groupIDs
            self.isManual = isManual
            self.isNVO3 = isNVO3
        }

        /// What agrees on the numbers; the station's flags in it are not used.
        fileprivate var numbers: EVBStationNegotiation.Configuration {
            EVBStationNegotiation.Configuration(timers: timers, groupIDs: groupIDs, isManual: isManual)
        }
    }

    /// What the operator configured; a change takes effect at once and forgets what the station proposed for the old values.
    public var configuration: Configuration {
        didSet { numbers.configuration = configuration.numbers }
    }

    private var numbers: EVBStationNegotiation

    /// Starts with no station.
    public init(configuration: Configuration) {
        self.configuration = configuration
        numbers = EVBStationNegotiation(configuration: configuration.numbers)
    }

    /// The station's last TLV; nil while there is no station.
    public var remote: EVBTLV? { numbers.remote }

    /// Takes in the station's TLV.
    public mutating func hear(_ tlv: EVBTLV) { numbers.hear(tlv) }

    /// The station is gone, or has withdrawn its TLV.
    public mutating func forget() { numbers.forget() }

    /// The numbers that hold.
    public var operational: OperationalTimers { numbers.operational }

    /// The times that ECP and VDP keep by them.
    var times: ProtocolTimes { operational.times }

    /// The numbers by which a silent VSI is timed.
    ///
    /// A station's TLV tells the keep-alive period that it runs by. Until it has heard of a smaller one it goes on with the
    /// larger, and must not be given up for that.
    public var patience: OperationalTimers {
        var timers = operational
        if let remote, !configuration.isManual {
            timers.reinitKeepAliveExponent = max(timers.reinitKeepAliveExponent, remote.reinitKeepAlive.exponent)
        }
        return timers
    }

    /// Whether group IDs may be used in VDP: both sides must be able to (BGID and SGID).
    public var usesGroupIDs: Bool {
        configuration.groupIDs && (remote?.stationStatus.groupIDs ?? false)
    }

    /// RRCTR: whether frames are reflected now, which is so while the station asks for it and the port may.
    public var reflectsFrames: Bool {
        configuration.offersReflectiveRelay && (remote?.stationStatus.reflectiveRelayRequest ?? false)
    }

    /// The TLV to send: our own status, the station's as it was last heard, and the numbers as the station's side sends them.
    public var outgoing: EVBTLV {
        var status: BridgeStatus = []
        if configuration.groupIDs { status.insert(.groupIDs) }
        if configuration.offersReflectiveRelay { status.insert(.reflectiveRelayCapable) }
        if reflectsFrames { status.insert(.reflectiveRelayControl) }
        var tlv = numbers.outgoing
        tlv.mode = .bridge
        tlv.bridgeStatus = status
        tlv.stationStatus =
            remote?.stationStatus
            ?? StationStatus(groupIDs: false, reflectiveRelayRequest: false, reflectiveRelayStatus: .off)
        return tlv
    }
}

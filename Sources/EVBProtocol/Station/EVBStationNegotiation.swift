internal import EVBTime
public import EVBWire

/// The station's side of the EVB TLV (802.1Q D.2.12): what is sent, what holds.
///
/// R, RTE, RWD and RKA are each the larger of the two sides' own proposals. A peer may echo ours, so a value with the ROL
/// bit that we did not get from it as its own is no proposal: without that rule two sides that echo each other could never
/// come down again.
public struct EVBStationNegotiation: Sendable {
    /// What the operator configured.
    public struct Configuration: Hashable, Sendable {
        /// The four numbers that this side proposes.
        public var timers: OperationalTimers
        /// RRREQ: whether the edge relay is a VEPA, which needs reflective relay.
        public var requestsReflectiveRelay: Bool
        /// SGID: whether group IDs may be used.
        public var groupIDs: Bool
        /// Whether the local numbers hold whatever the peer says (the MIB's URPLldpManual).
        public var isManual: Bool
        /// Whether the EVB TLV is sent (the MIB's EvbTxEnable); if not, there is no EVB on the port.
        public var isTransmitted: Bool
        /// Whether this side is the end of a network virtualization edge (tNVE), and says EVB mode 3 (802.1Qcy).
        public var isNVO3: Bool

        /// Joins the settings; by default those of a VEPA.
        public init(
            timers: OperationalTimers = OperationalTimers(), requestsReflectiveRelay: Bool = true,
            groupIDs: Bool = true, isManual: Bool = false, isTransmitted: Bool = true, isNVO3: Bool = false
        ) {
            self.timers = timers
            self.requestsReflectiveRelay = requestsReflectiveRelay
            self.groupIDs = groupIDs
            self.isManual = isManual
            self.isTransmitted = isTransmitted
            self.isNVO3 = isNVO3
        }
    }

    /// What the operator configured; a change takes effect at once and forgets what the peer proposed for the old values.
    public var configuration: Configuration {
        didSet {
            guard configuration != oldValue else { return }
            remoteWaitDelay = nil
            remoteKeepAlive = nil
            if let remote { hear(remote) }
        }
    }

    /// RKA that the VSIs of the port need, where it is larger than the configured one; never with a manual configuration.
    public var neededKeepAlive: UInt8 = 0

    /// The four numbers that this side proposes.
    private var proposed: OperationalTimers {
        var timers = configuration.timers
        guard !configuration.isManual else { return timers }
        timers.reinitKeepAliveExponent = max(timers.reinitKeepAliveExponent, min(neededKeepAlive, 31))
        return timers
    }

    /// The bridge's last TLV; nil while there is no bridge.
    public private(set) var remote: EVBTLV?
    /// RWD and RKA as the bridge itself proposes them, as far as that is known.
    private var remoteWaitDelay: UInt8?
    private var remoteKeepAlive: UInt8?
    /// The peer has given our echo of its own value back as ours. It hears our own values from then on: each would hold the
    /// other's echo up for ever.
    private var isEchoed = false

    /// Starts with no bridge.
    public init(configuration: Configuration) {
        self.configuration = configuration
    }

    /// Takes in the bridge's TLV.
    public mutating func hear(_ tlv: EVBTLV) {
        remote = tlv
        remoteWaitDelay = Self.proposal(tlv.resourceWaitDelay, known: remoteWaitDelay)
        remoteKeepAlive = Self.proposal(tlv.reinitKeepAlive, known: remoteKeepAlive)
        let local = proposed
        if Self.isEcho(tlv.resourceWaitDelay, of: remoteWaitDelay, over: local.resourceWaitDelayExponent)
            || Self.isEcho(tlv.reinitKeepAlive, of: remoteKeepAlive, over: local.reinitKeepAliveExponent)
        {
            isEchoed = true
        }
    }

    /// The bridge is gone, or has withdrawn its TLV.
    public mutating func forget() {
        remote = nil
        remoteWaitDelay = nil
        remoteKeepAlive = nil
        isEchoed = false
    }

    /// Whether the peer says of its own proposal, which holds as it is the larger, that it has it from us.
    private static func isEcho(_ value: NegotiatedExponent, of proposal: UInt8?, over local: UInt8) -> Bool {
        value.isRemote && value.exponent == proposal && value.exponent > local
    }

    /// What the peer itself proposes.
    ///
    /// With the ROL bit clear the value is its own. With it set, the value is an echo, unless it is what the peer proposed
    /// before: lldpad sets the bit also when both sides agree.
    private static func proposal(_ value: NegotiatedExponent, known: UInt8?) -> UInt8? {
        if !value.isRemote { return value.exponent }
        return known == value.exponent ? known : nil
    }

    /// The numbers that hold.
    public var operational: OperationalTimers {
        guard let remote, !configuration.isManual else { return configuration.timers }
        let local = proposed
        return OperationalTimers(
            retries: max(local.retries, remote.retries),
            rte: max(local.retransmissionExponent, remote.retransmissionExponent),
            rwd: max(local.resourceWaitDelayExponent, remoteWaitDelay ?? 0),
            rka: max(local.reinitKeepAliveExponent, remoteKeepAlive ?? 0))
    }

    /// The times that follow. A longer keep-alive period of ours is kept to only once the bridge's TLV shows that it has heard of
    /// it, since until then VSIs would age out there; one that a bridge announces below 0.66 s is no reason for haste.
    var times: ProtocolTimes {
        var times = operational.times
        guard let remote else { return times }
        let shown = max(remote.reinitKeepAlive.exponent, Self.keepAliveExponentMin)
        times.reinitKeepAlive = min(times.reinitKeepAlive, .exponent(shown))
        return times
    }

    private static let keepAliveExponentMin: UInt8 = 16

    /// Whether group IDs may be used in VDP: both sides must be able to (BGID and SGID).
    public var usesGroupIDs: Bool {
        configuration.groupIDs && (remote?.bridgeStatus.contains(.groupIDs) ?? false)
    }

    /// RRSTAT: what is known of the bridge's reflective relay.
    public var reflectiveRelay: ReflectiveRelayStatus {
        guard let remote else { return .unknown }
        return remote.bridgeStatus.contains(.reflectiveRelayControl) ? .on : .off
    }

    /// The TLV to send.
    ///
    /// R and RTE go out as configured, since no bit tells an echo of them. RWD and RKA go out as they hold, with ROL set
    /// where the bridge's value does, unless the bridge has shown that it takes what it gets for ours in any case.
    public var outgoing: EVBTLV {
        let local = proposed
        let operational = isEchoed ? local : operational
        return EVBTLV(
            bridgeStatus: remote?.bridgeStatus ?? [],
            stationStatus: StationStatus(
                groupIDs: configuration.groupIDs, reflectiveRelayRequest: configuration.requestsReflectiveRelay,
                reflectiveRelayStatus: reflectiveRelay),
            retries: local.retries, retransmissionExponent: local.retransmissionExponent,
            mode: configuration.isNVO3 ? .nvo3 : .station,
            resourceWaitDelay: NegotiatedExponent(
                operational.resourceWaitDelayExponent,
                isRemote: operational.resourceWaitDelayExponent > local.resourceWaitDelayExponent),
            reinitKeepAlive: NegotiatedExponent(
                operational.reinitKeepAliveExponent,
                isRemote: operational.reinitKeepAliveExponent > local.reinitKeepAliveExponent))
    }
}

public import EVBTime
public import EVBWire

/// What a bridge's port wants done or known. Effects are to be carried out in their order.
public enum BridgeEffect: Equatable, Sendable {
    /// Send this.
    case transmit(Frame)
    /// Decide on this, now or later, by ``BridgePort/decided(_:_:at:)``.
    case decide(DecisionTicket, BridgeRequest)
    /// This need not be decided any more.
    case cancel(DecisionTicket)
    /// Something was granted to a VSI, or it was released.
    case vsi(BridgeVSIEvent)
    /// RRCTR has changed: the port is to give frames back to where they came from, or to stop doing so.
    case reflectiveRelay(Bool)
    /// The EVB station was found, or is gone.
    case station(PeerChange)
    /// The numbers agreed with the station have changed.
    case timers(OperationalTimers)
    /// Something that an operator should know.
    case notice(BridgeNotice)
}

/// What is not as it should be on a bridge's port. Each is told when it begins, not for every frame.
public enum BridgeNotice: Hashable, Sendable {
    /// More than one EVB station is heard; the first stays the one that is spoken with.
    case severalStations(Int)
    /// The neighbour is an EVB bridge too, and neither will ask.
    case bridgeNeighbour
    /// The neighbour speaks the pre-standard draft only, and the port is not to.
    case draftNeighbour
    /// The neighbour speaks the ratified dialect only, and the port is to speak the draft.
    case ratifiedNeighbour
    /// The neighbour sends an EVB TLV that cannot be read, or several.
    case unusableTLV(WireError)
    /// Requests are refused because of this limit.
    case limitReached(ResourceLimit)
    /// ECP frames come from an address that the station has not given as its own, and are left (``ECPSource``); the first such one.
    case foreignECP(MACAddress)
    /// Another program speaks LLDP under the station's name and address, without an EVB TLV.
    case secondSpeaker(SecondSpeaker)
    /// ECP frames come to an address that is not ECP's here, and are dropped (``GroupAddresses``); the first such address.
    case misaddressedECP(MACAddress)
}

/// A bridge's port as it stands, to be shown.
public struct BridgePortSnapshot: Sendable {
    public let isLinkUp: Bool
    public let station: EVBPeer?
    /// Who is heard on the nearest-customer-bridge address: the station in use, or else the first of all, EVB or not.
    public let neighbour: NeighbourSnapshot?
    /// A program that speaks LLDP under the station's name; nil where there is none.
    public let secondSpeaker: SecondSpeaker?
    /// All that are heard there; some, where they are many.
    public let neighbours: [NeighbourSnapshot]
    /// What is not as it should be now.
    public let notices: Set<BridgeNotice>
    /// Limits for which requests have been refused since VSIs were last released in bulk.
    public let refusedLimits: Set<ResourceLimit>
    /// How what this side sends fares at the peer.
    public let delivery: PeerDelivery
    /// The dialect that is spoken; while no station is heard, the one to begin with.
    public let dialect: WireDialect
    /// The EVB TLVs that are sent: one, or, from a port that may speak either dialect, both.
    public let localTLVs: [DialectTLV]
    /// The ratified EVB TLV that is sent, or would be on a port that may speak that dialect.
    public let localTLV: EVBTLV
    /// The numbers that hold. In the draft only RTE is negotiated.
    public let timers: OperationalTimers
    /// The times that ECP and VDP keep; those of the draft do not follow from `timers`.
    public let times: ProtocolTimes
    /// toutKeepAlive (41.5.5.13): how long a VSI of which nothing is heard is kept.
    public let keepAliveTimeout: Interval
    public let usesGroupIDs: Bool
    /// RRCTR.
    public let reflectsFrames: Bool
    /// VSIs of which something holds or is being decided.
    public let vsiCount: Int
    public let statistics: BridgePortStatistics
}

extension BridgeEffect: PeerLinkEffect {
    static func peer(_ change: PeerChange) -> BridgeEffect { .station(change) }
}

extension BridgeNotice: PeerLinkNotice {
    static func severalPeers(_ count: Int) -> BridgeNotice { .severalStations(count) }
    static var sameSide: BridgeNotice { .bridgeNeighbour }
}

public import EVBTime
public import EVBWire

/// How a port stands after a call that may have changed it; see ``StationPort/endTurn()``.
public struct StationTurn {
    /// Something about the link, the neighbours or the bridge may be other than at the turn before, VSIs aside.
    public let hasNews: Bool
    /// What the exchanges about VSIs have come to since the turn before.
    public let trail: [VSITrailEntry]
    /// What the VSIs of the port take.
    public let use: ResourceUse
    /// All addresses from which the bridge's ECP is taken; none while there is no bridge.
    public let peerAddresses: [MACAddress]
    /// The number of the next ECPDU.
    public let nextSequence: UInt16
    /// When ``StationPort/advance(to:)`` is wanted next.
    public let nextDeadline: Instant?
}

/// What a station's port wants done or known. Effects are to be carried out in their order.
public enum StationEffect: Equatable, Sendable {
    /// Send this.
    case transmit(Frame)
    /// A VSI has changed, or a request for it has ended.
    case vsi(StationVSIEvent)
    /// The EVB bridge was found, is gone, or says something else.
    case peer(PeerChange)
    /// RRSTAT has changed.
    case reflectiveRelay(ReflectiveRelayStatus)
    /// The numbers agreed with the bridge have changed.
    case timers(OperationalTimers)
    /// Something that an operator should know.
    case notice(StationNotice)
}

/// What is not as it should be on a station's port. There is a notice when it begins, not for every frame.
public enum StationNotice: Hashable, Sendable {
    /// More than one EVB bridge is heard; the first stays the one that is spoken with.
    case severalBridges(Int)
    /// The neighbour is an EVB station too, and neither can answer.
    case stationNeighbour
    /// The neighbour speaks the pre-standard draft only, and the port is not to.
    case draftNeighbour
    /// The neighbour speaks the ratified dialect only, and the port is to speak the draft.
    case ratifiedNeighbour
    /// The neighbour sends an EVB TLV that cannot be read, or several.
    case unusableTLV(WireError)
    /// The bridge reflects although this edge relay, a VEB, did not ask for it: frames may come twice.
    case reflectsUnasked
    /// The bridge can reflect, or might, and does not although this edge relay, a VEPA, asks for it.
    case reflectiveRelayRefused
    /// The bridge cannot answer about all VSIs within its keep-alive period, and does not take a longer one: the rest has to wait.
    case bridgeOverloaded
    /// ECP frames come from an address that the bridge has not given as its own, and are left (``ECPSource``); the first such one.
    case foreignECP(MACAddress)
    /// Another program speaks LLDP under the bridge's name and address, without an EVB TLV.
    case secondSpeaker(SecondSpeaker)
    /// ECP frames come to an address that is not ECP's here, and are dropped (``GroupAddresses``); the first such address.
    case misaddressedECP(MACAddress)
}

/// A station's port as it stands, to be shown.
public struct StationPortSnapshot: Sendable {
    public let isLinkUp: Bool
    public let peer: EVBPeer?
    /// Who is heard on the nearest-customer-bridge address: the bridge in use, or else the first of all, EVB or not.
    public let neighbour: NeighbourSnapshot?
    /// How many are heard there; one is right.
    public let neighbourCount: Int
    /// A program that speaks LLDP under the bridge's name; nil where there is none.
    public let secondSpeaker: SecondSpeaker?
    /// All that are heard there; some, where they are many.
    public let neighbours: [NeighbourSnapshot]
    /// What is not as it should be now.
    public let notices: Set<StationNotice>
    /// How what this side sends fares at the peer.
    public let delivery: PeerDelivery
    /// The dialect that is spoken; while no bridge is heard, the one to begin with.
    public let dialect: WireDialect
    /// The EVB TLV that is sent.
    public let localTLV: DialectTLV
    /// The numbers that hold. In the draft only RTE is negotiated.
    public let timers: OperationalTimers
    /// The times that ECP and VDP keep; those of the draft do not follow from `timers`.
    public let times: ProtocolTimes
    public let usesGroupIDs: Bool
    public let reflectiveRelay: ReflectiveRelayStatus
    public let hasDraftNeighbour: Bool
    public let statistics: StationPortStatistics
}

extension StationEffect: PeerLinkEffect {}

extension StationNotice: PeerLinkNotice {
    static func severalPeers(_ count: Int) -> StationNotice { .severalBridges(count) }
    static var sameSide: StationNotice { .stationNeighbour }
}

public import EVBTime
public import EVBWire

/// What a bridge's port is told once and may be told anew while it runs.
public struct BridgePortConfiguration: Hashable, Sendable {
    /// VSIs that a port may have unless it is told otherwise.
    public static let vsisMaxDefault = 16_384

    /// The interface's own address: the source of its frames, and its name as a chassis.
    public var address: MACAddress
    /// The interface's name, its name as a port.
    public var interfaceName: String
    /// Octets of payload that a frame may have; ECP keeps within it, and within 1500 in any case.
    public var mtu: Int
    public var evb: EVBBridgeNegotiation.Configuration
    /// VSIs that the port may have; what is asked for beyond is refused for lack of resources.
    public var vsisMax: Int
    /// Which dialects may be spoken.
    public var dialect: Dialect
    /// Whose ECP frames are taken.
    public var ecpSource: ECPSource
    /// By which addresses the port speaks and is spoken to.
    public var addresses: GroupAddresses

    /// Which dialects a port may speak.
    public typealias Dialect = DialectChoice

    /// Joins the settings of a port.
    public init(
        address: MACAddress, interfaceName: String, mtu: Int = 1500, evb: EVBBridgeNegotiation.Configuration,
        vsisMax: Int = BridgePortConfiguration.vsisMaxDefault, dialect: Dialect = .automatic,
        ecpSource: ECPSource = .neighbour,
        addresses: GroupAddresses = GroupAddresses()
    ) {
        self.address = address
        self.interfaceName = interfaceName
        self.mtu = mtu
        self.evb = evb
        self.vsisMax = max(vsisMax, 0)
        self.dialect = dialect
        self.ecpSource = ecpSource
        self.addresses = addresses
    }

    /// Octets that an ECPDU's payload may have.
    func payloadMax(_ dialect: WireDialect) -> Int { dialect.payloadMax(mtu: mtu) }
}

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
    case station(StationChange)
    /// The numbers agreed with the station have changed.
    case timers(OperationalTimers)
    /// Something that an operator should know.
    case notice(BridgeNotice)
}

/// What became of the EVB station on a port.
public enum StationChange: Equatable, Sendable {
    case found(EVBPeer)
    case lost(StationLoss)
}

/// Why there is no station any more.
public enum StationLoss: String, Sendable, Hashable {
    /// The link went down, or the port left.
    case linkDown = "the link is down"
    /// The station has not been heard for as long as its last LLDPDU held.
    case aged = "its LLDP information has aged out"
    /// The station said good-bye by an LLDPDU with TTL 0.
    case shutdown = "it has sent a shutdown LLDPDU"
    /// The station is still there and sends no usable EVB TLV of an EVB station any more.
    case withdrawn = "it sends no EVB TLV of a station any more"
    /// The station speaks the other dialect now and is found again at once, or its dialect may not be spoken any more.
    case dialectChanged = "another dialect is spoken now"
}

/// What is not as it should be on a bridge's port. Each is told when it begins, not for every frame.
public enum BridgeNotice: Hashable, Sendable {
    /// More than one EVB station is heard; the first stays the one that is spoken with.
    case severalStations(Int)
    /// The neighbour is an EVB bridge too, so that nobody will ask.
    case bridgeNeighbour
    /// The neighbour speaks the pre-standard draft only, and the port is not to.
    case draftNeighbour
    /// The neighbour speaks the ratified dialect only, and the port is to speak the draft.
    case ratifiedNeighbour
    /// The neighbour sends an EVB TLV that cannot be read, or several.
    case unusableTLV(WireError?)
    /// Requests are refused because of this limit.
    case limitReached(ResourceLimit)
    /// ECP frames come from an address that the station has not given as its own, and are left (``ECPSource``); the first such one.
    case foreignECP(MACAddress)
    /// ECP frames come to an address that is not ECP's here, and are dropped (``GroupAddresses``); the first such address.
    case misaddressedECP(MACAddress)
}

/// What a bridge's port has counted since it was set up. All of these wrap.
public struct BridgePortStatistics: Hashable, Sendable {
    /// LLDPDUs sent and received, and frames with the EtherType of LLDP that could not be read.
    public var lldpSent: UInt64 = 0
    public var lldpReceived: UInt64 = 0
    public var lldpDiscarded: UInt64 = 0
    /// EVB TLVs that were malformed or came several at a time.
    public var evbTLVsDiscarded: UInt64 = 0
    /// ECPDUs sent for the first time (the MIB's EcpTxFrameCount).
    public var ecpTxFrames: UInt64 = 0
    /// ECPDUs sent again (EcpTxRetryCount).
    public var ecpTxRetries: UInt64 = 0
    /// ECPDUs given up (EcpTxFailures).
    public var ecpTxFailures: UInt64 = 0
    /// ECPDUs received, repetitions among them (EcpRxFrameCount).
    public var ecpRxFrames: UInt64 = 0
    /// Repetitions among them, which were acknowledged and not delivered.
    public var ecpRxDuplicates: UInt64 = 0
    /// Those among them that there was no room for; they were not acknowledged.
    public var ecpRxRefused: UInt64 = 0
    /// Acknowledgements that nobody waited for.
    public var ecpRxStrayAcks: UInt64 = 0
    /// ECP frames of an unknown version, operation or subtype, too short, or heard while no station is known.
    public var ecpRxDiscarded: UInt64 = 0
    /// ECP frames from an address that the station has not given as its own, which were left.
    public var ecpRxOtherSource: UInt64 = 0
    /// ECP and LLDP frames to an address that is not that protocol's on this port, which were dropped.
    public var ecpRxOtherDestination: UInt64 = 0
    public var lldpRxOtherDestination: UInt64 = 0
    public var vdp = BridgeVDPStatistics()

    /// Starts at zero.
    public init() {}

    /// Counts a frame that was sent to another address.
    mutating func countMisaddressed(_ etherType: UInt16) {
        switch etherType {
        case EtherType.lldp: lldpRxOtherDestination &+= 1
        case EtherType.ecp, EtherType.draftECP: ecpRxOtherDestination &+= 1
        default: break
        }
    }
}

/// A bridge's port as it stands, for those who show it.
public struct BridgePortSnapshot: Sendable {
    public let isLinkUp: Bool
    public let station: EVBPeer?
    /// Who is heard on the nearest-customer-bridge address: the station in use, or else the first of all, EVB or not.
    public let neighbour: NeighbourSnapshot?
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

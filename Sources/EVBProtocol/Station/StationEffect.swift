public import EVBTime
public import EVBWire

/// What a port wants done or known. Effects are to be carried out in their order.
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

/// What became of the EVB bridge on a port.
public enum PeerChange: Equatable, Sendable {
    case found(EVBPeer)
    case lost(PeerLoss)
}

/// Why there is no bridge any more.
public enum PeerLoss: String, Sendable, Hashable {
    /// EVB has been switched off on this side.
    case disabled = "EVB is switched off on the port (evb.transmit: false)"
    /// The link went down.
    case linkDown = "the link is down"
    /// The bridge has not been heard for as long as its last LLDPDU held.
    case aged = "its LLDP information has aged out"
    /// The bridge said good-bye by an LLDPDU with TTL 0.
    case shutdown = "it has sent a shutdown LLDPDU"
    /// The bridge is still there and sends no usable EVB TLV of an EVB bridge any more.
    case withdrawn = "it sends no EVB TLV of a bridge any more"
    /// The bridge speaks the other dialect now and is found again at once, or its dialect may not be spoken any more.
    case dialectChanged = "another dialect is spoken now"
}

/// The EVB bridge on the other end of a port.
public struct EVBPeer: Hashable, Sendable {
    public let chassisID: LLDPIdentifier
    public let portID: LLDPIdentifier
    /// The source address of its LLDPDUs.
    public let address: MACAddress
    /// What it says of itself, in the dialect that is spoken with it.
    public let advertised: DialectTLV

    /// Its EVB TLV, if the ratified dialect is spoken with it.
    public var tlv: EVBTLV? { advertised.ratified }
}

/// What is not as it should be on a port. Each is told when it begins, not for every frame.
public enum StationNotice: Hashable, Sendable {
    /// More than one EVB bridge is heard; the first stays the one that is spoken with.
    case severalBridges(Int)
    /// The neighbour is an EVB station too, so that nobody can answer.
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
    /// ECP frames come from an address that the bridge has not given as its own, and are left (``ECPSource``); the first such one.
    case foreignECP(MACAddress)
    /// ECP frames come to an address that is not ECP's here, and are dropped (``GroupAddresses``); the first such address.
    case misaddressedECP(MACAddress)
}

/// What a port has counted since it was set up. All of these wrap.
public struct StationPortStatistics: Hashable, Sendable {
    /// LLDPDUs sent and received, and frames with the EtherType of LLDP that could not be read.
    public var lldpSent: UInt64 = 0
    public var lldpReceived: UInt64 = 0
    public var lldpDiscarded: UInt64 = 0
    /// Neighbours whose information has aged out (the LLDP MIB's lldpStatsRxPortAgeoutsTotal).
    public var lldpAgeouts: UInt64 = 0
    /// TLVs that were not what they claimed to be (lldpStatsRxPortTLVsDiscardedTotal).
    public var lldpTLVsDiscarded: UInt64 = 0
    /// TLVs that mean nothing here (lldpStatsRxPortTLVsUnrecognizedTotal).
    public var lldpTLVsUnrecognized: UInt64 = 0
    /// EVB TLVs that were malformed or came several at a time.
    public var evbTLVsDiscarded: UInt64 = 0
    /// ECPDUs sent for the first time (the MIB's EcpTxFrameCount).
    public var ecpTxFrames: UInt64 = 0
    /// ECPDUs sent again (EcpTxRetryCount).
    public var ecpTxRetries: UInt64 = 0
    /// ECPDUs given up (EcpTxFailures).
    public var ecpTxFailures: UInt64 = 0
    /// ECPDUs received and acknowledged, repetitions among them (EcpRxFrameCount).
    public var ecpRxFrames: UInt64 = 0
    /// Repetitions among them, which were acknowledged and not delivered.
    public var ecpRxDuplicates: UInt64 = 0
    /// Acknowledgements that nobody waited for.
    public var ecpRxStrayAcks: UInt64 = 0
    /// ECP frames of an unknown version, operation or subtype, too short, or heard while no bridge is known.
    public var ecpRxDiscarded: UInt64 = 0
    /// ECP frames from an address that the bridge has not given as its own, which were left.
    public var ecpRxOtherSource: UInt64 = 0
    /// ECP and LLDP frames to an address that is not that protocol's on this port, which were dropped.
    public var ecpRxOtherDestination: UInt64 = 0
    public var lldpRxOtherDestination: UInt64 = 0
    public var vdp = StationVDPStatistics()

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

    /// Counts those of a neighbour's TLVs that are of no use.
    mutating func countTLVs(of lldpdu: LLDPDU) {
        for tlv in lldpdu.optional {
            switch tlv {
            case .evb, .draftEVB: break
            // 802.1AB's own types, 4 to 8, are known, also those that nobody here needs.
            case .basic(let type, _): lldpTLVsUnrecognized &+= type > 8 ? 1 : 0
            case .organizational: lldpTLVsUnrecognized &+= 1
            case .malformed: lldpTLVsDiscarded &+= 1
            }
        }
    }
}

/// An LLDP neighbour, for those who show it.
public struct NeighbourSnapshot: Sendable {
    /// What it said last.
    public let lldpdu: LLDPDU
    /// When it said so.
    public let heard: Instant
}

/// A port as it stands, for those who show it.
public struct StationPortSnapshot: Sendable {
    public let isLinkUp: Bool
    public let peer: EVBPeer?
    /// Who is heard on the nearest-customer-bridge address: the bridge in use, or else the first of all, EVB or not.
    public let neighbour: NeighbourSnapshot?
    /// How many are heard there; one is right.
    public let neighbourCount: Int
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

public import EVBTime
internal import EVBWire

/// What a port has counted since it was set up. All of these wrap.
public struct PortStatistics<VDP: Hashable & Sendable>: Hashable, Sendable {
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
    /// ECPDUs received, repetitions among them (EcpRxFrameCount).
    public var ecpRxFrames: UInt64 = 0
    /// Repetitions among them, which were acknowledged and not delivered.
    public var ecpRxDuplicates: UInt64 = 0
    /// Those among them that a bridge had no room for; they were not acknowledged.
    public var ecpRxRefused: UInt64 = 0
    /// Acknowledgements that matched no ECPDU under way.
    public var ecpRxStrayAcks: UInt64 = 0
    /// ECP frames of an unknown version, operation or subtype, too short, or heard while no peer is known.
    public var ecpRxDiscarded: UInt64 = 0
    /// ECP frames dropped because the peer has not given their source as its own address.
    public var ecpRxOtherSource: UInt64 = 0
    /// ECP and LLDP frames dropped because they went to an address that is not that protocol's on this port.
    public var ecpRxOtherDestination: UInt64 = 0
    public var lldpRxOtherDestination: UInt64 = 0
    /// From the first sending of a VDPDU to its acknowledgement.
    public var ecpRoundTrips = DurationHistogram(.exchange)
    public var vdp: VDP

    init(vdp: VDP) { self.vdp = vdp }

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
            // 802.1AB's own types, 4 to 8, are known, also those that are not used here.
            case .basic(let type, _): lldpTLVsUnrecognized &+= type > 8 ? 1 : 0
            case .organizational, .cdcp: lldpTLVsUnrecognized &+= 1
            case .malformed: lldpTLVsDiscarded &+= 1
            }
        }
    }
}

public typealias StationPortStatistics = PortStatistics<StationVDPStatistics>
public typealias BridgePortStatistics = PortStatistics<BridgeVDPStatistics>

extension StationPortStatistics {
    public init() { self.init(vdp: StationVDPStatistics()) }
}

extension BridgePortStatistics {
    public init() { self.init(vdp: BridgeVDPStatistics()) }
}

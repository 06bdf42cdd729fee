public import EVBTime
public import EVBWire

/// The other end of a port's link, as its LLDPDUs describe it: a bridge to a station, a station to a bridge.
public struct EVBPeer: Hashable, Sendable {
    public let chassisID: LLDPIdentifier
    public let portID: LLDPIdentifier
    /// The source address of its LLDPDUs.
    public let address: MACAddress
    /// Its EVB TLV, in the dialect that is spoken with it.
    public let advertised: DialectTLV

    /// Its EVB TLV, if the ratified dialect is spoken with it.
    public var tlv: EVBTLV? { advertised.ratified }
}

/// What became of a port's peer.
public enum PeerChange: Equatable, Sendable {
    case found(EVBPeer)
    case lost(PeerLoss)
}

/// Why a port has no peer any more.
public enum PeerLoss: Hashable, Sendable {
    /// EVB has been switched off on this side, which only a station can.
    case disabled
    /// The link went down, or the port left.
    case linkDown
    /// The peer has not been heard for as long as its last LLDPDU held.
    case aged
    /// The peer said good-bye by an LLDPDU with TTL 0.
    case shutdown
    /// The peer is still heard and sends no usable EVB TLV of its role any more.
    case withdrawn
    /// The peer speaks the other dialect now and is found again at once, or its dialect may not be spoken any more.
    case dialectChanged
    /// The peer does not answer, and another neighbour is heard.
    case replaced

    /// The reason in words, for logs and events; `role` is the peer's.
    public func text(of role: EVBMode) -> String {
        switch self {
        case .disabled: "EVB is switched off on the port (evb.transmit: false)"
        case .linkDown: "the link is down"
        case .aged: "its LLDP information has aged out"
        case .shutdown: "it has sent a shutdown LLDPDU"
        case .withdrawn: "it no longer sends the EVB TLV of a \(role == .station ? "station" : "bridge")"
        case .dialectChanged: "the dialect has changed"
        case .replaced:
            "it does not answer, and another \(role == .station ? "station" : "bridge") has taken its place"
        }
    }
}

/// An LLDP neighbour, to be shown.
public struct NeighbourSnapshot: Sendable {
    public let lldpdu: LLDPDU
    /// When that LLDPDU was received.
    public let heard: Instant
}

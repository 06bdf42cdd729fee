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

/// How what a port sends by ECP and VDP fares at its peer.
public enum PeerDelivery: Hashable, Sendable {
    /// There is no peer, or nothing has been sent to it yet that waits no more.
    case unknown
    /// The peer acknowledges what is sent.
    case acknowledged
    /// ECP has given up what it sent, and the peer has acknowledged nothing since that time.
    case unacknowledged(since: Instant)
    /// The peer acknowledges, and VDP has waited in vain for an answer since that time.
    case unanswered(since: Instant)

    init(_ delivery: ECPDelivery, _ answering: VDPStation.Answering) {
        switch (delivery, answering) {
        case (.unacknowledged(let since), _): self = .unacknowledged(since: since)
        case (.acknowledged, .silent(let since)): self = .unanswered(since: since)
        case (.acknowledged, .unknown), (.acknowledged, .answers): self = .acknowledged
        case (.unknown, _): self = .unknown
        }
    }
}

/// An LLDP neighbour, to be shown.
public struct NeighbourSnapshot: Sendable {
    /// The source address of that LLDPDU.
    public let source: MACAddress
    public let lldpdu: LLDPDU
    /// When that LLDPDU was received.
    public let heard: Instant
}

public import EVBWire

/// The addresses by which a port speaks and is spoken to: the groups of the standards, and one more, or one station's, where the operator
/// says so.
///
/// A frame to any other address is not the adjacent neighbour's: a bridge would have relayed it from anywhere in the network.
public struct GroupAddresses: Hashable, Sendable {
    /// A group address beyond the standards', for a neighbour behind a box that consumes those. LLDP and ECP are sent to it
    /// alone, and taken at it as well.
    public var further: MACAddress?

    /// The address of the peer itself, which need not be adjacent then (802.1Qcy). LLDP and ECP are sent to it alone, and taken at the
    /// port's own address as well.
    public var peer: MACAddress?

    /// The addresses of the standards, and a further one or the peer's.
    public init(further: MACAddress? = nil, peer: MACAddress? = nil) {
        self.further = further
        self.peer = peer
    }

    /// All groups at which something is taken.
    public var all: [MACAddress] {
        let standard = [MACAddress.nearestCustomerBridge, .nearestBridge]
        return standard + [further].compactMap(\.self).filter { !standard.contains($0) }
    }

    /// Where LLDPDUs are sent.
    var lldp: MACAddress { peer ?? further ?? .nearestCustomerBridge }

    /// Where ECPDUs of a dialect are sent.
    func ecp(_ dialect: WireDialect) -> MACAddress { peer ?? further ?? dialect.ecpAddress }

    /// Whether a frame with this header was sent to a group address of what it carries, or to `own`, the port's address, where it is
    /// spoken to by that.
    public func includes(_ header: FrameHeader, own: MACAddress? = nil) -> Bool {
        if peer != nil, let own, header.destination == own { return true }
        if let further, header.destination == further { return true }
        return switch header.etherType {
        case EtherType.lldp: header.destination == .nearestCustomerBridge
        case EtherType.ecp: header.destination == WireDialect.ratified.ecpAddress
        case EtherType.draftECP: header.destination == WireDialect.draft.ecpAddress
        default: false
        }
    }
}

public import EVBWire

/// The group addresses by which a port speaks and is spoken to: those of the standards, and one more where the operator says so.
///
/// A frame to any other address is not the adjacent neighbour's: a bridge would have relayed it from anywhere in the network.
public struct GroupAddresses: Hashable, Sendable {
    /// A group address beyond the standards', for a neighbour behind a box that consumes those. LLDP and ECP are sent to it
    /// alone, and taken at it as well.
    public var further: MACAddress?

    /// The addresses of the standards, and a further one.
    public init(further: MACAddress? = nil) { self.further = further }

    /// All addresses at which something is taken.
    public var all: [MACAddress] {
        let standard = [MACAddress.nearestCustomerBridge, .nearestBridge]
        return standard + [further].compactMap(\.self).filter { !standard.contains($0) }
    }

    /// Where LLDPDUs are sent.
    var lldp: MACAddress { further ?? .nearestCustomerBridge }

    /// Where ECPDUs of a dialect are sent.
    func ecp(_ dialect: WireDialect) -> MACAddress { further ?? dialect.ecpAddress }

    /// Whether a frame with this header was sent to a group address of what it carries.
    public func includes(_ header: FrameHeader) -> Bool {
        if let further, header.destination == further { return true }
        return switch header.etherType {
        case EtherType.lldp: header.destination == .nearestCustomerBridge
        case EtherType.ecp: header.destination == WireDialect.ratified.ecpAddress
        case EtherType.draftECP: header.destination == WireDialect.draft.ecpAddress
        default: false
        }
    }
}

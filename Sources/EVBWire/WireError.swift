/// A part of a frame that an error can name.
public enum WireField: String, Sendable, Equatable, Hashable {
    case ethernetHeader = "Ethernet header"
    case tlvHeader = "TLV header"
    case tlvValue = "TLV value"
    case chassisID = "chassis ID TLV"
    case portID = "port ID TLV"
    case timeToLive = "time-to-live TLV"
    case endOfLLDPDU = "end of LLDPDU TLV"
    case organizationalTLV = "organizationally specific TLV"
    case evbTLV = "EVB TLV"
    case draftEVBTLV = "draft EVB TLV"
    case cdcpTLV = "CDCP TLV"
    case ecpHeader = "ECP header"
    case draftECPHeader = "draft ECP header"
    case managerID = "VSI manager ID TLV"
    case associationTLV = "VSI association TLV"
    case filterInfo = "filter info"
}

/// Why octets are not what they claim to be.
///
/// None of these is the end of anything but the frame, or the part of the frame, that it names.
public enum WireError: Error, Equatable, Hashable, Sendable {
    /// The frame ends inside `field`.
    case truncated(WireField)
    /// A length that is not allowed for `field`.
    case badLength(WireField, Int)
    /// `field` is not where it has to be, is missing, or stands there twice.
    case misplaced(WireField)
    /// A code point of `field` with no known meaning and no rule for skipping it.
    case unknownValue(WireField, Int)
    /// An EtherType that is none of ours.
    case otherProtocol(UInt16)
}

extension WireError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncated(let field): "the frame ends inside the \(field.rawValue)"
        case .badLength(let field, let length): "the \(field.rawValue) cannot be \(length) octets long"
        case .misplaced(let field): "the \(field.rawValue) is missing, doubled or out of order"
        case .unknownValue(let field, let value): "the \(field.rawValue) holds an unknown value, \(value)"
        case .otherProtocol(let etherType): "EtherType 0x\(String(etherType, radix: 16)) is not LLDP or ECP"
        }
    }
}

/// An ECP data unit of the pre-standard "draft 0.2", the part after EtherType 0x88B7. It goes to 01-80-C2-00-00-0E.
public struct DraftECPDU: Equatable, Sendable {
    /// Whether it carries something or acknowledges.
    public var operation: ECPDU.Operation
    /// Pairs a request with its acknowledgement. A request that is sent again has a new number.
    public var sequence: UInt16
    /// VDP's data unit, with the padding that a short frame has. In an acknowledgement it has no meaning: lldpad gives back
    /// the request's frame with zeros in its place.
    public var payload: [UInt8]

    /// The organization in the header.
    static let oui: UInt32 = 0x00_1B3F
    /// The subtype in the header; there is no other.
    static let subtype: UInt16 = 0
    /// Octets of the header.
    public static let headerLength = 9

    /// Joins the parts of an ECPDU.
    public init(operation: ECPDU.Operation, sequence: UInt16, payload: [UInt8] = []) {
        self.operation = operation
        self.sequence = sequence
        self.payload = payload
    }

    /// The acknowledgement of this request: as lldpad makes it, of the same number and length, with zeros behind the header.
    public var acknowledgement: DraftECPDU {
        DraftECPDU(
            operation: .acknowledgement, sequence: sequence, payload: [UInt8](repeating: 0, count: payload.count))
    }

    /// Reads what follows the Ethernet header.
    ///
    /// - Throws: `unknownValue` for another organization, subtype or mode, which must not be acknowledged.
    init(from reader: inout ByteReader) throws(WireError) {
        let oui = try reader.uint24(.draftECPHeader)
        guard oui == Self.oui else { throw .unknownValue(.draftECPHeader, Int(oui)) }
        // An octet of padding, whatever it holds.
        _ = try reader.uint8(.draftECPHeader)
        let subtype = try reader.uint16(.draftECPHeader)
        guard subtype == Self.subtype else { throw .unknownValue(.draftECPHeader, Int(subtype)) }
        let mode = try reader.uint8(.draftECPHeader)
        guard let operation = ECPDU.Operation(rawValue: mode) else { throw .unknownValue(.draftECPHeader, Int(mode)) }
        self.operation = operation
        sequence = try reader.uint16(.draftECPHeader)
        payload = reader.rest()
    }

    func write(to writer: inout ByteWriter) {
        writer.uint24(Self.oui)
        writer.uint8(0)
        writer.uint16(Self.subtype)
        writer.uint8(operation.rawValue)
        writer.uint16(sequence)
        writer.bytes(payload)
    }
}

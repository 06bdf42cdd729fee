/// An Edge Control Protocol data unit (802.1Q 43.3), the part after EtherType 0x8940.
public struct ECPDU: Equatable, Sendable {
    /// Whether it carries something or acknowledges.
    public var operation: Operation
    /// Whose payload it carries.
    public var subtype: Subtype
    /// Pairs a request with its acknowledgement and tells a repetition from something new.
    public var sequence: UInt16
    /// The upper protocol's data unit, with the padding that a short frame has; empty in an acknowledgement.
    public var payload: [UInt8]

    /// The two bits of operation and their values.
    public enum Operation: UInt8, Sendable {
        case request = 0
        case acknowledgement = 1
    }

    /// The protocol above ECP.
    public struct Subtype: RawRepresentable, Hashable, Sendable {
        /// Ten bits.
        public let rawValue: UInt16

        public init(rawValue: UInt16) { self.rawValue = rawValue & 0x03FF }

        /// VDP, 802.1Q clause 41.
        public static let vdp = Subtype(rawValue: 1)
        /// Port extender control and status, 802.1BR. Not spoken here.
        public static let portExtender = Subtype(rawValue: 2)
    }

    /// The version that this standard gives.
    static let version: UInt16 = 1
    /// Octets of the header.
    public static let headerLength = 4

    /// Joins the parts of an ECPDU.
    public init(operation: Operation, subtype: Subtype = .vdp, sequence: UInt16, payload: [UInt8] = []) {
        self.operation = operation
        self.subtype = subtype
        self.sequence = sequence
        self.payload = payload
    }

    /// The acknowledgement of this request: the same subtype and sequence number, no payload.
    public var acknowledgement: ECPDU {
        ECPDU(operation: .acknowledgement, subtype: subtype, sequence: sequence)
    }

    /// Reads what follows the Ethernet header, the payload into memory that is there.
    ///
    /// - Throws: `unknownValue` for another version or operation, which must not be acknowledged.
    init(from reader: inout ByteReader, reusing memory: inout [UInt8]) throws(WireError) {
        let word = try reader.uint16(.ecpHeader)
        guard word >> 12 == Self.version else { throw .unknownValue(.ecpHeader, Int(word >> 12)) }
        let code = UInt8(truncatingIfNeeded: word >> 10 & 0x03)
        guard let operation = Operation(rawValue: code) else { throw .unknownValue(.ecpHeader, Int(code)) }
        self.operation = operation
        subtype = Subtype(rawValue: word)
        sequence = try reader.uint16(.ecpHeader)
        // The padding of a short acknowledgement is no payload.
        payload = []
        guard operation == .request else { return }
        reader.rest(into: &memory)
        swap(&payload, &memory)
    }

    func write(to writer: inout ByteWriter) {
        writer.uint16(Self.version << 12 | UInt16(operation.rawValue) << 10 | subtype.rawValue)
        writer.uint16(sequence)
        writer.bytes(payload)
    }
}

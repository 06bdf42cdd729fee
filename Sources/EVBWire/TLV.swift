/// The header that LLDP (802.1AB) and VDP (802.1Q 41.2) share: 7 bits of type, 9 bits of length of the value.
struct TLVHeader {
    /// The longest value that nine bits can tell, in octets.
    static let lengthMax = 511

    let type: UInt8
    let length: Int

    init(from reader: inout ByteReader) throws(WireError) {
        let word = try reader.uint16(.tlvHeader)
        type = UInt8(truncatingIfNeeded: word >> 9)
        length = Int(word & 0x01FF)
    }

    /// Appends a TLV whose value `body` writes.
    ///
    /// - Precondition: what `body` writes fits nine bits of length. What evbd itself builds is checked where it enters.
    static func write(type: UInt8, to writer: inout ByteWriter, _ body: (inout ByteWriter) -> Void) {
        let start = writer.count
        writer.uint16(0)
        body(&writer)
        let length = writer.count - start - 2
        precondition(length <= lengthMax, "a TLV value of \(length) octets")
        writer.set(UInt16(type & 0x7F) << 9 | UInt16(length), at: start)
    }
}

/// An organizationally unique identifier and the subtype that its owner gives: the key of a TLV of type 127.
public struct OrganizationalKey: Hashable, Sendable {
    /// The identifier, 24 bits.
    public let oui: UInt32
    /// The owner's own subtype.
    public let subtype: UInt8

    /// Joins an identifier, of which 24 bits count, and a subtype.
    public init(oui: UInt32, subtype: UInt8) {
        self.oui = oui & 0xFF_FFFF
        self.subtype = subtype
    }

    init(from reader: inout ByteReader) throws(WireError) {
        let oui = try reader.uint24(.organizationalTLV)
        self.init(oui: oui, subtype: try reader.uint8(.organizationalTLV))
    }

    /// The EVB TLV of 802.1Q D.2.12.
    public static let evb = OrganizationalKey(oui: 0x00_80C2, subtype: 0x0D)
    /// The CDCP TLV of 802.1Q D.2.13.
    public static let cdcp = OrganizationalKey(oui: 0x00_80C2, subtype: 0x0E)
    /// The EVB TLV of the pre-standard "draft 0.2".
    public static let draftEVB = OrganizationalKey(oui: 0x00_1B3F, subtype: 0x00)
}

/// The CDCP TLV (802.1Q D.2.13; OUI 00-80-C2, subtype 0E): by it a station asks for S-channels, and a bridge says which it gives.
public struct CDCPTLV: Hashable, Sendable {
    /// Octets after OUI and subtype before the first pair, and with it.
    static let headLength = 4, informationLengthMin = 7
    /// Octets of a pair.
    static let pairLength = 3
    /// The most channels that a TLV has room for, the default one included.
    public static let channelsMax = 167

    /// Whose side the sender takes.
    public enum Role: Hashable, Sendable {
        /// B: assigns SVIDs.
        case bridge
        /// S: asks for channels.
        case station

        /// The other side.
        public var peer: Role { self == .bridge ? .station : .bridge }
    }

    /// The sender's side.
    public var role: Role
    /// SComp: whether the sender has an S-VLAN component, without which there are no channels.
    public var hasSComponent: Bool
    /// ChnCap: how many channels the sender bears, the default one included; 1 to 167 by 42.4.1, as received up to 4095.
    public var capacity: UInt16
    /// The channels that are asked for or given, the default one first; as received, whatever they are.
    public var pairs: [SChannelPair]
    /// What follows the last whole pair: nothing, or the one or two octets of a sender in error.
    public let remainder: [UInt8]

    /// Joins the fields of a TLV. A capacity beyond 12 bits loses its high bits; of the pairs the first 167 count.
    public init(role: Role, hasSComponent: Bool = true, capacity: UInt16, pairs: [SChannelPair]) {
        self.role = role
        self.hasSComponent = hasSComponent
        self.capacity = capacity & 0x0FFF
        self.pairs = Array(pairs.prefix(Self.channelsMax))
        remainder = []
    }

    /// Reads what follows OUI and subtype. Reserved bits are ignored: a switch is known to set one.
    ///
    /// - Throws: `badLength` when there is no room for one pair.
    init(from reader: inout ByteReader) throws(WireError) {
        guard reader.remaining >= Self.informationLengthMin else { throw .badLength(.cdcpTLV, reader.remaining + 4) }
        let word = try reader.uint32(.cdcpTLV)
        role = word & 0x8000_0000 == 0 ? .bridge : .station
        hasSComponent = word & 0x0800_0000 != 0
        capacity = UInt16(truncatingIfNeeded: word & 0x0FFF)
        pairs = []
        while reader.remaining >= Self.pairLength {
            let pair = try reader.uint24(.cdcpTLV)
            pairs.append(
                SChannelPair(
                    SCID(UInt16(truncatingIfNeeded: pair >> 12)), SVID(UInt16(truncatingIfNeeded: pair & 0x0FFF))))
        }
        remainder = reader.rest()
    }

    func write(to writer: inout ByteWriter) {
        var word = UInt32(capacity & 0x0FFF)
        if role == .station { word |= 0x8000_0000 }
        if hasSComponent { word |= 0x0800_0000 }
        writer.uint32(word)
        for pair in pairs.prefix(Self.channelsMax) {
            writer.uint24(UInt32(pair.scid.rawValue) << 12 | UInt32(pair.svid.rawValue))
        }
        writer.bytes(remainder)
    }
}

extension LLDPDU {
    /// The CDCP TLVs in it: none, one, or, from a peer in error, several.
    public var cdcpTLVs: [CDCPTLV] {
        optional.compactMap { if case .cdcp(let tlv) = $0 { tlv } else { nil } }
    }

    /// Why its CDCP TLV cannot be used, if it has one that cannot: `misplaced` where there are several.
    public var cdcpDefect: WireError? {
        cdcpTLVs.count > 1 ? .misplaced(.cdcpTLV) : malformation(of: [0x00, 0x80, 0xC2, 0x0E])
    }
}

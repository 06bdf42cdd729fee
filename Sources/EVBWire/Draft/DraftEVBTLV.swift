/// The EVB TLV of the pre-standard "draft 0.2" (OUI 00-1B-3F, subtype 00).
///
/// Both sides send the same fields, and nothing in them tells a bridge from a station: each says what it supports, and what
/// it has come to with its neighbour.
public struct DraftEVBTLV: Equatable, Hashable, Sendable {
    /// The octets after OUI and subtype.
    static let informationLength = 9

    /// The forwarding modes that the sender is able to use.
    public var supportedModes: ForwardingModes
    /// The capabilities that the sender has.
    public var supportedCapabilities: Capabilities
    /// The forwarding mode in use; one of the two.
    public var configuredModes: ForwardingModes
    /// The capabilities in use: those that both sides have.
    public var configuredCapabilities: Capabilities
    /// How many VSIs the sender is able to have; 0 while VDP is not agreed.
    public var supportedVSIs: UInt16
    /// How many VSIs there are; 0 while VDP is not agreed.
    public var configuredVSIs: UInt16
    /// RTE, the exponent of ECP's ack timer, 10 us x 2^RTE: 0 to 31. The draft's ECP has a fixed timer all the same.
    public var retransmissionExponent: UInt8

    /// How a bridge port forwards.
    public struct ForwardingModes: OptionSet, Hashable, Sendable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// As 802.1Q has it: never back to where a frame came from.
        public static let standard = ForwardingModes(rawValue: 0x80)
        /// Reflective relay.
        public static let reflectiveRelay = ForwardingModes(rawValue: 0x40)

        static let known: ForwardingModes = [.standard, .reflectiveRelay]
    }

    /// What a side can do besides forwarding.
    public struct Capabilities: OptionSet, Hashable, Sendable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The retransmission exponent is negotiated.
        public static let retransmissionExponent = Capabilities(rawValue: 0x04)
        /// ECP is spoken.
        public static let ecp = Capabilities(rawValue: 0x02)
        /// VDP is spoken.
        public static let vdp = Capabilities(rawValue: 0x01)

        static let known: Capabilities = [.retransmissionExponent, .ecp, .vdp]
    }

    /// Joins the fields of a TLV; values beyond a field's bits lose their high bits.
    public init(
        supportedModes: ForwardingModes, supportedCapabilities: Capabilities, configuredModes: ForwardingModes,
        configuredCapabilities: Capabilities, supportedVSIs: UInt16, configuredVSIs: UInt16,
        retransmissionExponent: UInt8
    ) {
        self.supportedModes = supportedModes.intersection(.known)
        self.supportedCapabilities = supportedCapabilities.intersection(.known)
        self.configuredModes = configuredModes.intersection(.known)
        self.configuredCapabilities = configuredCapabilities.intersection(.known)
        self.supportedVSIs = supportedVSIs
        self.configuredVSIs = configuredVSIs
        self.retransmissionExponent = retransmissionExponent & 0x1F
    }

    /// Reads what follows OUI and subtype.
    ///
    /// Unknown bits are ignored. A longer TLV is read by its known front; a shorter one is an error.
    ///
    /// - Throws: `badLength` when the value is too short.
    init(from reader: inout ByteReader) throws(WireError) {
        guard reader.remaining >= Self.informationLength else { throw .badLength(.draftEVBTLV, reader.remaining + 4) }
        self.init(
            supportedModes: ForwardingModes(rawValue: try reader.uint8(.draftEVBTLV)),
            supportedCapabilities: Capabilities(rawValue: try reader.uint8(.draftEVBTLV)),
            configuredModes: ForwardingModes(rawValue: try reader.uint8(.draftEVBTLV)),
            configuredCapabilities: Capabilities(rawValue: try reader.uint8(.draftEVBTLV)),
            supportedVSIs: try reader.uint16(.draftEVBTLV), configuredVSIs: try reader.uint16(.draftEVBTLV),
            retransmissionExponent: try reader.uint8(.draftEVBTLV))
    }

    func write(to writer: inout ByteWriter) {
        writer.uint8(supportedModes.intersection(.known).rawValue)
        writer.uint8(supportedCapabilities.intersection(.known).rawValue)
        writer.uint8(configuredModes.intersection(.known).rawValue)
        writer.uint8(configuredCapabilities.intersection(.known).rawValue)
        writer.uint16(supportedVSIs)
        writer.uint16(configuredVSIs)
        writer.uint8(retransmissionExponent & 0x1F)
    }
}

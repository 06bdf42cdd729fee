/// The EVB TLV (802.1Q D.2.12; OUI 00-80-C2, subtype 0D): what an EVB station and an EVB bridge tell each other by LLDP.
///
/// Each side fills in its own status octet and returns the other's as it last heard it, so that every TLV shows what its
/// sender believes of both.
public struct EVBTLV: Equatable, Hashable, Sendable {
    /// The octets after OUI and subtype.
    static let informationLength = 5

    /// What the bridge says of itself, or a station's echo of it.
    public var bridgeStatus: BridgeStatus
    /// What the station says of itself, or a bridge's echo of it.
    public var stationStatus: StationStatus
    /// R, ECP's maximum number of retries: 0 to 7 (D.2.12.5).
    public var retries: UInt8
    /// RTE, the exponent of ECP's ack timer, 10 us x 2^RTE: 0 to 31 (D.2.12.6).
    public var retransmissionExponent: UInt8
    /// Whose side the sender takes.
    public var mode: EVBMode
    /// RWD, the exponent of the bridge's resource wait delay, 10 us x 2^RWD: 0 to 31, and where it comes from.
    public var resourceWaitDelay: NegotiatedExponent
    /// RKA, the exponent of the station's keep-alive period, 10 us x 2^RKA: 0 to 31, and where it comes from.
    public var reinitKeepAlive: NegotiatedExponent

    /// Joins the fields of a TLV; values beyond a field's bits lose their high bits.
    public init(
        bridgeStatus: BridgeStatus, stationStatus: StationStatus, retries: UInt8, retransmissionExponent: UInt8,
        mode: EVBMode, resourceWaitDelay: NegotiatedExponent, reinitKeepAlive: NegotiatedExponent
    ) {
        self.bridgeStatus = bridgeStatus
        self.stationStatus = stationStatus
        self.retries = retries & 0x07
        self.retransmissionExponent = retransmissionExponent & 0x1F
        self.mode = mode
        self.resourceWaitDelay = resourceWaitDelay
        self.reinitKeepAlive = reinitKeepAlive
    }

    /// Reads what follows OUI and subtype.
    ///
    /// Reserved bits are ignored. A TLV longer than this standard's is read by its known front, so that a successor of the
    /// standard does no harm; a shorter one is an error.
    ///
    /// - Throws: `badLength` when the value is too short.
    init(from reader: inout ByteReader) throws(WireError) {
        guard reader.remaining >= Self.informationLength else { throw .badLength(.evbTLV, reader.remaining + 4) }
        bridgeStatus = BridgeStatus(rawValue: try reader.uint8(.evbTLV) & 0x07)
        stationStatus = StationStatus(octet: try reader.uint8(.evbTLV))
        let retry = try reader.uint8(.evbTLV)
        retries = retry >> 5
        retransmissionExponent = retry & 0x1F
        let delay = try reader.uint8(.evbTLV)
        mode = EVBMode(bits: delay >> 6)
        resourceWaitDelay = NegotiatedExponent(bits: delay)
        reinitKeepAlive = NegotiatedExponent(bits: try reader.uint8(.evbTLV))
    }

    func write(to writer: inout ByteWriter) {
        writer.uint8(bridgeStatus.rawValue & 0x07)
        writer.uint8(stationStatus.octet)
        writer.uint8((retries & 0x07) << 5 | retransmissionExponent & 0x1F)
        writer.uint8(mode.bits << 6 | resourceWaitDelay.bits)
        writer.uint8(reinitKeepAlive.bits)
    }
}

/// The EVB bridge status octet.
public struct BridgeStatus: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// RRCTR: the bridge reflects frames on this port now.
    public static let reflectiveRelayControl = BridgeStatus(rawValue: 0x01)
    /// RRCAP: the bridge is able to reflect frames on this port.
    public static let reflectiveRelayCapable = BridgeStatus(rawValue: 0x02)
    /// BGID: the bridge understands group IDs in VDP.
    public static let groupIDs = BridgeStatus(rawValue: 0x04)
}

/// The EVB station status octet.
public struct StationStatus: Hashable, Sendable {
    /// SGID: the station understands group IDs in VDP.
    public var groupIDs: Bool
    /// RRREQ: the station asks the bridge to reflect frames; a VEPA does, a VEB must not.
    public var reflectiveRelayRequest: Bool
    /// RRSTAT: what the station knows of the bridge's reflective relay.
    public var reflectiveRelayStatus: ReflectiveRelayStatus

    /// Joins the three fields.
    public init(groupIDs: Bool, reflectiveRelayRequest: Bool, reflectiveRelayStatus: ReflectiveRelayStatus) {
        self.groupIDs = groupIDs
        self.reflectiveRelayRequest = reflectiveRelayRequest
        self.reflectiveRelayStatus = reflectiveRelayStatus
    }

    init(octet: UInt8) {
        groupIDs = octet & 0x08 != 0
        reflectiveRelayRequest = octet & 0x04 != 0
        reflectiveRelayStatus = ReflectiveRelayStatus(bits: octet)
    }

    var octet: UInt8 {
        (groupIDs ? 0x08 : 0) | (reflectiveRelayRequest ? 0x04 : 0) | reflectiveRelayStatus.bits
    }
}

/// RRSTAT, two bits.
public enum ReflectiveRelayStatus: UInt8, Hashable, Sendable {
    /// The bridge says that it does not reflect.
    case off = 0
    /// The bridge says that it reflects.
    case on = 1
    /// A code that the standard reserves; kept as it came.
    case reserved = 2
    /// No bridge has been heard.
    case unknown = 3

    init(bits: UInt8) {
        self =
            switch bits & 0x03 {
            case 0: .off
            case 1: .on
            case 2: .reserved
            default: .unknown
            }
    }

    var bits: UInt8 { rawValue }
}

/// The EVB mode, two bits.
public enum EVBMode: UInt8, Hashable, Sendable {
    /// EVB is not supported or is switched off.
    case notSupported = 0
    /// The sender is an EVB bridge.
    case bridge = 1
    /// The sender is an EVB station.
    case station = 2
    /// The sender is an NVO3 edge (802.1Qcy).
    case nvo3 = 3

    init(bits: UInt8) {
        self =
            switch bits & 0x03 {
            case 0: .notSupported
            case 1: .bridge
            case 2: .station
            default: .nvo3
            }
    }

    var bits: UInt8 { rawValue }
}

/// An exponent with its ROL ("remote or local") bit.
public struct NegotiatedExponent: Hashable, Sendable {
    /// The exponent, 0 to 31.
    public let exponent: UInt8
    /// ROL: whether the sender took the value from its peer's TLV, and not from its own configuration.
    public let isRemote: Bool

    /// Joins an exponent, of which five bits count, and its ROL bit.
    public init(_ exponent: UInt8, isRemote: Bool) {
        self.exponent = exponent & 0x1F
        self.isRemote = isRemote
    }

    init(bits: UInt8) {
        self.init(bits, isRemote: bits & 0x20 != 0)
    }

    var bits: UInt8 { (isRemote ? 0x20 : 0) | exponent }
}

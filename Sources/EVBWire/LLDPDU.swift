/// A Link Layer Discovery Protocol data unit (802.1AB), as far as EVB needs it.
///
/// Decoding keeps every optional TLV in its place, so that what was received can be shown. Encoding gives back the octets
/// that were read, but for reserved bits, for what an EVB or time-to-live TLV has beyond its known length, and for the end
/// TLV, which is always written.
public struct LLDPDU: Sendable {
    /// Who sent it: the chassis.
    public var chassisID: LLDPIdentifier
    /// Who sent it: the port.
    public var portID: LLDPIdentifier
    /// How long what it says holds, in seconds; 0 withdraws all of it at once.
    public var timeToLive: UInt16
    /// The TLVs between the mandatory ones and the end.
    public var optional: [OptionalTLV]
    /// The octets of each TLV that was read, with its header and without the end TLV; none where nothing was read.
    public let received: [[UInt8]]

    /// An optional TLV.
    public enum OptionalTLV: Equatable, Sendable {
        /// The EVB TLV of 802.1Q D.2.12.
        case evb(EVBTLV)
        /// The EVB TLV of the pre-standard draft.
        case draftEVB(DraftEVBTLV)
        /// The CDCP TLV of 802.1Q D.2.13.
        case cdcp(CDCPTLV)
        /// A TLV of type 127 that is not read further; `information` follows OUI and subtype.
        case organizational(OrganizationalKey, information: [UInt8])
        /// Any other type, 4 to 126; types with no meaning here are kept and passed over.
        case basic(type: UInt8, value: [UInt8])
        /// A TLV of type 127 that is not what it claims; it counts as absent (802.1AB 9.2.7.7.2).
        case malformed(value: [UInt8], WireError)
    }

    /// Joins the parts of an LLDPDU.
    public init(
        chassisID: LLDPIdentifier, portID: LLDPIdentifier, timeToLive: UInt16, optional: [OptionalTLV] = []
    ) {
        self.chassisID = chassisID
        self.portID = portID
        self.timeToLive = timeToLive
        self.optional = optional
        received = []
    }

    /// Reads what follows the Ethernet header.
    ///
    /// - Throws: when one of the three mandatory TLVs is missing, doubled, out of order or of a wrong length, or when a TLV
    ///   runs past the end. An optional TLV that is wrong inside is kept as `malformed`.
    init(from reader: inout ByteReader) throws(WireError) {
        received = Self.tlvs(in: reader)
        chassisID = try LLDPIdentifier(from: &reader, type: Self.chassisIDType, .chassisID)
        portID = try LLDPIdentifier(from: &reader, type: Self.portIDType, .portID)
        let header = try TLVHeader(from: &reader)
        guard header.type == Self.timeToLiveType else { throw .misplaced(.timeToLive) }
        guard header.length >= 2 else { throw .badLength(.timeToLive, header.length) }
        var value = try reader.child(header.length, .timeToLive)
        timeToLive = try value.uint16(.timeToLive)
        optional = []
        while reader.remaining > 0 {
            let header = try TLVHeader(from: &reader)
            var value = try reader.child(header.length, .tlvValue)
            if header.type == Self.endType {
                guard header.length == 0 else { throw .badLength(.endOfLLDPDU, header.length) }
                return
            }
            optional.append(try OptionalTLV(type: header.type, from: &value))
        }
        // 802.1AB allows the end TLV to be left out.
    }

    /// The octets of each whole TLV before the end TLV.
    private static func tlvs(in reader: ByteReader) -> [[UInt8]] {
        var reader = reader
        var tlvs: [[UInt8]] = []
        while true {
            var tlv = reader
            guard let header = try? TLVHeader(from: &reader), header.type != endType,
                let octets = try? tlv.bytes(2 + header.length, .tlvValue)
            else { return tlvs }
            reader = tlv
            tlvs.append(octets)
        }
    }

    func write(to writer: inout ByteWriter) {
        chassisID.write(type: Self.chassisIDType, to: &writer)
        portID.write(type: Self.portIDType, to: &writer)
        TLVHeader.write(type: Self.timeToLiveType, to: &writer) { $0.uint16(timeToLive) }
        for tlv in optional { tlv.write(to: &writer) }
        TLVHeader.write(type: Self.endType, to: &writer) { _ in }
    }

    /// The EVB TLVs in it: none, one, or, from a peer in error, several.
    public var evbTLVs: [EVBTLV] {
        optional.compactMap { if case .evb(let tlv) = $0 { tlv } else { nil } }
    }

    /// Why its EVB TLV cannot be used, if it has one that cannot: `misplaced` where there are several.
    public var evbDefect: WireError? {
        evbTLVs.count > 1 ? .misplaced(.evbTLV) : malformation(of: [0x00, 0x80, 0xC2, 0x0D])
    }

    /// Why its EVB TLV of the pre-standard draft cannot be used, if it has one that cannot.
    public var draftEVBDefect: WireError? {
        draftEVBTLVs.count > 1 ? .misplaced(.draftEVBTLV) : malformation(of: [0x00, 0x1B, 0x3F, 0x00])
    }

    func malformation(of key: [UInt8]) -> WireError? {
        for case .malformed(let value, let error) in optional where value.starts(with: key) { return error }
        return nil
    }

    /// Whether the peer sends the EVB TLV of the pre-standard draft.
    public var carriesDraftEVB: Bool {
        !draftEVBTLVs.isEmpty
    }

    /// The draft's EVB TLVs in it: none, one, or, from a peer in error, several.
    public var draftEVBTLVs: [DraftEVBTLV] {
        optional.compactMap { if case .draftEVB(let tlv) = $0 { tlv } else { nil } }
    }

    /// The first TLV of an organization's subtype as it was received, whether it is what it claims to be or not.
    public func received(_ key: OrganizationalKey) -> [UInt8]? {
        var start = ByteWriter()
        start.uint24(key.oui)
        start.uint8(key.subtype)
        return received.first { $0[0] >> 1 == Self.organizationalType && $0.dropFirst(2).starts(with: start.octets) }
    }

    static let endType: UInt8 = 0
    static let chassisIDType: UInt8 = 1
    static let portIDType: UInt8 = 2
    static let timeToLiveType: UInt8 = 3
    static let organizationalType: UInt8 = 127
}

extension LLDPDU: Equatable {
    /// Whether both say the same. Reserved bits, and whatever else no field tells, may differ in the octets.
    public static func == (left: LLDPDU, right: LLDPDU) -> Bool {
        left.chassisID == right.chassisID && left.portID == right.portID && left.timeToLive == right.timeToLive
            && left.optional == right.optional
    }
}

extension LLDPDU.OptionalTLV {
    /// Its octets as they are sent, with the header.
    public var octets: [UInt8] {
        var writer = ByteWriter()
        write(to: &writer)
        return writer.octets
    }

    init(type: UInt8, from value: inout ByteReader) throws(WireError) {
        switch type {
        case LLDPDU.chassisIDType: throw .misplaced(.chassisID)
        case LLDPDU.portIDType: throw .misplaced(.portID)
        case LLDPDU.timeToLiveType: throw .misplaced(.timeToLive)
        case LLDPDU.organizationalType:
            var copy = value
            do {
                self = try Self.organizational(from: &value)
            } catch {
                self = .malformed(value: copy.rest(), error)
            }
        default: self = .basic(type: type, value: value.rest())
        }
    }

    private static func organizational(from value: inout ByteReader) throws(WireError) -> Self {
        let key = try OrganizationalKey(from: &value)
        return switch key {
        case .evb: .evb(try EVBTLV(from: &value))
        case .draftEVB: .draftEVB(try DraftEVBTLV(from: &value))
        case .cdcp: .cdcp(try CDCPTLV(from: &value))
        default: .organizational(key, information: value.rest())
        }
    }

    func write(to writer: inout ByteWriter) {
        switch self {
        case .evb(let tlv):
            Self.writeOrganizational(.evb, to: &writer) { tlv.write(to: &$0) }
        case .draftEVB(let tlv):
            Self.writeOrganizational(.draftEVB, to: &writer) { tlv.write(to: &$0) }
        case .cdcp(let tlv):
            Self.writeOrganizational(.cdcp, to: &writer) { tlv.write(to: &$0) }
        case .organizational(let key, let information):
            Self.writeOrganizational(key, to: &writer) { $0.bytes(information) }
        case .basic(let type, let value):
            TLVHeader.write(type: type, to: &writer) { $0.bytes(value) }
        case .malformed(let value, _):
            TLVHeader.write(type: LLDPDU.organizationalType, to: &writer) { $0.bytes(value) }
        }
    }

    private static func writeOrganizational(
        _ key: OrganizationalKey, to writer: inout ByteWriter, _ body: (inout ByteWriter) -> Void
    ) {
        TLVHeader.write(type: LLDPDU.organizationalType, to: &writer) {
            $0.uint24(key.oui)
            $0.uint8(key.subtype)
            body(&$0)
        }
    }
}

/// A chassis ID or a port ID: a subtype and 1 to 255 octets.
public struct LLDPIdentifier: Hashable, Sendable {
    /// What kind of name `octets` is; the numbers differ between chassis and port (802.1AB tables 8-2 and 8-3).
    public let subtype: UInt8
    /// The name.
    public let octets: [UInt8]

    /// Subtype 4 of a chassis ID: a MAC address.
    public static let chassisMACAddress: UInt8 = 4
    /// Subtype 3 of a port ID: a MAC address.
    public static let portMACAddress: UInt8 = 3
    /// Subtype 5 of a port ID: an interface name.
    public static let portInterfaceName: UInt8 = 5
    /// Subtype 7 of a port ID: a name whose meaning is the sender's own.
    public static let portLocal: UInt8 = 7

    /// A chassis named by a MAC address.
    public static func chassis(_ address: MACAddress) -> LLDPIdentifier {
        LLDPIdentifier(subtype: chassisMACAddress, octets: address.octets)
    }

    /// A port named by a MAC address.
    public static func port(_ address: MACAddress) -> LLDPIdentifier {
        LLDPIdentifier(subtype: portMACAddress, octets: address.octets)
    }

    /// A port of ours. Other LLDP programs of a host name its interfaces by their names or addresses, and would be taken for the
    /// same speaker if the subtype were theirs.
    public static func local(_ interfaceName: String) -> LLDPIdentifier {
        LLDPIdentifier(subtype: portLocal, octets: Array(interfaceName.utf8))
    }

    /// Joins a subtype and a name, of which the first 255 octets count.
    public init(subtype: UInt8, octets: [UInt8]) {
        self.subtype = subtype
        self.octets = Array(octets.prefix(255))
    }

    init(from reader: inout ByteReader, type: UInt8, _ field: WireField) throws(WireError) {
        let header = try TLVHeader(from: &reader)
        guard header.type == type else { throw .misplaced(field) }
        guard (2...256).contains(header.length) else { throw .badLength(field, header.length) }
        var value = try reader.child(header.length, field)
        subtype = try value.uint8(field)
        octets = value.rest()
    }

    func write(type: UInt8, to writer: inout ByteWriter) {
        TLVHeader.write(type: type, to: &writer) {
            $0.uint8(subtype)
            $0.bytes(octets)
        }
    }

    /// The name for people: a MAC address, printable text, or hexadecimal digits. What a peer sent is never printed raw.
    ///
    /// - Parameter isChassis: whether the subtype is one of a chassis ID, and not of a port ID.
    /// - Returns: at most three characters an octet, all printable ASCII.
    public func text(isChassis: Bool) -> String {
        let macSubtype = isChassis ? Self.chassisMACAddress : Self.portMACAddress
        if subtype == macSubtype, let address = MACAddress(octets: octets) { return address.description }
        let isText = !octets.isEmpty && octets.allSatisfy { (0x20...0x7E).contains($0) }
        if isText { return String(decoding: octets, as: UTF8.self) }
        return octets.map(hexadecimal).joined()
    }
}

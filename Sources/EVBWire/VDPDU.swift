/// A VDP data unit (802.1Q 41.2): what ECP carries for VDP.
///
/// One VSI manager, then association TLVs, each followed by the organizationally specific TLVs that belong to it.
public struct VDPDU: Equatable, Sendable {
    /// The manager of every VSI in it.
    public var managerID: VSIManagerID
    /// The association TLVs in order.
    public var associations: [VSITLV]
    /// Whether an end TLV closes it. lldpad sends none, so its absence is no error.
    public var hasEnd: Bool

    /// Joins the parts of a VDPDU.
    public init(managerID: VSIManagerID, associations: [VSITLV], hasEnd: Bool = true) {
        self.managerID = managerID
        self.associations = associations
        self.hasEnd = hasEnd
    }

    /// An association TLV that could not be used.
    public struct Rejected: Equatable, Sendable {
        public let error: WireError
        /// The command and the VSI that it is about, where they can be made out.
        public let command: VDPCommand?
        /// Its status octet: what is an answer itself must not be answered.
        public let status: VDPStatus?
        public let vsiID: VSIID?
        /// The VSI's manager, where the TLV itself names it, as the draft's do.
        public var managerID: VSIManagerID?
    }

    /// What decoding gave: all that was usable, and what was not.
    public struct Decoded: Equatable, Sendable {
        public var pdu: VDPDU
        /// What had to be left out. An error of framing also ends the decoding, since nothing behind it can be trusted.
        public var rejected: [Rejected]
    }

    static let endType: UInt8 = 0
    static let managerIDType: UInt8 = 5
    static let managerIDLength = 16
    static let organizationalType: UInt8 = 127

    /// Octets of the manager ID TLV and of the end TLV, which every PDU of ours has.
    public static let overhead = 2 + managerIDLength + 2

    /// Reads an ECPDU's payload.
    ///
    /// - Throws: when the manager ID TLV is missing or wrong; nothing is usable then.
    public static func decode(_ octets: [UInt8]) throws(WireError) -> Decoded {
        let result = octets.withUnsafeBytes { buffer -> Result<Decoded, WireError> in
            var reader = ByteReader(buffer)
            return Result { () throws(WireError) in try decode(from: &reader) }
        }
        return try result.get()
    }

    private static func decode(from reader: inout ByteReader) throws(WireError) -> Decoded {
        let header = try TLVHeader(from: &reader)
        guard header.type == managerIDType else { throw .misplaced(.managerID) }
        guard header.length == managerIDLength else { throw .badLength(.managerID, header.length) }
        let managerID = try VSIManagerID(from: &reader)
        var decoded = Decoded(pdu: VDPDU(managerID: managerID, associations: [], hasEnd: false), rejected: [])
        decoded.pdu.associations.reserveCapacity(reader.remaining / VSITLV.usualLength)
        var followsSound = false
        do {
            while reader.remaining > 0, !decoded.pdu.hasEnd {
                try decodeTLV(from: &reader, into: &decoded, followsSound: &followsSound)
            }
        } catch {
            decoded.rejected.append(Rejected(error: error, command: nil, status: nil, vsiID: nil))
        }
        return decoded
    }

    /// Reads one TLV. `followsSound` tells whether the last association TLV was usable, and so may own what refines it.
    private static func decodeTLV(
        from reader: inout ByteReader, into decoded: inout Decoded, followsSound: inout Bool
    ) throws(WireError) {
        let header = try TLVHeader(from: &reader)
        var value = try reader.child(header.length, .tlvValue)
        if let command = VDPCommand(rawValue: header.type) {
            let identity = value
            do {
                decoded.pdu.associations.append(try VSITLV(command: command, from: &value))
                followsSound = true
            } catch {
                let (status, vsiID) = VSITLV.identity(in: identity)
                decoded.rejected.append(Rejected(error: error, command: command, status: status, vsiID: vsiID))
                followsSound = false
            }
            return
        }
        switch header.type {
        case endType:
            guard header.length == 0 else { throw .badLength(.tlvHeader, header.length) }
            decoded.pdu.hasEnd = true
        case managerIDType: throw .misplaced(.managerID)
        case organizationalType:
            // One that refines nothing usable is passed over: before the first association, as Oracle's manager ID
            // encoding is, or behind a rejected one. It must neither end the decoding nor go to another VSI.
            guard followsSound, let last = decoded.pdu.associations.indices.last else { return }
            guard value.remaining >= 3 else {
                let error = WireError.badLength(.organizationalTLV, value.remaining)
                decoded.rejected.append(Rejected(error: error, command: nil, status: nil, vsiID: nil))
                return
            }
            let oui = try value.uint24(.organizationalTLV)
            decoded.pdu.associations[last].organizational.append(
                OrganizationalInformation(oui: oui, octets: value.rest()))
        default: break  // Types 6 to 126 are reserved: passed over.
        }
    }

    /// The octets of this PDU, an ECPDU's payload.
    public func encoded() -> [UInt8] {
        var writer = Writer(managerID, reserving: 64)
        for association in associations { writer.append(association) }
        return writer.finish(hasEnd: hasEnd)
    }

    /// Writes a PDU, one association TLV after the other.
    public struct Writer {
        private var writer: ByteWriter

        /// Begins a PDU.
        ///
        /// - Parameters:
        ///   - managerID: the manager of every VSI in it.
        ///   - length: octets that it is expected to have.
        public init(_ managerID: VSIManagerID, reserving length: Int) {
            writer = ByteWriter(reserving: length)
            TLVHeader.write(type: VDPDU.managerIDType, to: &writer) { managerID.write(to: &$0) }
        }

        /// Appends a TLV with those that belong to it.
        public mutating func append(_ association: VSITLV) { association.write(to: &writer) }

        /// Ends the PDU.
        ///
        /// - Parameter hasEnd: whether an end TLV closes it.
        /// - Returns: its octets, an ECPDU's payload.
        public mutating func finish(hasEnd: Bool = true) -> [UInt8] {
            if hasEnd { TLVHeader.write(type: VDPDU.endType, to: &writer) { _ in } }
            return writer.octets
        }
    }
}

/// What is asked for a VSI, or was (802.1Q 41.2.1); the raw value is the TLV's type.
public enum VDPCommand: UInt8, Sendable, Hashable, CaseIterable {
    /// Check the VSI's type and filter, bind nothing.
    case preAssociate = 1
    /// Check, and reserve what an association will need.
    case preAssociateWithReservation = 2
    /// Put the VSI's profile into force.
    case associate = 3
    /// Release everything.
    case deAssociate = 4
}

/// An association TLV (802.1Q 41.2): one command, or the answer to one, for one VSI.
public struct VSITLV: Hashable, Sendable {
    /// Octets before the filter's entries.
    static let fixedLength = 25
    /// Octets of a TLV with one entry of MAC address and VID, with its header.
    static let usualLength = 2 + fixedLength + 8

    public var command: VDPCommand
    public var status: VDPStatus
    /// The VSI type ID, 24 bits (41.2.4).
    public var typeID: UInt32
    /// The version of the VSI type (41.2.5).
    public var typeVersion: UInt8
    public var vsiID: VSIID
    public var filter: FilterInfo
    /// Organizationally specific TLVs that follow and refine it (41.3).
    public var organizational: [OrganizationalInformation]

    /// Joins the fields of an association TLV; of the type ID 24 bits count.
    public init(
        command: VDPCommand, status: VDPStatus = [], typeID: UInt32, typeVersion: UInt8, vsiID: VSIID,
        filter: FilterInfo, organizational: [OrganizationalInformation] = []
    ) {
        self.command = command
        self.status = status
        self.typeID = typeID & 0xFF_FFFF
        self.typeVersion = typeVersion
        self.vsiID = vsiID
        self.filter = filter
        self.organizational = organizational
    }

    init(command: VDPCommand, from reader: inout ByteReader) throws(WireError) {
        self.command = command
        status = VDPStatus(rawValue: try reader.uint8(.associationTLV))
        typeID = try reader.uint24(.associationTLV)
        typeVersion = try reader.uint8(.associationTLV)
        vsiID = try VSIID(from: &reader)
        filter = try FilterInfo(from: &reader)
        organizational = []
    }

    /// The status and the VSIID of a TLV that is wrong further on.
    static func identity(in reader: ByteReader) -> (status: VDPStatus?, vsiID: VSIID?) {
        var reader = reader
        guard let status = try? reader.uint8(.associationTLV) else { return (nil, nil) }
        guard (try? reader.uint32(.associationTLV)) != nil else { return (VDPStatus(rawValue: status), nil) }
        return (VDPStatus(rawValue: status), try? VSIID(from: &reader))
    }

    func write(to writer: inout ByteWriter) {
        TLVHeader.write(type: command.rawValue, to: &writer) {
            $0.uint8(status.rawValue)
            $0.uint24(typeID)
            $0.uint8(typeVersion)
            vsiID.write(to: &$0)
            filter.write(to: &$0)
        }
        for information in organizational {
            TLVHeader.write(type: VDPDU.organizationalType, to: &writer) {
                $0.uint24(information.oui)
                $0.bytes(information.octets)
            }
        }
    }

    /// Octets that it takes in a PDU, with the TLVs that belong to it.
    public var encodedLength: Int { Self.encodedLength(filter, organizational) }

    /// Octets that a TLV with this filter takes in a PDU, with the TLVs that belong to it.
    public static func encodedLength(_ filter: FilterInfo, _ organizational: [OrganizationalInformation]) -> Int {
        organizational.reduce(2 + fixedLength + filter.entriesLength) { $0 + 5 + $1.octets.count }
    }
}

/// An organizationally specific TLV of VDP (802.1Q 41.3).
public struct OrganizationalInformation: Hashable, Sendable {
    /// The organization, 24 bits.
    public let oui: UInt32
    /// What follows, at most 508 octets.
    public let octets: [UInt8]

    /// Joins an organization and its octets; of those the first 508 count.
    public init(oui: UInt32, octets: [UInt8]) {
        self.oui = oui & 0xFF_FFFF
        self.octets = Array(octets.prefix(TLVHeader.lengthMax - 3))
    }
}

/// The status octet of an association TLV (802.1Q 41.2.3). Two of its bits mean one thing in a request and another in an
/// answer.
public struct VDPStatus: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The TLV answers a request.
    public static let answer = VDPStatus(rawValue: 0x40)
    /// S, in a request: the VSI's user is suspended, as on the source of a migration.
    public static let suspended = VDPStatus(rawValue: 0x20)
    /// M, in a request: the VSI's user is migrating to here.
    public static let migrating = VDPStatus(rawValue: 0x10)
    /// Keep, in an answer with an error: the VSI stays as it was before the command.
    public static let keep = VDPStatus(rawValue: 0x20)
    /// Hard, in an answer with an error: the same request will fail again.
    public static let hard = VDPStatus(rawValue: 0x10)

    /// An answer's reason, in the low four bits.
    public var reason: VDPReason { VDPReason(rawValue: rawValue & 0x0F) }

    /// An answer with a reason and flags.
    public static func answer(_ reason: VDPReason, _ flags: VDPStatus = []) -> VDPStatus {
        VDPStatus(rawValue: VDPStatus.answer.rawValue | flags.rawValue | reason.rawValue & 0x0F)
    }
}

/// Why a bridge refuses (802.1Q 41.2.3).
public struct VDPReason: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let success = VDPReason(rawValue: 0)
    public static let invalidFormat = VDPReason(rawValue: 1)
    public static let insufficientResources = VDPReason(rawValue: 2)
    /// The bridge cannot reach the VSI manager.
    public static let managerUnreachable = VDPReason(rawValue: 3)
    public static let otherFailure = VDPReason(rawValue: 4)
    /// An invalid VID, group ID or MAC address.
    public static let invalidFilter = VDPReason(rawValue: 5)
}

/// What the draft's ECP carries for VDP: VSI TLVs, each with a manager of its own, and an end TLV.
///
/// Its VSIs are the same values as those of the ratified ``VDPDU``, as far as the draft can say them: VSIIDs are UUIDs,
/// filters are pairs of MAC address and VID, managers have one octet, and nothing marks an answer as one.
public struct DraftVDPDU: Equatable, Sendable {
    /// The VSI TLVs in order.
    public var associations: [Association]
    /// Whether an end TLV closes it.
    public var hasEnd: Bool

    /// A VSI TLV (OUI 00-1B-3F, subtype 02).
    public struct Association: Hashable, Sendable {
        /// The VSI's manager; 0 leaves the choice to the bridge.
        public var managerID: UInt8
        /// What is asked or answered. M, S, priorities and organizational TLVs have no place in the draft.
        public var vsi: VSITLV

        /// Joins a manager and what is asked of it.
        public init(managerID: UInt8, vsi: VSITLV) {
            self.managerID = managerID
            self.vsi = vsi
        }
    }

    /// Who has sent it: what a station says asks, what a bridge says answers, a De-Associate of its own accord included.
    public enum Sender: Sendable {
        case station
        case bridge
    }

    /// What decoding gave: all that was usable, and what was not.
    public struct Decoded: Equatable, Sendable {
        public var pdu: DraftVDPDU
        /// What had to be left out. An error of framing also ends the decoding, since nothing behind it can be trusted.
        public var rejected: [VDPDU.Rejected]
    }

    /// The OUI and subtype of a VSI TLV.
    static let key = OrganizationalKey(oui: 0x00_1B3F, subtype: 0x02)
    /// Octets of a VSI TLV before the filter's entries, without its header.
    static let fixedLength = 30
    /// Octets of the end TLV, which every PDU of ours has.
    public static let overhead = 2

    /// Joins the parts of a PDU.
    public init(associations: [Association], hasEnd: Bool = true) {
        self.associations = associations
        self.hasEnd = hasEnd
    }

    /// Octets that a VSI takes in a PDU.
    public static func encodedLength(of vsi: VSITLV) -> Int { encodedLength(vsi.filter) }

    /// Octets that a VSI with this filter takes in a PDU.
    public static func encodedLength(_ filter: FilterInfo) -> Int {
        2 + fixedLength + filter.entries.count * FilterFormat.macVID.entryLength
    }

    /// Reads an ECPDU's payload; what it cannot use it leaves out.
    public static func decode(_ octets: [UInt8], from sender: Sender) -> Decoded {
        octets.withUnsafeBytes { buffer in
            var reader = ByteReader(buffer)
            var decoded = Decoded(pdu: DraftVDPDU(associations: [], hasEnd: false), rejected: [])
            do throws(WireError) {
                while reader.remaining > 0, !decoded.pdu.hasEnd {
                    try decodeTLV(from: &reader, sender: sender, into: &decoded)
                }
            } catch {
                decoded.rejected.append(VDPDU.Rejected(error: error, command: nil, status: nil, vsiID: nil))
            }
            return decoded
        }
    }

    private static func decodeTLV(
        from reader: inout ByteReader, sender: Sender, into decoded: inout Decoded
    ) throws(WireError) {
        let header = try TLVHeader(from: &reader)
        var value = try reader.child(header.length, .tlvValue)
        switch header.type {
        case VDPDU.endType:
            guard header.length == 0 else { throw .badLength(.tlvHeader, header.length) }
            decoded.pdu.hasEnd = true
        case VDPDU.organizationalType:
            guard let key = try? OrganizationalKey(from: &value), key == Self.key else { return }
            let identity = value
            do throws(WireError) {
                decoded.pdu.associations.append(try Association(from: &value, sender: sender))
            } catch {
                decoded.rejected.append(Association.rejected(error, identity, from: sender))
            }
        default: break  // No other type has a meaning here.
        }
    }

    /// The octets of this PDU, an ECPDU's payload.
    public func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: 64)
        for association in associations { association.write(to: &writer) }
        if hasEnd { TLVHeader.write(type: VDPDU.endType, to: &writer) { _ in } }
        return writer.octets
    }
}

extension DraftVDPDU.Association {
    /// Reads what follows OUI and subtype.
    ///
    /// - Throws: for a mode, a response or a filter format that the draft does not have, and for a number of entries that
    ///   does not fit the length.
    init(from reader: inout ByteReader, sender: DraftVDPDU.Sender) throws(WireError) {
        let mode = try reader.uint8(.associationTLV)
        guard let command = VDPCommand(draftMode: mode) else { throw .unknownValue(.associationTLV, Int(mode)) }
        let code = try reader.uint8(.associationTLV)
        guard let reason = VDPReason(draftCode: code) else { throw .unknownValue(.associationTLV, Int(code)) }
        managerID = try reader.uint8(.associationTLV)
        vsi = VSITLV(
            command: command, status: Self.status(reason, from: sender),
            typeID: try reader.uint24(.associationTLV), typeVersion: try reader.uint8(.associationTLV),
            vsiID: VSIID(
                format: .uuid, high: try reader.uint64(.associationTLV), low: try reader.uint64(.associationTLV)),
            filter: try FilterInfo(fromDraft: &reader))
    }

    /// A station leaves the response zero; one that does not is taken for what it says it is.
    private static func status(_ reason: VDPReason, from sender: DraftVDPDU.Sender) -> VDPStatus {
        sender == .bridge || reason != .success ? .answer(reason) : []
    }

    /// What can be made out of a TLV that is wrong further on.
    static func rejected(
        _ error: WireError, _ reader: ByteReader, from sender: DraftVDPDU.Sender
    ) -> VDPDU.Rejected {
        var reader = reader
        let mode = try? reader.uint8(.associationTLV)
        let response = try? reader.uint8(.associationTLV)
        let manager = try? reader.uint8(.associationTLV)
        // Type ID and version stand before the VSIID.
        _ = try? reader.uint32(.associationTLV)
        let high = try? reader.uint64(.associationTLV)
        let low = try? reader.uint64(.associationTLV)
        var vsiID: VSIID?
        if let high, let low { vsiID = VSIID(format: .uuid, high: high, low: low) }
        return VDPDU.Rejected(
            error: error, command: mode.flatMap { VDPCommand(draftMode: $0) },
            status: response.flatMap { VDPReason(draftCode: $0) }.map { status($0, from: sender) }, vsiID: vsiID,
            managerID: manager.map { VSIManagerID(draftOctet: $0) })
    }

    func write(to writer: inout ByteWriter) {
        TLVHeader.write(type: VDPDU.organizationalType, to: &writer) {
            $0.uint24(DraftVDPDU.key.oui)
            $0.uint8(DraftVDPDU.key.subtype)
            $0.uint8(vsi.command.draftMode)
            $0.uint8(vsi.status.contains(.answer) ? vsi.status.reason.draftCode : 0)
            $0.uint8(managerID)
            $0.uint24(vsi.typeID)
            $0.uint8(vsi.typeVersion)
            $0.uint64(vsi.vsiID.high)
            $0.uint64(vsi.vsiID.low)
            vsi.filter.writeDraft(to: &$0)
        }
    }
}

extension FilterInfo {
    /// Reads format, count and entries, which must fill what is left of the TLV exactly. The draft reserves codes for the
    /// other formats and has no layout that anybody sends, so they are refused.
    fileprivate init(fromDraft reader: inout ByteReader) throws(WireError) {
        let code = try reader.uint8(.filterInfo)
        guard code == FilterFormat.macVID.rawValue else { throw .unknownValue(.filterInfo, Int(code)) }
        let count = Int(try reader.uint16(.filterInfo))
        guard count * FilterFormat.macVID.entryLength == reader.remaining else {
            throw .badLength(.filterInfo, reader.remaining)
        }
        var entries: [FilterEntry] = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let address = try reader.macAddress(.filterInfo)
            entries.append(FilterEntry(vid: try reader.uint16(.filterInfo), macAddress: address))
        }
        self.init(format: .macVID, entries: entries)
    }

    fileprivate func writeDraft(to writer: inout ByteWriter) {
        writer.uint8(FilterFormat.macVID.rawValue)
        writer.uint16(UInt16(truncatingIfNeeded: entries.count))
        for entry in entries {
            // Without the priority, as lldpad sends it: what a switch of the draft's time makes of it is not known.
            FilterEntry(vid: entry.vid, macAddress: entry.macAddress).write(format: .macVID, to: &writer)
        }
    }
}

import EVBWire
import Testing

/// Builders of VDPDUs that do not use the code under test.
enum RawVDP {
    static let managerID = tlv(5, zeros(16))
    static let end = tlv(0, [])

    /// The value of an association TLV for the local VSIID `number` with these octets from the filter format on.
    static func value(_ number: UInt8, status: UInt8 = 0, filter: [UInt8] = [1, 0, 1, 0, 10]) -> [UInt8] {
        [status, 0, 0, number, 1, 4] + zeros(15) + [number] + filter
    }

    static func vsi(_ number: UInt8, type: UInt8 = 3, status: UInt8 = 0, filter: [UInt8] = [1, 0, 1, 0, 10]) -> [UInt8]
    {
        tlv(type, value(number, status: status, filter: filter))
    }

    static func id(_ number: UInt8) -> VSIID { VSIID(format: .local, high: 0, low: UInt64(number)) }

    static func decode(_ tlvs: [UInt8]) throws(WireError) -> VDPDU.Decoded {
        try VDPDU.decode(managerID + tlvs)
    }

    /// The one association TLV of a VDPDU.
    static func only(_ octets: [UInt8]) throws -> VSITLV {
        let decoded = try decode(octets)
        #expect(decoded.rejected.isEmpty)
        #expect(decoded.pdu.associations.count == 1)
        return try #require(decoded.pdu.associations.first)
    }

    static func refusal(_ octets: [UInt8]) -> WireError? {
        wireError { () throws(WireError) in _ = try VDPDU.decode(octets) }
    }
}

/// What decoding had to leave out, as a value that tests can make.
struct Refused: Equatable {
    let error: WireError
    let command: VDPCommand?
    let vsiID: VSIID?

    /// Without a command: what is left of the PDU was given up.
    init(_ error: WireError, _ command: VDPCommand? = nil, _ vsiID: VSIID? = nil) {
        self.error = error
        self.command = command
        self.vsiID = vsiID
    }

    static func list(_ decoded: VDPDU.Decoded) -> [Refused] {
        decoded.rejected.map { Refused($0.error, $0.command, $0.vsiID) }
    }
}

@Suite("VDPDU")
struct VDPTests {
    // MARK: VSI manager ID

    @Test("VDP-02 the VSI manager ID comes first and has 16 octets")
    func managerIDFirst() throws {
        #expect(RawVDP.refusal([]) == .truncated(.tlvHeader))
        #expect(RawVDP.refusal(RawVDP.end) == .misplaced(.managerID))
        for type: UInt8 in [1, 2, 3, 4, 6, 126, 127] {
            #expect(RawVDP.refusal(tlv(type, zeros(27)) + RawVDP.managerID) == .misplaced(.managerID))
        }
        for length in [0, 1, 15, 17, 511] {
            #expect(RawVDP.refusal(tlv(5, zeros(length)) + RawVDP.vsi(1)) == .badLength(.managerID, length))
        }
        #expect(RawVDP.refusal(Array(RawVDP.managerID.dropLast())) == .truncated(.managerID))
        #expect(try VDPDU.decode(RawVDP.managerID).pdu.managerID == .unspecified)
    }

    @Test("VDP-02 VDP-28 there is one VSI manager ID: a second ends the reading")
    func managerIDOnce() throws {
        let decoded = try RawVDP.decode(RawVDP.vsi(1) + tlv(5, [UInt8](repeating: 1, count: 16)) + RawVDP.vsi(2))
        #expect(decoded.pdu.managerID == .unspecified)
        #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(1)])
        #expect(Refused.list(decoded) == [Refused(.misplaced(.managerID))])
    }

    @Test("VDP-02 a short ID stands in octet 0 or in octet 15, as chosen", arguments: UInt8.min...UInt8.max)
    func placement(short: UInt8) {
        #expect(VSIManagerID(short: short, placement: .first).octets == [short] + zeros(15))
        #expect(VSIManagerID(short: short, placement: .last).octets == zeros(15) + [short])
        let pdu = VDPDU(managerID: VSIManagerID(short: short, placement: .first), associations: [], hasEnd: false)
        #expect(pdu.encoded() == [0x0A, 0x10, short] + zeros(15))
    }

    // MARK: Association TLV

    @Test("VDP-03 the VSIID's format is kept, known or not", arguments: UInt8.min...UInt8.max)
    func vsiIDFormats(code: UInt8) throws {
        let id: [UInt8] = [0x80, 1, 2, 3, 4, 5, 6, 7, 0xFF, 9, 10, 11, 12, 13, 14, 15]
        let octets = tlv(3, [0, 0xAB, 0xCD, 0xEF, 0x99, code] + id + [1, 0, 1, 0, 10])
        let vsi = try RawVDP.only(octets)
        #expect(vsi.vsiID == VSIID(format: VSIIDFormat(rawValue: code), octets: id))
        #expect(vsi.vsiID.octets == id)
        #expect(vsi.typeID == 0xAB_CDEF)
        #expect(vsi.typeVersion == 0x99)
        let again = VDPDU(managerID: .unspecified, associations: [vsi], hasEnd: false)
        #expect(again.encoded() == RawVDP.managerID + octets)
    }

    @Test("VDP-04 VDP-05 entries of each filter format hold what they should", arguments: FilterFormat.allCases)
    func filterFormats(_ format: FilterFormat) throws {
        let group: [UInt8] = format.hasGroupID ? [0xDE, 0xAD, 0xBE, 0xEF] : []
        let address: [UInt8] = format.hasMACAddress ? [0x02, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF] : []
        for (word, vid, pcp): ([UInt8], UInt16, UInt8?) in [
            ([0x00, 0x00], 0, nil), ([0x0F, 0xFE], 4094, nil), ([0x80, 0x01], 1, 0), ([0xF1, 0x23], 0x123, 7),
        ] {
            let octets = RawVDP.vsi(1, filter: [format.rawValue, 0, 1] + group + address + word)
            let vsi = try RawVDP.only(octets)
            #expect(vsi.filter.format == format)
            let entry = FilterEntry(
                vid: vid, pcp: pcp, macAddress: MACAddress(octets: address),
                groupID: format.hasGroupID ? 0xDEAD_BEEF : nil)
            #expect(vsi.filter.entries == [entry])
            #expect(vsi.filter == filter(entry))
            let again = VDPDU(managerID: .unspecified, associations: [vsi], hasEnd: false)
            #expect(again.encoded() == RawVDP.managerID + octets)
        }
    }

    @Test("VDP-04 VDP-05 a PCP without PS means none, and is sent as zero")
    func pcpWithoutPS() throws {
        let vsi = try RawVDP.only(RawVDP.vsi(1, filter: [1, 0, 1, 0x70, 0x0A]))
        #expect(vsi.filter.entries == [FilterEntry(vid: 10, pcp: nil)])
        let again = VDPDU(managerID: .unspecified, associations: [vsi], hasEnd: false)
        #expect(again.encoded() == RawVDP.managerID + RawVDP.vsi(1))
    }

    @Test("VDP-04 VDP-05 a TLV holds as many entries as its length can tell", arguments: FilterFormat.allCases)
    func fullTLV(_ format: FilterFormat) throws {
        #expect(format.entryLength == [2, 8, 6, 12][Int(format.rawValue) - 1])
        #expect(format.entriesMax == [243, 60, 81, 40][Int(format.rawValue) - 1])
        let entries = (1...format.entriesMax).map { vid in
            FilterEntry(
                vid: UInt16(vid), macAddress: format.hasMACAddress ? GoldenVDPDU.mac : nil,
                groupID: format.hasGroupID ? 7 : nil)
        }
        let pdu = VDPDU(
            managerID: .unspecified,
            associations: [
                VSITLV(
                    command: .associate, typeID: 1, typeVersion: 1, vsiID: GoldenVDPDU.uuid,
                    filter: try FilterInfo(checking: entries))
            ])
        #expect(try VDPDU.decode(pdu.encoded()).pdu == pdu)
        #expect(throws: FilterInfo.Mistake.tooManyEntries(most: format.entriesMax)) {
            try FilterInfo(checking: entries + [FilterEntry(vid: 4000)])
        }
    }

    // MARK: Status

    @Test(
        "VDP-12 VDP-13 every status octet is kept: reasons known and unknown, Keep, Hard, M, S",
        arguments: UInt8.min...UInt8.max)
    func status(octet: UInt8) throws {
        let octets = RawVDP.vsi(1, status: octet)
        let vsi = try RawVDP.only(octets)
        #expect(vsi.status.rawValue == octet)
        #expect(vsi.status.reason.rawValue == octet & 0x0F)
        #expect(vsi.status.contains(.answer) == (octet & 0x40 != 0))
        #expect(vsi.status.contains(.keep) == (octet & 0x20 != 0))
        #expect(vsi.status.contains(.suspended) == (octet & 0x20 != 0))
        #expect(vsi.status.contains(.hard) == (octet & 0x10 != 0))
        #expect(vsi.status.contains(.migrating) == (octet & 0x10 != 0))
        let again = VDPDU(managerID: .unspecified, associations: [vsi], hasEnd: false)
        #expect(again.encoded() == RawVDP.managerID + octets)
    }

    @Test("VDP-13 an answer's octet is made of its reason and flags")
    func answers() {
        let reasons: [VDPReason] = [
            .success, .invalidFormat, .insufficientResources, .managerUnreachable, .otherFailure, .invalidFilter,
        ]
        for (code, reason) in reasons.enumerated() {
            #expect(VDPStatus.answer(reason).rawValue == 0x40 | UInt8(code))
            #expect(VDPStatus.answer(reason, .keep).rawValue == 0x60 | UInt8(code))
            #expect(VDPStatus.answer(reason, .hard).rawValue == 0x50 | UInt8(code))
            #expect(VDPStatus.answer(reason, [.keep, .hard]).reason == reason)
        }
        #expect(VDPStatus.answer(VDPReason(rawValue: 0xFF)).rawValue == 0x4F)
    }

    // MARK: Chains of TLVs

    @Test("VDP-27 several associations of all commands are read and written in order")
    func several() throws {
        let chain = (1...31).flatMap { RawVDP.vsi(UInt8($0), type: UInt8($0 % 4 + 1)) }
        let decoded = try RawVDP.decode(chain)
        #expect(decoded.rejected.isEmpty)
        #expect(decoded.pdu.associations.map(\.vsiID) == (1...31).map { RawVDP.id(UInt8($0)) })
        #expect(decoded.pdu.associations.map { Int($0.command.rawValue) } == (1...31).map { $0 % 4 + 1 })
        #expect(decoded.pdu.encoded() == RawVDP.managerID + chain)
    }

    @Test("VDP-29 TLVs of reserved types are passed over", arguments: UInt8(6)...126)
    func reservedTypes(type: UInt8) throws {
        let expected = try RawVDP.decode(RawVDP.vsi(1) + RawVDP.vsi(2))
        for value in [[], [0xFF], zeros(25), [UInt8](repeating: 0xFF, count: 511)] {
            let unknown = tlv(type, value)
            #expect(try RawVDP.decode(unknown + RawVDP.vsi(1) + unknown + RawVDP.vsi(2) + unknown) == expected)
        }
    }

    @Test("VDP-29 VDP-30 organizational TLVs, of whatever OUI, belong to the association before them")
    func organizational() throws {
        let first = tlv(127, [0x00, 0x00, 0x0C, 0xF1, 1, 2, 3])
        let second = tlv(127, [0xAB, 0xCD, 0xEF])
        let third = tlv(127, [0xFF, 0xFF, 0xFF] + [UInt8](repeating: 9, count: 508))
        let chain = RawVDP.vsi(1) + first + second + RawVDP.vsi(2) + RawVDP.vsi(3) + third + RawVDP.end
        let decoded = try RawVDP.decode(chain)
        #expect(decoded.rejected.isEmpty)
        let expected = [
            [
                OrganizationalInformation(oui: 0x00_000C, octets: [0xF1, 1, 2, 3]),
                OrganizationalInformation(oui: 0xAB_CDEF, octets: []),
            ], [], [OrganizationalInformation(oui: 0xFF_FFFF, octets: [UInt8](repeating: 9, count: 508))],
        ]
        #expect(decoded.pdu.associations.map(\.organizational) == expected)
        #expect(decoded.pdu.encoded() == RawVDP.managerID + chain)
        // One octet more would not fit, and is left out.
        #expect(OrganizationalInformation(oui: 0, octets: zeros(509)).octets.count == 508)
    }

    @Test("VDP-31 an end TLV is sent, and what follows it is not read")
    func end() throws {
        let pdu = VDPDU(managerID: .unspecified, associations: [])
        #expect(pdu.encoded() == RawVDP.managerID + [0, 0])
        let decoded = try RawVDP.decode(RawVDP.vsi(1) + RawVDP.end + RawVDP.vsi(2))
        #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(1)])
        #expect(decoded.pdu.hasEnd)
        #expect(decoded.rejected.isEmpty)
        #expect(try RawVDP.decode(RawVDP.end + [0xFF]).rejected.isEmpty)
        #expect(Refused.list(try RawVDP.decode([0x00, 0x01, 0x00])) == [Refused(.badLength(.tlvHeader, 1))])
    }

    @Test("VDP-31 the end TLV may be missing, and padding reads as one")
    func noEnd() throws {
        let open = try RawVDP.decode(RawVDP.vsi(1))
        #expect(open.rejected.isEmpty)
        #expect(!open.pdu.hasEnd)
        for count in [2, 3, 40] {
            let padded = try RawVDP.decode(RawVDP.vsi(1) + zeros(count))
            #expect(padded.rejected.isEmpty)
            #expect(padded.pdu.hasEnd)
            #expect(padded.pdu.associations == open.pdu.associations)
        }
    }
}

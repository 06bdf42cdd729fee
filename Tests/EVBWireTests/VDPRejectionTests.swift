import EVBWire
import Testing

/// What a peer in error, or at war, sends.
@Suite("VDPDU, malformed")
struct VDPRejectionTests {
    @Test("VDP-32 a TLV that runs past the end drops the remainder, and keeps what was before")
    func overlong() throws {
        for tail: [UInt8] in [[0x06, 0x1B], [0x07, 0xFF] + zeros(200), [0xFE, 0x10] + zeros(15), [0xFC, 0x01]] {
            let decoded = try RawVDP.decode(RawVDP.vsi(1) + tail)
            #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(1)])
            #expect(Refused.list(decoded) == [Refused(.truncated(.tlvValue))], "\(hex(tail))")
        }
        let half = try RawVDP.decode(RawVDP.vsi(1) + [0x06])
        #expect(half.pdu.associations.count == 1)
        #expect(Refused.list(half) == [Refused(.truncated(.tlvHeader))])
    }

    @Test("VDP-32 an entry count that does not fit the length costs that association only")
    func entryCount() throws {
        let entry: [UInt8] = [0, 10]
        for (filter, length): ([UInt8], Int) in [
            ([1, 0, 0] + entry, 2), ([1, 0, 2] + entry, 2), ([1, 0, 1] + entry + entry, 4),
            ([1, 0xFF, 0xFF] + entry, 2),
            ([2, 0, 1] + entry, 2), ([3, 0, 1] + zeros(7), 7), ([4, 0xFF, 0xFF] + zeros(12), 12), ([1, 0, 1], 0),
            ([1, 0x80, 0x01] + entry, 2),
        ] {
            let decoded = try RawVDP.decode(RawVDP.vsi(1) + RawVDP.vsi(2, filter: filter) + RawVDP.vsi(3, type: 4))
            #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(1), RawVDP.id(3)])
            let rejected = Refused(.badLength(.filterInfo, length), .associate, RawVDP.id(2))
            #expect(Refused.list(decoded) == [rejected], "\(hex(filter))")
        }
    }

    @Test("VDP-32 an unknown filter format costs that association only", arguments: [0, 5, 6, 7, 8, 255] as [UInt8])
    func filterFormat(code: UInt8) throws {
        let decoded = try RawVDP.decode(RawVDP.vsi(1, type: 2, filter: [code, 0, 1, 0, 10]) + RawVDP.vsi(2))
        #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(2)])
        let rejected = Refused(.unknownValue(.filterInfo, Int(code)), .preAssociateWithReservation, RawVDP.id(1))
        #expect(Refused.list(decoded) == [rejected])
    }

    @Test("VDP-32 of an association TLV that is too short the VSIID is told if it is there", arguments: 0..<25)
    func short(length: Int) throws {
        let value = Array(RawVDP.value(1).prefix(length))
        let decoded = try RawVDP.decode(tlv(4, value) + RawVDP.vsi(2))
        #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(2)])
        let rejected = Refused(
            .truncated(length < 22 ? .associationTLV : .filterInfo), .deAssociate, length < 22 ? nil : RawVDP.id(1))
        #expect(Refused.list(decoded) == [rejected])
    }

    @Test("VDP-32 a filter with no entries is read, for the machine to judge", arguments: FilterFormat.allCases)
    func noEntries(_ format: FilterFormat) throws {
        let octets = RawVDP.vsi(1, filter: [format.rawValue, 0, 0])
        let vsi = try RawVDP.only(octets)
        #expect(vsi.filter.format == format)
        #expect(vsi.filter.entries.isEmpty)
        #expect(!vsi.filter.asksForVID)
        let again = VDPDU(managerID: .unspecified, associations: [vsi], hasEnd: false)
        #expect(again.encoded() == RawVDP.managerID + octets)
    }

    @Test("VDP-32 a PDU of nothing but empty TLVs is read in one go")
    func manyEmpty() throws {
        let decoded = try RawVDP.decode((0..<700).flatMap { _ in tlv(3, []) })
        #expect(decoded.pdu.associations.isEmpty)
        let rejected = Refused(.truncated(.associationTLV), .associate, nil)
        #expect(Refused.list(decoded) == [Refused](repeating: rejected, count: 700))
    }
}

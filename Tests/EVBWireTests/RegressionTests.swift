import EVBWire
import Testing

/// Faults that were once there, each found by a review or a fuzzer.
@Suite("Faults that are mended")
struct RegressionTests {
    static let organizational = tlv(127, [0x00, 0x00, 0x0C, 0xF1, 0xAA])

    @Test("VDP-29 an organizational TLV before the first association costs nothing but itself")
    func organizationalFirst() throws {
        let decoded = try RawVDP.decode(Self.organizational + RawVDP.vsi(1) + RawVDP.vsi(2))
        #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(1), RawVDP.id(2)])
    }

    @Test("VDP-30 an organizational TLV behind a rejected association is not given to the one before")
    func organizationalOfRejected() throws {
        let bad = RawVDP.vsi(2, filter: [1, 0, 2, 0, 10])
        let decoded = try RawVDP.decode(RawVDP.vsi(1) + bad + Self.organizational + RawVDP.vsi(3))
        #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(1), RawVDP.id(3)])
        #expect(decoded.pdu.associations.first?.organizational == [])
        let first = try RawVDP.decode(bad + Self.organizational + RawVDP.vsi(3))
        #expect(first.pdu.associations.map(\.vsiID) == [RawVDP.id(3)])
    }

    @Test("VDP-29 VDP-32 an organizational TLV too short for its OUI costs nothing but itself", arguments: 0..<3)
    func shortOrganizational(length: Int) throws {
        let decoded = try RawVDP.decode(RawVDP.vsi(1) + tlv(127, zeros(length)) + RawVDP.vsi(2))
        #expect(decoded.pdu.associations.map(\.vsiID) == [RawVDP.id(1), RawVDP.id(2)])
    }

    @Test(
        "VDP-03 two VSIIDs never share a text, and every text is read back",
        arguments: [
            VSIID(format: .ipv4, high: 0, low: 0xC000_0201), VSIID(format: .ipv4, high: 1, low: 2),
            VSIID(format: .mac, high: 1, low: 2), VSIID(format: VSIIDFormat(rawValue: 9), high: 1, low: 2),
        ])
    func losslessVSIID(id: VSIID) {
        #expect(VSIID(id.description) == id)
    }

    @Test("TLV-10 TLV-11 a field set to too large a value does not spoil its neighbour")
    func tooLargeTLV() {
        let tlv = EVBTLVTests.changed { $0.retransmissionExponent = 0x20 }
        #expect(RawLLDP.information(tlv)[2] >> 5 == 0)
    }

    @Test("VDP-04 a VID set to too large a value does not spoil PS and PCP")
    func tooLargeVID() {
        var entry = FilterEntry(vid: 1)
        entry.vid = 0x8001
        #expect(throws: FilterInfo.Mistake.vidOutOfRange(0x8001)) { try FilterInfo(checking: [entry]) }
    }

    @Test("A dotted IPv4 address stands at the end of an IPv6 address alone")
    func dottedFront() {
        #expect(VSIID("ipv6:1.2.3.4::") == nil)
    }

    @Test("Hexadecimal digits are ASCII")
    func fullWidthDigits() {
        let text = String(repeating: "\u{FF10}", count: 32)
        #expect(VSIID(text) == nil)
    }
}

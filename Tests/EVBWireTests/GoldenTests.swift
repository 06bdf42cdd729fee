import EVBWire
import Testing

@Suite("Golden frames")
struct GoldenTests {
    @Test("Golden frames decode", arguments: Golden.frames)
    func decoding(_ golden: GoldenFrame) throws {
        #expect(try Frame(decoding: golden.octets) == golden.frame)
    }

    @Test("Golden frames encode", arguments: Golden.frames)
    func encoding(_ golden: GoldenFrame) {
        #expect(hex(golden.frame.encoded(padded: golden.isPadded)) == hex(golden.octets))
        #expect(golden.frame.encoded() == golden.octets + zeros(max(0, 60 - golden.octets.count)))
    }

    @Test("Golden VDPDUs decode", arguments: GoldenVDPDU.all)
    func decodingVDPDU(_ golden: GoldenVDPDU) throws {
        let decoded = try VDPDU.decode(golden.octets)
        #expect(decoded.pdu == golden.pdu)
        #expect(decoded.rejected.isEmpty)
    }

    @Test("Golden VDPDUs encode", arguments: GoldenVDPDU.all)
    func encodingVDPDU(_ golden: GoldenVDPDU) {
        #expect(hex(golden.pdu.encoded()) == hex(golden.octets))
        let associations = golden.pdu.associations.reduce(0) { $0 + $1.encodedLength }
        #expect(VDPDU.overhead + associations - (golden.pdu.hasEnd ? 0 : 2) == golden.octets.count)
    }

    @Test("VDP-03 VDP-04 VDP-05 VDP-07 VDP-08 VDP-09 the golden VDPDUs have every command, VSIID and filter format")
    func variety() {
        let vsis = GoldenVDPDU.all.flatMap(\.pdu.associations)
        #expect(Set(vsis.map(\.command)) == Set(VDPCommand.allCases))
        #expect(Set(vsis.map(\.filter.format)) == Set(FilterFormat.allCases))
        #expect(Set(vsis.map(\.vsiID.format.rawValue)) == [1, 2, 3, 4, 5])
    }
}

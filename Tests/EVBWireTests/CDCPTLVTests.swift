import EVBWire
import Testing

/// The octets of the CDCP TLV.
@Suite("CDCP TLV")
struct CDCPTLVTests {
    /// The CDCP TLV whose information is these octets.
    private func read(_ information: [UInt8]) throws -> CDCPTLV {
        let tlvs = try lldpdu(information).cdcpTLVs
        #expect(tlvs.count == 1)
        return try #require(tlvs.first)
    }

    private func lldpdu(_ information: [UInt8]) throws -> LLDPDU {
        try RawLLDP.lldpdu(tlv(127, [0x00, 0x80, 0xC2, 0x0E] + information))
    }

    private func information(_ cdcp: CDCPTLV) -> [UInt8] {
        Array(LLDPDU.OptionalTLV.cdcp(cdcp).octets.dropFirst(6))
    }

    private static func pairs(_ pairs: (UInt16, UInt16)...) -> [SChannelPair] {
        pairs.map { SChannelPair(SCID($0.0), SVID($0.1)) }
    }

    /// What a switch of 2011 has printed of both sides' TLVs, and how it reads.
    static let samples: [(octets: [UInt8], tlv: CDCPTLV)] = [
        (
            golden(
                "98 00 00 a7",
                "00 10 01 00 20 02 00 30 00 00 40 04 00 60 00 00 a0 0a 00 b0 00"),
            CDCPTLV(
                role: .station, capacity: 167, pairs: pairs((1, 1), (2, 2), (3, 0), (4, 4), (6, 0), (10, 10), (11, 0)))
        ),
        (
            golden(
                "18 00 00 a7",
                "00 10 01 00 20 02 00 30 03 00 a0 0a 00 b0 06"),
            CDCPTLV(role: .bridge, capacity: 167, pairs: pairs((1, 1), (2, 2), (3, 3), (10, 10), (11, 6)))
        ),
    ]

    @Test("SCH-03 a real station's and a real bridge's octets, reserved bits and all", arguments: samples)
    func recorded(_ octets: [UInt8], _ expected: CDCPTLV) throws {
        #expect(try read(octets) == expected)
        // They have a reserved bit, which is sent as 0.
        #expect(information(expected) == [octets[0] & 0xEF] + octets.dropFirst())
    }

    @Test("SCH-03 SCH-04 every bit has its place, both ways; reserved ones are ignored and sent as 0")
    func layout() throws {
        let blank = CDCPTLV(role: .bridge, hasSComponent: false, capacity: 0, pairs: [.default])
        var bits: [Int: CDCPTLV] = [31: blank, 27: blank]
        bits[31]?.role = .station
        bits[27]?.hasSComponent = true
        for bit in 0..<12 {
            bits[bit] = blank
            bits[bit]?.capacity = 1 << UInt16(bit)
        }
        for bit in 0..<32 {
            let word = UInt32(1) << UInt32(bit)
            let octets = (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) } + [0x00, 0x10, 0x01]
            #expect(try read(octets) == bits[bit] ?? blank, "bit \(bit)")
            let sent = bits[bit].map { information($0) } ?? zeros(4) + [0x00, 0x10, 0x01]
            #expect(information(try read(octets)) == sent, "bit \(bit)")
        }
        #expect(try read([0x80, 0, 0, 1, 0xAB, 0xCD, 0xEF]).pairs == Self.pairs((0xABC, 0xDEF)))
    }

    @Test("SCH-03 a TLV is 8 + 3 N octets long, for 1 to 167 pairs", arguments: [1, 2, 100, 167])
    func length(_ count: Int) throws {
        let pairs = (1...count).map { SChannelPair(SCID(UInt16($0)), SVID(UInt16($0))) }
        let sent = CDCPTLV(role: .station, capacity: 167, pairs: pairs)
        let octets = LLDPDU.OptionalTLV.cdcp(sent).octets
        #expect(octets.count == 2 + 8 + 3 * count)
        #expect(Int(octets[0] & 1) << 8 | Int(octets[1]) == 8 + 3 * count)
        #expect(try read(Array(octets.dropFirst(6))) == sent)
        #expect(CDCPTLV(role: .station, capacity: 1, pairs: pairs + pairs).pairs.count == min(2 * count, 167))
    }

    @Test("SCH-03 a TLV without room for one pair is unusable and harms nothing else", arguments: 0..<7)
    func short(_ count: Int) throws {
        let lldpdu = try lldpdu(Array([0x80, 0, 0, 1, 0x00, 0x10, 0x01].prefix(count)))
        #expect(lldpdu.cdcpTLVs.isEmpty)
        #expect(lldpdu.cdcpDefect == .badLength(.cdcpTLV, count + 4))
        #expect(lldpdu.evbDefect == nil)
    }

    @Test("SCH-03 octets after the last whole pair are kept apart", arguments: [1, 2])
    func remainder(_ count: Int) throws {
        let octets: [UInt8] =
            [0x88, 0, 0, 5, 0x00, 0x10, 0x01, 0x00, 0x20, 0x02] + Array(repeating: 0x77, count: count)
        let tlv = try read(octets)
        #expect(tlv.pairs == Self.pairs((1, 1), (2, 2)))
        #expect(tlv.remainder == Array(repeating: 0x77, count: count))
        #expect(information(tlv) == octets)
    }

    @Test("SCH-03 several CDCP TLVs in an LLDPDU are a defect")
    func several() throws {
        let one = LLDPDU.OptionalTLV.cdcp(Self.samples[0].tlv).octets
        #expect(try RawLLDP.lldpdu(one).cdcpDefect == nil)
        #expect(try RawLLDP.lldpdu(one + one).cdcpDefect == .misplaced(.cdcpTLV))
    }

    @Test("SCH-02 the recorded LLDPDU of a station goes to the nearest non-TPMR bridge")
    func capture() throws {
        let frames = try Capture(path: #require(Capture.paths(prefix: "cdcp").first)).frames
        let read = try frames.compactMap { octets -> Frame? in
            octets[12] == 0x88 && octets[13] == 0xCC ? try Frame(decoding: octets) : nil
        }
        let frame = try #require(read.first)
        #expect(frame.destination == .nearestNonTPMRBridge)
        #expect(frame.lldpdu?.cdcpTLVs == [Self.samples[0].tlv])
    }
}

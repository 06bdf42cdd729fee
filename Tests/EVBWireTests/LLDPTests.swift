import EVBWire
import Testing

/// Builders of LLDP frames that do not use the code under test.
enum RawLLDP {
    static let chassisID = tlv(1, [7, 0x61])
    static let portID = tlv(2, [7, 0x62])
    static let timeToLive = tlv(3, [0x00, 0x78])
    static let end = tlv(0, [])
    static let mandatory = chassisID + portID + timeToLive
    /// The EVB TLV's OUI and subtype, then the five octets that lldpad sends once it has heard its bridge.
    static let evbValue: [UInt8] = [0x00, 0x80, 0xC2, 0x0D, 0x07, 0x0D, 0x68, 0xB4, 0x34]
    static let evb = tlv(127, evbValue)

    static func frame(_ tlvs: [UInt8]) -> [UInt8] {
        [0x01, 0x80, 0xC2, 0, 0, 0, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x88, 0xCC] + tlvs
    }

    /// The LLDPDU of a frame with the mandatory TLVs and these.
    static func lldpdu(_ optional: [UInt8]) throws -> LLDPDU {
        try #require(try Frame(decoding: frame(mandatory + optional + end)).lldpdu)
    }

    /// The EVB TLV with these five octets.
    static func evbTLV(_ information: [UInt8]) throws -> EVBTLV {
        let tlvs = try lldpdu(tlv(127, [0x00, 0x80, 0xC2, 0x0D] + information)).evbTLVs
        #expect(tlvs.count == 1)
        return try #require(tlvs.first)
    }

    /// The five octets of an EVB TLV that is sent.
    static func information(_ evb: EVBTLV) -> [UInt8] {
        let lldpdu = LLDPDU(
            chassisID: LLDPIdentifier(subtype: 7, octets: [0x61]),
            portID: LLDPIdentifier(subtype: 7, octets: [0x62]), timeToLive: 120, optional: [.evb(evb)])
        let octets = Golden.lldp(from: Golden.station, lldpdu).encoded(padded: false)
        let (front, back) = (frame(mandatory) + [0xFE, 0x09, 0x00, 0x80, 0xC2, 0x0D], end)
        #expect(octets.count == front.count + 5 + back.count)
        #expect(Array(octets.prefix(front.count)) == front)
        #expect(Array(octets.suffix(back.count)) == back)
        return Array(octets.dropFirst(front.count).dropLast(back.count))
    }
}

@Suite("LLDPDU and EVB TLV")
struct LLDPTests {
    @Test(
        "TLV-02 each mandatory TLV is present and in order, in what is sent",
        arguments: Golden.frames.filter { $0.frame.lldpdu != nil })
    func mandatorySent(_ golden: GoldenFrame) {
        let chain = Array(golden.frame.encoded(padded: false).dropFirst(Frame.headerLength))
        let ends = boundaries(chain)
        let types = ([0] + ends.dropLast()).map { chain[$0] >> 1 }
        #expect(types.prefix(3) == [1, 2, 3])
        #expect(types.last == 0)
        #expect(types.filter { (0...3).contains($0) } == [1, 2, 3, 0])
        #expect(ends.last == chain.count)
    }

    @Test("TLV-02 an LLDPDU without its mandatory TLVs in order is refused")
    func mandatoryReceived() {
        let (chassis, port, time, end) = (RawLLDP.chassisID, RawLLDP.portID, RawLLDP.timeToLive, RawLLDP.end)
        let cases: [(tlvs: [[UInt8]], error: WireError)] = [
            ([], .truncated(.tlvHeader)),
            ([end], .misplaced(.chassisID)),
            ([port, time, end], .misplaced(.chassisID)),
            ([port, chassis, time, end], .misplaced(.chassisID)),
            ([RawLLDP.evb, chassis, port, time, end], .misplaced(.chassisID)),
            ([chassis, time, end], .misplaced(.portID)),
            ([chassis, chassis, port, time, end], .misplaced(.portID)),
            ([chassis, port, end], .misplaced(.timeToLive)),
            ([chassis, port, RawLLDP.evb, time, end], .misplaced(.timeToLive)),
            ([chassis, port, time, chassis, end], .misplaced(.chassisID)),
            ([chassis, port, time, RawLLDP.evb, port, end], .misplaced(.portID)),
            ([chassis, port, time, time, end], .misplaced(.timeToLive)),
            ([chassis, port, time, [0x00, 0x01, 0x00]], .badLength(.endOfLLDPDU, 1)),
            ([chassis, port, time, [0x08, 0x05, 0x00]], .truncated(.tlvValue)),
            ([chassis, port, time, RawLLDP.evb, [0xFE]], .truncated(.tlvHeader)),
        ]
        for (tlvs, error) in cases {
            #expect(refusal(of: RawLLDP.frame(tlvs.flatMap { $0 })) == error, "\(hex(tlvs.flatMap { $0 }))")
        }
    }

    @Test("TLV-02 mandatory TLVs have their lengths")
    func mandatoryLengths() throws {
        for length in [0, 1, 257, 511] {
            let value = [UInt8](repeating: 7, count: length)
            #expect(
                refusal(of: RawLLDP.frame(tlv(1, value) + RawLLDP.portID + RawLLDP.timeToLive))
                    == .badLength(.chassisID, length))
            #expect(
                refusal(of: RawLLDP.frame(RawLLDP.chassisID + tlv(2, value) + RawLLDP.timeToLive))
                    == .badLength(.portID, length))
        }
        let ids = RawLLDP.chassisID + RawLLDP.portID
        #expect(refusal(of: RawLLDP.frame(ids + tlv(3, []))) == .badLength(.timeToLive, 0))
        #expect(refusal(of: RawLLDP.frame(ids + tlv(3, [9]))) == .badLength(.timeToLive, 1))
        #expect(refusal(of: RawLLDP.frame(tlv(1, zeros(256)) + tlv(2, zeros(256)) + RawLLDP.timeToLive)) == nil)
    }

    @Test("TLV-02 the end TLV may be missing, and what follows it is not read")
    func end() throws {
        let expected = try RawLLDP.lldpdu(RawLLDP.evb)
        let open = RawLLDP.mandatory + RawLLDP.evb
        #expect(try Frame(decoding: RawLLDP.frame(open)).lldpdu == expected)
        #expect(try Frame(decoding: RawLLDP.frame(open + zeros(20))).lldpdu == expected)
        #expect(try Frame(decoding: RawLLDP.frame(open + RawLLDP.end + [0xFE])).lldpdu == expected)
        #expect(try Frame(decoding: RawLLDP.frame(open + RawLLDP.end + RawLLDP.evb)).lldpdu == expected)
    }

    @Test("TLV-19 a time to live of 0 is an LLDPDU like others")
    func shutdown() throws {
        let lldpdu = try #require(try Frame(decoding: Golden.shutdown.octets).lldpdu)
        #expect(lldpdu.timeToLive == 0)
        #expect(lldpdu.chassisID == .chassis(Golden.bridge))
        #expect(lldpdu.optional.isEmpty)
    }

    @Test("TLV-20 a malformed EVB TLV is told apart, and costs nothing but itself", arguments: 0..<9)
    func malformed(length: Int) throws {
        let value = Array(RawLLDP.evbValue.prefix(length))
        let lldpdu = try RawLLDP.lldpdu(tlv(5, [0x61]) + tlv(127, value) + tlv(6, [0x62]))
        let error: WireError = length < 4 ? .truncated(.organizationalTLV) : .badLength(.evbTLV, length)
        #expect(
            lldpdu.optional == [
                .basic(type: 5, value: [0x61]), .malformed(value: value, error), .basic(type: 6, value: [0x62]),
            ])
        #expect(lldpdu.evbTLVs.isEmpty)
        #expect(lldpdu.timeToLive == 120)
        // A sound one beside it counts.
        #expect(try RawLLDP.lldpdu(tlv(127, value) + RawLLDP.evb).evbTLVs.count == 1)
    }

    @Test("TLV-21 of an EVB TLV longer than 9 octets the known front is used", arguments: [1, 2, 100, 502])
    func overlong(extra: Int) throws {
        let expected = try RawLLDP.evbTLV([0x07, 0x0D, 0x68, 0xB4, 0x34])
        let long = tlv(127, RawLLDP.evbValue + [UInt8](repeating: 0xFF, count: extra))
        let lldpdu = try RawLLDP.lldpdu(long + tlv(6, [0x62]))
        #expect(lldpdu.optional == [.evb(expected), .basic(type: 6, value: [0x62])])
    }

    @Test("TLV-22 of several EVB TLVs all are shown, in order")
    func duplicates() throws {
        let other = tlv(127, [0x00, 0x80, 0xC2, 0x0D, 0x00, 0x00, 0x00, 0x40, 0x00])
        let tlvs = try RawLLDP.lldpdu(RawLLDP.evb + tlv(4, []) + other + RawLLDP.evb).evbTLVs
        #expect(tlvs.map(\.mode) == [.station, .bridge, .station])
        #expect(tlvs.map(\.retries) == [3, 0, 3])
    }

    @Test("TLV-27 the draft's EVB TLV is recognised, and only it")
    func draft() throws {
        #expect(try #require(try Frame(decoding: Golden.draftLLDP.octets).lldpdu).carriesDraftEVB)
        #expect(try RawLLDP.lldpdu(RawLLDP.evb + tlv(127, [0x00, 0x1B, 0x3F, 0x00] + zeros(9))).carriesDraftEVB)
        #expect(try !RawLLDP.lldpdu(RawLLDP.evb + tlv(127, [0x00, 0x1B, 0x3F, 0x00])).carriesDraftEVB)
        #expect(try !RawLLDP.lldpdu(RawLLDP.evb).carriesDraftEVB)
        #expect(try !RawLLDP.lldpdu(tlv(127, [0x00, 0x1B, 0x3F, 0x02, 0x00])).carriesDraftEVB)
        #expect(try !RawLLDP.lldpdu(tlv(127, [0x00, 0x1B, 0x3F])).carriesDraftEVB)
        #expect(try !RawLLDP.lldpdu(tlv(127, [0x00, 0x80, 0xC2, 0x00])).carriesDraftEVB)
    }

    @Test("Frames of other protocols are refused by name")
    func otherProtocols() {
        for etherType: UInt16 in [0x0000, 0x0026, 0x0800, 0x8100, 0x86DD, 0x88A8, 0x88B6, 0x88CB, 0x8941, 0xFFFF] {
            let frame = zeros(12) + [UInt8(etherType >> 8), UInt8(etherType & 0xFF)] + zeros(46)
            #expect(refusal(of: frame) == .otherProtocol(etherType))
        }
        for count in 0..<Frame.headerLength {
            #expect(refusal(of: zeros(count)) == .truncated(.ethernetHeader))
        }
    }
}

import EVBTime
import EVBWire
import Testing

@Suite("Draft")
struct DraftTests {
    // MARK: EVB TLV

    @Test("TLV-27 each field of the draft's EVB TLV stands in its place")
    func fields() throws {
        let information: [UInt8] = [0x80, 0x01, 0x40, 0x02, 0x01, 0x02, 0x03, 0x04, 0x1F]
        let octets = tlv(127, [0x00, 0x1B, 0x3F, 0x00] + information)
        let read = try #require(try RawLLDP.lldpdu(octets).draftEVBTLVs.first)
        #expect(
            read
                == DraftEVBTLV(
                    supportedModes: .standard, supportedCapabilities: .vdp, configuredModes: .reflectiveRelay,
                    configuredCapabilities: .ecp, supportedVSIs: 0x0102, configuredVSIs: 0x0304,
                    retransmissionExponent: 31))
    }

    @Test("TLV-27 unknown bits of the draft's EVB TLV are ignored, and what is behind it too")
    func unknownBits() throws {
        let octets = tlv(127, [0x00, 0x1B, 0x3F, 0x00] + [UInt8](repeating: 0xFF, count: 12))
        let read = try #require(try RawLLDP.lldpdu(octets).draftEVBTLVs.first)
        #expect(read.supportedModes == [.standard, .reflectiveRelay])
        #expect(read.configuredCapabilities == [.retransmissionExponent, .ecp, .vdp])
        #expect(read.retransmissionExponent == 31)
        var large = read
        large.retransmissionExponent = 0x2F
        large.supportedModes = DraftEVBTLV.ForwardingModes(rawValue: 0xFF)
        large.supportedCapabilities = DraftEVBTLV.Capabilities(rawValue: 0xFF)
        let lldpdu = LLDPDU(
            chassisID: .chassis(Golden.station), portID: .port(Golden.station), timeToLive: 1,
            optional: [.draftEVB(large)])
        let again = Golden.lldp(from: Golden.station, lldpdu).encoded(padded: false)
        #expect(hex(again.suffix(15)) == "00 1b 3f 00 c0 07 c0 07 ff ff ff ff 0f 00 00")
    }

    @Test("TLV-27 a draft EVB TLV that is too short is kept as malformed", arguments: 0..<9)
    func short(count: Int) throws {
        let value = [0x00, 0x1B, 0x3F, 0x00] + zeros(count)
        let lldpdu = try RawLLDP.lldpdu(tlv(127, value) + RawLLDP.evb)
        #expect(lldpdu.optional.first == .malformed(value: value, .badLength(.draftEVBTLV, count + 4)))
        #expect(lldpdu.evbTLVs.count == 1)
    }

    // MARK: ECP

    @Test("Draft ECP goes under EtherType 0x88B7 to 01-80-C2-00-00-0E")
    func header() throws {
        for sequence: UInt16 in [0, 1, 0x00FF, 0xFFFF] {
            let octets = RawDraft.frame(0, sequence, [0xAA, 0xBB])
            let read = try #require(try Frame(decoding: octets).draftECPDU)
            #expect(read == DraftECPDU(operation: .request, sequence: sequence, payload: [0xAA, 0xBB]))
            #expect(Golden.draftECP(from: Golden.station, read).encoded(padded: false) == octets)
            let acknowledgement = Golden.draftECP(from: Golden.station, read.acknowledgement).encoded(padded: false)
            #expect(acknowledgement == RawDraft.frame(1, sequence, [0, 0]))
        }
    }

    @Test("A draft ECP header of another organization, subtype or mode is refused, of other padding not")
    func wrongHeader() {
        let sound = RawDraft.frame(0, 1)
        func refusalWith(_ offset: Int, _ value: UInt8) -> WireError? {
            var octets = sound
            octets[14 + offset] = value
            return refusal(of: octets)
        }
        #expect(refusalWith(0, 0x80) == .unknownValue(.draftECPHeader, 0x80_1B3F))
        #expect(refusalWith(2, 0x40) == .unknownValue(.draftECPHeader, 0x00_1B40))
        #expect(refusalWith(3, 0xFF) == nil)
        #expect(refusalWith(4, 1) == .unknownValue(.draftECPHeader, 0x0100))
        #expect(refusalWith(5, 1) == .unknownValue(.draftECPHeader, 1))
        #expect(refusalWith(6, 2) == .unknownValue(.draftECPHeader, 2))
        for count in 14..<sound.count {
            #expect(refusal(of: Array(sound.prefix(count))) == .truncated(.draftECPHeader))
        }
    }

    // MARK: VDP

    @Test("Golden VDPDUs of the draft decode and encode", arguments: GoldenDraft.all)
    func golden(_ golden: GoldenDraft) {
        let decoded = DraftVDPDU.decode(golden.octets, from: golden.sender)
        #expect(decoded.pdu == golden.pdu)
        #expect(decoded.rejected.isEmpty)
        #expect(hex(golden.pdu.encoded()) == hex(golden.octets))
        let length = golden.pdu.associations.reduce(0) { $0 + DraftVDPDU.encodedLength(of: $1.vsi) }
        #expect(length + (golden.pdu.hasEnd ? DraftVDPDU.overhead : 0) == golden.octets.count)
    }

    @Test("Every response code is kept, and those beyond 6 are refused", arguments: 0...255 as ClosedRange<UInt8>)
    func responses(code: UInt8) throws {
        let decoded = DraftVDPDU.decode(RawDraft.vsi(1, response: code) + RawDraft.vsi(2), from: .bridge)
        guard code <= 6 else {
            #expect(decoded.pdu.associations.map(\.vsi.vsiID) == [RawDraft.id(2)])
            #expect(decoded.rejected.map(\.error) == [.unknownValue(.associationTLV, Int(code))])
            #expect(decoded.rejected.first?.vsiID == RawDraft.id(1))
            return
        }
        let status = try #require(decoded.pdu.associations.first).vsi.status
        #expect(status.contains(.answer))
        #expect(status.reason.draftCode == code)
        #expect(status.reason == VDPReason(draftCode: code))
        #expect(decoded.pdu.encoded() == RawDraft.vsi(1, response: code) + RawDraft.vsi(2))
    }

    @Test("A reason that the draft lacks becomes the nearest that it has")
    func otherReasons() {
        #expect(VDPReason.managerUnreachable.draftCode == 2)
        #expect(VDPReason.otherFailure.draftCode == 2)
        #expect(VDPReason.invalidFilter.draftCode == 1)
        #expect(VDPReason(rawValue: 255).draftCode == 2)
    }

    @Test("What a station says is no answer, unless it has a response")
    func fromStation() throws {
        let pdu = DraftVDPDU.decode(RawDraft.vsi(1, mode: 3) + RawDraft.vsi(2, response: 1), from: .station).pdu
        #expect(pdu.associations.map(\.vsi.status) == [[], .answer(.invalidFormat)])
        #expect(pdu.associations.first?.vsi.command == .deAssociate)
    }

    @Test("What the draft has no place for is not sent")
    func notSent() throws {
        let entry = FilterEntry(vid: 10, pcp: 5, macAddress: MACAddress(truncating: 0x5254_0000_0001))
        let vsi = VSITLV(
            command: .associate, status: .migrating, typeID: 0x12_3456, typeVersion: 1, vsiID: RawDraft.id(1),
            filter: filter(entry), organizational: [OrganizationalInformation(oui: 0x0C, octets: [1])])
        let pdu = DraftVDPDU(
            associations: [DraftVDPDU.Association(managerID: 11, vsi: vsi)], hasEnd: false)
        #expect(hex(pdu.encoded()) == hex(RawDraft.vsi(1)))
    }

    @Test("A manager ID is the draft's if it has one octet, at either end")
    func managers() throws {
        #expect(VSIManagerID.unspecified.draftOctet == 0)
        for octet: UInt8 in [1, 11, 255] {
            #expect(VSIManagerID(short: octet, placement: .first).draftOctet == octet)
            #expect(VSIManagerID(short: octet, placement: .last).draftOctet == octet)
            #expect(VSIManagerID(draftOctet: octet).draftOctet == octet)
        }
        for wide in [
            VSIManagerID(high: 1, low: 0), VSIManagerID(high: 0, low: 256), VSIManagerID(high: 1 << 56, low: 1),
        ] {
            #expect(wide.draftOctet == nil)
        }
    }

    @Test("An unknown mode, format or count costs that VSI alone")
    func wrongVSI() throws {
        let wrong: [([UInt8], WireError)] = [
            (RawDraft.vsi(2, mode: 4), .unknownValue(.associationTLV, 4)),
            (RawDraft.vsi(2, mode: 255), .unknownValue(.associationTLV, 255)),
            (RawDraft.vsi(2, filter: [1, 0, 1, 0, 10]), .unknownValue(.filterInfo, 1)),
            (RawDraft.vsi(2, filter: [3, 0, 1] + zeros(6)), .unknownValue(.filterInfo, 3)),
            (RawDraft.vsi(2, filter: [4, 0, 1] + zeros(12)), .unknownValue(.filterInfo, 4)),
            (RawDraft.vsi(2, filter: [2, 0, 2] + RawDraft.entry), .badLength(.filterInfo, 8)),
            (RawDraft.vsi(2, filter: [2, 0xFF, 0xFF] + RawDraft.entry), .badLength(.filterInfo, 8)),
            (RawDraft.vsi(2, filter: [2, 0, 1]), .badLength(.filterInfo, 0)),
            (RawDraft.vsi(2, filter: [2, 0]), .truncated(.filterInfo)),
        ]
        for (octets, error) in wrong {
            let decoded = DraftVDPDU.decode(RawDraft.vsi(1) + octets + RawDraft.vsi(3), from: .bridge)
            #expect(decoded.pdu.associations.map(\.vsi.vsiID) == [RawDraft.id(1), RawDraft.id(3)], "\(hex(octets))")
            #expect(decoded.rejected.map(\.error) == [error], "\(hex(octets))")
            #expect(decoded.rejected.first?.vsiID == RawDraft.id(2))
        }
    }

    @Test("Of a VSI TLV that is too short as much is told as is there", arguments: 4..<39)
    func shortVSI(count: Int) {
        let octets = tlv(127, Array(RawDraft.value(1).prefix(count)))
        let decoded = DraftVDPDU.decode(octets + RawDraft.vsi(2), from: .bridge)
        #expect(
            decoded.pdu.associations.map(\.vsi.vsiID)
                == (count == 38 ? [RawDraft.id(1), RawDraft.id(2)] : [RawDraft.id(2)]))
        #expect(decoded.rejected.count == (count == 38 ? 0 : 1))
        #expect(decoded.rejected.allSatisfy { ($0.vsiID == RawDraft.id(1)) == (count >= 27) })
        #expect(decoded.rejected.allSatisfy { ($0.command == .associate) == (count >= 5) })
    }

    @Test("Other TLVs are passed over, and the end TLV ends")
    func otherTLVs() {
        let others =
            tlv(127, [0x00, 0x1B, 0x3F, 0x01, 0xAA]) + tlv(127, [0x00, 0x80, 0xC2, 0x02]) + tlv(127, [0x00])
            + tlv(3, [1, 2, 3])
        let decoded = DraftVDPDU.decode(
            others + RawDraft.vsi(1) + others + tlv(0, []) + RawDraft.vsi(2), from: .bridge)
        #expect(decoded.pdu.associations.map(\.vsi.vsiID) == [RawDraft.id(1)])
        #expect(decoded.pdu.hasEnd)
        #expect(decoded.rejected.isEmpty)
        let long = DraftVDPDU.decode(RawDraft.vsi(1) + tlv(0, [1]) + RawDraft.vsi(2), from: .bridge)
        #expect(long.pdu.associations.count == 1)
        #expect(long.rejected.map(\.error) == [.badLength(.tlvHeader, 1)])
    }

    @Test("Of a cut-off VDPDU of the draft all that is whole is kept", arguments: GoldenDraft.all)
    func truncated(_ golden: GoldenDraft) {
        let ends = boundaries(golden.octets)
        for count in 0...golden.octets.count {
            let decoded = DraftVDPDU.decode(Array(golden.octets.prefix(count)), from: golden.sender)
            let whole = ends.count { $0 <= count } - (golden.pdu.hasEnd && count == golden.octets.count ? 1 : 0)
            #expect(decoded.pdu.associations.count == whole, "the first \(count) octets of \(golden.name)")
            #expect(decoded.rejected.count == (count == 0 || ends.contains(count) ? 0 : 1))
        }
    }
}

// MARK: - Properties

extension PropertyTests {
    /// Reads a VDPDU of the draft; see ``readFrame(_:_:)``.
    @discardableResult
    static func readDraftVDPDU(_ octets: [UInt8], _ note: Comment) -> DraftVDPDU.Decoded {
        let decoded = DraftVDPDU.decode(octets, from: .bridge)
        let again = decoded.pdu.encoded()
        let second = DraftVDPDU.decode(again, from: .bridge)
        #expect(second.pdu == decoded.pdu, note)
        #expect(second.rejected.isEmpty, note)
        #expect(second.pdu.encoded() == again, note)
        #expect(DraftVDPDU.decode(octets, from: .station).pdu.encoded() == again, note)
        return decoded
    }
}

@Suite("Draft, properties")
struct DraftPropertyTests {
    @Test("Random VDPDUs of the draft come back as they went, and are as long as they say")
    func vdpdus() {
        Cases.run("draft vdpdus") { random, note in
            let pdu = random.draftVDPDU()
            let octets = pdu.encoded()
            let decoded = PropertyTests.readDraftVDPDU(octets, note)
            #expect(decoded.pdu == pdu, note)
            #expect(decoded.rejected.isEmpty, note)
            let length = pdu.associations.reduce(pdu.hasEnd ? DraftVDPDU.overhead : 0) {
                $0 + DraftVDPDU.encodedLength(of: $1.vsi)
            }
            #expect(length == octets.count, note)
        }
    }

    @Test("Changed golden VDPDUs of the draft never trap, and what is read of them is stable")
    func mutations() {
        var (whole, partial) = (0, 0)
        Cases.run("draft mutations") { random, note in
            for golden in GoldenDraft.all {
                let decoded = PropertyTests.readDraftVDPDU(random.mutation(of: golden.octets), note)
                if decoded.rejected.isEmpty { whole += 1 } else { partial += 1 }
            }
        }
        #expect(Cases.count < 100 || whole > Cases.count / 2)
        #expect(Cases.count < 100 || partial > Cases.count / 2)
    }
}

extension SplitMix64 {
    mutating func draftEVBTLV() -> DraftEVBTLV {
        DraftEVBTLV(
            supportedModes: DraftEVBTLV.ForwardingModes(rawValue: number()),
            supportedCapabilities: DraftEVBTLV.Capabilities(rawValue: number()),
            configuredModes: DraftEVBTLV.ForwardingModes(rawValue: number()),
            configuredCapabilities: DraftEVBTLV.Capabilities(rawValue: number()), supportedVSIs: number(),
            configuredVSIs: number(), retransmissionExponent: number())
    }

    mutating func draftECPDU() -> DraftECPDU {
        DraftECPDU(operation: flag() ? .request : .acknowledgement, sequence: number(), payload: octets(upTo: 1491))
    }

    mutating func draftVDPDU() -> DraftVDPDU {
        let reasons = (0...6 as ClosedRange<UInt8>).compactMap { VDPReason(draftCode: $0) }
        let associations: [DraftVDPDU.Association] = list(upTo: 5) { random in
            let count = random.below(16) == 0 ? 60 : 1 + random.below(3)
            var seen: Set<FilterEntry> = []
            for _ in 0..<count {
                seen.insert(FilterEntry(vid: UInt16(random.below(4095)), macAddress: random.stationAddress()))
            }
            guard let filter = try? FilterInfo(checking: Array(seen)) else { preconditionFailure("no filter") }
            return DraftVDPDU.Association(
                managerID: random.number(),
                vsi: VSITLV(
                    command: VDPCommand.allCases[random.below(4)], status: .answer(reasons[random.below(7)]),
                    typeID: random.number(), typeVersion: random.number(),
                    vsiID: VSIID(format: .uuid, high: random.next(), low: random.next()), filter: filter))
        }
        return DraftVDPDU(associations: associations, hasEnd: flag())
    }

    /// A chain of TLVs of the draft whose headers are mostly sound, so that what is inside gets read.
    mutating func draftChain() -> [UInt8] {
        var chain: [UInt8] = []
        for _ in 0..<below(8) {
            switch below(4) {
            case 0: chain += tlv(127, RawDraft.key + octets(upTo: 64))
            case 1: chain += tlv(UInt8(below(128)), octets(upTo: 64))
            default:
                let entries = octets(upTo: 24)
                chain += RawDraft.vsi(
                    number(), mode: UInt8(below(5)), response: UInt8(below(8)),
                    filter: [UInt8(1 + below(3)), 0, UInt8(below(4))] + entries)
            }
        }
        return chain
    }
}

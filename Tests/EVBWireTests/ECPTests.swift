import EVBWire
import Testing

@Suite("ECPDU")
struct ECPTests {
    static let header: [UInt8] = [0x01, 0x80, 0xC2, 0, 0, 0, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x89, 0x40]

    static func frame(_ word: UInt16, _ sequence: UInt16, _ payload: [UInt8] = []) -> [UInt8] {
        header + [word, sequence].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } + payload
    }

    static func ecpdu(_ octets: [UInt8]) throws -> ECPDU {
        try #require(try Frame(decoding: octets).ecpdu)
    }

    @Test("ECP-01 ECP goes under EtherType 0x8940 to 01-80-C2-00-00-00")
    func addresses() {
        let frame = Golden.ecp(from: Golden.station, ECPDU(operation: .request, sequence: 1))
        #expect(hex(frame.encoded().prefix(14)) == "01 80 c2 00 00 00 52 54 00 12 34 56 89 40")
        #expect(EtherType.ecp == 0x8940)
        #expect(EtherType.lldp == 0x88CC)
        #expect(EtherType.draftECP == 0x88B7)
        #expect(MACAddress.nearestCustomerBridge.description == "01:80:c2:00:00:00")
        #expect(MACAddress.nearestNonTPMRBridge.description == "01:80:c2:00:00:03")
        #expect(MACAddress.nearestBridge.description == "01:80:c2:00:00:0e")
    }

    @Test("ECP-02 ECP-11 of all 65536 first words, version 1 with operation 0 or 1 is read and the rest is refused")
    func header() throws {
        var accepted = 0
        for word in UInt16.min...UInt16.max {
            let octets = Self.frame(word, ~word)
            let (version, operation) = (word >> 12, word >> 10 & 0x03)
            if version != 1 {
                guard refusal(of: octets) == .unknownValue(.ecpHeader, Int(version)) else {
                    Issue.record("version of \(word)")
                    continue
                }
            } else if operation > 1 {
                guard refusal(of: octets) == .unknownValue(.ecpHeader, Int(operation)) else {
                    Issue.record("operation of \(word)")
                    continue
                }
            } else {
                accepted += 1
                let expected = ECPDU(
                    operation: operation == 0 ? .request : .acknowledgement,
                    subtype: ECPDU.Subtype(rawValue: word & 0x03FF), sequence: ~word)
                let frame = try Frame(decoding: octets)
                guard frame.ecpdu == expected, frame.encoded(padded: false) == octets else {
                    Issue.record("word \(word) reads as \(frame)")
                    continue
                }
            }
        }
        #expect(accepted == 2048)
    }

    @Test("ECP-10 every sequence number is like the others, at the wrap too")
    func sequence() throws {
        for sequence: UInt16 in [0, 1, 2, 0x00FF, 0x0100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF] {
            let octets = Self.frame(0x1001, sequence, [0xAA])
            let request = try Self.ecpdu(octets)
            #expect(request.sequence == sequence)
            #expect(Golden.ecp(from: Golden.station, request).encoded(padded: false) == octets)
            #expect(request.acknowledgement.sequence == sequence)
        }
    }

    @Test("ECP-02 an acknowledgement has its request's subtype and number, and no payload")
    func acknowledgement() {
        for subtype: UInt16 in [0, 1, 2, 0x03FF] {
            let request = ECPDU(
                operation: .request, subtype: ECPDU.Subtype(rawValue: subtype), sequence: 0xABCD, payload: [1, 2, 3])
            let octets = Golden.ecp(from: Golden.station, request.acknowledgement).encoded(padded: false)
            #expect(hex(octets) == hex(Self.frame(0x1400 | subtype, 0xABCD)))
        }
        #expect(ECPDU.Subtype(rawValue: 0xFC01) == .vdp)
    }

    @Test("ECP-11 ECP-15 an unknown subtype is told to the machine and is not VDP's")
    func subtypes() throws {
        #expect(try Self.ecpdu(Self.frame(0x1001, 1)).subtype == .vdp)
        #expect(try Self.ecpdu(Self.frame(0x1002, 1)).subtype == .portExtender)
        for subtype: UInt16 in [0, 3, 0x0100, 0x0101, 0x03FF] {
            let read = try Self.ecpdu(Self.frame(0x1000 | subtype, 1)).subtype
            #expect(read.rawValue == subtype)
            #expect(read != .vdp && read != .portExtender)
        }
    }

    @Test("ECP-18 a short acknowledgement may be padded or not")
    func padding() throws {
        let short = Golden.acknowledgement.octets
        #expect(short.count == 18)
        for count in [18, 19, 60, 64, 1514] {
            #expect(try Frame(decoding: short + zeros(count - 18)) == Golden.acknowledgement.frame)
        }
        #expect(Golden.acknowledgement.frame.encoded(padded: true).count == 60)
        #expect(Golden.acknowledgement.frame.encoded(padded: false).count == 18)
        // What a peer leaves behind its acknowledgement is no payload.
        #expect(try Self.ecpdu(short + [0xFF, 0xFF]).payload == [])
        #expect(try Self.ecpdu(Self.frame(0x1001, 1, [0xFF, 0x00])).payload == [0xFF, 0x00])
    }

    @Test("ECP-18 a truncated header is refused", arguments: 14..<18)
    func truncated(count: Int) {
        #expect(refusal(of: Array(Golden.acknowledgement.octets.prefix(count))) == .truncated(.ecpHeader))
    }

    @Test("ECP-05 the same ECPDU gives the same octets")
    func repetition() {
        #expect(Golden.request.frame.encoded() == Golden.request.frame.encoded())
    }

    @Test("ECP-16 a payload of 1496 octets fills a frame of 1514")
    func largest() throws {
        let payload = [UInt8](repeating: 0x5A, count: 1496)
        let octets = Golden.ecp(from: Golden.station, ECPDU(operation: .request, sequence: 1, payload: payload))
            .encoded()
        #expect(octets.count == 1514)
        #expect(try Self.ecpdu(octets).payload == payload)
    }
}

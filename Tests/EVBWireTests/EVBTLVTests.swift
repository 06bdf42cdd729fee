import EVBWire
import Testing

/// The five octets of the EVB TLV, bit by bit.
@Suite("EVB TLV")
struct EVBTLVTests {
    /// What the TLV says when all of its bits are zero.
    static let blank = EVBTLV(
        bridgeStatus: [],
        stationStatus: StationStatus(groupIDs: false, reflectiveRelayRequest: false, reflectiveRelayStatus: .off),
        retries: 0, retransmissionExponent: 0, mode: .notSupported,
        resourceWaitDelay: NegotiatedExponent(0, isRemote: false),
        reinitKeepAlive: NegotiatedExponent(0, isRemote: false))

    static func changed(_ change: (inout EVBTLV) -> Void) -> EVBTLV {
        var tlv = blank
        change(&tlv)
        return tlv
    }

    /// Each defined bit and what it alone says.
    static let bits: [(octet: Int, bit: UInt8, means: EVBTLV)] = [
        (0, 0x01, changed { $0.bridgeStatus = .reflectiveRelayControl }),
        (0, 0x02, changed { $0.bridgeStatus = .reflectiveRelayCapable }),
        (0, 0x04, changed { $0.bridgeStatus = .groupIDs }),
        (1, 0x01, changed { $0.stationStatus.reflectiveRelayStatus = .on }),
        (1, 0x02, changed { $0.stationStatus.reflectiveRelayStatus = .reserved }),
        (1, 0x04, changed { $0.stationStatus.reflectiveRelayRequest = true }),
        (1, 0x08, changed { $0.stationStatus.groupIDs = true }),
        (2, 0x01, changed { $0.retransmissionExponent = 1 }),
        (2, 0x02, changed { $0.retransmissionExponent = 2 }),
        (2, 0x04, changed { $0.retransmissionExponent = 4 }),
        (2, 0x08, changed { $0.retransmissionExponent = 8 }),
        (2, 0x10, changed { $0.retransmissionExponent = 16 }),
        (2, 0x20, changed { $0.retries = 1 }),
        (2, 0x40, changed { $0.retries = 2 }),
        (2, 0x80, changed { $0.retries = 4 }),
        (3, 0x01, changed { $0.resourceWaitDelay = NegotiatedExponent(1, isRemote: false) }),
        (3, 0x02, changed { $0.resourceWaitDelay = NegotiatedExponent(2, isRemote: false) }),
        (3, 0x04, changed { $0.resourceWaitDelay = NegotiatedExponent(4, isRemote: false) }),
        (3, 0x08, changed { $0.resourceWaitDelay = NegotiatedExponent(8, isRemote: false) }),
        (3, 0x10, changed { $0.resourceWaitDelay = NegotiatedExponent(16, isRemote: false) }),
        (3, 0x20, changed { $0.resourceWaitDelay = NegotiatedExponent(0, isRemote: true) }),
        (3, 0x40, changed { $0.mode = .bridge }),
        (3, 0x80, changed { $0.mode = .station }),
        (4, 0x01, changed { $0.reinitKeepAlive = NegotiatedExponent(1, isRemote: false) }),
        (4, 0x02, changed { $0.reinitKeepAlive = NegotiatedExponent(2, isRemote: false) }),
        (4, 0x04, changed { $0.reinitKeepAlive = NegotiatedExponent(4, isRemote: false) }),
        (4, 0x08, changed { $0.reinitKeepAlive = NegotiatedExponent(8, isRemote: false) }),
        (4, 0x10, changed { $0.reinitKeepAlive = NegotiatedExponent(16, isRemote: false) }),
        (4, 0x20, changed { $0.reinitKeepAlive = NegotiatedExponent(0, isRemote: true) }),
    ]
    static let reserved: [UInt8] = [0xF8, 0xF0, 0x00, 0x00, 0xC0]

    @Test("TLV-03 every bit has its place, both ways")
    func layout() throws {
        #expect(try RawLLDP.evbTLV(zeros(5)) == Self.blank)
        #expect(RawLLDP.information(Self.blank) == zeros(5))
        for (octet, bit, means) in Self.bits {
            var information = zeros(5)
            information[octet] = bit
            #expect(try RawLLDP.evbTLV(information) == means, "octet \(octet), bit \(bit)")
            #expect(hex(RawLLDP.information(means)) == hex(information))
        }
        // No bit is left out of these tests.
        for octet in 0..<5 {
            let defined = Self.bits.filter { $0.octet == octet }.reduce(UInt8(0)) { $0 | $1.bit }
            #expect(defined == ~Self.reserved[octet])
        }
    }

    @Test("TLV-05 reserved bits are ignored on receipt and sent as zero")
    func reservedBits() throws {
        for octet in 0..<5 {
            for bit in 0..<8 where Self.reserved[octet] & 1 << UInt8(bit) != 0 {
                var information = zeros(5)
                information[octet] = 1 << UInt8(bit)
                let tlv = try RawLLDP.evbTLV(information)
                #expect(tlv == Self.blank, "octet \(octet), bit \(bit)")
                #expect(RawLLDP.information(tlv) == zeros(5))
            }
        }
        let all = try RawLLDP.evbTLV([0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
        #expect(hex(RawLLDP.information(all)) == "07 0f ff ff 3f")
        // Not even by a mistake of ours.
        #expect(RawLLDP.information(Self.changed { $0.bridgeStatus = BridgeStatus(rawValue: 0xFF) })[0] == 0x07)
    }

    @Test("TLV-10 R is 0 to 7", arguments: UInt8(0)...7)
    func retries(_ retries: UInt8) throws {
        #expect(RawLLDP.information(Self.changed { $0.retries = retries })[2] == retries << 5)
        #expect(try RawLLDP.evbTLV([0, 0, retries << 5 | 0x1F, 0, 0]).retries == retries)
    }

    @Test("TLV-11 RTE is 0 to 31", arguments: UInt8(0)...31)
    func retransmissionExponent(_ exponent: UInt8) throws {
        #expect(RawLLDP.information(Self.changed { $0.retransmissionExponent = exponent })[2] == exponent)
        #expect(try RawLLDP.evbTLV([0, 0, 0xE0 | exponent, 0, 0]).retransmissionExponent == exponent)
    }

    @Test("TLV-12 RWD and RKA are 0 to 31, each with its ROL", arguments: UInt8(0)...31)
    func negotiatedExponents(_ exponent: UInt8) throws {
        for isRemote in [false, true] {
            let value = NegotiatedExponent(exponent, isRemote: isRemote)
            let octet = (isRemote ? 0x20 : 0) | exponent
            let wait = Self.changed { $0.resourceWaitDelay = value }
            #expect(RawLLDP.information(wait) == [0, 0, 0, octet, 0])
            let keep = Self.changed { $0.reinitKeepAlive = value }
            #expect(RawLLDP.information(keep) == [0, 0, 0, 0, octet])
            let read = try RawLLDP.evbTLV([0, 0, 0, 0xC0 | octet, ~octet & 0x3F])
            #expect(read.resourceWaitDelay == value)
            #expect(read.reinitKeepAlive == NegotiatedExponent(31 - exponent, isRemote: !isRemote))
        }
    }

    @Test("TLV-10 TLV-11 TLV-12 values beyond a field lose their high bits")
    func tooLarge() {
        let tlv = EVBTLV(
            bridgeStatus: [], stationStatus: Self.blank.stationStatus, retries: 0xFA, retransmissionExponent: 0xE1,
            mode: .station, resourceWaitDelay: NegotiatedExponent(0xE3, isRemote: false),
            reinitKeepAlive: NegotiatedExponent(0xE4, isRemote: true))
        #expect(tlv.retries == 2)
        #expect(tlv.retransmissionExponent == 1)
        #expect(tlv.resourceWaitDelay.exponent == 3)
        #expect(tlv.reinitKeepAlive.exponent == 4)
        #expect(hex(RawLLDP.information(tlv)) == "00 00 41 83 24")
    }

    @Test("TLV-04 TLV-24 TLV-25 the EVB mode has four values")
    func modes() throws {
        let modes: [EVBMode] = [.notSupported, .bridge, .station, .nvo3]
        for (code, mode) in modes.enumerated() {
            let octet = UInt8(code) << 6
            #expect(try RawLLDP.evbTLV([0, 0, 0, octet | 0x3F, 0]).mode == mode)
            #expect(RawLLDP.information(Self.changed { $0.mode = mode })[3] == octet)
        }
    }

    @Test("TLV-08 RRSTAT has four codes, of which the reserved one is kept")
    func reflectiveRelayStatus() throws {
        let codes: [ReflectiveRelayStatus] = [.off, .on, .reserved, .unknown]
        for (code, status) in codes.enumerated() {
            #expect(try RawLLDP.evbTLV([0, 0xFC | UInt8(code), 0, 0, 0]).stationStatus.reflectiveRelayStatus == status)
            let sent = Self.changed { $0.stationStatus.reflectiveRelayStatus = status }
            #expect(RawLLDP.information(sent)[1] == UInt8(code))
        }
    }
}

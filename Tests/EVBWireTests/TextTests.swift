import EVBWire
import Testing

@Suite("Texts")
struct TextTests {
    static let digits = "00112233445566778899aabbccddeeff"

    // MARK: MACAddress

    @Test("A MAC address is read with colons or hyphens, in either case")
    func macAddress() throws {
        for text in ["52:54:00:ab:cd:ef", "52-54-00-AB-CD-EF", "52:54:00:Ab:cD:EF"] {
            let address = try #require(MACAddress(text))
            #expect(address.octets == [0x52, 0x54, 0x00, 0xAB, 0xCD, 0xEF])
            #expect(address.description == "52:54:00:ab:cd:ef")
        }
        #expect(MACAddress("00:00:00:00:00:00")?.rawValue == 0)
        #expect(MACAddress("ff:ff:ff:ff:ff:ff")?.rawValue == 0xFFFF_FFFF_FFFF)
    }

    @Test(
        "A text that is no MAC address is refused",
        arguments: [
            "", ":", ":::::", "52", "52:54:00:ab:cd", "52:54:00:ab:cd:ef:00", "52:54:00:ab:cd:ef:",
            ":52:54:00:ab:cd:ef",
            "52:54:00:ab:cd:e", "52:54:00:ab:cd:eff", "52:54:00:ab:cd:eg", "52:54:00:ab:cd:+f", "52:54:00:ab:cd: f",
            "52:54:00-ab:cd:ef", "525400abcdef", "5254.00ab.cdef", " 52:54:00:ab:cd:ef", "52:54:00:ab:cd:ef\n",
            "５２:54:00:ab:cd:ef", "52:54:00:ab:cd:e\u{301}",
        ])
    func noMACAddress(_ text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test("A MAC address knows its kind and its order")
    func macAddressKinds() throws {
        #expect(MACAddress.nearestCustomerBridge.isGroup)
        #expect(!MACAddress.nearestCustomerBridge.isIndividual)
        #expect(try #require(MACAddress("02:00:00:00:00:00")).isIndividual)
        #expect(!MACAddress(truncating: 0).isIndividual)
        #expect(!MACAddress(truncating: 0).isGroup)
        #expect(try #require(MACAddress("ff:ff:ff:ff:ff:ff")).isGroup)
        #expect(MACAddress(truncating: 0xFFFF_0000_0000_0001).rawValue == 1)
        #expect(MACAddress.nearestCustomerBridge < .nearestBridge)
        #expect(MACAddress(octets: zeros(5)) == nil)
        #expect(MACAddress(octets: zeros(7)) == nil)
    }

    // MARK: VSIID

    @Test(
        "A VSIID is read in each format and written in its usual form",
        arguments: [
            ("00112233-4455-6677-8899-AABBCCDDEEFF", 5, digits, "00112233-4455-6677-8899-aabbccddeeff"),
            (digits, 5, digits, "00112233-4455-6677-8899-aabbccddeeff"),
            ("UUID:00112233-4455-6677-8899-aabbccddeeff", 5, digits, "00112233-4455-6677-8899-aabbccddeeff"),
            ("uuid:" + digits, 5, digits, "00112233-4455-6677-8899-aabbccddeeff"),
            ("ipv4:192.0.2.255", 1, "00000000000000000000ffffc00002ff", "ipv4:192.0.2.255"),
            ("ipv4:0.0.0.0", 1, "00000000000000000000ffff00000000", "ipv4:0.0.0.0"),
            ("ipv6:2001:DB8::1", 2, "20010db8000000000000000000000001", "ipv6:2001:db8::1"),
            ("ipv6:::", 2, "00000000000000000000000000000000", "ipv6:::"),
            ("mac:52-54-00-AB-CD-EF", 3, "00000000000000000000525400abcdef", "mac:52:54:00:ab:cd:ef"),
            ("local:" + digits, 4, digits, "local:" + digits),
        ])
    func vsiID(_ text: String, _ format: UInt8, _ octets: String, _ description: String) throws {
        let id = try #require(VSIID(text))
        #expect(id.format.rawValue == format)
        #expect(hex(id.octets).filter { $0 != " " } == octets)
        #expect(id.description == description)
        #expect(VSIID(description) == id)
    }

    @Test(
        "A text that is no VSIID is refused",
        arguments: [
            "", ":", "uuid", "uuid:", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0",
            "00112233445566778899aabbccddeefg", "0011-2233-4455-6677-8899-aabb-ccdd-eeff",
            "{00112233-4455-6677-8899-aabbccddeeff}", "00112233-4455-6677-8899-aabbccddeef",
            "00112233-4455-6677-8899-aabbccddeeff-", "-00112233445566778899aabbccddeeff", "ipv4:", "ipv4:1.2.3",
            "ipv4:1.2.3.4.5", "ipv4:1.2.3.256", "ipv4:1.2.3.-4", "ipv4:1.2..4", "ipv4:1.2.3.0004", "ipv4:1.2.3.²",
            "ipv4:::1", "ipv6:", "ipv6:1", "ipv6:1.2.3.4", "mac:", "mac:525400abcdef", "local:", "local:1",
            "local:00112233-4455-6677-8899-aabbccddeeff", "mac:00:00:00:00:00:00:00", "foo:" + digits, "fe80::1",
            " 00112233-4455-6677-8899-aabbccddeeff", "uuid:00112233-4455-6677-8899-aabbccddeef\u{301}f",
        ])
    func noVSIID(_ text: String) {
        #expect(VSIID(text) == nil)
    }

    @Test(
        "IPv6 addresses are read as RFC 4291 has them and written as RFC 5952 asks",
        arguments: [
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"),
            ("1::", "1::"), ("1:0:0:0:0:0:0:0", "1::"), ("2001:0DB8:0:0:0:0:0:0A", "2001:db8::a"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:0:2:0:0:3:4", "1::2:0:0:3:4"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::ffff:192.0.2.1", "::ffff:c000:201"),
            ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
        ])
    func ipv6(_ text: String, _ written: String) {
        #expect(VSIID("ipv6:" + text)?.description == "ipv6:" + written)
        #expect(VSIID("ipv6:" + written) == VSIID("ipv6:" + text))
    }

    @Test(
        "A text that is no IPv6 address is refused",
        arguments: [
            ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::1::", "1:2:3:4:5:6:7:8::", "12345::", "g::",
            ":1::", "1::2:", "::+1", "::1.2.3", "::1.2.3.256", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:1", "fe80::1%eth0",
            "1:2:3:4::5:6:7:8",
        ])
    func noIPv6(_ text: String) {
        #expect(VSIID("ipv6:" + text) == nil)
    }

    @Test("SPD-344 of all octets those of hexadecimal digits, and no others, are read at each place of a UUID")
    func everyOctet() {
        let text = Array("00112233-4455-6677-8899-aabbccddeeff".utf8)
        for place in text.indices {
            for octet in UInt8.min...UInt8.max {
                var changed = text
                changed[place] = octet
                let read = changed.withUnsafeBufferPointer { VSIID(uuid: $0) }
                let isDigit = octet < 128 && Character(Unicode.Scalar(octet)).isHexDigit
                let isRight = text[place] == UInt8(ascii: "-") ? octet == text[place] : isDigit
                let expected = isRight ? String(decoding: changed, as: UTF8.self).lowercased() : nil
                #expect(read?.description == expected, "octet \(octet) at \(place)")
            }
        }
    }

    @Test("A VSIID whose octets do not suit its format still has a text of its own")
    func unusualVSIIDs() {
        #expect(VSIID(format: .mac, high: 1, low: 2).description == "mac:" + "00000000000000010000000000000002")
        #expect(VSIID(format: .ipv4, high: 1, low: 2).description == "ipv4:" + "00000000000000010000000000000002")
        let unknown = VSIID(format: VSIIDFormat(rawValue: 9), high: 1, low: 2)
        #expect(unknown.description == "unknown-9:" + "00000000000000010000000000000002")
        #expect(VSIID(format: .uuid, octets: zeros(15)) == nil)
        #expect(VSIID(format: .uuid, octets: zeros(17)) == nil)
    }

    // MARK: VSIManagerID

    @Test(
        "A VSI manager ID is read in each form",
        arguments: [
            ("0", "00000000000000000000000000000000", "00000000000000000000000000000000", "0"),
            ("5", "05000000000000000000000000000000", "00000000000000000000000000000005", "5"),
            ("007", "07000000000000000000000000000000", "00000000000000000000000000000007", "7"),
            ("255", "ff000000000000000000000000000000", "000000000000000000000000000000ff", "255"),
        ])
    func managerNumber(_ text: String, _ first: String, _ last: String, _ description: String) throws {
        let front = try #require(VSIManagerID(text, placement: .first))
        #expect(hex(front.octets).filter { $0 != " " } == first)
        #expect(front.description == description)
        let back = try #require(VSIManagerID(text, placement: .last))
        #expect(hex(back.octets).filter { $0 != " " } == last)
        #expect(back.description == description)
    }

    @Test(
        "A VSI manager ID that is no number has its place whatever the placement",
        arguments: [
            ("00112233-4455-6677-8899-AABBCCDDEEFF", digits, digits), (digits, digits, digits),
            ("192.0.2.1", "00000000000000000000ffffc0000201", "192.0.2.1"),
            ("2001:db8::1", "20010db8000000000000000000000001", "20010db8000000000000000000000001"),
            ("::ffff:192.0.2.1", "00000000000000000000ffffc0000201", "192.0.2.1"),
            ("blabla", "626c61626c6100000000000000000000", "blabla"),
            ("sixteen-octets-1", "7369787465656e2d6f63746574732d31", "sixteen-octets-1"),
        ])
    func manager(_ text: String, _ octets: String, _ description: String) throws {
        for placement in [VSIManagerID.Placement.first, .last] {
            let id = try #require(VSIManagerID(text, placement: placement))
            #expect(hex(id.octets).filter { $0 != " " } == octets)
            #expect(id.description == description)
            #expect(VSIManagerID(description, placement: placement) == id)
        }
    }

    @Test(
        "A text that is no VSI manager ID is refused",
        arguments: ["", "256", "999", "with space", "sixteen-octets-1x", "tab\t", "umläut", "\u{7F}", "٥", " 5"])
    func noManager(_ text: String) {
        #expect(VSIManagerID(text, placement: .first) == nil)
        #expect(VSIManagerID(text, placement: .last) == nil)
    }

    @Test("A VSI manager ID from the wire never prints what is not printable")
    func managerFromPeer() {
        let control = VSIManagerID(high: 0x611B_5B32_4A00_0000, low: 0)
        #expect(control.description == "611b5b324a0000000000000000000000")
        #expect(VSIManagerID(high: 0x6162_0063_0000_0000, low: 0).description == "61620063000000000000000000000000")
        #expect(VSIManagerID(high: .max, low: .max).description == String(repeating: "f", count: 32))
    }

    // MARK: Names from LLDP, errors

    @Test("A chassis or port is named in printable ASCII, whatever the peer sent")
    func identifiers() {
        let mac: [UInt8] = [0, 0x11, 0x22, 0x33, 0x44, 0x55]
        #expect(LLDPIdentifier.chassis(Golden.bridge).text(isChassis: true) == "00:11:22:33:44:55")
        #expect(LLDPIdentifier.port(Golden.bridge).text(isChassis: false) == "00:11:22:33:44:55")
        #expect(LLDPIdentifier(subtype: 4, octets: mac).text(isChassis: false) == "001122334455")
        #expect(LLDPIdentifier(subtype: 3, octets: mac).text(isChassis: true) == "001122334455")
        #expect(LLDPIdentifier(subtype: 4, octets: [1, 2]).text(isChassis: true) == "0102")
        #expect(LLDPIdentifier(subtype: 5, octets: Array("eth0 ~".utf8)).text(isChassis: false) == "eth0 ~")
        #expect(LLDPIdentifier(subtype: 5, octets: []).text(isChassis: false) == "")
        for octet in UInt8.min...UInt8.max {
            let text = LLDPIdentifier(subtype: 7, octets: [0x41, octet]).text(isChassis: true)
            #expect(text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
            #expect(text.utf8.count == ((0x20...0x7E).contains(octet) ? 2 : 4))
        }
        #expect(LLDPIdentifier(subtype: 7, octets: zeros(300)).octets.count == 255)
    }

    @Test("Every error names what is wrong")
    func errors() {
        #expect(WireError.truncated(.evbTLV).description == "the frame ends inside the EVB TLV")
        #expect(WireError.badLength(.managerID, 3).description == "the VSI manager ID TLV cannot be 3 octets long")
        #expect(
            WireError.misplaced(.timeToLive).description == "the time-to-live TLV is missing, doubled or out of order")
        #expect(
            WireError.unknownValue(.filterInfo, 9).description == "the filter info holds an unknown value, 9")
        #expect(WireError.otherProtocol(0x88B7).description == "EtherType 0x88b7 is not LLDP or ECP")
    }
}

import EVBWire
import Testing

/// What lldpad, libvirt and a Linux bridge put on the wire.
@Suite("Recorded frames")
struct CaptureTests {
    /// What a capture is known to hold, so that nothing passes by being skipped.
    struct Contents: Sendable, Equatable, CustomTestStringConvertible {
        let name: String
        var lldp = 0
        var requests = 0
        var acknowledgements = 0
        /// BPDUs (which have a length where others have an EtherType), IPv4, IPv6.
        var others = 0

        var testDescription: String { name }
    }

    static let ratified = [
        Contents(name: "22-evb-negotiation.pcap", lldp: 13, others: 5),
        Contents(name: "22-libvirt-lldpadbridge.pcap", lldp: 2, requests: 9, acknowledgements: 9, others: 36),
        Contents(name: "22-vdptool-assoc-deassoc.pcap", requests: 4, acknowledgements: 4, others: 2),
    ]
    static let draft = [
        Contents(name: "draft-evb-negotiation.pcap", lldp: 13, requests: 4, acknowledgements: 2, others: 22),
        Contents(
            name: "draft-libvirt-bridge-initiated-deassoc.pcap", lldp: 13, requests: 7, acknowledgements: 7, others: 21),
        Contents(name: "draft-libvirt-lldpadbridge.pcap", requests: 1, acknowledgements: 1, others: 6),
        Contents(name: "draft-libvirt-pybridge.pcap", lldp: 29, requests: 8, acknowledgements: 8, others: 39),
        Contents(name: "draft-lldptool-assoc-deassoc.pcap", requests: 1, acknowledgements: 1, others: 4),
    ]

    static func capture(_ name: String) throws -> Capture {
        try Capture(path: #require(Capture.paths(prefix: name.replacingSuffix(".pcap")).first))
    }

    @Test("Every capture file is known to these tests")
    func filesAreKnown() {
        #expect(Capture.paths(prefix: "22-").map(Capture.name) == Self.ratified.map(\.name))
        #expect(Capture.paths(prefix: "draft-").map(Capture.name) == Self.draft.map(\.name))
    }

    @Test("Frames of LLDP and ECP come back octet for octet, all others are refused", arguments: ratified + draft)
    func framesRoundTrip(_ contents: Contents) throws {
        var seen = Contents(name: contents.name)
        for octets in try Self.capture(contents.name).frames {
            let etherType = UInt16(octets[12]) << 8 | UInt16(octets[13])
            guard [0x88CC, 0x8940, 0x88B7].contains(etherType) else {
                #expect(refusal(of: octets) == .otherProtocol(etherType), "\(hex(octets))")
                seen.others += 1
                continue
            }
            let frame = try Frame(decoding: octets)
            // lldpad pads an LLDPDU and a request to 60 octets, and sends a ratified acknowledgement of 18.
            let again = frame.encoded(padded: octets.count >= Frame.lengthMin)
            #expect(hex(again) == hex(octets))
            switch frame.payload {
            case .lldp: seen.lldp += 1
            case .ecp(let ecpdu) where ecpdu.operation == .request: seen.requests += 1
            case .draftECP(let ecpdu) where ecpdu.operation == .request: seen.requests += 1
            case .ecp, .draftECP: seen.acknowledgements += 1
            }
        }
        #expect(seen == contents)
    }

    @Test(
        "VDPDUs come back octet for octet, but for zeros behind them in a frame of the least length",
        arguments: ratified.filter { $0.requests > 0 })
    func vdpdusRoundTrip(_ contents: Contents) throws {
        var count = 0
        for octets in try Self.capture(contents.name).frames where octets[12...13] == [0x89, 0x40] {
            let ecpdu = try #require(try Frame(decoding: octets).ecpdu)
            #expect(ecpdu.subtype == .vdp)
            guard ecpdu.operation == .request else { continue }
            count += 1
            let decoded = try VDPDU.decode(ecpdu.payload)
            #expect(decoded.rejected.isEmpty)
            #expect(decoded.pdu.associations.count == 1)
            let again = decoded.pdu.encoded()
            #expect(hex(ecpdu.payload.prefix(again.count)) == hex(again))
            // Only Ethernet's padding may be missing, and only from a frame that needed some. As an end TLV is two zero
            // octets, padding reads as one; in a longer frame nothing is missing and lldpad's lack of an end shows.
            let padding = ecpdu.payload.dropFirst(again.count)
            #expect(padding.allSatisfy { $0 == 0 })
            #expect(padding.isEmpty || octets.count == Frame.lengthMin)
            #expect(decoded.pdu.hasEnd == (octets.count == Frame.lengthMin))
        }
        #expect(count == contents.requests)
    }

    @Test("The first association that libvirt asked of lldpad reads as it was asked")
    func libvirtRequest() throws {
        let capture = try Self.capture("22-libvirt-lldpadbridge.pcap")
        let requests = try capture.frames.compactMap { octets -> ECPDU? in
            guard octets[12...13] == [0x89, 0x40] else { return nil }
            return try Frame(decoding: octets).ecpdu
        }
        let first = try #require(requests.first)
        #expect(first.sequence == 3)
        let pdu = try VDPDU.decode(first.payload).pdu
        #expect(pdu.managerID == VSIManagerID(short: 11, placement: .first))
        let vsi = try #require(pdu.associations.first)
        #expect(vsi.command == .associate)
        #expect(vsi.status == [])
        #expect(vsi.typeID == 0x12_3457)
        #expect(vsi.typeVersion == 2)
        #expect(vsi.vsiID.description == "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f")
        let address = try #require(MACAddress("52:54:00:11:22:33"))
        #expect(vsi.filter == filter(FilterEntry(vid: 0, macAddress: address)))
        let answer = try #require(try requests.dropFirst(2).first.map { try VDPDU.decode($0.payload).pdu })
        #expect(answer.associations.first?.status == .answer(.success))
    }

    @Test("TLV-27 every LLDPDU of the draft's captures is recognised as pre-standard EVB")
    func draftLLDPDUs() throws {
        var count = 0
        for contents in Self.draft {
            for octets in try Self.capture(contents.name).frames where octets[12...13] == [0x88, 0xCC] {
                let lldpdu = try #require(try Frame(decoding: octets).lldpdu)
                count += 1
                #expect(lldpdu.carriesDraftEVB)
                #expect(lldpdu.evbTLVs.isEmpty)
            }
        }
        #expect(count == 55)
    }
}

extension String {
    fileprivate func replacingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}

import EVBWire
import Testing

/// What lldpad, libvirt and a bridge written for the occasion put on the wire in the draft.
@Suite("Recorded frames of the draft")
struct DraftCaptureTests {
    static let captures = CaptureTests.draft

    /// The draft's ECPDUs of a capture, and the lengths of their frames.
    static func ecpdus(_ name: String) throws -> [(source: MACAddress, ecpdu: DraftECPDU, length: Int)] {
        try CaptureTests.capture(name).frames.compactMap { octets in
            guard octets[12...13] == [0x88, 0xB7] else { return nil }
            let frame = try Frame(decoding: octets)
            #expect(frame.destination == .nearestBridge)
            return (frame.source, try #require(frame.draftECPDU), octets.count)
        }
    }

    // Whole frames, padding and all, are CaptureTests' affair: the draft's come back with no exception.

    @Test(
        "VDPDUs come back octet for octet, but for the padding of empty ones", arguments: captures,
        [DraftVDPDU.Sender.station, .bridge])
    func vdpdusRoundTrip(_ contents: CaptureTests.Contents, sender: DraftVDPDU.Sender) throws {
        for (_, ecpdu, length) in try Self.ecpdus(contents.name) where ecpdu.operation == .request {
            let decoded = DraftVDPDU.decode(ecpdu.payload, from: sender)
            #expect(decoded.rejected.isEmpty)
            // lldpad closes every PDU, so that what follows the end TLV can be only Ethernet's padding.
            #expect(decoded.pdu.hasEnd)
            let again = decoded.pdu.encoded()
            #expect(hex(ecpdu.payload.prefix(again.count)) == hex(again))
            let padding = ecpdu.payload.dropFirst(again.count)
            #expect(padding.allSatisfy { $0 == 0 })
            #expect(padding.isEmpty == !decoded.pdu.associations.isEmpty)
            #expect(padding.isEmpty || length == Frame.lengthMin)
        }
    }

    @Test("An acknowledgement is its request with zeros behind the header, or padded to the least length")
    func acknowledgements() throws {
        for contents in Self.captures {
            var requests: [DraftECPDU] = []
            for (source, ecpdu, length) in try Self.ecpdus(contents.name) {
                guard ecpdu.operation == .acknowledgement else {
                    requests.append(ecpdu)
                    continue
                }
                let request = try #require(requests.last { $0.sequence == ecpdu.sequence })
                #expect(ecpdu.payload.allSatisfy { $0 == 0 })
                // The bridge with a source of bb in two of the captures is not lldpad, and acknowledges in 60 octets.
                if length > Frame.lengthMin { #expect(request.acknowledgement == ecpdu) }
                #expect(source.rawValue & 0xFF == 0x01)
            }
        }
    }

    @Test("Two VSIs of two managers are in one PDU, and the answer takes the same shape")
    func several() throws {
        let ecpdus = try Self.ecpdus("draft-libvirt-pybridge.pcap")
        let request = DraftVDPDU.decode(try #require(ecpdus.first).ecpdu.payload, from: .station).pdu
        #expect(request.associations.map(\.managerID) == [11, 12])
        #expect(request.associations.map(\.vsi.command) == [.associate, .deAssociate])
        #expect(request.associations.map(\.vsi.status) == [[], []])
        let first = try #require(request.associations.first?.vsi)
        #expect(first.vsiID.description == "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f")
        #expect(first.typeID == 0x12_3457)
        #expect(first.typeVersion == 2)
        let address = try #require(MACAddress("52:54:00:11:22:33"))
        #expect(first.filter == filter(FilterEntry(vid: 0, macAddress: address)))
        let answer = DraftVDPDU.decode(ecpdus[2].ecpdu.payload, from: .bridge).pdu
        #expect(answer.associations.map(\.vsi.status) == [.answer(.success), .answer(.success)])
        #expect(answer.associations.map(\.vsi.vsiID) == request.associations.map(\.vsi.vsiID))
    }

    @Test("TLV-27 what lldpad says before and after it has heard its neighbour")
    func negotiation() throws {
        let tlvs = try CaptureTests.capture("draft-evb-negotiation.pcap").frames.compactMap { octets in
            octets[12...13] == [0x88, 0xCC] ? try Frame(decoding: octets).lldpdu?.draftEVBTLVs.first : nil
        }
        #expect(tlvs.count == 13)
        let all: DraftEVBTLV.Capabilities = [.retransmissionExponent, .ecp, .vdp]
        #expect(
            tlvs.first
                == DraftEVBTLV(
                    supportedModes: .reflectiveRelay, supportedCapabilities: all, configuredModes: .reflectiveRelay,
                    configuredCapabilities: [], supportedVSIs: 0, configuredVSIs: 0, retransmissionExponent: 15))
        let agreed = DraftEVBTLV(
            supportedModes: .reflectiveRelay, supportedCapabilities: all, configuredModes: .reflectiveRelay,
            configuredCapabilities: all, supportedVSIs: 3295, configuredVSIs: 0, retransmissionExponent: 15)
        #expect(tlvs.dropFirst().allSatisfy { $0 == agreed })
    }
}

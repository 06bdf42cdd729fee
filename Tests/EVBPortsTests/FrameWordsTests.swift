import EVBWire
import Testing

@testable import EVBPorts

private let address = MACAddress(truncating: 0x0200_0000_0001)

@Suite struct FrameWordsTests {
    private static func vsi(_ number: UInt64, _ status: VDPStatus = []) throws -> VSITLV {
        VSITLV(
            command: .associate, status: status, typeID: 100, typeVersion: 1,
            vsiID: VSIID(format: .uuid, high: 0, low: number),
            filter: try FilterInfo(checking: [
                FilterEntry(vid: 5, macAddress: address), FilterEntry(vid: 6, macAddress: address),
            ]))
    }

    @Test("CAP-105 an EVB TLV is told by the standard's names")
    func evb() {
        let tlv = EVBTLV(
            bridgeStatus: [.reflectiveRelayCapable, .reflectiveRelayControl],
            stationStatus: StationStatus(groupIDs: false, reflectiveRelayRequest: true, reflectiveRelayStatus: .on),
            retries: 3, retransmissionExponent: 14, mode: .bridge,
            resourceWaitDelay: NegotiatedExponent(20, isRemote: true),
            reinitKeepAlive: NegotiatedExponent(21, isRemote: false))
        let lldpdu = LLDPDU(
            chassisID: .chassis(address), portID: LLDPIdentifier(subtype: 5, octets: [0x1B, 0x5B, 0x41]),
            timeToLive: 121,
            optional: [.evb(tlv)])
        #expect(
            FrameWords.lldp(lldpdu) == [
                "LLDP from chassis 02:00:00:00:00:01 port 1b5b41, holds 121 s",
                "EVB TLV, mode bridge: RRCAP RRCTR RRREQ, RRSTAT on, R 3, RTE 14, RWD 20 remote, RKA 21 local",
            ])
    }

    @Test("CAP-105 VSIs are told with command or answer, and what is wrong in a PDU with its cause")
    func vdp() throws {
        let refused = VDPStatus.answer(.insufficientResources, [.hard, .keep])
        let pdu = VDPDU(
            managerID: .unspecified,
            associations: [try Self.vsi(1), try Self.vsi(2, .answer(.success)), try Self.vsi(3, refused)])
        let ecp = try #require(
            FrameWords.ecp(.ecp(ECPDU(operation: .request, sequence: 7, payload: pdu.encoded())), from: .station))
        #expect(ecp.head == "ECP request 7, VDP, no manager, 3 VSIs")
        let start = "associate VSI 00000000-0000-0000-0000-00000000000"
        let filter = ", type 100 v1, mac=02:00:00:00:00:01,vlan=5 and 1 more: "
        #expect(
            ecp.vsis.map(\.words) == [
                "\(start)1\(filter)asked", "\(start)2\(filter)granted",
                "\(start)3\(filter)refused, insufficient-resources, hard, keep",
            ])
        let torn = try #require(
            FrameWords.ecp(.ecp(ECPDU(operation: .request, sequence: 8, payload: [0xFF])), from: .station))
        #expect(torn.vsis.isEmpty && torn.defects.count == 1 && torn.defects[0].hasPrefix("it cannot be read: "))
        #expect(
            FrameWords.ecp(.ecp(ECPDU(operation: .acknowledgement, sequence: 9)), from: .bridge)?.head
                == "ECP acknowledgement of 9")
    }

    @Test("CAP-105 however much a frame says, it is told in 2 KiB of printable characters")
    func bounds() {
        let lines = (0..<100).map { String(repeating: "a", count: $0 * 3) }
        let bounded = FrameWords.bounded(lines)
        #expect(bounded.reduce(0) { $0 + $1.utf8.count } <= FrameWords.octetsMax + 3)
        #expect(bounded.last?.hasSuffix("...") == true && bounded.dropLast() == lines.prefix(bounded.count - 1))
        #expect(FrameWords.bounded(["short"]) == ["short"])

        let tlvs = (0..<3000).map { _ in
            LLDPDU.OptionalTLV.malformed(value: [0, 0x80, 0xC2, 0x0D], .truncated(.evbTLV))
        }
        let lldpdu = LLDPDU(
            chassisID: LLDPIdentifier(subtype: 7, octets: [UInt8](repeating: 0x07, count: 255)),
            portID: LLDPIdentifier(subtype: 7, octets: Array("\u{1B}[2J".utf8)), timeToLive: 0, optional: tlvs)
        let words = FrameWords.bounded(FrameWords.lldp(lldpdu)).joined()
        #expect(words.utf8.count <= FrameWords.octetsMax + 3 && words.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }
}

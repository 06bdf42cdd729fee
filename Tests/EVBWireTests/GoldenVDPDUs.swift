import EVBWire
import Testing

/// A VDPDU as octets and as a value: decoding must give the one, encoding the other.
struct GoldenVDPDU: Sendable, CustomTestStringConvertible {
    let name: String
    let octets: [UInt8]
    let pdu: VDPDU

    var testDescription: String { name }

    static let all = [
        preAssociate, preAssociateWithReservation, associate, deAssociate, group, several, refusal, noAssociation,
    ]

    static let mac = MACAddress(truncating: 0x5254_0000_C73E)
    static let otherMAC = MACAddress(truncating: 0x0200_0000_0001)
    static let uuid = VSIID(format: .uuid, high: 0x09B1_1C53_8B5C_4EEB, low: 0x8F00_D84E_AA0A_AA4F)

    static let preAssociate = GoldenVDPDU(
        name: "Pre-Associate, VSIID IPv4, filter of VIDs, null VID",
        octets: golden(
            "0a 10",  // VSI manager ID: type 5, length 16
            "00 00 00 00 00 00 00 00",  // unspecified
            "00 00 00 00 00 00 00 00",
            "02 1b",  // Pre-Associate: type 1, length 25 + 2
            "10",  // status: M
            "00 00 01",  // VSI type ID 1
            "00",  // version 0
            "01",  // VSIID format: IPv4
            "00 00 00 00 00 00 00 00",  // ::ffff:192.0.2.1
            "00 00 ff ff c0 00 02 01",
            "01",  // filter format: VID
            "00 01",  // 1 entry
            "00 00",  // PS 0, PCP 0, VID 0
            "00 00"  // end
        ),
        pdu: VDPDU(
            managerID: .unspecified,
            associations: [
                VSITLV(
                    command: .preAssociate, status: .migrating, typeID: 1, typeVersion: 0,
                    vsiID: VSIID(format: .ipv4, high: 0, low: 0xFFFF_C000_0201),
                    filter: filter(FilterEntry(vid: 0)))
            ]))

    static let preAssociateWithReservation = GoldenVDPDU(
        name: "Pre-Associate with resource reservation, VSIID IPv6, filter of VIDs, without end",
        octets: golden(
            "0a 10",  // VSI manager ID: type 5, length 16
            "20 01 0d b8 00 00 00 00",  // 2001:db8::1
            "00 00 00 00 00 00 00 01",
            "04 1f",  // Pre-Associate with RR: type 2, length 25 + 3 x 2
            "00",  // status
            "ff ff ff",  // VSI type ID 0xffffff
            "ff",  // version 255
            "02",  // VSIID format: IPv6
            "20 01 0d b8 00 00 00 00",  // 2001:db8::a
            "00 00 00 00 00 00 00 0a",
            "01",  // filter format: VID
            "00 03",  // 3 entries
            "00 01",  // PS 0, PCP 0, VID 1
            "80 02",  // PS 1, PCP 0, VID 2
            "ff fe"  // PS 1, PCP 7, VID 4094
        ),
        pdu: VDPDU(
            managerID: VSIManagerID(high: 0x2001_0DB8_0000_0000, low: 1),
            associations: [
                VSITLV(
                    command: .preAssociateWithReservation, typeID: 0xFF_FFFF, typeVersion: 255,
                    vsiID: VSIID(format: .ipv6, high: 0x2001_0DB8_0000_0000, low: 10),
                    filter: filter(FilterEntry(vid: 1), FilterEntry(vid: 2, pcp: 0), FilterEntry(vid: 4094, pcp: 7)))
            ], hasEnd: false))

    static let associate = GoldenVDPDU(
        name: "Associate, VSIID UUID, filter of MAC and VID",
        octets: golden(
            "0a 10",  // VSI manager ID: type 5, length 16
            "05 00 00 00 00 00 00 00",  // 5, where lldpad puts it
            "00 00 00 00 00 00 00 00",
            "06 29",  // Associate: type 3, length 25 + 2 x 8
            "20",  // status: S
            "00 12 34",  // VSI type ID 0x1234
            "01",  // version 1
            "05",  // VSIID format: UUID
            "09 b1 1c 53 8b 5c 4e eb",  // 09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f
            "8f 00 d8 4e aa 0a aa 4f",
            "02",  // filter format: MAC, VID
            "00 02",  // 2 entries
            "52 54 00 00 c7 3e",  // MAC address
            "d0 64",  // PS 1, PCP 5, VID 100
            "02 00 00 00 00 01",  // MAC address
            "00 00",  // PS 0, PCP 0, VID 0
            "00 00"  // end
        ),
        pdu: VDPDU(
            managerID: VSIManagerID(short: 5, placement: .first),
            associations: [
                VSITLV(
                    command: .associate, status: .suspended, typeID: 0x1234, typeVersion: 1, vsiID: uuid,
                    filter: filter(
                        FilterEntry(vid: 100, pcp: 5, macAddress: mac), FilterEntry(vid: 0, macAddress: otherMAC)))
            ]))

    static let deAssociate = GoldenVDPDU(
        name: "De-Associate, VSIID MAC, filter of group ID, MAC and VID",
        octets: golden(
            "0a 10",  // VSI manager ID: type 5, length 16
            "00 00 00 00 00 00 00 00",
            "00 00 00 00 00 00 00 05",  // 5, as a number of 16 octets
            "08 25",  // De-Associate: type 4, length 25 + 12
            "00",  // status
            "00 12 34",  // VSI type ID 0x1234
            "01",  // version 1
            "03",  // VSIID format: MAC
            "00 00 00 00 00 00 00 00",  // 52:54:00:00:c7:3e
            "00 00 52 54 00 00 c7 3e",
            "04",  // filter format: group ID, MAC, VID
            "00 01",  // 1 entry
            "00 01 86 a0",  // group ID 100000
            "52 54 00 00 c7 3e",  // MAC address
            "00 c8",  // PS 0, PCP 0, VID 200
            "00 00"  // end
        ),
        pdu: VDPDU(
            managerID: VSIManagerID(short: 5, placement: .last),
            associations: [
                VSITLV(
                    command: .deAssociate, typeID: 0x1234, typeVersion: 1,
                    vsiID: VSIID(format: .mac, high: 0, low: 0x5254_0000_C73E),
                    filter: filter(FilterEntry(vid: 200, macAddress: mac, groupID: 100_000)))
            ]))

    static let group = GoldenVDPDU(
        name: "Associate, VSIID local, filter of group ID and VID",
        octets: golden(
            "0a 10",  // VSI manager ID: type 5, length 16
            "62 6c 61 62 6c 61 00 00",  // "blabla"
            "00 00 00 00 00 00 00 00",
            "06 25",  // Associate: type 3, length 25 + 2 x 6
            "30",  // status: S, M
            "00 12 34",  // VSI type ID 0x1234
            "01",  // version 1
            "04",  // VSIID format: local
            "00 11 22 33 44 55 66 77",
            "88 99 aa bb cc dd ee ff",
            "03",  // filter format: group ID, VID
            "00 02",  // 2 entries
            "ff ff ff ff",  // group ID 0xffffffff
            "90 0a",  // PS 1, PCP 1, VID 10
            "00 00 00 01",  // group ID 1
            "00 00",  // PS 0, PCP 0, VID 0
            "00 00"  // end
        ),
        pdu: VDPDU(
            managerID: VSIManagerID(high: 0x626C_6162_6C61_0000, low: 0),
            associations: [
                VSITLV(
                    command: .associate, status: [.suspended, .migrating], typeID: 0x1234, typeVersion: 1,
                    vsiID: VSIID(format: .local, high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF),
                    filter: filter(FilterEntry(vid: 10, pcp: 1, groupID: .max), FilterEntry(vid: 0, groupID: 1)))
            ]))

    static let several = GoldenVDPDU(
        name: "Three associations of three commands, with organizational TLVs",
        octets: golden(
            "0a 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",  // VSI manager ID: unspecified
            "02 1b 00 00 00 01 01",  // Pre-Associate: status 0, VSI type 1, version 1
            "04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01",  // VSIID: local, 1
            "01 00 01 00 0a",  // filter: VID 10
            "fe 06 00 00 0c f1 aa bb",  // organizational: OUI 00-00-0c, 3 octets
            "fe 03 00 80 c2",  // organizational: OUI 00-80-c2, nothing more
            "06 1b 00 00 00 02 01",  // Associate: status 0, VSI type 2, version 1
            "04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02",  // VSIID: local, 2
            "01 00 01 00 0b",  // filter: VID 11
            "08 1b 00 00 00 03 01",  // De-Associate: status 0, VSI type 3, version 1
            "04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03",  // VSIID: local, 3
            "01 00 01 00 0c",  // filter: VID 12
            "fe 04 00 12 34 56",  // organizational: OUI 00-12-34, 1 octet
            "00 00"  // end
        ),
        pdu: VDPDU(
            managerID: .unspecified,
            associations: [
                VSITLV(
                    command: .preAssociate, typeID: 1, typeVersion: 1, vsiID: VSIID(format: .local, high: 0, low: 1),
                    filter: filter(FilterEntry(vid: 10)),
                    organizational: [
                        OrganizationalInformation(oui: 0x00_000C, octets: [0xF1, 0xAA, 0xBB]),
                        OrganizationalInformation(oui: 0x00_80C2, octets: []),
                    ]),
                VSITLV(
                    command: .associate, typeID: 2, typeVersion: 1, vsiID: VSIID(format: .local, high: 0, low: 2),
                    filter: filter(FilterEntry(vid: 11))),
                VSITLV(
                    command: .deAssociate, typeID: 3, typeVersion: 1, vsiID: VSIID(format: .local, high: 0, low: 3),
                    filter: filter(FilterEntry(vid: 12)),
                    organizational: [OrganizationalInformation(oui: 0x00_1234, octets: [0x56])]),
            ]))

    static let refusal = GoldenVDPDU(
        name: "A bridge's refusal, hard, with the state kept",
        octets: golden(
            "0a 10 05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",  // VSI manager ID: 5
            "06 1b",  // Associate: type 3, length 25 + 2
            "73",  // status: answer, Keep, Hard, reason 3 (no contact to the VSI manager)
            "00 12 34 01",  // VSI type 0x1234, version 1
            "05 09 b1 1c 53 8b 5c 4e eb 8f 00 d8 4e aa 0a aa 4f",  // VSIID: UUID
            "01 00 01 0f fe",  // filter: VID 4094
            "00 00"  // end
        ),
        pdu: VDPDU(
            managerID: VSIManagerID(short: 5, placement: .first),
            associations: [
                VSITLV(
                    command: .associate, status: .answer(.managerUnreachable, [.keep, .hard]), typeID: 0x1234,
                    typeVersion: 1, vsiID: uuid, filter: filter(FilterEntry(vid: 4094)))
            ]))

    static let noAssociation = GoldenVDPDU(
        name: "A VSI manager ID and nothing else",
        octets: golden(
            "0a 10",  // VSI manager ID: type 5, length 16
            "ff fe fd fc fb fa f9 f8",
            "f7 f6 f5 f4 f3 f2 f1 f0",
            "00 00"  // end
        ),
        pdu: VDPDU(
            managerID: VSIManagerID(high: 0xFFFE_FDFC_FBFA_F9F8, low: 0xF7F6_F5F4_F3F2_F1F0), associations: []))
}

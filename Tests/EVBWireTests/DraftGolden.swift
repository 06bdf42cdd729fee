import EVBWire
import Testing

/// Builders of draft frames that do not use the code under test.
enum RawDraft {
    static let header: [UInt8] = [0x01, 0x80, 0xC2, 0, 0, 0x0E, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x88, 0xB7]
    /// OUI and subtype of a VSI TLV.
    static let key: [UInt8] = [0x00, 0x1B, 0x3F, 0x02]

    static func frame(_ mode: UInt8, _ sequence: UInt16, _ payload: [UInt8] = []) -> [UInt8] {
        header + [0x00, 0x1B, 0x3F, 0, 0, 0, mode, UInt8(sequence >> 8), UInt8(sequence & 0xFF)] + payload
    }

    static func id(_ number: UInt8) -> VSIID { VSIID(format: .uuid, high: 0, low: UInt64(number)) }

    /// A pair of MAC address and VID.
    static let entry: [UInt8] = [0x52, 0x54, 0, 0, 0, 1, 0, 10]

    /// The value of a VSI TLV.
    static func value(
        _ number: UInt8, mode: UInt8 = 2, response: UInt8 = 0, filter: [UInt8] = [2, 0, 1] + entry
    ) -> [UInt8] {
        key + [mode, response, 0x0B, 0x12, 0x34, 0x56, 0x01] + zeros(15) + [number] + filter
    }

    static func vsi(
        _ number: UInt8, mode: UInt8 = 2, response: UInt8 = 0, filter: [UInt8] = [2, 0, 1] + entry
    ) -> [UInt8] {
        tlv(127, value(number, mode: mode, response: response, filter: filter))
    }
}

/// A VDPDU of the draft as octets and as a value.
struct GoldenDraft: Sendable, CustomTestStringConvertible {
    let name: String
    let sender: DraftVDPDU.Sender
    let octets: [UInt8]
    let pdu: DraftVDPDU

    var testDescription: String { name }

    static let all = [associate, several, refusal, full]

    static let associate = GoldenDraft(
        name: "Associate, as lldpad sends it", sender: .station,
        octets: golden(
            "fe 26",  // organizational: type 127, length 38
            "00 1b 3f",  // OUI of the draft
            "02",  // subtype: VSI
            "02",  // mode: associate
            "00",  // response: none in a request
            "0b",  // manager 11
            "12 34 57",  // VSI type ID
            "02",  // VSI type version
            "09 b1 1c 53 8b 5c 4e eb 8f 00 d8 4e aa 0a aa 4f",  // instance
            "02",  // filter format: MAC address and VID
            "00 01",  // one entry
            "52 54 00 11 22 33",  // MAC address
            "00 00",  // null VID
            "00 00"  // end
        ),
        pdu: DraftVDPDU(
            associations: [
                DraftVDPDU.Association(
                    managerID: 11,
                    vsi: VSITLV(
                        command: .associate, typeID: 0x12_3457, typeVersion: 2,
                        vsiID: VSIID(format: .uuid, high: 0x09B1_1C53_8B5C_4EEB, low: 0x8F00_D84E_AA0A_AA4F),
                        filter: filter(FilterEntry(vid: 0, macAddress: MACAddress(truncating: 0x5254_0011_2233)))))
            ]))

    static let several = GoldenDraft(
        name: "A pre-association and a de-association of two managers, without an end", sender: .station,
        octets: golden(
            "fe 2e 00 1b 3f 02",  // VSI, length 46
            "01 00 ff",  // pre-associate with reservation, no response, manager 255
            "ff ff ff ff",  // VSI type ID and version
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01",  // instance
            "02 00 02",  // MAC address and VID, two entries
            "52 54 00 00 00 01 00 01",  // MAC address, VID 1
            "52 54 00 00 00 02 0f fe",  // MAC address, VID 4094
            "fe 26 00 1b 3f 02",  // VSI, length 38
            "03 00 00",  // de-associate, no response, the bridge's own manager
            "00 00 00 00",  // VSI type ID and version
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02",  // instance
            "02 00 01",  // MAC address and VID, one entry
            "52 54 00 00 00 03 00 0a"  // MAC address, VID 10
        ),
        pdu: DraftVDPDU(
            associations: [
                DraftVDPDU.Association(
                    managerID: 255,
                    vsi: VSITLV(
                        command: .preAssociateWithReservation, typeID: 0xFF_FFFF, typeVersion: 0xFF,
                        vsiID: RawDraft.id(1),
                        filter: filter(
                            FilterEntry(vid: 1, macAddress: MACAddress(truncating: 0x5254_0000_0001)),
                            FilterEntry(vid: 4094, macAddress: MACAddress(truncating: 0x5254_0000_0002))))),
                DraftVDPDU.Association(
                    managerID: 0,
                    vsi: VSITLV(
                        command: .deAssociate, typeID: 0, typeVersion: 0, vsiID: RawDraft.id(2),
                        filter: filter(FilterEntry(vid: 10, macAddress: MACAddress(truncating: 0x5254_0000_0003))))),
            ], hasEnd: false))

    static let refusal = GoldenDraft(
        name: "A bridge's refusal", sender: .bridge,
        octets: golden(
            "fe 26 00 1b 3f 02",  // VSI, length 38
            "00 04 05",  // pre-associate, response 4 (VTID violation), manager 5
            "00 00 07 01",  // VSI type ID 7, version 1
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 09",  // instance
            "02 00 01",  // MAC address and VID, one entry
            "52 54 00 00 00 09 00 64",  // MAC address, VID 100
            "00 00"  // end
        ),
        pdu: DraftVDPDU(
            associations: [
                DraftVDPDU.Association(
                    managerID: 5,
                    vsi: VSITLV(
                        command: .preAssociate, status: .answer(.draftTypeIDViolation), typeID: 7, typeVersion: 1,
                        vsiID: RawDraft.id(9),
                        filter: filter(FilterEntry(vid: 100, macAddress: MACAddress(truncating: 0x5254_0000_0009)))))
            ]))

    static let full = GoldenDraft(
        name: "A VSI of as many entries as a TLV holds", sender: .bridge,
        octets: [0xFF, 0xFE] + RawDraft.value(1, filter: [2, 0, 60] + (0..<60).flatMap { entry(UInt8($0)) })
            + [0x00, 0x00],
        pdu: DraftVDPDU(
            associations: [
                DraftVDPDU.Association(
                    managerID: 11,
                    vsi: VSITLV(
                        command: .associate, status: .answer(.success), typeID: 0x12_3456, typeVersion: 1,
                        vsiID: RawDraft.id(1), filter: fullFilter))
            ]))

    private static func entry(_ number: UInt8) -> [UInt8] { [0x52, 0x54, 0, 0, 0, number, 0, number] }

    private static var fullFilter: FilterInfo {
        let entries = (0..<60).map {
            FilterEntry(vid: $0, macAddress: MACAddress(truncating: 0x5254_0000_0000 | UInt64($0)))
        }
        guard let filter = try? FilterInfo(checking: entries) else { preconditionFailure("sixty entries are too many") }
        return filter
    }
}

extension Golden {
    static let draftFrames = [draftRequest, draftAcknowledgement, draftEmpty]

    static func draftECP(from source: MACAddress, _ ecpdu: DraftECPDU) -> Frame {
        Frame(destination: .nearestBridge, source: source, payload: .draftECP(ecpdu))
    }

    static let draftRequest = GoldenFrame(
        name: "ECP request of the draft",
        octets: golden(
            "01 80 c2 00 00 0e",  // destination: nearest bridge
            "52 54 00 12 34 56",  // source
            "88 b7",  // ECP of the draft
            "00 1b 3f",  // OUI of the draft
            "00",  // padding
            "00 00",  // subtype
            "00",  // mode: request
            "ff fe"  // sequence 65534
        ) + GoldenDraft.associate.octets,
        frame: draftECP(
            from: station,
            DraftECPDU(operation: .request, sequence: 0xFFFE, payload: GoldenDraft.associate.octets)))

    static let draftAcknowledgement = GoldenFrame(
        name: "ECP acknowledgement of the draft, as lldpad sends it",
        octets: golden(
            "01 80 c2 00 00 0e",  // destination: nearest bridge
            "00 11 22 33 44 55",  // source
            "88 b7",  // ECP of the draft
            "00 1b 3f 00 00 00",  // OUI, padding, subtype
            "01",  // mode: acknowledgement
            "ff fe"  // sequence 65534
        ) + zeros(42),
        frame: draftECP(from: bridge, DraftECPDU(operation: .acknowledgement, sequence: 0xFFFE, payload: zeros(42))))

    static let draftEmpty = GoldenFrame(
        name: "ECP request of the draft with nothing in it, not padded",
        octets: golden(
            "01 80 c2 00 00 0e",  // destination: nearest bridge
            "52 54 00 12 34 56",  // source
            "88 b7",  // ECP of the draft
            "00 1b 3f 00 00 00",  // OUI, padding, subtype
            "00",  // mode: request
            "00 01"  // sequence 1
        ),
        frame: draftECP(from: station, DraftECPDU(operation: .request, sequence: 1)))
}

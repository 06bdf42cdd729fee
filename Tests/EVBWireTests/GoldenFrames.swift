import EVBWire
import Testing

/// A frame as octets and as a value: decoding must give the one, encoding the other.
struct GoldenFrame: Sendable, CustomTestStringConvertible {
    let name: String
    let octets: [UInt8]
    let frame: Frame

    /// A frame shorter than Ethernet's least is one that must not be padded.
    var isPadded: Bool { octets.count >= Frame.lengthMin }
    var testDescription: String { name }
}

enum Golden {
    static let station = MACAddress(truncating: 0x5254_0012_3456)
    static let bridge = MACAddress(truncating: 0x0011_2233_4455)

    static let frames: [GoldenFrame] =
        [
            stationLLDP, firstStationLLDP, bridgeLLDP, shutdown, draftLLDP, noOptionalTLV, request, acknowledgement,
            paddedAcknowledgement, portExtender,
        ] + draftFrames

    static func lldp(from source: MACAddress, _ lldpdu: LLDPDU) -> Frame {
        Frame(destination: .nearestCustomerBridge, source: source, payload: .lldp(lldpdu))
    }

    static func ecp(from source: MACAddress, _ ecpdu: ECPDU) -> Frame {
        Frame(destination: .nearestCustomerBridge, source: source, payload: .ecp(ecpdu))
    }

    /// The EVB TLV of ``stationLLDP``.
    static let stationTLV = EVBTLV(
        bridgeStatus: [.groupIDs, .reflectiveRelayCapable, .reflectiveRelayControl],
        stationStatus: StationStatus(groupIDs: true, reflectiveRelayRequest: true, reflectiveRelayStatus: .on),
        retries: 5, retransmissionExponent: 19, mode: .station,
        resourceWaitDelay: NegotiatedExponent(21, isRemote: true),
        reinitKeepAlive: NegotiatedExponent(22, isRemote: false))

    /// The EVB TLV of ``bridgeLLDP``.
    static let bridgeTLV = EVBTLV(
        bridgeStatus: [.groupIDs, .reflectiveRelayCapable],
        stationStatus: StationStatus(groupIDs: false, reflectiveRelayRequest: true, reflectiveRelayStatus: .off),
        retries: 3, retransmissionExponent: 14, mode: .bridge,
        resourceWaitDelay: NegotiatedExponent(20, isRemote: false),
        reinitKeepAlive: NegotiatedExponent(20, isRemote: true))

    static let stationLLDP = GoldenFrame(
        name: "LLDPDU of a station that has heard its bridge",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "52 54 00 12 34 56",  // source
            "88 cc",  // LLDP
            "02 07",  // chassis ID: type 1, length 7
            "04",  // subtype: MAC address
            "52 54 00 12 34 56",  // name
            "04 07",  // port ID: type 2, length 7
            "03",  // subtype: MAC address
            "52 54 00 12 34 56",  // name
            "06 02",  // time to live: type 3, length 2
            "00 78",  // 120 s
            "fe 09",  // organizational: type 127, length 9
            "00 80 c2",  // OUI of 802.1
            "0d",  // subtype: EVB
            "07",  // bridge status: BGID, RRCAP, RRCTR
            "0d",  // station status: SGID, RRREQ, RRSTAT 1
            "b3",  // R 5, RTE 19
            "b5",  // EVB mode 2 (station), ROL 1, RWD 21
            "16",  // ROL 0, RKA 22
            "00 00",  // end
            "00 00 00 00 00 00 00 00 00 00 00"  // padding to 60
        ),
        frame: lldp(
            from: station,
            LLDPDU(
                chassisID: .chassis(station), portID: .port(station), timeToLive: 120, optional: [.evb(stationTLV)])))

    static let firstStationLLDP = GoldenFrame(
        name: "LLDPDU of a station that has heard nothing",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "52 54 00 12 34 56",  // source
            "88 cc",  // LLDP
            "02 07 04 52 54 00 12 34 56",  // chassis ID: MAC address
            "04 07 03 52 54 00 12 34 56",  // port ID: MAC address
            "06 02 00 78",  // time to live: 120 s
            "fe 09 00 80 c2 0d",  // EVB
            "00",  // bridge status: none
            "07",  // station status: RRREQ, RRSTAT 3 (unknown)
            "6e",  // R 3, RTE 14
            "94",  // EVB mode 2 (station), ROL 0, RWD 20
            "14",  // ROL 0, RKA 20
            "00 00",  // end
            "00 00 00 00 00 00 00 00 00 00 00"  // padding to 60
        ),
        frame: lldp(
            from: station,
            LLDPDU(
                chassisID: .chassis(station), portID: .port(station), timeToLive: 120,
                optional: [
                    .evb(
                        EVBTLV(
                            bridgeStatus: [],
                            stationStatus: StationStatus(
                                groupIDs: false, reflectiveRelayRequest: true, reflectiveRelayStatus: .unknown),
                            retries: 3, retransmissionExponent: 14, mode: .station,
                            resourceWaitDelay: NegotiatedExponent(20, isRemote: false),
                            reinitKeepAlive: NegotiatedExponent(20, isRemote: false)))
                ])))

    static let bridgeLLDP = GoldenFrame(
        name: "LLDPDU of a bridge, with TLVs of other uses",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "00 11 22 33 44 55",  // source
            "88 cc",  // LLDP
            "02 05",  // chassis ID: type 1, length 5
            "07 73 77 2d 31",  // subtype: local, "sw-1"
            "04 08",  // port ID: type 2, length 8
            "05 47 69 31 2f 30 2f 37",  // subtype: interface name, "Gi1/0/7"
            "06 02 ff ff",  // time to live: 65535 s
            "08 06 75 70 6c 69 6e 6b",  // port description: type 4, "uplink"
            "0a 00",  // system name: type 5, empty
            "0e 04 00 14 00 04",  // system capabilities: type 7
            "fc 01 aa",  // type 126, reserved
            "fe 06 00 80 c2 01 00 01",  // 802.1 port VLAN ID 1
            "fe 04 00 12 0f 04",  // 802.3, with nothing behind its subtype
            "fe 0b 00 80 c2 0e",  // CDCP: length 8 + 3
            "08 00 00 05",  // role B, SComp, ChnCap 5
            "00 10 01",  // SCID 1, SVID 1
            "fe 09 00 80 c2 0d",  // EVB
            "06",  // bridge status: BGID, RRCAP
            "04",  // station status: RRREQ, RRSTAT 0
            "6e",  // R 3, RTE 14
            "54",  // EVB mode 1 (bridge), ROL 0, RWD 20
            "34",  // ROL 1, RKA 20
            "00 00"  // end
        ),
        frame: lldp(
            from: bridge,
            LLDPDU(
                chassisID: LLDPIdentifier(subtype: 7, octets: Array("sw-1".utf8)),
                portID: LLDPIdentifier(subtype: LLDPIdentifier.portInterfaceName, octets: Array("Gi1/0/7".utf8)),
                timeToLive: 65535,
                optional: [
                    .basic(type: 4, value: Array("uplink".utf8)),
                    .basic(type: 5, value: []),
                    .basic(type: 7, value: [0x00, 0x14, 0x00, 0x04]),
                    .basic(type: 126, value: [0xAA]),
                    .organizational(OrganizationalKey(oui: 0x00_80C2, subtype: 1), information: [0x00, 0x01]),
                    .organizational(OrganizationalKey(oui: 0x00_120F, subtype: 4), information: []),
                    .cdcp(CDCPTLV(role: .bridge, capacity: 5, pairs: [.default])),
                    .evb(bridgeTLV),
                ])))

    static let shutdown = GoldenFrame(
        name: "Shutdown LLDPDU",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "00 11 22 33 44 55",  // source
            "88 cc",  // LLDP
            "02 07 04 00 11 22 33 44 55",  // chassis ID: MAC address
            "04 07 03 00 11 22 33 44 55",  // port ID: MAC address
            "06 02 00 00",  // time to live: 0, all of it is withdrawn
            "00 00",  // end
            "00 00 00 00 00 00 00 00 00 00 00",  // padding
            "00 00 00 00 00 00 00 00 00 00 00"  // padding to 60
        ),
        frame: lldp(
            from: bridge, LLDPDU(chassisID: .chassis(bridge), portID: .port(bridge), timeToLive: 0)))

    static let draftLLDP = GoldenFrame(
        name: "LLDPDU of the pre-standard draft",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "00 11 22 33 44 55",  // source
            "88 cc",  // LLDP
            "02 07 04 00 11 22 33 44 55",  // chassis ID: MAC address
            "04 07 03 00 11 22 33 44 55",  // port ID: MAC address
            "06 02 00 78",  // time to live: 120 s
            "fe 0d",  // organizational: type 127, length 13
            "00 1b 3f 00",  // OUI and subtype of the draft's EVB TLV
            "c0 07",  // supported: both forwarding modes; RTE, ECP, VDP
            "40 07",  // configured: reflective relay; RTE, ECP, VDP
            "0c df 00 00",  // 3295 VSIs supported, 0 configured
            "0f",  // RTE 15
            "00 00",  // end
            "00 00 00 00 00 00 00"  // padding to 60
        ),
        frame: lldp(
            from: bridge,
            LLDPDU(
                chassisID: .chassis(bridge), portID: .port(bridge), timeToLive: 120,
                optional: [
                    .draftEVB(
                        DraftEVBTLV(
                            supportedModes: [.standard, .reflectiveRelay],
                            supportedCapabilities: [.retransmissionExponent, .ecp, .vdp],
                            configuredModes: .reflectiveRelay,
                            configuredCapabilities: [.retransmissionExponent, .ecp, .vdp], supportedVSIs: 3295,
                            configuredVSIs: 0, retransmissionExponent: 15))
                ])))

    static let noOptionalTLV = GoldenFrame(
        name: "The shortest LLDPDU, not padded",
        octets: golden(
            "01 80 c2 00 00 0e",  // destination: nearest bridge
            "52 54 00 12 34 56",  // source
            "88 cc",  // LLDP
            "02 02 07 61",  // chassis ID: local, "a"
            "04 02 07 62",  // port ID: local, "b"
            "06 02 00 01",  // time to live: 1 s
            "00 00"  // end
        ),
        frame: Frame(
            destination: .nearestBridge, source: station,
            payload: .lldp(
                LLDPDU(
                    chassisID: LLDPIdentifier(subtype: 7, octets: [0x61]),
                    portID: LLDPIdentifier(subtype: 7, octets: [0x62]), timeToLive: 1))))

    static let request = GoldenFrame(
        name: "ECP request",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "52 54 00 12 34 56",  // source
            "89 40",  // ECP
            "10 01",  // version 1, operation 0 (request), subtype 1 (VDP)
            "ff fe"  // sequence 65534
        ) + GoldenVDPDU.associate.octets,
        frame: ecp(
            from: station,
            ECPDU(operation: .request, sequence: 0xFFFE, payload: GoldenVDPDU.associate.octets)))

    static let acknowledgement = GoldenFrame(
        name: "ECP acknowledgement, as lldpad sends it",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "00 11 22 33 44 55",  // source
            "89 40",  // ECP
            "14 01",  // version 1, operation 1 (acknowledgement), subtype 1 (VDP)
            "ff fe"  // sequence 65534
        ),
        frame: ecp(from: bridge, ECPDU(operation: .acknowledgement, sequence: 0xFFFE)))

    static let paddedAcknowledgement = GoldenFrame(
        name: "ECP acknowledgement, padded",
        octets: acknowledgement.octets + zeros(42),
        frame: acknowledgement.frame)

    static let portExtender = GoldenFrame(
        name: "ECP request for another protocol, not padded",
        octets: golden(
            "01 80 c2 00 00 00",  // destination: nearest customer bridge
            "00 11 22 33 44 55",  // source
            "89 40",  // ECP
            "10 02",  // version 1, operation 0 (request), subtype 2 (port extender)
            "00 00",  // sequence 0
            "de ad 00"  // payload, whatever it means
        ),
        frame: ecp(
            from: bridge,
            ECPDU(operation: .request, subtype: .portExtender, sequence: 0, payload: [0xDE, 0xAD, 0x00])))
}

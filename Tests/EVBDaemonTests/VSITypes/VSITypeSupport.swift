import EVBWire
import Testing

@testable import EVBDaemon
@testable import EVBProtocol
@testable import EVBSettings

func database(_ text: String) throws -> VSITypeDatabase {
    try VSITypeDatabase.parse(Array(text.utf8), file: "types.yaml")
}

/// A VSIID that a number makes.
func vsi(_ number: UInt64) -> VSIID { VSIID(format: .uuid, high: 0xE7BD, low: number) }

/// A filter entry; without an address for the formats that carry none.
func entry(_ address: String?, _ vid: UInt16, pcp: UInt8? = nil, group: UInt32? = nil) -> FilterEntry {
    FilterEntry(vid: vid, pcp: pcp, macAddress: address.flatMap { MACAddress($0) }, groupID: group)
}

func request(
    command: VDPCommand = .associate, id: VSIID = vsi(1), manager: UInt8 = 5, type: UInt32 = 100, version: UInt8 = 1,
    _ entries: [FilterEntry], holding: BridgeGrant? = nil
) throws -> BridgeRequest {
    let tlv = VSITLV(
        command: command, typeID: type, typeVersion: version, vsiID: id, filter: try FilterInfo(checking: entries))
    return BridgeRequest(tlv, from: VSIManagerID(short: manager, placement: .first), holding: holding)
}

let machineOne = "52:54:00:00:00:01"
let machineTwo = "52:54:00:00:00:02"

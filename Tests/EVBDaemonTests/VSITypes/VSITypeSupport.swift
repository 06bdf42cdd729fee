import EVBWire
import Testing
import VSISamples

@testable import EVBProtocol

func request(
    command: VDPCommand = .associate, id: VSIID = vsi(1), manager: UInt8 = 5, type: UInt32 = 100, version: UInt8 = 1,
    _ entries: [FilterEntry], holding: BridgeGrant? = nil
) throws -> BridgeRequest {
    let tlv = VSITLV(
        command: command, typeID: type, typeVersion: version, vsiID: id, filter: try FilterInfo(checking: entries))
    return BridgeRequest(tlv, from: VSIManagerID(short: manager, placement: .first), holding: holding)
}

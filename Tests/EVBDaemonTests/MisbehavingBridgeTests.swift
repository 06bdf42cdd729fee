import EVBControl
import EVBProtocol
import EVBTime
import EVBWire
import Testing

@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBModel

private let station = MACAddress(truncating: 0x02_00_00_00_00_01)
private let vsi = VSIID(format: .uuid, high: 0x5ab5_c6a6_9f4b_4d27, low: 0xa1bb_3b8d_9d7b_6a51)

/// A PDU of the bridge with one TLV for each status.
private func answers(_ statuses: [VDPStatus], sequence: UInt16 = 1, command: VDPCommand = .associate) throws -> Frame {
    let filter = try FilterInfo(checking: [FilterEntry(vid: 0)])
    let pdu = VDPDU(
        managerID: .unspecified,
        associations: statuses.map {
            VSITLV(command: command, status: $0, typeID: 1, typeVersion: 0, vsiID: vsi, filter: filter)
        })
    return Frame(
        destination: .nearestCustomerBridge, source: station,
        payload: .ecp(ECPDU(operation: .request, sequence: sequence, payload: pdu.encoded())))
}

private func statuses(_ frame: Frame?) throws -> [VDPStatus] {
    guard case .ecp(let ecpdu)? = frame?.payload else { return [] }
    return try VDPDU.decode(ecpdu.payload).pdu.associations.map(\.status)
}

@Suite struct MisbehavingBridgeTests {
    @Test func whoIsNotToldToBehaves() throws {
        var bridge = MisbehavingBridge()
        let frame = try answers([.answer(.success)])
        #expect(bridge.send(frame) == frame)
        #expect(bridge.receive(frame) == .take)
        #expect(bridge.settings == .none && bridge.settings.summary == "behaves")
    }

    @Test func keepAlivesAreRefusedAndCounted() throws {
        var bridge = MisbehavingBridge(Misbehaviour(refuse: .insufficientResources, keep: true, refuseCount: 2))
        let refusal = VDPStatus.answer(.insufficientResources, .keep)
        let first = try answers([.answer(.success)])
        #expect(try statuses(bridge.send(first)) == [refusal])
        // The same PDU again is the same refusal, and counts once.
        #expect(try statuses(bridge.send(first)) == [refusal])
        let second = try answers([.answer(.success), .answer(.success)], sequence: 2)
        #expect(try statuses(bridge.send(second)) == [refusal, .answer(.success)])
        #expect(try statuses(bridge.send(try answers([.answer(.success)], sequence: 3))) == [.answer(.success)])
    }

    @Test func keepAlivesOfTheDraftAreRefusedToo() throws {
        var bridge = MisbehavingBridge(Misbehaviour(refuse: .insufficientResources, refuseCount: 1))
        let filter = try FilterInfo(checking: [FilterEntry(vid: 0, macAddress: station)])
        func answer(_ sequence: UInt16, _ command: VDPCommand) -> Frame {
            let tlv = VSITLV(
                command: command, status: .answer(.success), typeID: 1, typeVersion: 0, vsiID: vsi, filter: filter)
            let pdu = DraftVDPDU(associations: [DraftVDPDU.Association(managerID: 1, vsi: tlv)])
            return Frame(
                destination: .nearestBridge, source: station,
                payload: .draftECP(DraftECPDU(operation: .request, sequence: sequence, payload: pdu.encoded())))
        }
        func reason(_ frame: Frame?) -> VDPReason? {
            guard case .draftECP(let ecpdu)? = frame?.payload else { return nil }
            return DraftVDPDU.decode(ecpdu.payload, from: .bridge).pdu.associations.first?.vsi.status.reason
        }
        #expect(reason(bridge.send(answer(1, .deAssociate))) == .success)
        #expect(reason(bridge.send(answer(2, .associate))) == .insufficientResources)
        #expect(reason(bridge.send(answer(2, .associate))) == .insufficientResources)
        #expect(reason(bridge.send(answer(3, .associate))) == .success)
    }

    @Test func deAssociationsAndOthersVSIsAreLeftAlone() throws {
        var bridge = MisbehavingBridge(Misbehaviour(refuse: .otherFailure, hard: true))
        let goodbye = try answers([.answer(.success), []], command: .deAssociate)
        #expect(try statuses(bridge.send(goodbye)) == [.answer(.success), []])
        var picky = MisbehavingBridge(Misbehaviour(refuse: .otherFailure, vsiID: "ipv4:192.0.2.1"))
        #expect(try statuses(picky.send(try answers([.answer(.success)]))) == [.answer(.success)])
    }

    @Test(arguments: [(30, 3), (100, 10), (1, 0)]) func acknowledgementsAreDropped(percent: Int, dropped: Int) throws {
        var bridge = MisbehavingBridge(Misbehaviour(dropAcksPercent: percent))
        let ack = Frame(
            destination: .nearestCustomerBridge, source: station,
            payload: .ecp(ECPDU(operation: .acknowledgement, sequence: 1)))
        #expect((1...10).count { _ in bridge.send(ack) == nil } == dropped)
        var next = MisbehavingBridge(Misbehaviour(dropAcks: 2))
        #expect((1...5).map { _ in next.send(ack) == nil } == [true, true, false, false, false])
    }

    @Test func requestsAreDelayedOrNotHeard() throws {
        let request = try answers([[]])
        let lldp = Frame(
            destination: .nearestCustomerBridge, source: station,
            payload: .lldp(
                LLDPDU(chassisID: .chassis(station), portID: .chassis(station), timeToLive: 1, optional: [])))
        for (settings, reception) in [
            (Misbehaviour(silent: .all), MisbehavingBridge.Reception.drop),
            (Misbehaviour(silent: .answers), .acknowledge), (Misbehaviour(delay: 7), .takeLater(.milliseconds(7))),
        ] {
            let bridge = MisbehavingBridge(settings)
            #expect(bridge.receive(request) == reception && bridge.receive(lldp) == .take)
        }
    }
}

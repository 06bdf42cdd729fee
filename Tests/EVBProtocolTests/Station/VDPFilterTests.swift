import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Filters, null VIDs, group IDs and which answer belongs to what; ids of the conformance matrix.
@Suite struct VDPFilterTests {
    private let mac = MACAddress(truncating: 0x5254_00C7_3ED0)

    private func grants(_ vids: UInt16...) -> (VSITLV) -> FakeBridge.Policy {
        { tlv in
            var entries: [FilterEntry] = []
            for entry in tlv.filter.entries {
                let given = entry.vid == 0 ? vids : [entry.vid]
                entries += given.map {
                    FilterEntry(vid: $0, pcp: 5, macAddress: entry.macAddress, groupID: entry.groupID)
                }
            }
            return .init(verdict: .grant(try? FilterInfo(checking: entries)))
        }
    }

    private func request(_ entries: [FilterEntry]) throws -> VSIRequest {
        var request = try VSIRequest.vsi(1)
        request.filter = try FilterInfo(checking: entries)
        return request
    }

    @Test("VDP-21 VDP-22 the VID for a null VID is adopted, shown and used from then on")
    func nullVID() throws {
        let bench = Bench().start()
        bench.bridge.policy = grants(42)
        try bench.request(.vsi(1, vids: [0]))
        bench.run(for: .seconds(1))
        #expect(bench.port.vsi(.number(1))?.filter.entries == [FilterEntry(vid: 42, pcp: 5)])
        #expect(bench.port.vsi(.number(1))?.request.filter.vids == [0])
        bench.run(for: .seconds(10))
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(1))
        let tlvs = try bench.tlvs(1).map(\.tlv)
        #expect(tlvs.map(\.command) == [.associate, .associate, .deAssociate])
        #expect(tlvs.map(\.filter.vids) == [[0], [42], [42]])
        #expect(tlvs.map { $0.filter.entries[0].pcp } == [nil, 5, 5])
        #expect(bench.bridge.entries.isEmpty)
    }

    @Test("VDP-23 several VIDs for one null VID")
    func severalVIDs() throws {
        let bench = Bench().start()
        bench.bridge.policy = grants(42, 43, 44)
        try bench.request(.vsi(1, vids: [0]))
        bench.run(for: .seconds(12))
        #expect(bench.state(1) == .associated)
        #expect(bench.port.vsi(.number(1))?.filter.vids == [42, 43, 44])
        #expect(try bench.tlvs(1).last?.tlv.filter.vids == [42, 43, 44])
    }

    @Test("VDP-04 VDP-05 null VIDs beside MAC addresses and group IDs")
    func nullVIDOfEntries() throws {
        for groupID in [nil, 0x1234] as [UInt32?] {
            let bench = Bench().start()
            bench.bridge.policy = grants(7, 8)
            let asked = [
                FilterEntry(vid: 0, macAddress: mac, groupID: groupID),
                FilterEntry(vid: 100, macAddress: mac, groupID: groupID),
            ]
            try bench.request(request(asked))
            bench.run(for: .seconds(1))
            #expect(bench.state(1) == .associated)
            #expect(bench.port.vsi(.number(1))?.filter.vids == [7, 8, 100])
            #expect(bench.port.vsi(.number(1))?.filter.entries.allSatisfy { $0.macAddress == mac } == true)
        }
    }

    @Test("VDP-18 a Pre-Associate's VIDs are used in the Associate for the same filter")
    func nullVIDOverStages() throws {
        let bench = Bench().start()
        bench.bridge.policy = grants(42)
        try bench.request(.vsi(1, .preAssociated, vids: [0]))
        bench.run(for: .seconds(1))
        try bench.request(.vsi(1, .associated, vids: [0]))
        bench.run(for: .seconds(1))
        #expect(try bench.tlvs(1).map(\.tlv.filter.vids) == [[0], [42]])
    }

    @Test("VDP-40 VDP-34 after the loss of the bridge the null VID is asked for anew")
    func staleVID() throws {
        let bench = Bench().start()
        bench.bridge.policy = grants(42)
        try bench.request(.vsi(1, vids: [0]))
        bench.run(for: .seconds(1))
        bench.setLink(up: false)
        #expect(bench.port.vsi(.number(1))?.filter.vids == [0])
        bench.bridge.policy = grants(77)
        bench.run(for: .seconds(1))
        bench.setLink(up: true)
        bench.run(for: .seconds(1))
        #expect(try bench.tlvs(1).map(\.tlv.filter.vids) == [[0], [0]])
        #expect(bench.port.vsi(.number(1))?.filter.vids == [77])
    }

    @Test("VDP-40 so it is after a De-Associate of the bridge")
    func staleVIDAfterDeassociate() throws {
        let bench = Bench().start()
        bench.bridge.policy = grants(42)
        try bench.request(.vsi(1, vids: [0]))
        bench.run(for: .seconds(1))
        bench.bridge.deassociate(.number(1), at: bench.now)
        bench.perform([])
        bench.run(for: .seconds(3))
        #expect(try bench.tlvs(1).map(\.tlv.filter.vids) == [[0], [0]])
    }

    @Test("VDP-14 VDP-40 a Pre-Associate whose keep-alive is refused with Keep is kept alive by what was asked for")
    func keepAliveOfPreAssociateKept() throws {
        let bench = Bench().start()
        bench.bridge.policy = grants(42)
        try bench.request(.vsi(1, .preAssociated, vids: [0]))
        bench.run(for: .seconds(1))
        // As where a grant was misread: the bridge has never heard of 42.
        let given = grants(43)
        bench.bridge.policy = { tlv in
            tlv.filter.vids == [42] ? .init(verdict: .refuse(.otherFailure, .keep)) : given(tlv)
        }
        bench.run(for: .seconds(30))
        #expect(try bench.tlvs(1).prefix(4).map(\.tlv.filter.vids) == [[0], [42], [0], [43]])
        #expect(bench.state(1) == .preassociated)
        #expect(bench.port.vsi(.number(1))?.filter.vids == [43])
    }

    @Test("VDP-19 a keep-alive answered with Keep: De-Associate, with the VIDs that were granted")
    func keepAliveKept() throws {
        let bench = Bench().start()
        bench.bridge.policy = grants(42)
        try bench.request(.vsi(1, vids: [0]))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { tlv in
            .init(verdict: tlv.command == .associate ? .refuse(.otherFailure, .keep) : .grant())
        }
        bench.run(for: .seconds(9))
        // A second later it is asked for again.
        let tlvs = try bench.tlvs(1).map(\.tlv).prefix(3)
        #expect(tlvs.map(\.command) == [.associate, .associate, .deAssociate])
        #expect(tlvs.last?.filter.vids == [42])
        #expect(bench.state(1) == .deassociated)
        // What is shown is the refusal, not the answer to the De-Associate after it.
        #expect(bench.port.vsi(.number(1))?.answer?.status.reason == .otherFailure)
        #expect(bench.bridge.entries.isEmpty)
    }

    @Test("VDP-24 an answer belongs to the VSI of its VSIID, in any order")
    func answerOrder() throws {
        let bench = Bench().start()
        bench.bridge.policy = { tlv in
            .init(verdict: .grant(), after: .milliseconds(100 - 10 * (tlv.vsiID.low & 0xF)))
        }
        for number in 1...5 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        #expect(bench.associatedCount == 5)
        #expect(bench.statistics.vdp.repeats == 0)
    }

    @Test("VDP-24 fields that the answer leaves zero match")
    func zeroFields() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        try bench.request(.vsi(1))
        bench.receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 1)))
        var tlv = try VSIRequest.vsi(1).tlv(.associate, filter: .vids(100))
        (tlv.typeID, tlv.typeVersion, tlv.status) = (0, 0, .answer(.success))
        let pdu = VDPDU(managerID: .unspecified, associations: [tlv], hasEnd: false)
        bench.receive(.ecp(ECPDU(operation: .request, sequence: 1, payload: pdu.encoded())))
        #expect(bench.state(1) == .associated)
    }

    @Test("VDP-24 an answer about another manager, type or version is none, and counted")
    func otherFields() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        try bench.request(.vsi(1))
        bench.receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 1)))
        var tlv = try VSIRequest.vsi(1).tlv(.associate, filter: .vids(100))
        tlv.status = .answer(.success)
        let manager = VSIManagerID(short: 5, placement: .first)
        func answer(_ sequence: UInt16, _ tlv: VSITLV, _ manager: VSIManagerID) {
            let payload = VDPDU(managerID: manager, associations: [tlv]).encoded()
            bench.receive(.ecp(ECPDU(operation: .request, sequence: sequence, payload: payload)))
        }
        answer(1, tlv, VSIManagerID(short: 6, placement: .first))
        var other = tlv
        other.typeID = 7
        answer(2, other, manager)
        other = tlv
        other.typeVersion = 9
        answer(3, other, manager)
        #expect(bench.statistics.vdp.mismatchedAnswers == 3)
        #expect(bench.state(1) == .pending)
        answer(4, tlv, manager)
        #expect(bench.state(1) == .associated)
    }

    @Test("VDP-24 a grant of another filter is released again", arguments: [[101], [100, 101], []] as [[UInt16]])
    func mismatch(vids: [UInt16]) throws {
        let bench = Bench().start()
        let filter = try FilterInfo.unchecked(vids)
        bench.bridge.policy = { tlv in .init(verdict: .grant(tlv.command == .associate ? filter : nil)) }
        try bench.request(.vsi(1, persistence: .once))
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.mismatched])
        #expect(bench.changes(1) == [.pending, .deassociated])
        #expect(bench.bridge.entries.isEmpty)
        #expect(bench.port.vsis.isEmpty)
    }

    @Test("VDP-22 VID 4095 for a null VID is no VID")
    func invalidVID() throws {
        let bench = Bench().start()
        let filter = try FilterInfo.unchecked([4095])
        bench.bridge.policy = { tlv in .init(verdict: .grant(tlv.command == .associate ? filter : nil)) }
        try bench.request(.vsi(1, vids: [0], persistence: .once))
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.mismatched])
    }

    @Test("VDP-25 filter and type change by a new Associate for the same VSI")
    func change() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1, vids: [100]))
        bench.run(for: .seconds(1))
        try bench.request(.vsi(1, vids: [200, 300], typeID: 0x99))
        bench.run(for: .seconds(1))
        #expect(bench.port.vsi(.number(1))?.filter.vids == [200, 300])
        #expect(bench.bridge.entries[.number(1)]?.tlv.typeID == 0x99)
        #expect(bench.changes(1) == [.pending, .associated])
        #expect(bench.outcomes(1) == [.granted, .granted])
        bench.run(for: .seconds(10))
        #expect(try bench.tlvs(1).last?.tlv.filter.vids == [200, 300])
    }

    @Test("VDP-25 the grant of a request that is overtaken is not the newer one's", arguments: [1, 5, 200])
    func overtaken(milliseconds: UInt64) throws {
        let bench = Bench().start()
        bench.bridge.policy = { _ in .init(verdict: .grant(), after: .milliseconds(100)) }
        try bench.request(.vsi(1, vids: [100]))
        bench.run(for: .milliseconds(milliseconds))
        try bench.request(.vsi(1, vids: [200]))
        bench.run(for: .seconds(2))
        #expect(bench.outcomes(1) == [milliseconds < 100 ? .superseded : .granted, .granted])
        #expect(bench.port.vsi(.number(1))?.filter.vids == [200])
        #expect(bench.bridge.entries[.number(1)]?.tlv.filter.vids == [200])
        #expect(try bench.tlvs(1).allSatisfy { $0.tlv.command == .associate })
    }

    @Test("VDP-25 nor is its refusal", arguments: [1, 5])
    func overtakenRefusal(milliseconds: UInt64) throws {
        let bench = Bench().start()
        bench.bridge.policy = { tlv in
            .init(
                verdict: tlv.filter.vids == [100] ? .refuse(.invalidFilter, .hard) : .grant(), after: .milliseconds(100)
            )
        }
        try bench.request(.vsi(1, vids: [100]))
        bench.run(for: .milliseconds(milliseconds))
        try bench.request(.vsi(1, vids: [200]))
        bench.run(for: .seconds(2))
        #expect(bench.outcomes(1) == [.superseded, .granted])
        #expect(bench.state(1) == .associated)
    }

    @Test("VDP-24 what has not left cannot have been answered")
    func answerBeforeRequest() throws {
        let bench = Bench().start()
        bench.bridge.policy = { tlv in
            .init(verdict: .grant(), after: tlv.command == .associate ? .milliseconds(10) : .seconds(1))
        }
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(5))
        try bench.withdraw(.number(1))
        // From here on nothing is acknowledged, so that the second Associate waits behind the De-Associate.
        bench.bridge.sendsAcks = false
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(100))
        #expect(try bench.tlvs(1).map(\.tlv.command) == [.associate, .deAssociate])
        #expect(bench.outcomes(1) == [.superseded, .superseded])
        bench.bridge.sendsAcks = true
        bench.run(for: .seconds(3))
        #expect(bench.state(1) == .associated)
        #expect(bench.bridge.holds(.associate) == 1)
        #expect(try bench.tlvs(1).last?.tlv.command == .associate)
    }

    @Test("VDP-02 VDP-28 VSIs of different managers travel in different PDUs")
    func managers() throws {
        let bench = Bench().start()
        for number in 1...20 as ClosedRange<UInt64> { try bench.request(.vsi(number, manager: UInt8(number % 2))) }
        bench.run(for: .seconds(30))
        #expect(bench.associatedCount == 20)
        for entry in try bench.vdp() {
            let managers = Set(entry.pdu.associations.map { UInt64($0.vsiID.low & 1) })
            #expect(managers == [entry.pdu.managerID.high >> 56])
        }
    }

    @Test("VDP-27 several TLVs leave and arrive in one PDU, VDP-31 closed by an end TLV")
    func severalTLVs() throws {
        let bench = Bench().start()
        for number in 1...10 as ClosedRange<UInt64> { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(1))
        let sizes = try bench.vdp().map(\.pdu.associations.count)
        #expect(sizes == [1, 9])
        #expect(try bench.vdp().allSatisfy { $0.pdu.hasEnd })
        #expect(bench.statistics.ecpRxFrames == 2)
    }

    @Test("VDP-29 VDP-32 unknown TLVs are passed over, and what is broken harms nothing before it")
    func unknownTLVs() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        try bench.request(.vsi(1))
        try bench.request(.vsi(2))
        bench.receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 1)))
        bench.receive(.ecp(ECPDU(operation: .acknowledgement, sequence: 2)))
        func answer(_ number: UInt64) throws -> [UInt8] {
            var tlv = try VSIRequest.vsi(number).tlv(.associate, filter: .vids(100))
            tlv.status = .answer(.success)
            var writer = ByteWriter()
            tlv.write(to: &writer)
            return writer.octets
        }
        let manager: [UInt8] = [0x0A, 0x10, 5] + [UInt8](repeating: 0, count: 15)
        let reserved: [UInt8] = [0x1E, 0x03, 1, 2, 3]
        let organizational: [UInt8] = [0xFE, 0x05, 0x12, 0x34, 0x56, 9, 9]
        let broken: [UInt8] = [0x06, 0x30, 0x40]
        let payload = try manager + reserved + answer(1) + organizational + reserved + answer(2) + broken
        bench.receive(.ecp(ECPDU(operation: .request, sequence: 1, payload: payload)))
        #expect(bench.state(1) == .associated)
        #expect(bench.state(2) == .associated)
        #expect(bench.statistics.vdp.malformed == 1)
        bench.receive(.ecp(ECPDU(operation: .request, sequence: 2, payload: [0x00, 0x00])))
        #expect(bench.statistics.vdp.malformed == 2)
    }

    // MARK: Group IDs

    @Test("VDP-05 VDP-06 group IDs are sent only if both sides can use them", arguments: [true, false])
    func groupIDs(bridgeCan: Bool) throws {
        let bench = Bench()
        bench.bridge.status = bridgeCan ? [.groupIDs] : []
        bench.start()
        try bench.request(.vsi(1, groupID: 0x99))
        bench.run(for: .seconds(30))
        #expect(bench.outcomes(1) == [bridgeCan ? .granted : .groupIDsUnavailable])
        #expect(bench.state(1) == (bridgeCan ? .associated : .deassociated))
        #expect(try bench.tlvs(1).isEmpty == !bridgeCan)
    }

    @Test("VDP-06 when the bridge loses BGID no group ID is sent any more, and all is asked for when it has it again")
    func groupIDsLost() throws {
        let bench = Bench()
        bench.bridge.status = [.groupIDs]
        bench.start()
        try bench.request(.vsi(1, groupID: 0x99))
        try bench.request(.vsi(2))
        bench.run(for: .seconds(1))
        bench.bridge.status = []
        bench.bridge.announce(at: bench.now)
        bench.clearLog()
        bench.run(for: .seconds(60))
        #expect(bench.state(1) == .deassociated)
        #expect(bench.port.vsi(.number(1))?.reason == .invalidFilter)
        #expect(bench.state(2) == .associated)
        #expect(try bench.tlvs(1).isEmpty)
        bench.bridge.status = [.groupIDs]
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated)
    }

    @Test("VDP-06 a request under way when BGID goes is ended, and nothing of it stays behind")
    func groupIDsLostUnderWay() throws {
        let bench = Bench()
        bench.bridge.status = [.groupIDs]
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        bench.start()
        try bench.request(.vsi(1, groupID: 0x99))
        bench.run(for: .seconds(1))
        bench.bridge.status = []
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(1))
        #expect(bench.outcomes(1) == [.groupIDsUnavailable])
        #expect(bench.state(1) == .deassociated)
        bench.clearLog()
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(30))
        #expect(bench.outcomes(1) == [.released])
        #expect(try bench.tlvs(1).isEmpty)
        #expect(bench.port.vsis.isEmpty)
    }

    @Test("VDP-06 nor does a De-Associate that still waits carry a group ID when BGID goes")
    func groupIDsLostWhileReleased() throws {
        let bench = Bench()
        bench.bridge.status = [.groupIDs]
        bench.start()
        try bench.request(.vsi(1, groupID: 0x99))
        bench.run(for: .seconds(1))
        bench.bridge.sendsAcks = false
        try bench.request(.vsi(2))
        try bench.withdraw(.number(1))
        bench.bridge.status = []
        bench.bridge.announce(at: bench.now)
        bench.run(for: .milliseconds(1))
        #expect(bench.outcomes(1) == [.granted, .released])
        #expect(bench.state(1) == nil)
        bench.bridge.sendsAcks = true
        bench.run(for: .seconds(5))
        #expect(try bench.tlvs(1).count == 1)
        #expect(bench.state(2) == .associated)
    }

    @Test("VDP-06 what came back with BGID and fails is tried again like anything else")
    func groupIDsBackAndFailing() throws {
        let bench = Bench()
        bench.bridge.status = []
        bench.start()
        try bench.request(.vsi(1, groupID: 0x99))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        bench.bridge.status = [.groupIDs]
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(20))
        bench.bridge.policy = { _ in .init(verdict: .grant()) }
        bench.run(for: .seconds(30))
        #expect(bench.state(1) == .associated)
    }

    @Test("VDP-06 a bound VSI for which group IDs are now wanted in vain is released")
    func groupIDsWantedInVain() throws {
        let bench = Bench()
        bench.bridge.status = []
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        try bench.request(.vsi(1, groupID: 0x99))
        bench.run(for: .seconds(60))
        #expect(bench.outcomes(1) == [.granted, .groupIDsUnavailable])
        #expect(bench.state(1) == .deassociated)
        #expect(try bench.tlvs(1).map(\.tlv.command) == [.associate, .deAssociate])
        #expect(try bench.tlvs(1).allSatisfy { !$0.tlv.filter.format.hasGroupID })
    }
}

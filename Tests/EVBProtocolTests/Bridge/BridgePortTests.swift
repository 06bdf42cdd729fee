import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// A bridge's port and a station made of hand-written frames.
private struct BridgeBench {
    static let station = MACAddress(truncating: 0x0200_0000_0001)
    var port: BridgePort
    var now = Instant.seconds(10)
    var sequence: UInt16 = 100

    init(_ evb: EVBBridgeNegotiation.Configuration = .init(), vsisMax: Int = 100) {
        port = BridgePort(
            configuration: BridgePortConfiguration(
                address: MACAddress(truncating: 0x0600_0000_0001), interfaceName: "swp1", evb: evb, vsisMax: vsisMax),
            firstSequence: 7)
        _ = port.setLink(up: true, at: now)
    }

    /// A port that has heard its station.
    static func heard(_ evb: EVBBridgeNegotiation.Configuration = .init(), vsisMax: Int = 100) -> BridgeBench {
        var bench = BridgeBench(evb, vsisMax: vsisMax)
        _ = bench.lldp()
        return bench
    }

    mutating func lldp(
        reflect: Bool = true, groups: Bool = true, timeToLive: UInt16 = 121, rka: NegotiatedExponent? = nil
    ) -> [BridgeEffect] {
        let tlv = EVBTLV(
            bridgeStatus: [],
            stationStatus: StationStatus(
                groupIDs: groups, reflectiveRelayRequest: reflect, reflectiveRelayStatus: .unknown),
            retries: 3, retransmissionExponent: 14, mode: .station,
            resourceWaitDelay: NegotiatedExponent(20, isRemote: false),
            reinitKeepAlive: rka ?? NegotiatedExponent(20, isRemote: false))
        let lldpdu = LLDPDU(
            chassisID: .chassis(Self.station), portID: .port(Self.station), timeToLive: timeToLive,
            optional: timeToLive == 0 ? [] : [.evb(tlv)])
        return receive(.lldp(lldpdu)) + port.advance(to: now)
    }

    mutating func receive(_ payload: Frame.Payload, from source: MACAddress = station) -> [BridgeEffect] {
        port.receive(Frame(destination: .nearestCustomerBridge, source: source, payload: payload), at: now)
    }

    mutating func ask(_ tlvs: [VSITLV]) -> [BridgeEffect] {
        sequence += 1
        let pdu = VDPDU(managerID: .unspecified, associations: tlvs)
        return receive(.ecp(ECPDU(operation: .request, sequence: sequence, payload: pdu.encoded())))
    }

    mutating func ask(_ command: VDPCommand, _ number: UInt64 = 1, vids: [UInt16] = [100]) throws -> [BridgeEffect] {
        ask([try Self.tlv(command, number, vids: vids)])
    }

    static func tlv(_ command: VDPCommand, _ number: UInt64 = 1, vids: [UInt16] = [100]) throws -> VSITLV {
        VSITLV(
            command: command, typeID: 5, typeVersion: 1, vsiID: .number(number),
            filter: try FilterInfo(checking: vids.map { FilterEntry(vid: $0) }))
    }

    /// Acknowledges what the port has sent, as often as it sends more.
    mutating func acknowledge(_ effects: [BridgeEffect]) -> [BridgeEffect] {
        var all = effects
        var open = effects
        while let ecpdu = open.requests.last {
            open = receive(.ecp(ecpdu.acknowledgement))
            all += open
        }
        return all
    }

    /// Asks, decides and acknowledges.
    mutating func grant(_ command: VDPCommand, _ number: UInt64 = 1, vids: [UInt16] = [100]) throws -> [BridgeEffect] {
        let asked = try ask(command, number, vids: vids)
        let ticket = try #require(asked.tickets.first)
        let filter = try FilterInfo(checking: vids.map { FilterEntry(vid: $0 == 0 ? 42 : $0) })
        return acknowledge(port.decided(ticket, .grant(filter), at: now))
    }
}

extension [BridgeEffect] {
    fileprivate var requests: [ECPDU] {
        compactMap {
            guard case .transmit(let frame) = $0, case .ecp(let ecpdu) = frame.payload else { return nil }
            return ecpdu.operation == .request ? ecpdu : nil
        }
    }

    fileprivate var isAcknowledged: Bool {
        contains {
            guard case .transmit(let frame) = $0, case .ecp(let ecpdu) = frame.payload else { return false }
            return ecpdu.operation == .acknowledgement
        }
    }

    /// The association TLVs in all that is sent, in order.
    fileprivate var said: [VSITLV] {
        requests.flatMap { (try? VDPDU.decode($0.payload))?.pdu.associations ?? [] }
    }

    fileprivate var tickets: [DecisionTicket] {
        compactMap { if case .decide(let ticket, _) = $0 { ticket } else { nil } }
    }

    fileprivate var releases: [VDPBridgeMachine.Release] {
        compactMap { if case .vsi(.released(_, let release)) = $0 { release } else { nil } }
    }

    fileprivate var relay: [Bool] {
        compactMap { if case .reflectiveRelay(let isOn) = $0 { isOn } else { nil } }
    }

    fileprivate var evbTLV: EVBTLV? {
        for case .transmit(let frame) in self {
            if case .lldp(let lldpdu) = frame.payload { return lldpdu.evbTLVs.first }
        }
        return nil
    }
}

@Suite struct BridgePortTests {
    @Test("TLV-06 TLV-07 the bridge reflects while the station asks and it may, and says so")
    func reflectiveRelay() {
        var bench = BridgeBench()
        let heard = bench.lldp()
        #expect(heard.relay == [true])
        #expect(heard.evbTLV?.mode == .bridge)
        #expect(heard.evbTLV?.bridgeStatus == [.groupIDs, .reflectiveRelayCapable, .reflectiveRelayControl])
        #expect(heard.evbTLV?.stationStatus.reflectiveRelayRequest == true)
        #expect(bench.lldp(reflect: false).relay == [false])
        #expect(bench.lldp().relay == [true])
        #expect(bench.lldp(timeToLive: 0).relay == [false])
        #expect(bench.lldp().relay == [true])
        bench.now = bench.now + .seconds(122)
        #expect(bench.port.advance(to: bench.now).relay == [false])
        var unable = BridgeBench(.init(offersReflectiveRelay: false))
        #expect(unable.lldp().relay.isEmpty)
    }

    @Test("a station that has missed three LLDPDUs gives way to one that is heard, however long its word was to hold")
    func aStationThatIsOutlived() throws {
        let ghost = MACAddress(truncating: 0x0200_0000_00FF)
        var bench = BridgeBench()
        // One without VDP, which cannot be asked whether it is still there.
        let tlv = DraftEVBTLV(
            supportedModes: [.standard, .reflectiveRelay], supportedCapabilities: [], configuredModes: .standard,
            configuredCapabilities: [], supportedVSIs: 0, configuredVSIs: 0, retransmissionExponent: 14)
        let stray = LLDPDU(
            chassisID: .chassis(ghost), portID: .port(ghost), timeToLive: 60_000, optional: [.draftEVB(tlv)])
        _ = bench.receive(.lldp(stray), from: ghost)
        for second in 1...3 {
            _ = bench.lldp()
            #expect(bench.port.station?.address == ghost, "after \(second - 1) times 30 s")
            bench.now = bench.now + .seconds(30)
        }
        bench.now = bench.now + .seconds(1)
        #expect(bench.lldp().contains(.station(.lost(.aged))))
        #expect(bench.port.station?.address == BridgeBench.station)
        #expect(try bench.grant(.associate).said.map(\.status) == [.answer(.success)])
    }

    @Test("ECP-19 nobody but the station may ask, unless the policy is that anybody may")
    func otherSource() throws {
        let stranger = MACAddress(truncating: 0x0200_0000_00FF)
        let pdu = VDPDU(managerID: .unspecified, associations: [try BridgeBench.tlv(.associate)])
        let ecpdu = ECPDU(operation: .request, sequence: 1, payload: pdu.encoded())
        var bench = BridgeBench.heard()
        #expect(bench.receive(.ecp(ecpdu), from: stranger) == [.notice(.foreignECP(stranger))])
        #expect(bench.receive(.ecp(ecpdu), from: stranger) == [])
        #expect(bench.port.snapshot.statistics.ecpRxOtherSource == 2)
        #expect(bench.lldp().allSatisfy { $0 != .notice(.foreignECP(stranger)) }, "it has been told")
        var configuration = bench.port.configuration
        configuration.ecpSource = .any
        _ = bench.port.reconfigure(configuration, at: bench.now)
        #expect(bench.receive(.ecp(ecpdu), from: stranger).tickets.count == 1)
    }

    @Test("VDP-21 VDP-18 a request is decided, granted with the VLAN filled in, and kept alive")
    func association() throws {
        var bench = BridgeBench.heard()
        let granted = try bench.grant(.associate, vids: [0])
        #expect(granted.said.map(\.status) == [.answer(.success)])
        #expect(granted.said.first?.filter.entries.map(\.vid) == [42])
        // With the VLAN that was filled in as well as with the null VID it is the same request: answered without asking.
        for vids in [[42], [0]] as [[UInt16]] {
            bench.now = bench.now + .seconds(10)
            let alive = bench.acknowledge(try bench.ask(.associate, vids: vids))
            #expect(alive.tickets.isEmpty)
            #expect(alive.said.first?.filter.entries.map(\.vid) == [42])
        }
        _ = bench.lldp()
        bench.now = bench.now + .seconds(18)
        let timedOut = bench.port.advance(to: bench.now)
        #expect(timedOut.releases == [.keepAliveTimeout])
        #expect(timedOut.said.map(\.command) == [.deAssociate])
        #expect(timedOut.said.map(\.status) == [[]])
    }

    @Test("VDP-14 a refused change with Keep leaves what was; without, nothing is left")
    func keep() throws {
        var bench = BridgeBench.heard()
        _ = try bench.grant(.associate)
        let kept = Refusal(reason: .insufficientResources, isHard: false, isKept: true)
        let first = try #require(try bench.ask(.associate, vids: [200]).tickets.first)
        let told = bench.acknowledge(bench.port.decided(first, .refuse(kept), at: bench.now))
        #expect(told.said.map(\.status) == [.answer(.insufficientResources, .keep)])
        #expect(bench.port.vsi(.number(1))?.grant?.filter.entries.map(\.vid) == [100])
        let second = try #require(try bench.ask(.associate, vids: [200]).tickets.first)
        let hard = Refusal(reason: .invalidFilter, isHard: true, isKept: false)
        let ended = bench.acknowledge(bench.port.decided(second, .refuse(hard), at: bench.now))
        #expect(ended.said.map(\.status) == [.answer(.invalidFilter, .hard)])
        #expect(ended.releases == [.refused(hard)])
        #expect(bench.port.vsis.isEmpty)
    }

    @Test("VDP-08 who takes longer than resourceWaitDelay to decide is not waited for")
    func resourceWait() throws {
        var bench = BridgeBench.heard()
        let ticket = try #require(try bench.ask(.associate).tickets.first)
        bench.now = bench.now + OperationalTimers().resourceWaitDelay
        let given = bench.acknowledge(bench.port.advance(to: bench.now))
        #expect(given.said.map(\.command) == [.deAssociate])
        #expect(given.contains(.cancel(ticket)))
        #expect(bench.port.decided(ticket, .grant(try .vids(100)), at: bench.now).isEmpty)
        _ = try bench.grant(.associate)
        _ = try bench.ask(.associate, vids: [300])
        bench.now = bench.now + OperationalTimers().resourceWaitDelay
        let kept = bench.acknowledge(bench.port.advance(to: bench.now))
        #expect(kept.said.map(\.status) == [.answer(.insufficientResources, .keep)])
        #expect(bench.port.vsi(.number(1))?.grant?.filter.entries.map(\.vid) == [100])
    }

    @Test("VDP-11 an operator takes a VSI back; a De-Associate releases it, and is answered also when nothing is known")
    func release() throws {
        var bench = BridgeBench.heard()
        _ = try bench.grant(.associate)
        let taken = bench.acknowledge(bench.port.deassociate(.number(1), at: bench.now))
        #expect(taken.releases == [.retracted])
        #expect(taken.said.map(\.status) == [[]])
        #expect(bench.port.deassociate(.number(1), at: bench.now).isEmpty)
        _ = try bench.grant(.preAssociate)
        #expect(bench.acknowledge(try bench.ask(.deAssociate)).releases == [.station])
        let again = bench.acknowledge(try bench.ask(.deAssociate))
        #expect(again.releases.isEmpty)
        #expect(again.said.map(\.status) == [.answer(.success)])
        #expect(bench.port.load.vsis == 0)
    }

    @Test("SEC-21 a VSI that has moved to another port ends without a word, and its keep-alive is a new request")
    func moved() throws {
        var bench = BridgeBench.heard()
        _ = try bench.grant(.associate)
        let gone = bench.acknowledge(bench.port.moved(.number(1), at: bench.now))
        #expect(gone.releases == [.moved] && gone.said.isEmpty)
        #expect(bench.port.load.vsis == 0 && bench.port.moved(.number(1), at: bench.now).isEmpty)
        // Its station ends it: whoever keeps the places of VSIs hears of that.
        let ended = bench.acknowledge(try bench.ask(.deAssociate))
        #expect(ended.contains(.vsi(.departed(.number(1), try .vids(100)))))
        #expect(ended.said.map(\.status) == [.answer(.success)])
        // Or it does not, and keeps it alive: that is decided anew.
        _ = try bench.grant(.associate)
        _ = bench.port.moved(.number(1), at: bench.now)
        let kept = try bench.ask(.associate)
        let ticket = try #require(kept.tickets.first)
        let refusal = Refusal(reason: .invalidFilter, isHard: false, isKept: true)
        let refused = bench.acknowledge(bench.port.decided(ticket, .refuse(refusal), at: bench.now))
        #expect(refused.said.map(\.status) == [.answer(.invalidFilter)] && refused.releases.isEmpty)
        // What is decided while it moves is decided for nothing.
        let late = try #require(try bench.ask(.associate).tickets.first)
        #expect(bench.port.moved(.number(1), at: bench.now).contains(.cancel(late)))
    }

    @Test("VDP-27 answers that wait for an acknowledgement leave together")
    func batching() throws {
        var bench = BridgeBench.heard()
        let asked = bench.ask(try (1...10).map { try BridgeBench.tlv(.associate, $0) })
        #expect(asked.tickets.count == 10)
        var said: [BridgeEffect] = []
        for ticket in asked.tickets { said += bench.port.decided(ticket, .grant(try .vids(100)), at: bench.now) }
        #expect(said.said.count == 1)
        #expect(bench.acknowledge(said).requests.count == 2)
    }

    @Test("ECP-13 an ECPDU for which there is no room is not acknowledged, and is taken when there is")
    func noRoom() throws {
        var bench = BridgeBench.heard(vsisMax: 0)
        let first = bench.ask(try BridgeBench.tlvs(1...20))
        #expect(first.isAcknowledged)
        #expect(first.tickets.isEmpty)
        for start in stride(from: UInt64(21), to: 241, by: 20) {
            #expect(bench.ask(try BridgeBench.tlvs(start...start + 19)).isAcknowledged)
        }
        let tooMany = bench.ask(try BridgeBench.tlvs(241...260))
        #expect(!tooMany.isAcknowledged)
        #expect(bench.port.snapshot.statistics.ecpRxRefused == 1)
        bench.sequence -= 1
        let told = bench.acknowledge(first)
        #expect(told.said.allSatisfy { $0.status == .answer(.insufficientResources) })
        #expect(bench.ask(try BridgeBench.tlvs(241...260)).isAcknowledged)
    }

    @Test("VDP-32 a TLV that cannot be read is refused as malformed, where its VSI can be made out")
    func malformed() throws {
        var bench = BridgeBench.heard()
        var octets = VDPDU(managerID: .unspecified, associations: [try BridgeBench.tlv(.associate)]).encoded()
        octets[18 + 2 + 22] = 9  // the filter's format
        bench.sequence += 1
        let told = bench.receive(.ecp(ECPDU(operation: .request, sequence: bench.sequence, payload: octets)))
        #expect(told.isAcknowledged)
        #expect(told.said.map(\.status) == [.answer(.invalidFormat, .hard)])
        #expect(told.said.map(\.vsiID) == [.number(1)])
    }

    @Test("VDP-06 group IDs are refused for good where this side has none, and for now where only SGID is missing")
    func groupIDs() throws {
        let filter = try FilterInfo(checking: [FilterEntry(vid: 5, groupID: 9)])
        for (own, theirs, status) in [
            (false, true, VDPStatus.answer(.invalidFilter, .hard)), (true, false, .answer(.invalidFilter)),
        ] {
            var bench = BridgeBench(.init(groupIDs: own))
            _ = bench.lldp(groups: theirs)
            var tlv = try BridgeBench.tlv(.associate)
            tlv.filter = filter
            #expect(bench.ask([tlv]).said.map(\.status) == [status])
        }
    }

    @Test("TLV-19 whoever goes, all VSIs are released")
    func loss() throws {
        var bench = BridgeBench.heard()
        _ = try bench.grant(.associate)
        #expect(bench.lldp(timeToLive: 0).releases == [.stationLost])
        _ = bench.lldp()
        _ = try bench.grant(.associate)
        #expect(bench.port.setLink(up: false, at: bench.now).releases == [.stationLost])
        _ = bench.port.setLink(up: true, at: bench.now)
        _ = bench.lldp()
        _ = try bench.grant(.associate)
        let left = bench.port.shutdown(at: bench.now)
        #expect(left.releases == [.stationLost])
        #expect(left.relay == [false])
        #expect(bench.port.nextDeadline == nil)
    }

    @Test("VDP-39 a station that goes over to a longer keep-alive period is not given up by the shorter")
    func longerKeepAlive() throws {
        var bench = BridgeBench.heard()
        _ = try bench.grant(.associate)
        _ = bench.lldp(rka: NegotiatedExponent(23, isRemote: false))
        bench.now = bench.now + .seconds(100)
        #expect(bench.port.advance(to: bench.now).releases.isEmpty)
        // Back to the shorter one: the station says so itself, and has a while to hear our answer.
        _ = bench.lldp()
        bench.now = bench.now + .seconds(79)
        #expect(bench.port.advance(to: bench.now).releases == [.keepAliveTimeout])
    }
}

@Suite struct BridgeLimitTests {
    private let shortage = VDPStatus.answer(.insufficientResources)

    private func notices(_ effects: [BridgeEffect]) -> [BridgeNotice] {
        effects.compactMap { if case .notice(let notice) = $0 { notice } else { nil } }
    }

    @Test("SEC-81 beyond the VSIs of a port a new one is refused for now, counted, and told of once")
    func vsisOfThePort() throws {
        var bench = BridgeBench.heard(vsisMax: 2)
        _ = try bench.grant(.associate, 1)
        _ = try bench.grant(.associate, 2)
        let refused = try bench.ask(.associate, 3)
        #expect(bench.acknowledge(refused).said.map(\.status) == [shortage] && refused.tickets.isEmpty)
        #expect(notices(refused) == [.limitReached(.vsisPerPort)])
        #expect(notices(try bench.ask(.associate, 4)).isEmpty, "it has been told")
        #expect(bench.port.snapshot.statistics.vdp.tableFull == 2)
        #expect(bench.port.use == ResourceUse(vsis: 2, filterEntries: 2))
        // Those that are in are kept alive, and give their places to others.
        #expect(try bench.ask(.associate, 1).tickets.isEmpty)
        _ = bench.acknowledge(try bench.ask(.deAssociate, 1))
        #expect(try bench.ask(.associate, 3).tickets.count == 1)
    }

    @Test("SEC-82 beyond the VSIs of all ports a new one is refused, also where this port has few")
    func vsisOfAllPorts() throws {
        var bench = BridgeBench.heard()
        bench.port.room = ResourceRoom(vsis: 1)
        _ = try bench.grant(.associate, 1)
        let refused = try bench.ask(.preAssociate, 2)
        #expect(bench.acknowledge(refused).said.map(\.status) == [shortage])
        #expect(notices(refused) == [.limitReached(.vsis)])
        #expect(bench.port.snapshot.statistics.vdp.allTablesFull == 1)
        // Room below what there is takes nothing away.
        bench.port.room = ResourceRoom(vsis: -5, filterEntries: -5)
        #expect(try bench.ask(.associate, 1).tickets.isEmpty && bench.port.vsiIDs.count == 1)
        bench.port.room = ResourceRoom(vsis: 2)
        #expect(try bench.ask(.associate, 2).tickets.count == 1)
    }

    @Test("SEC-83 beyond the filter entries a filter is refused, and a VSI keeps the filter that it has")
    func filterEntries() throws {
        var bench = BridgeBench.heard()
        bench.port.room = ResourceRoom(filterEntries: 5)
        _ = try bench.grant(.associate, 1, vids: [1, 2, 3])
        let refused = try bench.ask(.associate, 2, vids: [1, 2, 3])
        #expect(bench.acknowledge(refused).said.map(\.status) == [shortage])
        #expect(notices(refused) == [.limitReached(.filterEntries)])
        let more = bench.acknowledge(try bench.ask(.associate, 1, vids: [1, 2, 3, 4, 5, 6]))
        #expect(more.said.map(\.status) == [.answer(.insufficientResources, .keep)])
        #expect(bench.port.vsi(.number(1))?.grant?.filter.entries.count == 3)
        #expect(bench.port.use.filterEntries == 3 && bench.port.snapshot.statistics.vdp.filtersFull == 2)
        // What fits is granted, in the place of what there was.
        _ = try bench.grant(.associate, 1, vids: [1, 2, 3, 4, 5])
        #expect(bench.port.use.filterEntries == 5)
        _ = bench.acknowledge(try bench.ask(.deAssociate, 1))
        #expect(bench.port.use == ResourceUse() && bench.port.load.isConsistent)
    }

    @Test("SEC-83 a grant of more entries than were asked for is refused where they do not fit")
    func expandedGrants() throws {
        var bench = BridgeBench.heard()
        bench.port.room = ResourceRoom(filterEntries: 3)
        let asked = try bench.ask(.associate, 1, vids: [0])
        let ticket = try #require(asked.tickets.first)
        let decision = BridgeDecision.grant(try .vids(1, 2, 3, 4))
        let judged = bench.port.judge(ticket, decision)
        #expect(judged == .refuse(Refusal(reason: .insufficientResources, isHard: false, isKept: true)))
        #expect(bench.port.snapshot.statistics.vdp.filtersFull == 1)
        bench.port.room = ResourceRoom(filterEntries: 4)
        #expect(bench.port.judge(ticket, decision) == decision)
        #expect(bench.port.awaits(ticket))
        _ = bench.port.decided(ticket, decision, at: bench.now)
        #expect(!bench.port.awaits(ticket) && bench.port.use.filterEntries == 4 && bench.port.load.isConsistent)
    }

    @Test("SEC-73 VSIs whose time has come at once go a thousand at a time")
    func expiries() throws {
        var bench = BridgeBench.heard(vsisMax: 4000)
        for start in stride(from: UInt64(1), to: 2500, by: 25) {
            let asked = bench.ask(try BridgeBench.tlvs(start...start + 24))
            for ticket in asked.tickets { _ = bench.port.decided(ticket, .grant(try .vids(100)), at: bench.now) }
        }
        #expect(bench.port.use.vsis == 2500)
        bench.now = bench.now + .seconds(100)
        var calls: [Int] = []
        while let deadline = bench.port.nextDeadline, deadline <= bench.now, calls.count < 10 {
            calls.append(bench.port.advance(to: bench.now).releases.count)
        }
        #expect(calls.reduce(0, +) == 2500 && calls.allSatisfy { $0 <= 1024 }, "\(calls)")
        #expect(bench.port.use.vsis == 0)
    }
}

extension BridgeBench {
    fileprivate static func tlvs(_ numbers: ClosedRange<UInt64>) throws -> [VSITLV] {
        try numbers.map { try tlv(.associate, $0) }
    }
}

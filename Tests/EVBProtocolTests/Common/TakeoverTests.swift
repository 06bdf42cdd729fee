import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Another neighbour on a link that stays up: it takes over where the former one is gone, and never beside it.
@Suite struct TakeoverTests {
    private static func other(_ number: UInt64 = 2) -> FakeBridge {
        let bridge = FakeBridge()
        (bridge.address, bridge.portName) = (MACAddress(truncating: 0x0200_0000_00B0 + number), "2/\(number)")
        return bridge
    }

    /// The first bridge goes without a word, and the second is there.
    private func replace(_ bench: Bench) {
        bench.bridges[0].isAlive = false
        bench.bridges[1].isAlive = true
        bench.bridges[1].announce(at: bench.now)
    }

    private func isLost(_ bench: Bench) -> Bool { bench.trace.contains { $0.contains("bridge lost") } }

    @Test(
        "HEAL-301 a new bridge takes over within 2 s of its first TLV, whatever is under way",
        arguments: [8, 14, 16], [false, true])
    func replaced(rte: UInt8, isBusy: Bool) throws {
        let timers = OperationalTimers(rte: rte)
        let next = Self.other()
        next.timers = timers
        let bench = Bench(.test(timers: timers), bridges: [FakeBridge(timers: timers), next])
        next.isAlive = false
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(40))
        #expect(bench.bridge.holds(.associate) == 1)
        if isBusy {
            bench.bridge.isAlive = false
            try bench.request(.vsi(2))
        }
        replace(bench)
        bench.run(for: .seconds(2))
        #expect(bench.port.peer?.address == next.address)
        #expect(bench.state(1) == .associated && next.holds(.associate) == (isBusy ? 2 : 1))
        #expect(bench.changes(1) == [.pending, .associated, .deassociated, .pending, .associated] || isBusy)
    }

    @Test("HEAL-302 a new bridge takes over within 2 s also where there is no VSI")
    func withoutVSI() throws {
        let next = Self.other()
        let bench = Bench(bridges: [FakeBridge(), next])
        next.isAlive = false
        bench.start()
        bench.run(for: .seconds(40))
        replace(bench)
        bench.run(for: .seconds(2))
        #expect(bench.port.peer?.address == next.address)
        try bench.request(.vsi(1))
        bench.run(for: .milliseconds(10))
        #expect(bench.state(1) == .associated)
        bench.run(for: .seconds(200))
        #expect(bench.port.peer?.address == next.address && bench.state(1) == .associated)
    }

    @Test(
        "HEAL-303 TLV-23 a false bridge beside one that answers is never followed, at 20 % loss",
        arguments: 1...20 as ClosedRange<UInt64>)
    func falseBridge(seed: UInt64) throws {
        let stranger = Self.other()
        let bench = Bench(bridges: [FakeBridge(), stranger])
        bench.random = SplitMix64(seed: seed)
        stranger.isAlive = false
        bench.start()
        (bench.loss, bench.checksRetries) = (20, false)
        for number in 0..<(seed % 3) { try bench.request(.vsi(number)) }
        bench.run(for: .seconds(3))
        stranger.isAlive = true
        for second in 0..<600 as Range<UInt64> {
            // Under a new name each time, or under one.
            if seed % 2 == 0 { stranger.address = MACAddress(truncating: 0x0600_0000_0000 + second) }
            stranger.announce(at: bench.now)
            bench.run(for: .seconds(1))
        }
        #expect(bench.port.peer?.address == .bridge)
        #expect(!isLost(bench), "\(bench.trace.filter { $0.contains("bridge") })")
        // The bridge was asked, and not all the time.
        let question = PeerProbe.payload(.ratified)
        let probes = Set(bench.ecp(.request).filter { $0.ecpdu.payload == question }.map(\.ecpdu.sequence))
        #expect((20...60).contains(probes.count))
    }

    @Test("HEAL-304 TLV-23 a stranger under the very name of the bridge is not followed, and does not speak for it")
    func sameName() throws {
        let stranger = FakeBridge()
        (stranger.address, stranger.chassis) = (MACAddress(truncating: 0x0200_0000_00FF), .bridge)
        stranger.sendsAcks = false
        let bench = Bench(bridges: [FakeBridge(), stranger])
        stranger.isAlive = false
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(20))
        stranger.isAlive = true
        stranger.announce(at: bench.now)
        bench.run(for: .seconds(3))
        #expect(bench.port.peer?.address == .bridge && !isLost(bench))
        #expect(bench.notices.contains(.severalBridges(2)))
        let end = VSITLV(
            command: .deAssociate, typeID: 0, typeVersion: 0, vsiID: .number(1), filter: try .vids(100))
        stranger.send(.unspecified, [end], at: bench.now)
        bench.perform([])
        bench.run(for: .milliseconds(10))
        #expect(bench.statistics.ecpRxOtherSource > 0)
        stranger.sendShutdown()
        bench.perform([])
        bench.run(for: .seconds(10))
        #expect(bench.port.peer?.address == .bridge && !isLost(bench))
        #expect(bench.changes(1) == [.pending, .associated])
    }

    @Test("HEAL-305 a bridge that takes another address stays the bridge, and no VSI is lost")
    func otherAddress() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(20))
        bench.bridge.chassis = .bridge
        bench.bridge.address = MACAddress(truncating: 0x0200_0000_00C1)
        bench.bridge.announce(at: bench.now)
        bench.run(for: .seconds(2))
        #expect(bench.port.peer?.address == bench.bridge.address)
        bench.run(for: .seconds(200))
        #expect(!isLost(bench) && bench.changes(1) == [.pending, .associated])
        #expect(!bench.notices.contains(.severalBridges(2)))
    }

    @Test(
        "HEAL-306 a station that does not answer gives way to another in 2 s, and one that does never",
        arguments: [false, true])
    func station(answers: Bool) {
        let (first, second) = (MACAddress(truncating: 0x0200_0000_0001), MACAddress(truncating: 0x0200_0000_0002))
        var now = Instant.seconds(10)
        var port = BridgePort(configuration: PairBench.bridgeConfiguration(.automatic), firstSequence: 7)
        var losses: [PeerLoss] = []
        func take(_ effects: [BridgeEffect]) {
            for effect in effects {
                if case .station(.lost(let loss)) = effect { losses.append(loss) }
                guard answers, case .transmit(let frame) = effect, case .ecp(let ecpdu) = frame.payload,
                    ecpdu.operation == .request
                else { continue }
                hear(first, .ecp(ecpdu.acknowledgement))
            }
        }
        func hear(_ source: MACAddress, _ payload: Frame.Payload) {
            take(port.receive(Frame(destination: .nearestCustomerBridge, source: source, payload: payload), at: now))
        }
        func announce(_ station: MACAddress) {
            let tlv = EVBStationNegotiation(configuration: .init()).outgoing
            hear(
                station,
                .lldp(
                    LLDPDU(
                        chassisID: .chassis(station), portID: .port(station), timeToLive: 121, optional: [.evb(tlv)])))
        }
        func run(for interval: Interval) {
            let end = now + interval
            while let next = port.nextDeadline, next <= end {
                now = max(now, next)
                take(port.advance(to: now))
            }
            now = end
        }
        take(port.setLink(up: true, at: now))
        announce(first)
        run(for: .seconds(20))
        for _ in 0..<10 {
            announce(second)
            run(for: .seconds(2))
            #expect(port.station?.address == (answers ? first : second))
        }
        #expect(losses == (answers ? [] : [.replaced]))
    }

    @Test(
        "HEAL-308 in the draft a bridge that answers is kept, and one that does not gives way",
        arguments: [false, true])
    func draft(answers: Bool) {
        let (first, second) = (MACAddress(truncating: 0x0200_0000_0001), MACAddress(truncating: 0x0200_0000_0002))
        var now = Instant.seconds(10)
        var port = StationPort(configuration: DraftBench.configuration(.draft), firstSequence: 7)
        var (losses, numbers): ([PeerLoss], [UInt16]) = ([], [])
        func hear(_ source: MACAddress, _ payload: Frame.Payload, at destination: MACAddress) {
            take(port.receive(Frame(destination: destination, source: source, payload: payload), at: now))
        }
        func take(_ effects: [StationEffect]) {
            for effect in effects {
                if case .peer(.lost(let loss)) = effect { losses.append(loss) }
                guard case .transmit(let frame) = effect, case .draftECP(let ecpdu) = frame.payload,
                    ecpdu.operation == .request
                else { continue }
                numbers.append(ecpdu.sequence)
                if answers { hear(first, .draftECP(ecpdu.acknowledgement), at: .nearestBridge) }
            }
        }
        func announce(_ bridge: MACAddress) {
            let all = DraftNegotiation.capabilities
            let tlv = DraftEVBTLV(
                supportedModes: [.standard, .reflectiveRelay], supportedCapabilities: all,
                configuredModes: .reflectiveRelay, configuredCapabilities: all, supportedVSIs: 100, configuredVSIs: 0,
                retransmissionExponent: 15)
            let names = (LLDPIdentifier.chassis(bridge), LLDPIdentifier.port(bridge))
            hear(
                bridge,
                .lldp(LLDPDU(chassisID: names.0, portID: names.1, timeToLive: 121, optional: [.draftEVB(tlv)])),
                at: .nearestCustomerBridge)
        }
        func run(for interval: Interval) {
            let end = now + interval
            while let next = port.nextDeadline, next <= end {
                now = max(now, next)
                take(port.advance(to: now))
            }
            now = end
        }
        take(port.setLink(up: true, at: now))
        announce(first)
        run(for: .seconds(5))
        announce(second)
        run(for: .seconds(2))
        #expect(port.peer?.address == (answers ? first : second))
        #expect(losses == (answers ? [] : [.replaced]))
        // What is sent again in the draft has a new number.
        #expect(Set(numbers).count == numbers.count && numbers.count == (answers ? 1 : 20))
    }

    // MARK: A LAG

    @Test(
        "HEAL-401 a LAG associates, whichever member is heard first and whichever answers",
        arguments: [0, 1], [0, 1])
    func lag(first: Int, answering: Int) throws {
        let members = [Self.other(1), Self.other(2)]
        for (number, member) in members.enumerated() {
            member.chassis = .bridge
            // What the station sends reaches one member alone.
            (member.hearsLLDP, member.sendsAcks) = (number == answering, number == answering)
        }
        let bench = Bench(bridges: members)
        members[1 - first].isAlive = false
        bench.start()
        members[1 - first].isAlive = true
        members[1 - first].announce(at: bench.now)
        bench.run(for: .seconds(1))
        try bench.request(.vsi(1))
        bench.run(for: .seconds(60))
        #expect(bench.changes(1) == [.pending, .associated])
        #expect(bench.port.snapshot.reflectiveRelay == .on)
        #expect(bench.statistics.ecpRxOtherSource == 0 && !isLost(bench))
        #expect(!bench.notices.contains(.severalBridges(2)))
    }

    @Test("HEAL-402 a member of a LAG that falls silent costs nothing while another of its chassis is there")
    func lostMember() throws {
        let members = [Self.other(1), Self.other(2)]
        for member in members { member.chassis = .bridge }
        members[1].sendsAcks = false
        let bench = Bench(bridges: members).start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(5))
        members[0].isAlive = false
        members[1].sendsAcks = true
        bench.run(for: .seconds(300))
        #expect(!isLost(bench) && bench.port.peer?.address == members[1].address)
        #expect(bench.changes(1) == [.pending, .associated])
    }

    // MARK: Two speakers under one name

    @Test("HEAL-903 the port's own identity is its chassis address and a local port ID, also when its address changes")
    func identity() throws {
        let bench = Bench().start()
        var configuration = bench.port.configuration
        configuration.address = MACAddress(truncating: 0x5254_0000_0099)
        bench.reconfigure(configuration)
        bench.run(for: .seconds(1))
        #expect(Set(bench.lldp.map(\.lldpdu.chassisID)) == [.chassis(.station)])
        #expect(Set(bench.lldp.map(\.lldpdu.portID)) == [LLDPIdentifier(subtype: 7, octets: Array("eth0".utf8))])
        #expect(bench.sent.last?.frame.source == configuration.address)
    }

    private func lldpdu(_ bench: Bench, evb: Bool, name: String? = nil) -> Frame.Payload {
        var lldpdu = bench.bridge.lldpdu
        if !evb { lldpdu.optional = [] }
        if let name {
            lldpdu.timeToLive = 120
            lldpdu.optional += [.basic(type: 5, value: Array(name.utf8))]
        }
        return .lldp(lldpdu)
    }

    @Test("HEAL-901 a second speaker under the bridge's name and address ends EVB once, and not for ever")
    func secondSpeaker() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        for _ in 0..<10 {
            bench.receive(lldpdu(bench, evb: false, name: "lldpd"))
            bench.run(for: .seconds(1))
            bench.bridge.announce(at: bench.now)
            bench.run(for: .seconds(29))
        }
        #expect(bench.trace.filter { $0.contains("bridge lost") }.count == 1)
        #expect(bench.state(1) == .associated)
    }

    @Test("HEAL-902 TLV-19 a bridge that withdraws its TLV ends EVB at once, each time")
    func withdrawals() throws {
        let bench = Bench().start()
        for count in 1...4 {
            bench.receive(lldpdu(bench, evb: false))
            #expect(bench.port.peer == nil)
            #expect(bench.trace.filter { $0.contains("bridge lost") }.count == count)
            bench.receive(lldpdu(bench, evb: true))
            #expect(bench.port.peer != nil)
        }
    }
}

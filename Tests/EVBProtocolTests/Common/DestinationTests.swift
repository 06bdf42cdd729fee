import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Frames count only when sent to the group address of what they carry: a bridge relays what is sent elsewhere from anywhere.
struct DestinationTests {
    private static let further = MACAddress(truncating: 0x0100_0D00_0F0A)
    /// None of these is where ratified ECP and LLDP go: the port's own address comes to it.
    private static func others(_ own: MACAddress) -> [MACAddress] {
        [
            own, .nearestBridge, .nearestNonTPMRBridge, further, MACAddress(truncating: 0xFFFF_FFFF_FFFF),
            MACAddress(truncating: 0x0180_C200_0001), MACAddress(truncating: 0x0200_0000_00EE),
        ]
    }

    // MARK: The station

    private static func bridgeSays(_ command: VDPCommand, _ sequence: UInt16) throws -> Frame.Payload {
        let tlv = try VSIRequest.vsi(1).tlv(command, filter: .vids(100))
        let pdu = VDPDU(managerID: VSIManagerID(short: 5, placement: .first), associations: [tlv])
        return .ecp(ECPDU(operation: .request, sequence: sequence, payload: pdu.encoded()))
    }

    private static func send(_ payload: Frame.Payload, to destination: MACAddress, _ bench: Bench) {
        bench.receive(Frame(destination: destination, source: .bridge, payload: payload).encoded())
    }

    @Test("SEC-14 a station drops ECP to any other address, counts it, and tells of the first")
    func stationECP() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        let (before, sent) = (bench.statistics, bench.sent.count)
        let others = Self.others(bench.port.configuration.address)
        for (number, destination) in others.enumerated() {
            Self.send(try Self.bridgeSays(.deAssociate, 900 + UInt16(number)), to: destination, bench)
        }
        #expect(bench.state(1) == .associated && bench.sent.count == sent)
        var expected = before
        expected.ecpRxOtherDestination = UInt64(others.count)
        #expect(bench.statistics == expected)
        #expect(bench.notices == [.misaddressedECP(others[0])])
        Self.send(try Self.bridgeSays(.deAssociate, 999), to: .nearestCustomerBridge, bench)
        #expect(bench.state(1) == .deassociated, "the same frame to the group address counts")
        // It is not told again while the link is up.
        bench.run(for: .seconds(70))
        Self.send(try Self.bridgeSays(.deAssociate, 1000), to: others[1], bench)
        #expect(bench.notices == [.misaddressedECP(others[0])])
    }

    @Test("SEC-14 a station's ECPDU is not acknowledged by a frame to another address")
    func stationAcknowledgement() throws {
        let bench = Bench().start()
        bench.bridge.isAlive = false
        try bench.request(.vsi(1))
        let sequence = bench.port.link.transmitter.sequence
        let ack = Frame.Payload.ecp(ECPDU(operation: .acknowledgement, sequence: sequence))
        for destination in Self.others(bench.port.configuration.address) { Self.send(ack, to: destination, bench) }
        #expect(!bench.port.link.transmitter.isIdle && bench.statistics.ecpRxStrayAcks == 0)
    }

    @Test("SEC-14 a station drops LLDP to any other address and counts it, without a word")
    func stationLLDP() throws {
        let bench = Bench().start()
        let before = bench.statistics
        let neighbours = bench.port.snapshot.neighbourCount
        let others = Self.others(bench.port.configuration.address)
        bench.clearLog()
        let bridge = FakeBridge()
        for destination in others {
            var lldpdu = bridge.lldpdu
            Self.send(.lldp(lldpdu), to: destination, bench)
            lldpdu.timeToLive = 0
            lldpdu.optional = []
            Self.send(.lldp(lldpdu), to: destination, bench)
        }
        #expect(bench.effects.isEmpty && bench.port.peer != nil)
        var expected = before
        expected.lldpRxOtherDestination = UInt64(2 * others.count)
        #expect(bench.statistics == expected && bench.port.snapshot.neighbourCount == neighbours)
    }

    @Test("SEC-14 the draft's ECP counts at its own address, not at that of the ratified dialect")
    func draft() throws {
        let bench = DraftBench().start()
        let payload = DraftVDPDU(associations: [try DraftBench.word(7, .associate)]).encoded()
        func frame(_ sequence: UInt16, to destination: MACAddress) -> [UInt8] {
            let ecpdu = DraftECPDU(operation: .request, sequence: sequence, payload: payload)
            return Frame(destination: destination, source: DraftBridge.address, payload: .draftECP(ecpdu)).encoded()
        }
        bench.clear()
        try bench.receive(frame(9, to: .nearestCustomerBridge))
        try bench.receive(frame(10, to: DraftBench.configuration(.draft).address))
        #expect(bench.statistics.ecpRxOtherDestination == 2 && bench.statistics.ecpRxFrames == 0 && bench.sent.isEmpty)
        try bench.receive(frame(11, to: .nearestBridge))
        #expect(bench.statistics.ecpRxFrames == 1 && bench.sent.count == 1)
    }

    @Test("SEC-15 an unreadable frame to another address is not counted as the neighbour's, in either role")
    func unreadable() {
        let header: [UInt8] = MACAddress.bridge.octets
        let broken: [(etherType: [UInt8], rest: [UInt8])] = [
            ([0x89, 0x40], [0x14]), ([0x88, 0xB7], [0, 0x1B, 0x3F]), ([0x88, 0xCC], [2, 0]),
        ]
        let station = Bench().start()
        var bridge = Self.bridgePort()
        _ = bridge.setLink(up: true, at: .seconds(1))
        let stationBefore = station.statistics
        for (etherType, rest) in broken {
            for destination in [station.port.configuration.address, .nearestNonTPMRBridge, Self.further] {
                let octets = destination.octets + header + etherType + rest
                station.receive(octets)
                Self.give(octets, to: &bridge)
            }
        }
        var expected = stationBefore
        expected.ecpRxOtherDestination = 6
        expected.lldpRxOtherDestination = 3
        #expect(station.statistics == expected)
        var counted = BridgePortStatistics()
        counted.ecpRxOtherDestination = 6
        counted.lldpRxOtherDestination = 3
        #expect(bridge.snapshot.statistics == counted)
        // To their own addresses they are the neighbour's.
        for (index, destination) in [.nearestCustomerBridge, .nearestBridge, MACAddress.nearestCustomerBridge]
            .enumerated()
        {
            let octets = destination.octets + header + broken[index].etherType + broken[index].rest
            station.receive(octets)
            Self.give(octets, to: &bridge)
        }
        expected.ecpRxDiscarded &+= 2
        expected.lldpDiscarded &+= 1
        #expect(station.statistics == expected)
        counted.ecpRxDiscarded = 2
        counted.lldpDiscarded = 1
        #expect(bridge.snapshot.statistics == counted)
        // What is too short to have a header is nobody's.
        station.receive(Array(MACAddress.nearestCustomerBridge.octets + [1, 2, 3]))
        #expect(station.statistics == expected)
    }

    // MARK: The bridge

    private static let station = MACAddress(truncating: 0x0200_0000_0001)

    private static func bridgePort(_ addresses: GroupAddresses = GroupAddresses()) -> BridgePort {
        BridgePort(
            configuration: BridgePortConfiguration(
                address: MACAddress(truncating: 0x0600_0000_0001), interfaceName: "swp1", evb: .init(),
                addresses: addresses), firstSequence: 7)
    }

    private static func give(_ octets: [UInt8], to port: inout BridgePort) {
        do {
            _ = port.receive(try Frame(decoding: octets), at: .seconds(2))
        } catch {
            port.countUnreadable(error, octets.withUnsafeBytes { FrameHeader($0) })
        }
    }

    /// A station's LLDPDU.
    private static func hello(timeToLive: UInt16 = 121) -> Frame.Payload {
        let tlv = EVBTLV(
            bridgeStatus: [],
            stationStatus: StationStatus(
                groupIDs: true, reflectiveRelayRequest: true, reflectiveRelayStatus: .unknown),
            retries: 3, retransmissionExponent: 14, mode: .station,
            resourceWaitDelay: NegotiatedExponent(20, isRemote: false),
            reinitKeepAlive: NegotiatedExponent(20, isRemote: false))
        return .lldp(
            LLDPDU(
                chassisID: .chassis(station), portID: .port(station), timeToLive: timeToLive,
                optional: timeToLive == 0 ? [] : [.evb(tlv)]))
    }

    private static func stationAsks(_ sequence: UInt16) throws -> Frame.Payload {
        let tlv = try VSIRequest.vsi(1).tlv(.associate, filter: .vids(100))
        let pdu = VDPDU(managerID: .unspecified, associations: [tlv])
        return .ecp(ECPDU(operation: .request, sequence: sequence, payload: pdu.encoded()))
    }

    private static func receive(
        _ payload: Frame.Payload, to destination: MACAddress, _ port: inout BridgePort, at now: Instant = .seconds(2)
    ) -> [BridgeEffect] {
        port.receive(Frame(destination: destination, source: station, payload: payload), at: now)
    }

    private static func isAsked(_ effects: [BridgeEffect]) -> Bool {
        effects.contains { if case .decide = $0 { true } else { false } }
    }

    @Test("SEC-16 a bridge drops ECP and LLDP to any other address, counts it, and tells of the first ECP")
    func bridge() throws {
        var port = Self.bridgePort()
        _ = port.setLink(up: true, at: .seconds(1))
        let others = Self.others(port.configuration.address)
        for destination in others {
            #expect(Self.receive(Self.hello(), to: destination, &port) == [])
        }
        #expect(port.station == nil && port.snapshot.neighbour == nil)
        _ = Self.receive(Self.hello(), to: .nearestCustomerBridge, &port)
        #expect(port.station?.address == Self.station)
        var told: [BridgeEffect] = []
        for (number, destination) in others.enumerated() {
            told += Self.receive(try Self.stationAsks(UInt16(100 + number)), to: destination, &port)
            told += Self.receive(Self.hello(timeToLive: 0), to: destination, &port)
        }
        #expect(told == [.notice(.misaddressedECP(others[0]))])
        #expect(port.station != nil && port.vsis.isEmpty)
        let statistics = port.snapshot.statistics
        #expect(statistics.ecpRxOtherDestination == UInt64(others.count) && statistics.ecpRxFrames == 0)
        #expect(statistics.lldpRxOtherDestination == UInt64(2 * others.count) && statistics.lldpReceived == 1)
        #expect(Self.isAsked(Self.receive(try Self.stationAsks(200), to: .nearestCustomerBridge, &port)))
    }

    // MARK: A further address

    @Test("SEC-17 a further group address is spoken and heard where it is configured, and only that one")
    func furtherStation() throws {
        var configuration = StationPortConfiguration.test()
        configuration.addresses.further = Self.further
        let bench = Bench(configuration).start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        #expect(bench.state(1) == .associated, "the standard's address is heard too")
        #expect(!bench.sent.isEmpty && bench.sent.allSatisfy { $0.frame.destination == Self.further })
        Self.send(try Self.bridgeSays(.deAssociate, 900), to: MACAddress(truncating: 0x0100_0D00_0F0B), bench)
        #expect(bench.state(1) == .associated && bench.statistics.ecpRxOtherDestination == 1)
        Self.send(try Self.bridgeSays(.deAssociate, 901), to: Self.further, bench)
        #expect(bench.state(1) == .deassociated)
        // Taken away by a reload.
        let count = bench.sent.count
        bench.reconfigure(.test())
        bench.run(for: .seconds(1))
        #expect(bench.sent.count > count && bench.sent[count...].allSatisfy { $0.frame.destination != Self.further })
        Self.send(try Self.bridgeSays(.deAssociate, 902), to: Self.further, bench)
        #expect(bench.statistics.ecpRxOtherDestination == 2)
    }

    @Test("SEC-17 a bridge speaks and hears a further group address where it is configured, and only that one")
    func furtherBridge() throws {
        var port = Self.bridgePort(GroupAddresses(further: Self.further))
        _ = port.setLink(up: true, at: .seconds(1))
        _ = Self.receive(Self.hello(), to: Self.further, &port)
        #expect(port.station != nil)
        var effects = Self.receive(try Self.stationAsks(1), to: Self.further, &port)
        #expect(Self.isAsked(effects))
        effects += Self.receive(try Self.stationAsks(2), to: .nearestNonTPMRBridge, &port)
        effects += port.advance(to: .seconds(2))
        let destinations = effects.compactMap { if case .transmit(let frame) = $0 { frame.destination } else { nil } }
        #expect(destinations.count == 2 && Set(destinations) == [Self.further])
        #expect(port.snapshot.statistics.ecpRxOtherDestination == 1)
        _ = port.reconfigure(Self.bridgePort().configuration, at: .seconds(4))
        #expect(Self.receive(try Self.stationAsks(3), to: Self.further, &port, at: .seconds(4)) == [])
        #expect(port.snapshot.statistics.ecpRxOtherDestination == 2)
    }
}

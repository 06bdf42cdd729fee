import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// What a port remembers and counts for the objects of the EVB MIB and of LLDP's.
@Suite struct ManagedObjectsTests {
    // MARK: VSIs

    @Test("MGT-01 each VSI counts its own commands, and keeps what the bridge said last")
    func counters() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .refuse(.insufficientResources, .hard)) }
        try bench.request(.vsi(2))
        bench.run(for: .seconds(1))
        bench.bridge.policy = { _ in .init(verdict: .refuse(.invalidFilter, .keep)) }
        try bench.request(.vsi(1, vids: [200]))
        bench.run(for: .seconds(1))

        let first = try #require(bench.port.vsi(.number(1)))
        #expect(first.state == .associated)
        #expect(first.counters == VSICommandCounters(succeeded: 1, failed: 1, reverted: 1))
        #expect(first.answer?.status == .answer(.invalidFilter, .keep))
        #expect(first.answer?.reasonCode == 5)
        let second = try #require(bench.port.vsi(.number(2)))
        #expect(second.counters == VSICommandCounters(succeeded: 0, failed: 1, reverted: 0))
        #expect(second.answer?.status == .answer(.insufficientResources, .hard))
        #expect(second.createdAt == first.createdAt + .seconds(1))
        let all = bench.statistics.vdp
        #expect((all.commandsSucceeded, all.commandsFailed, all.commandReverts) == (1, 2, 1))
    }

    @Test("MGT-01 keep-alives are no commands, a VSI that was forgotten begins anew")
    func keepAlivesAndRebirth() throws {
        let bench = Bench().start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(60))
        #expect(bench.statistics.vdp.keepAlives > 3)
        #expect(bench.port.vsi(.number(1))?.counters == VSICommandCounters(succeeded: 1))
        try bench.withdraw(.number(1))
        bench.run(for: .seconds(1))
        #expect(bench.port.vsi(.number(1)) == nil)
        bench.bridge.policy = { _ in .init(verdict: .silence) }
        try bench.request(.vsi(1))
        let reborn = try #require(bench.port.vsi(.number(1)))
        #expect(reborn.counters == VSICommandCounters() && reborn.answer == nil && reborn.createdAt == bench.now)
    }

    @Test("MGT-01 the command under way is one thing, what has been granted another")
    func commandAndState() throws {
        let bench = Bench().start()
        func shown() throws -> [VDPCommand?] {
            let vsi = try #require(bench.port.vsi(.number(1)))
            return [vsi.command, vsi.operCommand]
        }
        try bench.request(.vsi(1, .preAssociated))
        #expect(try shown() == [.preAssociate, nil])
        bench.run(for: .seconds(1))
        #expect(try shown() == [.preAssociate, .preAssociate])
        try bench.request(.vsi(1, .associated))
        #expect(try shown() == [.associate, .preAssociate])
        bench.run(for: .seconds(1))
        #expect(try shown() == [.associate, .associate])
        bench.setLink(up: false)
        #expect(try shown() == [nil, nil])
    }

    @Test("MGT-01 the draft's reasons are shown as they were on the wire")
    func draftReasons() {
        #expect(VSIAnswer(.answer(.draftOutOfSync), in: .draft).reasonCode == 6)
        #expect(VSIAnswer(.answer(.draftOutOfSync), in: .ratified).reasonCode == 14)
    }

    // MARK: LLDP

    private static let evbKey: [UInt8] = [0x00, 0x80, 0xC2, 0x0D]

    /// A frame from the bridge with these TLVs behind the mandatory ones.
    private static func frame(_ optional: [[UInt8]], destination: MACAddress = .nearestCustomerBridge) -> [UInt8] {
        let header = destination.octets + MACAddress.bridge.octets + [0x88, 0xCC]
        return header + [0x02, 0x02, 7, 0x61, 0x04, 0x02, 7, 0x62, 0x06, 0x02, 0, 120] + optional.flatMap { $0 } + [
            0, 0,
        ]
    }

    private static func organizational(_ value: [UInt8]) -> [UInt8] { [0xFE, UInt8(value.count)] + value }

    @Test("MGT-02 TLV-28 a neighbour's TLVs are kept octet for octet, whatever is wrong with them")
    func receivedOctets() throws {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        // Reserved bits set, two octets too many, and a private TLV.
        let evb = Self.organizational(Self.evbKey + [0xFA, 0xF4, 0x6E, 0x54, 0xD4, 1, 2])
        let stranger = Self.organizational([0x12, 0x34, 0x56, 1, 9])
        bench.receive(Self.frame([evb, stranger]))
        let heard = try #require(bench.port.snapshot.neighbour?.lldpdu)
        #expect(heard.received(.evb) == evb)
        #expect(
            heard.received == [[0x02, 0x02, 7, 0x61], [0x04, 0x02, 7, 0x62], [0x06, 0x02, 0, 120], evb, stranger])
        #expect(heard.received(.draftEVB) == nil)
        // One that is too short to be used is what an operator wants to see most.
        let short = Self.organizational(Self.evbKey + [0x02])
        let other = Bench(bridges: [])
        other.setLink(up: true)
        other.receive(Self.frame([short]))
        #expect(other.port.snapshot.peer == nil)
        #expect(other.port.snapshot.neighbour?.lldpdu.received(.evb) == short)
    }

    @Test("MGT-02 octets that no field tells are no change")
    func comparison() throws {
        let plain = Self.organizational(Self.evbKey + [0x02, 0x04, 0x6E, 0x54, 0x14])
        let reserved = Self.organizational(Self.evbKey + [0xFA, 0xF4, 0x6E, 0x54, 0xD4])
        #expect(try Frame(decoding: Self.frame([plain])) == Frame(decoding: Self.frame([reserved])))
    }

    @Test("TLV-28 LLDP counts frames, TLVs and neighbours that aged")
    func lldpCounters() {
        let bench = Bench(bridges: [])
        bench.setLink(up: true)
        bench.run(for: .milliseconds(1))
        let short = Self.organizational(Self.evbKey + [0x02])
        let stranger = Self.organizational([0x12, 0x34, 0x56, 1, 9])
        // System name, a reserved type, and a TLV that ends before its subtype.
        bench.receive(
            Self.frame([[0x0A, 0x01, 0x61], [0x14, 0x00], stranger, short, Self.organizational([0, 0x80])]))
        bench.receive(Array(Self.frame([]).prefix(20)))
        var counted = bench.statistics
        #expect((counted.lldpSent, counted.lldpReceived, counted.lldpDiscarded) == (1, 1, 1))
        #expect((counted.lldpTLVsUnrecognized, counted.lldpTLVsDiscarded) == (2, 2))
        #expect((counted.evbTLVsDiscarded, counted.lldpAgeouts) == (1, 0))
        bench.run(for: .seconds(121))
        counted = bench.statistics
        #expect(counted.lldpAgeouts == 1 && bench.port.snapshot.neighbour == nil)
    }

    @Test("TLV-26 what is said on the nearest bridge address is another agent's affair")
    func nearestBridge() {
        let bench = Bench().start()
        let before = bench.statistics
        let neighbours = bench.port.snapshot.neighbourCount
        bench.clearLog()
        let evb = Self.organizational(Self.evbKey + [0x00, 0x04, 0x6E, 0x94, 0x14])
        let short = Self.organizational(Self.evbKey + [0x02])
        for tlvs in [[evb], [short], [evb, evb]] {
            bench.receive(Self.frame(tlvs, destination: .nearestBridge))
            bench.receive(Array(Self.frame(tlvs, destination: .nearestBridge).prefix(30)))
        }
        var expected = before
        expected.lldpRxOtherDestination = 6
        #expect(bench.effects.isEmpty && bench.statistics == expected)
        #expect(bench.port.snapshot.neighbourCount == neighbours)
    }

    @Test("TLV-26 no LLDPDU is sent to the nearest bridge address, whatever the dialect", arguments: [false, true])
    func silenceThere(_ isDraft: Bool) throws {
        var configuration = StationPortConfiguration.test()
        configuration.dialect = isDraft ? .draft : .automatic
        let bench = Bench(configuration)
        bench.start()
        try bench.request(.vsi(1))
        bench.run(for: .seconds(100))
        bench.perform(bench.port.shutdown())
        #expect(bench.sent.count > 3)
        #expect(bench.sent.allSatisfy { $0.frame.destination == .nearestCustomerBridge })
    }
}

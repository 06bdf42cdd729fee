import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// One side of a cable, whichever.
private protocol End {
    mutating func setLink(up: Bool, at now: Instant) -> [Outcome]
    mutating func take(_ frame: Frame, at now: Instant) -> [Outcome]
    mutating func advance(to now: Instant) -> [Outcome]
    var nextDeadline: Instant? { get }
}

/// An effect of either side.
private enum Outcome: Equatable {
    case transmit(Frame)
    case channel(SChannelEvent)
    case fault(CDCPFault)
}

private struct Side<Machine: CDCPMachine>: End {
    var uplink: CDCPUplink<Machine>

    private func outcomes(_ effects: [CDCPUplink<Machine>.Effect]) -> [Outcome] {
        effects.map {
            switch $0 {
            case .transmit(let frame): .transmit(frame)
            case .channel(let event): .channel(event)
            case .fault(let fault): .fault(fault)
            }
        }
    }

    mutating func setLink(up: Bool, at now: Instant) -> [Outcome] { outcomes(uplink.setLink(up: up, at: now)) }
    mutating func take(_ frame: Frame, at now: Instant) -> [Outcome] { outcomes(uplink.take(frame, at: now)) }
    mutating func advance(to now: Instant) -> [Outcome] { outcomes(uplink.advance(to: now)) }
    var nextDeadline: Instant? { uplink.nextDeadline }
}

/// A station and a bridge, and what goes over the cable between them.
private struct Cable {
    static let stationAddress = MACAddress(truncating: 0x0200_0000_0A01)
    static let bridgeAddress = MACAddress(truncating: 0x0200_0000_0B01)

    var station: Side<CDCPStation>
    var bridge: Side<CDCPBridge>
    var now = Instant(nanoseconds: 0)
    /// Whether the cable carries frames.
    var isCut = false
    var stationSaid: [(at: Instant, Outcome)] = []
    var bridgeSaid: [(at: Instant, Outcome)] = []

    init(
        wanted: [UInt16: UInt16] = [2: 0, 3: 0], last: [UInt16: UInt16] = [:], capacity: Int = 167,
        svids: ClosedRange<UInt16> = 100...131, bridgeCapacity: Int = 167
    ) {
        station = Self.station(wanted: wanted, last: last, capacity: capacity)
        bridge = Self.bridge(svids: svids, capacity: bridgeCapacity)
    }

    static func channels(_ numbers: [UInt16: UInt16]) -> [SCID: SVID] {
        Dictionary(uniqueKeysWithValues: numbers.map { (SCID($0.key), SVID($0.value)) })
    }

    static func station(
        wanted: [UInt16: UInt16], last: [UInt16: UInt16] = [:], capacity: Int = 167
    ) -> Side<CDCPStation> {
        let machine = CDCPStation(
            configuration: .init(capacity: capacity, wanted: channels(wanted)), last: channels(last))
        return Side(
            uplink: CDCPUplink(
                machine: machine, of: .init(address: stationAddress, chassis: stationAddress, interfaceName: "up0")))
    }

    static func bridge(svids: ClosedRange<UInt16>, capacity: Int = 167) -> Side<CDCPBridge> {
        Side(
            uplink: CDCPUplink(
                machine: CDCPBridge(configuration: .init(capacity: capacity, svids: SVIDPool([svids]))),
                of: .init(address: bridgeAddress, chassis: bridgeAddress, interfaceName: "port0")))
    }

    mutating func setLink(up: Bool) {
        let (one, other) = (station.setLink(up: up, at: now), bridge.setLink(up: up, at: now))
        carry(one, from: .station)
        carry(other, from: .bridge)
    }

    mutating func carry(_ outcomes: [Outcome], from role: CDCPTLV.Role) {
        let (now, isCut) = (now, isCut)
        for outcome in outcomes {
            switch role {
            case .station: stationSaid.append((now, outcome))
            case .bridge: bridgeSaid.append((now, outcome))
            }
            guard case .transmit(let frame) = outcome, !isCut else { continue }
            // Octets, so that what the wire has no room for is lost here too.
            guard let frame = try? Frame(decoding: frame.encoded()) else { continue }
            switch role {
            case .station: carry(bridge.take(frame, at: now), from: .bridge)
            case .bridge: carry(station.take(frame, at: now), from: .station)
            }
        }
    }

    mutating func run(for interval: Interval) {
        let end = now + interval
        while let next = Instant.earliest(station.nextDeadline, bridge.nextDeadline), next <= end {
            now = max(now, next)
            carry(station.advance(to: now), from: .station)
            carry(bridge.advance(to: now), from: .bridge)
        }
        now = end
    }

    mutating func hear(_ tlvs: [CDCPTLV], from source: MACAddress, at role: CDCPTLV.Role, timeToLive: UInt16 = 121) {
        let lldpdu = LLDPDU(
            chassisID: .chassis(source), portID: .local(role == .station ? "port0" : "up0"), timeToLive: timeToLive,
            optional: tlvs.map(LLDPDU.OptionalTLV.cdcp))
        let frame = Frame(destination: .nearestNonTPMRBridge, source: source, payload: .lldp(lldpdu))
        switch role {
        case .station: carry(station.take(frame, at: now), from: .station)
        case .bridge: carry(bridge.take(frame, at: now), from: .bridge)
        }
    }

    var events: [SChannelEvent] { stationSaid.compactMap { if case .channel(let event) = $0.1 { event } else { nil } } }
    var faults: [CDCPFault] { stationSaid.compactMap { if case .fault(let fault) = $0.1 { fault } else { nil } } }
    var stationChannels: [SCID: SVID] { station.uplink.machine.channels }
    var bridgeChannels: [SCID: SVID] { bridge.uplink.machine.channels }
}

@Suite("CDCP between two uplinks") struct CDCPUplinkTests {
    private static let agreed = Cable.channels([2: 100, 3: 101])

    private func running(_ cable: Cable = Cable()) -> Cable {
        var cable = cable
        cable.setLink(up: true)
        cable.run(for: .seconds(5))
        return cable
    }

    @Test("SCH-02 SCH-04 SCH-06 SCH-07 channels are asked for with SVID 0, given, and returned")
    func agreement() throws {
        let cable = running()
        #expect(cable.stationChannels == Self.agreed)
        #expect(cable.bridgeChannels == Self.agreed)
        var tlvs: [CDCPTLV] = []
        for case (_, .transmit(let frame)) in cable.stationSaid {
            guard case .lldp(let lldpdu) = frame.payload else { continue }
            #expect(frame.destination == .nearestNonTPMRBridge && lldpdu.cdcpDefect == nil)
            tlvs += lldpdu.cdcpTLVs
        }
        #expect(tlvs.allSatisfy { $0.role == .station && $0.hasSComponent && $0.pairs.first == .default })
        #expect(tlvs.first?.pairs.map(\.description) == ["(1,1)", "(2,0)", "(3,0)"])
        #expect(tlvs.last?.pairs.map(\.description) == ["(1,1)", "(2,100)", "(3,101)"])
        // A channel is up as soon as both have spoken.
        let up = cable.stationSaid.first { if case .channel = $0.1 { true } else { false } }
        #expect(try #require(up).at <= Instant(nanoseconds: 0) + .seconds(1))
        #expect(cable.events == [.init(SCID(2), .up(SVID(100))), .init(SCID(3), .up(SVID(101)))])
        #expect(cable.faults.isEmpty)
    }

    @Test("SCH-08 without the bridge only the default channel remains: aged, good-bye, no CDCP any more, link down")
    func loss() {
        var aged = running()
        aged.isCut = true
        aged.run(for: .seconds(115))
        #expect(aged.stationChannels == Self.agreed)
        aged.run(for: .seconds(10))
        #expect(aged.stationChannels.isEmpty)
        #expect(aged.events.suffix(2).map(\.change) == [.down(.peer(.aged)), .down(.peer(.aged))])
        aged.isCut = false
        aged.run(for: .seconds(31))
        #expect(aged.stationChannels == Self.agreed)

        var gone = running()
        gone.hear([], from: Cable.bridgeAddress, at: .station, timeToLive: 0)
        #expect(gone.stationChannels.isEmpty && gone.events.last?.change == .down(.peer(.shutdown)))

        var silent = running()
        silent.hear([], from: Cable.bridgeAddress, at: .station)
        #expect(silent.stationChannels.isEmpty && silent.events.last?.change == .down(.peer(.withdrawn)))

        var down = running()
        down.setLink(up: false)
        #expect(down.stationChannels.isEmpty && down.bridgeChannels.isEmpty)
        #expect(down.events.last?.change == .down(.peer(.linkDown)))
        down.setLink(up: true)
        down.run(for: .seconds(2))
        #expect(down.stationChannels == Self.agreed && down.bridgeChannels == Self.agreed)
    }

    @Test("SCH-08 a neighbour of the same role or without an S component ends channels, and is reported")
    func conflict() {
        for (tlv, fault) in [
            (CDCPTableTests.tlv(.station, [(1, 1), (2, 100)]), CDCPFault.sameRole),
            (CDCPTableTests.tlv(.bridge, [(1, 1), (2, 100)], component: false), .noSComponent),
        ] {
            var cable = running()
            cable.isCut = true
            cable.hear([tlv], from: Cable.bridgeAddress, at: .station)
            #expect(cable.stationChannels.isEmpty)
            #expect(cable.faults == [fault])
            #expect(cable.station.uplink.faults == [fault])
            // Said once, however often it is heard.
            cable.hear([tlv], from: Cable.bridgeAddress, at: .station)
            #expect(cable.faults == [fault])
            cable.isCut = false
            cable.run(for: .seconds(31))
            #expect(cable.stationChannels == Self.agreed && cable.station.uplink.faults.isEmpty)
        }
    }

    @Test("SCH-13 a broken TLV of the bridge's ends nothing: what it said before holds until it ages")
    func broken() {
        let broken: [([CDCPTLV], CDCPFault)] = [
            ([CDCPTableTests.tlv(.bridge, [(2, 100)])], .noDefaultPair),
            ([CDCPTableTests.tlv(.bridge, [(1, 1)], capacity: 0)], .badCapacity(0)),
            (
                [CDCPTableTests.tlv(.bridge, [(1, 1)]), CDCPTableTests.tlv(.bridge, [(1, 1)])],
                .unusableTLV(.misplaced(.cdcpTLV))
            ),
        ]
        for (tlvs, fault) in broken {
            var cable = running()
            cable.isCut = true
            for _ in 0..<3 {
                cable.run(for: .seconds(30))
                cable.hear(tlvs, from: Cable.bridgeAddress, at: .station)
            }
            #expect(cable.stationChannels == Self.agreed)
            #expect(cable.faults == [fault])
            #expect(cable.station.uplink.statistics.faults == [fault.kind: 3])
            cable.run(for: .seconds(60))
            #expect(cable.stationChannels.isEmpty)
        }
    }

    @Test("SCH-13 a bridge's pairs that cannot be are refused alone and reported")
    func badPairs() {
        var cable = running()
        cable.isCut = true
        cable.hear(
            [CDCPTableTests.tlv(.bridge, [(1, 1), (2, 100), (3, 100), (3, 4095)])], from: Cable.bridgeAddress,
            at: .station)
        #expect(cable.stationChannels == Cable.channels([2: 100]))
        #expect(cable.faults == [.badPair(SChannelPair(SCID(3), SVID(100)))])
        #expect(cable.station.uplink.statistics.faults == [.badPair: 2])
        #expect(cable.events.last == .init(SCID(3), .down(.unassigned)))
    }

    @Test("SCH-08 a second neighbour takes nothing from the one that is there; where none is, none of two is followed")
    func falseNeighbour() {
        let stranger = MACAddress(truncating: 0x0200_0000_0C01)
        let offer = CDCPTableTests.tlv(.bridge, [(1, 1), (2, 666), (3, 667)])
        var cable = running()
        for _ in 0..<100 {
            cable.hear([offer], from: stranger, at: .station)
            cable.run(for: .seconds(3))
        }
        #expect(cable.stationChannels == Self.agreed)
        #expect(cable.faults == [.severalNeighbours(2)])
        // It stays until the true one has been silent for long.
        cable.isCut = true
        for _ in 0..<40 {
            cable.hear([offer], from: stranger, at: .station)
            cable.run(for: .seconds(3))
        }
        #expect(cable.stationChannels == Cable.channels([2: 666, 3: 667]))

        var two = Cable()
        two.isCut = true
        two.setLink(up: true)
        two.hear([offer], from: stranger, at: .station)
        two.hear([CDCPTableTests.tlv(.bridge, [(1, 1), (2, 5)])], from: Cable.bridgeAddress, at: .station)
        #expect(two.stationChannels == Cable.channels([2: 666, 3: 667]), "the first is followed")
        two.hear([], from: stranger, at: .station, timeToLive: 0)
        #expect(two.stationChannels == Cable.channels([2: 5]))
    }

    @Test(
        "SCH-141 of several neighbours the one that goes on speaking is followed, however long the others' word holds")
    func silentStrangers() {
        let offer = CDCPTableTests.tlv(.bridge, [(1, 1), (2, 666)])
        var cable = running()
        for number in 0..<3 {
            let stranger = MACAddress(truncating: 0x0200_0000_0C01 + UInt64(number))
            cable.hear([offer], from: stranger, at: .station, timeToLive: 65_535)
        }
        // The bridge leaves for a moment, and is one of four when it is back.
        cable.hear([], from: Cable.bridgeAddress, at: .station, timeToLive: 0)
        #expect(cable.stationChannels.isEmpty)
        cable.run(for: .seconds(60))
        #expect(cable.stationChannels.isEmpty, "which of them is right cannot be told yet")
        cable.run(for: .seconds(62))
        #expect(cable.stationChannels == Self.agreed)
    }

    @Test("SCH-149 each LLDPDU that shows a fault counts for it, on either side")
    func faultCounters() {
        func counted(_ role: CDCPTLV.Role, _ tlvs: [CDCPTLV]) -> [CDCPFault.Kind: UInt64] {
            var cable = Cable(svids: 100...101, bridgeCapacity: 4)
            cable.isCut = true
            cable.setLink(up: true)
            let source = role == .station ? Cable.bridgeAddress : Cable.stationAddress
            for _ in 0..<3 { cable.hear(tlvs, from: source, at: role) }
            return role == .station ? cable.station.uplink.statistics.faults : cable.bridge.uplink.statistics.faults
        }
        typealias Table = CDCPTableTests
        let good = Table.tlv(.bridge, [(1, 1), (2, 100), (3, 101)])
        #expect(counted(.station, [good]).isEmpty)
        #expect(counted(.station, [good, good]) == [.severalTLVs: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(2, 100)])]) == [.noDefaultPair: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(1, 1), (2, 100)], capacity: 0)]) == [.badCapacity: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(1, 1), (2, 100)], capacity: 168)]) == [.badCapacity: 3])
        #expect(counted(.station, [Table.tlv(.station, [(1, 1)])]) == [.sameRole: 3])
        #expect(counted(.bridge, [Table.tlv(.bridge, [(1, 1)])]) == [.sameRole: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(1, 1)], component: false)]) == [.noSComponent: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(1, 1), (2, 100), (3, 100)])]) == [.badPair: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(1, 1)])]) == [.onlyDefault: 3])
        #expect(counted(.bridge, [Table.tlv(.station, [(1, 1)])]) == [.onlyDefault: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(1, 1), (2, 100), (9, 109)])]) == [.unaskedChannel: 3])
        #expect(counted(.station, [Table.tlv(.bridge, [(1, 1), (2, 100)], capacity: 2)]) == [.beyondCapacity: 3])
        #expect(
            counted(.bridge, [Table.tlv(.station, [(1, 1), (2, 0), (3, 0), (4, 0)])]) == [.noSVID: 3])
        #expect(
            counted(.bridge, [Table.tlv(.station, [(1, 1), (2, 0), (3, 0), (4, 0), (5, 0)])])
                == [.noSVID: 3, .beyondCapacity: 3])
    }

    @Test("SCH-150 the page names each kind of fault, in order, with a remedy")
    func faultTable() throws {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let page = try #require(Snapshot.read("/\(root)/Documentation/s-channels.md"))
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }
            .map { $0.split(separator: "|").map { $0.drop { $0 == " " } } }
        let named = rows.filter { $0.count == 3 }.compactMap { $0[0].split(separator: "`").first.map(String.init) }
        let kinds = CDCPFault.Kind.allCases.map(\.rawValue)
        #expect(named.filter(kinds.contains) == kinds)
        for row in rows where kinds.contains(where: { row[0].hasPrefix("`\($0)`") }) {
            #expect(row.count == 3 && row.allSatisfy { $0.count > 5 }, "\(row)")
        }
    }

    @Test("SCH-148 an SVID that another channel has now is asked for by that one alone")
    func inheritedNumber() {
        // The pool has one number, which the bridge holds for channel 3: channel 2 had it in the station's earlier life.
        var cable = running(Cable(wanted: [3: 0], svids: 100...100))
        cable.station = Cable.station(wanted: [2: 0, 3: 0], last: [2: 100])
        cable.carry(cable.station.setLink(up: true, at: cable.now), from: .station)
        cable.run(for: .seconds(5))
        #expect(cable.stationChannels == Cable.channels([3: 100]))
        // A bridge with more numbers and no memory takes its place.
        cable.bridge = Cable.bridge(svids: 100...110)
        cable.carry(cable.bridge.setLink(up: true, at: cable.now), from: .bridge)
        cable.run(for: .seconds(5))
        #expect(cable.stationChannels == Cable.channels([2: 101, 3: 100]))
    }

    @Test("SCH-07 a bridge that reboots gives the same SVIDs again, and so does one whose station does")
    func reboots() {
        var cable = running(Cable(wanted: [2: 0, 3: 0, 9: 0], svids: 100...110))
        let before = cable.stationChannels
        #expect(before == Cable.channels([2: 100, 3: 101, 9: 102]))
        // The bridge forgets all; SCID 2 is asked for no more in between.
        cable.bridge = Cable.bridge(svids: 100...110)
        cable.carry(cable.bridge.setLink(up: true, at: cable.now), from: .bridge)
        cable.run(for: .seconds(5))
        #expect(cable.stationChannels == before && cable.bridgeChannels == before)
        // The station forgets all: the bridge holds them for it, and gives others to new channels.
        cable.carry(cable.station.setLink(up: false, at: cable.now), from: .station)
        cable.station = Cable.station(wanted: [3: 0, 4: 0, 9: 0])
        cable.run(for: .seconds(125))
        cable.carry(cable.station.setLink(up: true, at: cable.now), from: .station)
        cable.run(for: .seconds(5))
        #expect(cable.stationChannels == Cable.channels([3: 101, 4: 103, 9: 102]))
        // It remembers by itself what it is told to.
        cable.station = Cable.station(wanted: [3: 0, 4: 0, 9: 0], last: [3: 101, 4: 103, 9: 102])
        #expect(
            cable.station.uplink.machine.outgoing.pairs.map(\.description) == [
                "(1,1)", "(3,101)", "(4,103)", "(9,102)",
            ])
    }

    @Test(
        "SCH-07 a station that restarts with what it had is answered at once, and neither side's answers have an end of their own"
    )
    func answers() {
        var cable = running()
        cable.run(for: .seconds(60))
        let quiet = cable.bridge.uplink.statistics.lldpSent + cable.station.uplink.statistics.lldpSent
        cable.run(for: .seconds(600))
        #expect(cable.bridge.uplink.statistics.lldpSent + cable.station.uplink.statistics.lldpSent - quiet == 40)
        cable.station = Cable.station(wanted: [2: 0, 3: 0], last: [2: 100, 3: 101])
        cable.carry(cable.station.setLink(up: true, at: cable.now), from: .station)
        cable.run(for: .seconds(3))
        #expect(cable.stationChannels == Self.agreed)
        #expect(cable.bridgeSaid.count { if case .channel = $0.1 { true } else { false } } == 2, "nothing was lost")
        // A bridge that gives too few is asked no more often than others.
        var few = running(Cable(wanted: [2: 0, 3: 0, 4: 0], svids: 100...101))
        few.run(for: .seconds(60))
        let before = few.bridge.uplink.statistics.lldpSent + few.station.uplink.statistics.lldpSent
        few.run(for: .seconds(600))
        #expect(few.bridge.uplink.statistics.lldpSent + few.station.uplink.statistics.lldpSent - before == 40)
    }

    @Test("SCH-05 of more channels than are borne those of the lowest SCIDs come up, the rest is reported")
    func capacity() {
        let cable = running(Cable(wanted: [2: 0, 3: 0, 4: 0, 5: 0], bridgeCapacity: 3))
        #expect(cable.stationChannels == Self.agreed)
        #expect(cable.faults == [.beyondCapacity(wanted: 5, borne: 3)])
        #expect(cable.station.uplink.machine.outgoing.pairs.count == 3)
        let all = running(Cable(wanted: Dictionary(uniqueKeysWithValues: (2...167).map { ($0, 0) }), svids: 2...4094))
        #expect(all.stationChannels.count == 166 && all.faults.isEmpty && all.bridgeChannels == all.stationChannels)
        let few = running(Cable(wanted: [2: 0, 3: 0, 4: 0], svids: 100...101))
        #expect(few.stationChannels == Self.agreed && few.bridge.uplink.faults == [.noSVID(SCID(4))])
    }

    @Test("SCH-07 neither side's table of neighbours nor memory grows, nor does the other's, whatever is sent")
    func bounds() {
        var cable = running()
        for number in 0..<2000 {
            let scid = UInt16(2 + number % 4000)
            cable.hear(
                [CDCPTableTests.tlv(.station, [(1, 1), (scid, 0), (scid % 4000 + 1, 0)])], from: Cable.stationAddress,
                at: .bridge)
            cable.hear(
                [CDCPTableTests.tlv(.bridge, [(1, 1), (2, 50)])],
                from: MACAddress(truncating: 0x0200_0000_0000 | UInt64(number)), at: .station)
        }
        #expect(cable.bridge.uplink.machine.held.count <= 167)
        #expect(cable.station.uplink.agent.neighbours.count <= LLDPAgent.neighboursMax)
        #expect(cable.stationSaid.count { if case .fault = $0.1 { true } else { false } } <= 2)
    }
}

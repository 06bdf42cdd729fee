import EVBTime
import Glibc
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// A bridge's VSIs with a station that asks for them, and an owner that grants all.
private struct RoundsBench {
    static let timeout = Interval.seconds(30)
    var vdp: VDPBridge
    var now = Instant.seconds(10)

    init(placesPerCall: Int, vsisMax: Int = 10_000) {
        vdp = VDPBridge(vsisMax: vsisMax)
        vdp.placesPerCall = placesPerCall
        hear()
    }

    mutating func hear(_ timeout: Interval = timeout) {
        vdp.stationChanged(
            VDPBridge.Station(
                times: OperationalTimers().times, keepAliveTimeout: timeout, usesGroupIDs: true,
                offersGroupIDs: true, payloadMax: 1480, dialect: .ratified),
            at: now)
    }

    /// The effects since the last look.
    mutating func take() -> [BridgeEffect] {
        defer { vdp.effects = [] }
        return vdp.effects
    }

    mutating func ask(_ number: UInt64, _ command: VDPCommand = .associate) throws -> [BridgeEffect] {
        let tlv = VSITLV(
            command: command, typeID: 5, typeVersion: 1, vsiID: .number(number),
            filter: try FilterInfo(checking: [FilterEntry(vid: 100)]))
        let association = WireDialect.Association(managerID: .unspecified, tlv: tlv)
        vdp.receive(WireDialect.Reading(associations: [association], rejected: []), at: now)
        return take()
    }

    @discardableResult
    mutating func grant(_ number: UInt64) throws -> [BridgeEffect] {
        let asked = try ask(number)
        let filter = try FilterInfo(checking: [FilterEntry(vid: 100)])
        for case .decide(let ticket, _) in asked { vdp.decided(ticket, .grant(filter), at: now) }
        return asked + take()
    }

    /// Says all that there is to say, and has it acknowledged.
    mutating func sayAll() {
        while vdp.nextPayload() != nil { vdp.pduAcknowledged() }
    }

    mutating func lose() -> [VSIID] {
        vdp.stationLost(at: now)
        return take().lost
    }

    /// What holds, as far as it is shown, and until when.
    var shown: [VSIID: Instant] {
        var shown: [VSIID: Instant] = [:]
        for vsi in vdp.slots.compactMap({ $0 }) where vsi.machine.state != .initial && !vdp.isLost(vsi) {
            if case .keepAlive(_, let until) = vsi.wait { shown[vsi.vsiID] = until }
        }
        return shown
    }
}

extension [BridgeEffect] {
    fileprivate var lost: [VSIID] {
        compactMap { if case .vsi(.released(let vsiID, .stationLost)) = $0 { vsiID } else { nil } }
    }
}

@Suite struct BridgeRoundsTests {
    @Test("SEC-711 the VSIs of a station that is lost are released so many a call; all of them count as gone at once")
    func loss() throws {
        var bench = RoundsBench(placesPerCall: 10)
        for number in 1...1000 as ClosedRange<UInt64> { try bench.grant(number) }
        #expect(bench.vdp.presentCount == 1000 && bench.shown.count == 1000)
        var released = bench.lose()
        #expect(released.count == 10)
        var calls = 1
        while bench.vdp.isReleasing, calls < 1000 {
            #expect(bench.vdp.presentCount == 0 && bench.shown.isEmpty)
            let next = try #require(bench.vdp.nextDeadline)
            #expect(next <= bench.now)
            bench.vdp.advance(to: bench.now)
            let more = bench.take().lost
            #expect(more.count <= 10)
            released += more
            calls += 1
        }
        #expect(calls == 100 && Set(released) == Set((1...1000).map { .number($0) }) && released.count == 1000)
        #expect(bench.vdp.index.count == 0 && bench.vdp.nextDeadline == nil && bench.vdp.use == ResourceUse())
    }

    @Test("SEC-711 a station that is back before all is released meets nothing of what it had")
    func found() throws {
        var bench = RoundsBench(placesPerCall: 10)
        for number in 1...100 as ClosedRange<UInt64> { try bench.grant(number) }
        let open = try bench.ask(101)
        let first = bench.lose()
        #expect(first.count == 10)
        bench.hear()
        // Nothing that was to be said to the former one is said to it.
        let payload = bench.vdp.nextPayload()
        #expect(payload == nil)
        // What is decided on a request of the former one comes too late.
        for case .decide(let ticket, _) in open {
            bench.vdp.decided(ticket, .grant(try FilterInfo(checking: [FilterEntry(vid: 100)])), at: bench.now)
        }
        let ignored = bench.take()
        #expect(ignored.isEmpty && bench.shown.isEmpty)
        let isKnown = bench.vdp.deassociate(.number(99), at: bench.now)
        #expect(!isKnown)
        let released = bench.take()
        #expect(released == [.vsi(.released(.number(99), .stationLost))])
        // One is asked for again: it is released first, and its request is a new one.
        let again = try bench.ask(95)
        guard case .vsi(.released(.number(95), .stationLost)) = again.first,
            case .decide(let ticket, let request) = again.last
        else {
            Issue.record("\(again)")
            return
        }
        #expect(again.count == 2 && request.holding == nil)
        bench.vdp.decided(ticket, .grant(request.filter), at: bench.now)
        try bench.grant(200)
        bench.sayAll()
        _ = bench.take()
        while bench.vdp.isReleasing { bench.vdp.advance(to: bench.now) }
        let rest = bench.take()
        #expect(rest.lost.count == 88 && rest.count == 88, "and no cancellation of what was decided")
        #expect(Set(bench.shown.keys) == [.number(95), .number(200)] && bench.vdp.livingCount == 2)
    }

    @Test("SEC-711 what is still to be released takes no room from the next station")
    func room() throws {
        var bench = RoundsBench(placesPerCall: 10, vsisMax: 100)
        for number in 1...100 as ClosedRange<UInt64> { try bench.grant(number) }
        bench.sayAll()
        _ = bench.lose()
        bench.hear()
        for number in 201...300 as ClosedRange<UInt64> { try bench.grant(number) }
        #expect(bench.shown.count == 100 && !bench.vdp.isReleasing && bench.vdp.statistics.tableFull == 0)
    }

    @Test("SEC-711 VSIs that are dealt with in parts become what they would become at once")
    func randomWalk() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 1 ... .max)
        var state = seed
        func dice(_ bound: UInt64) -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state % bound
        }
        var parts = RoundsBench(placesPerCall: 3)
        var whole = RoundsBench(placesPerCall: 100_000)
        for step in 0..<4000 {
            let (choice, number) = (dice(20), 1 + dice(60))
            let (timeout, pause) = (Interval.seconds(10 + dice(4) * 40), Interval.milliseconds(dice(9000)))
            func act(_ bench: inout RoundsBench) throws {
                switch choice {
                case 0...1: bench.hear(timeout)
                case 2 where number < 10:
                    _ = bench.lose()
                    bench.hear(timeout)
                case 3: _ = bench.vdp.deassociate(.number(number), at: bench.now)
                case 4...6:
                    bench.now = bench.now + pause
                    // As the loop does: as long as something is due.
                    repeat {
                        bench.vdp.advance(to: bench.now)
                    } while bench.vdp.nextDeadline.map { $0 <= bench.now } ?? false
                case 7: bench.vdp.moved(.number(number), at: bench.now)
                default: try bench.grant(number)
                }
                _ = bench.take()
            }
            try act(&parts)
            try act(&whole)
            #expect(Set(parts.shown.keys) == Set(whole.shown.keys), "EVBD_SEED=\(seed), step \(step)")
            guard dice(30) == 0 else { continue }
            while parts.vdp.round != nil { parts.vdp.advance(to: parts.now) }
            #expect(parts.shown == whole.shown, "EVBD_SEED=\(seed), step \(step)")
            parts.sayAll()
            whole.sayAll()
            #expect(parts.vdp.use == whole.vdp.use && parts.vdp.presentCount == whole.vdp.presentCount)
        }
    }
}

import EVBTime
import EVBWire
import Testing
import VSISamples

@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol

@Suite struct BridgeRegistryTests {
    private let taken = BridgeDecision.refuse(Refusal(reason: .invalidFilter, isHard: false, isKept: true))

    private func decide(_ admission: AcceptingAdmission, _ request: BridgeRequest, on port: String) -> BridgeDecision? {
        var decision: BridgeDecision?
        admission.decide(request, on: port) { decision = $0.decision }
        return decision
    }

    @Test("SEC-22 ports without VSI types keep addresses apart too, from the grant to the release")
    func accepting() throws {
        let registry = BridgeRegistry()
        let (first, second) = (AcceptingAdmission(registry: registry), AcceptingAdmission(registry: registry))
        let mine = try request([entry(machineOne, 0)])
        let theirs = try request(id: vsi(2), [entry(machineOne, 0)])
        #expect(decide(first, mine, on: "port0") == .grant(mine.filter))
        #expect(decide(second, theirs, on: "port1") == taken, "before it is bound")
        first.bind(vsi(1), BridgeGrant(command: .associate, filter: mine.filter), request: mine, on: "port0")
        #expect(decide(second, theirs, on: "port1") == taken)
        #expect(registry.counters(of: "port1")[.vdpAddressConflicts] == 2)
        // Another filter: what the new one has not is free, once it holds.
        let changed = try request([entry(machineTwo, 0)])
        #expect(decide(first, changed, on: "port0") == .grant(changed.filter))
        #expect(decide(second, theirs, on: "port1") == taken)
        first.bind(vsi(1), BridgeGrant(command: .associate, filter: changed.filter), request: changed, on: "port0")
        #expect(decide(second, theirs, on: "port1") == .grant(theirs.filter))
        first.release(vsi(1), on: "port0")
        second.leave("port1")
        #expect(registry.ledger.load == (0, 0))
    }

    @Test("SEC-22 a Pre-Associate without reservation holds no address, and gets none that is held")
    func preAssociate() throws {
        let registry = BridgeRegistry()
        let admission = AcceptingAdmission(registry: registry)
        let first = try request(command: .preAssociate, [entry(machineOne, 0)])
        #expect(decide(admission, first, on: "port0") == .grant(first.filter))
        let other = try request(id: vsi(2), [entry(machineOne, 0)])
        #expect(decide(admission, other, on: "port0") == .grant(other.filter))
        #expect(decide(admission, first, on: "port0") == taken)
    }

    @Test("SEC-24 a protected address is no VSI's, and one that becomes so is taken back")
    func protected() throws {
        let registry = BridgeRegistry()
        let admission = AcceptingAdmission(registry: registry)
        let address = try #require(MACAddress(machineOne))
        var revoked: [String: AddressLedger.Obstacle] = [:]
        registry.onRevoked = { revoked["\($0 == vsi(1)) \($1)"] = $2 }
        registry.protect([], by: .port("port0"))
        #expect(registry.follow("port0").isEmpty)
        let asked = try request([entry(machineOne, 0)])
        #expect(decide(admission, asked, on: "port0") == .grant(asked.filter))
        registry.protect([address], by: .port("port0"))
        #expect(revoked == ["true port0": .protected(address)])
        revoked = [:]
        registry.protect([address], by: .port("port0"))
        #expect(revoked.isEmpty && registry.follow("port0").isEmpty, "told once")
        admission.release(vsi(1), on: "port0")
        #expect(
            decide(admission, asked, on: "port0")
                == .refuse(Refusal(reason: .invalidFilter, isHard: true, isKept: true)))
        registry.protect([], by: .port("port1"))
        #expect(decide(admission, asked, on: "port1") != .grant(asked.filter), "nor another port's")
        registry.leave("port0")
        #expect(decide(admission, asked, on: "port1") == .grant(asked.filter))
    }

    @Test(
        "SEC-26 an address that becomes protected is taken back on all ports, whichever part of the configuration says so"
    )
    func protectedEverywhere() throws {
        let address = try #require(MACAddress(machineOne))
        for part in [BridgeRegistry.Protection.port("port0"), .types(of: "port0"), .port("port1")] {
            let registry = BridgeRegistry()
            let admission = AcceptingAdmission(registry: registry)
            var revoked: [String] = []
            registry.onRevoked = { revoked.append("\($0 == vsi(1)) \($1) \($2 == .protected(address))") }
            for port in ["port1", "port2"] {
                let asked = try request([entry(machineOne, 0), entry(machineTwo, 0)])
                #expect(decide(admission, asked, on: port) == .grant(asked.filter))
            }
            registry.protect([address], by: part)
            #expect(revoked.sorted() == ["true port1 true", "true port2 true"])
        }
    }

    @Test("SEC-21 who loses a VSI is told which, and a VSI that is not associated is at no place")
    func moves() throws {
        let registry = BridgeRegistry()
        var moved: [String] = []
        registry.onMoved = { moved.append("\($0 == vsi(1)) \($1) \($2)") }
        registry.bound(vsi(1), .associate, on: "a")
        registry.bound(vsi(1), .preAssociate, on: "b")
        #expect(moved.isEmpty)
        registry.bound(vsi(1), .associate, on: "b")
        #expect(moved == ["true a b"])
        #expect(registry.judge(try request([entry(machineOne, 0)]), on: "a") == .moved(to: "b", isNews: false))
        #expect(registry.counters(of: "a")[.vdpMovesRefused] == 1)
        registry.bound(vsi(1), .preAssociate, on: "b")
        #expect(registry.judge(try request([entry(machineOne, 0)]), on: "a") == .free)
    }

    @Test(
        "SEC-27 a contest and a conflict are shown at their ports while they last, with what to do, and not without bound"
    )
    func problems() throws {
        var time = Instant(nanoseconds: 0)
        let registry = BridgeRegistry { time }
        let admission = AcceptingAdmission(registry: registry)
        func ask(_ number: UInt64, _ address: String, on port: String) throws {
            let asked = try request(id: vsi(number), [entry(address, 0)])
            guard registry.judge(asked, on: port) == .free,
                case .grant(let filter)? = decide(admission, asked, on: port)
            else { return }
            let grant = BridgeGrant(command: .associate, filter: filter)
            admission.bind(vsi(number), grant, request: asked, on: port)
            registry.bound(vsi(number), .associate, on: port)
        }
        try ask(1, machineOne, on: "a")
        try ask(2, machineOne, on: "b")
        let conflict = registry.problems(of: "b")
        #expect(conflict.map(\.kind) == [.addressConflict] && conflict.map(\.otherPort) == ["a"])
        #expect(conflict.map(\.vsiID) == ["\(vsi(2))"] && conflict.map(\.otherVSIID) == ["\(vsi(1))"])
        #expect(
            conflict.map(\.address) == [machineOne] && conflict.allSatisfy { $0.hint.contains("end VSI \(vsi(1))") })
        #expect(registry.problems(of: "a").isEmpty, "it is asked for at the other")
        time = time + .seconds(330)
        #expect(registry.problems(of: "b").count == 1)
        time = time + .seconds(1)
        #expect(registry.problems(of: "b").isEmpty, "it is not asked for any more")
        for over in 0..<4 {
            try ask(2, machineOne, on: "b")
            #expect(registry.problems(of: "b").count == 1)
            switch over {
            case 0: registry.departed(vsi(2), from: "b")
            case 1: try ask(2, machineTwo, on: "b")
            case 2: registry.stationLost(on: "b")
            default: registry.leave("b")
            }
            #expect(registry.problems(of: "b").isEmpty, "\(over)")
        }
        for number in 0..<1000 as Range<UInt64> {
            time = time + .milliseconds(1)
            try ask(10 + number, machineOne, on: "b")
        }
        let many = registry.problems(of: "b")
        #expect(many.count == AddressConflicts.countMax && many.first?.vsiID == "\(vsi(1009))")
        registry.stationLost(on: "b")

        try ask(1, machineOne, on: "b")
        #expect(registry.problems(of: "a").isEmpty, "a migration is none")
        for _ in 0..<2 { try ask(1, machineOne, on: "a") }
        #expect(registry.problems(of: "a").isEmpty, "the source of a migration asks on for a moment")
        time = time + .seconds(6)
        try ask(1, machineOne, on: "a")
        for (port, other) in [("a", "b"), ("b", "a")] {
            let contest = registry.problems(of: port)
            #expect(contest.map(\.kind) == [.vsiContest] && contest.map(\.otherPort) == [other])
            #expect(contest.allSatisfy { $0.hint.contains("end it at one of the two") })
        }
        #expect(registry.problems(of: "c").isEmpty)
        time = time + .seconds(701)
        #expect(registry.problems(of: "a").isEmpty && registry.problems(of: "b").isEmpty)
        time = time + .seconds(1)
        registry.bound(vsi(1), .associate, on: "b")
        registry.departed(vsi(1), from: "a")
        #expect(registry.problems(of: "b").isEmpty)
    }
}

import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Anything that can happen, in any order; what must hold holds after each step.
@Suite struct RandomWalkTests {
    private static let vsiCount = 12

    /// One walk: a bench, its dice and what managers want.
    private final class Walk {
        let bench: Bench
        var random: SplitMix64
        var wanted: [VSIID: VSIRequest.Persistence] = [:]
        var isLinkUp = true
        var step = 0

        init(seed: UInt64) {
            var random = SplitMix64(seed: seed)
            let bridge = random.chance(40) ? FakeBridge.lldpad() : FakeBridge()
            bench = Bench(
                .test(timers: OperationalTimers(retries: 1, rte: 10, rwd: 16, rka: 18)), bridges: [bridge],
                firstSequence: UInt16(truncatingIfNeeded: random.next()))
            bench.keepsLog = false
            bench.checksRetries = false
            // What a bridge's coming and going does to all VSIs has turns of its own, and other things come between.
            if seed % 2 == 0 { bench.port.sweptAtOnce = 1 }
            bridge.keepsHeard = false
            bench.random = SplitMix64(seed: random.next())
            self.random = random
            bench.start()
        }
    }

    @Test("random walk", arguments: 1...16 as ClosedRange<UInt64>)
    func walk(number: UInt64) throws {
        let seed = Environment.seed("walk \(number)", otherwise: number &* 0x5DEE_CE66)
        let walk = Walk(seed: seed)
        for step in 0..<500 {
            walk.step = step
            try act(walk)
            if !holds(walk.bench.port.vdp) {
                Issue.record("seed \(seed), step \(step)")
                return
            }
        }
        calm(walk, seed: seed)
    }

    // MARK: Steps

    private func act(_ walk: Walk) throws {
        let bench = walk.bench
        switch walk.random.below(20) {
        case 0..<6: try request(walk)
        case 6..<8: try withdraw(walk)
        case 8:
            walk.isLinkUp.toggle()
            bench.setLink(up: walk.isLinkUp)
        case 9: bench.loss = [0, 0, 5, 20, 50, 100][walk.random.below(6)]
        case 10: changeBridge(walk)
        case 11: changeTLV(walk)
        case 12: bench.reconfigure(configuration(walk))
        case 13: garbage(walk)
        case 14: changePolicy(walk)
        case 15:
            let vsiID = VSIID.number(UInt64(walk.random.below(Self.vsiCount)))
            bench.bridge.deassociate(vsiID, at: bench.now)
        default: break
        }
        if walk.random.chance(40) {
            bench.run(steps: walk.random.below(6))
        } else {
            bench.run(for: .microseconds(1 << UInt64(walk.random.below(23))))
        }
        guard !walk.isLinkUp else { return }
        // Nobody is told that something is bound, though not every VSI knows yet that it is not.
        let isUnbound = bench.port.vsis.allSatisfy { $0.state == .deassociated || $0.state == .pending }
        #expect(isUnbound, "bound without a link")
        var counts: [VSIState: Int] = [:]
        bench.port.forEachState(in: 0..<bench.port.placeCount) { counts[$0, default: 0] += 1 }
        #expect(counts == Dictionary(bench.port.vsis.map { ($0.state, 1) }, uniquingKeysWith: +))
    }

    private func request(_ walk: Walk) throws {
        let number = UInt64(walk.random.below(Self.vsiCount))
        let targets = VSIRequest.Target.all
        let vids: [UInt16] = [[0], [100], [200], [100, 200]][walk.random.below(4)]
        let request = try VSIRequest.vsi(
            number, targets[walk.random.below(3)], vids: vids, groupID: walk.random.chance(15) ? 0x77 : nil,
            manager: UInt8(walk.random.below(2)), typeID: UInt32(1 + walk.random.below(2)),
            persistence: walk.random.chance(30) ? .once : .untilWithdrawn)
        do {
            try walk.bench.request(request)
            walk.wanted[request.vsiID] = request.persistence
        } catch let error as VSIRequestError {
            guard case .goesBackward = error else { throw error }
        }
    }

    private func withdraw(_ walk: Walk) throws {
        let vsiID = VSIID.number(UInt64(walk.random.below(Self.vsiCount)))
        if walk.bench.port.vsi(vsiID) == nil {
            #expect(throws: VSIRequestError.unknownVSI) { try walk.bench.withdraw(vsiID) }
        } else {
            try walk.bench.withdraw(vsiID)
            walk.wanted[vsiID] = nil
        }
    }

    private func changeBridge(_ walk: Walk) {
        let (bench, bridge) = (walk.bench, walk.bench.bridge)
        switch walk.random.below(6) {
        case 0: bridge.restart(at: bench.now)
        case 1: bridge.isAlive.toggle()
        case 2: bridge.sendShutdown()
        case 3: bridge.announce(at: bench.now)
        case 4: bridge.sendsAcks.toggle()
        default: bridge.grouping = [.together, .each, .firstOnly][walk.random.below(3)]
        }
    }

    private func changeTLV(_ walk: Walk) {
        let (bench, bridge) = (walk.bench, walk.bench.bridge)
        switch walk.random.below(5) {
        case 0: bridge.status = BridgeStatus(rawValue: UInt8(walk.random.below(8)))
        case 1: bridge.mode = [.bridge, .station, .notSupported][walk.random.below(3)]
        case 2: bridge.sendsTLV.toggle()
        default: bridge.timers = timers(walk)
        }
        bridge.announce(at: bench.now)
    }

    private func timers(_ walk: Walk) -> OperationalTimers {
        OperationalTimers(
            retries: UInt8(walk.random.below(3)), rte: UInt8(6 + walk.random.below(8)),
            rwd: UInt8(12 + walk.random.below(6)), rka: UInt8(14 + walk.random.below(6)))
    }

    private func configuration(_ walk: Walk) -> StationPortConfiguration {
        .test(timers: timers(walk), relay: walk.random.chance(50), groupIDs: walk.random.chance(80))
    }

    private func changePolicy(_ walk: Walk) {
        let roll = walk.random.next()
        walk.bench.bridge.policy = { tlv in
            // Different for different VSIs, and the same for one until the next change.
            var dice = SplitMix64(seed: roll ^ tlv.vsiID.low &* 0x9E37_79B9)
            let after: Interval = dice.chance(50) ? .milliseconds(0) : .milliseconds(dice.next() % 2000)
            let flags = VDPStatus(rawValue: UInt8(truncatingIfNeeded: dice.next()) & 0x30)
            switch dice.below(10) {
            case 0..<5:
                return .init(verdict: .grant(Self.filled(tlv.filter, 42, 43)), after: after)
            case 5..<7:
                return .init(verdict: .refuse(VDPReason(rawValue: UInt8(1 + dice.below(15))), flags), after: after)
            case 7: return .init(verdict: .silence)
            case 8: return .init(verdict: .deassociate, after: after)
            default: return .init(verdict: .grant(try? FilterInfo.unchecked([7, 4095])), after: after)
            }
        }
    }

    /// The filter with these VIDs for a null VID.
    private static func filled(_ filter: FilterInfo, _ vids: UInt16...) -> FilterInfo? {
        guard filter.vids == [0] else { return nil }
        return try? FilterInfo(checking: vids.map { FilterEntry(vid: $0, groupID: filter.entries[0].groupID) })
    }

    /// Real frames with something in them changed, cut off or doubled.
    private func garbage(_ walk: Walk) {
        let bench = walk.bench
        let tlvs = (0..<3).compactMap { number in
            try? VSIRequest.vsi(UInt64(number)).tlv(
                VDPCommand.allCases[walk.random.below(4)], filter: .vids(100))
        }
        let pdu = VDPDU(managerID: VSIManagerID(short: 5, placement: .first), associations: tlvs)
        let ecpdu = ECPDU(
            operation: walk.random.chance(70) ? .request : .acknowledgement,
            sequence: UInt16(truncatingIfNeeded: walk.random.next()), payload: pdu.encoded())
        let payload: Frame.Payload = walk.random.chance(50) ? .ecp(ecpdu) : .lldp(bench.bridge.lldpdu)
        var octets = Frame(destination: .nearestCustomerBridge, source: .bridge, payload: payload).encoded()
        for _ in 0...walk.random.below(4) {
            // The addresses stay: the kernel sorts out what is not for us.
            let place = 14 + walk.random.below(octets.count - 14)
            switch walk.random.below(4) {
            case 0: octets[place] = UInt8(truncatingIfNeeded: walk.random.next())
            case 1: octets[place] ^= 1 << UInt8(walk.random.below(8))
            case 2: octets.removeLast(min(walk.random.below(20), octets.count - 15))
            default: octets += octets[place...]
            }
        }
        bench.receive(octets)
    }

    // MARK: What must hold

    private func holds(_ station: VDPStation) -> Bool {
        var isRight = true
        func check(_ condition: Bool, _ what: String) {
            guard !condition else { return }
            Issue.record("\(what)")
            isRight = false
        }
        let vsis = station.vsis
        check(station.outstanding == vsis.count { $0.isSent && !$0.isOverdue }, "outstanding")
        check(station.recovering == vsis.count(where: \.exchange.isRecovering), "recovering")
        check(station.queue.count == vsis.count(where: \.isQueued), "queue")
        check(station.index.count == vsis.count, "index")
        check(station.freeSlots.count == station.slots.count - vsis.count, "freeSlots")
        let together = station.cohorts.all.map { station.cohorts[$0] }
        let alone = vsis.count { $0.wait.deadline != nil } - together.reduce(0) { $0 + $1.slots.count }
        check(station.deadlines.count == alone, "deadlines")
        for cohort in together { check(says(station, cohort), "a cohort that says something else than its VSIs") }
        check(station.inFlight.allSatisfy { !station.slots[$0].isFree }, "in flight without a VSI")
        check(
            station.outstanding == 0 || station.stallDeadline != nil || station.pacing != .lockstep || station.isLosing,
            "stall timer")
        for slot in station.slots.indices where !station.slots[slot].isFree {
            let vsiID = station.slots[slot].vsiID
            guard let vsi = station.vsi(slot), let wanted = station.wanted(slot) else {
                check(false, "a name without a VSI")
                continue
            }
            check(station.slot(of: vsiID) == slot, "a name of another VSI")
            let isTogether = station.cohorts.number(of: slot) != nil
            let deadline = isTogether ? nil : vsi.wait.deadline
            check(station.deadlines.deadline(of: slot) == deadline, "\(vsiID.testName): deadline")
            // One that the sweep has not reached is as if the bridge that came, or went, had not.
            let isBehind = station.sweep.map { slot >= $0.next } ?? false
            let hasPeer = (station.peer != nil) != isBehind
            checkMachine(vsi, wanted, station.granted(slot), hasPeer: hasPeer, isBehind: isBehind) {
                check($0, "\(vsiID.testName): \($1)")
            }
        }
        return isRight
    }

    /// Whether the PDU of a cohort is what its VSIs would say each on its own.
    private func says(_ station: VDPStation, _ cohort: Cohorts<VDPStation.KeepAliveRound>.Cohort) -> Bool {
        var other = station
        other.dissolveCohorts()
        var associations: [VSITLV] = []
        for slot in cohort.slots {
            guard let terms = other.granted(Int(slot)), let command = other.slots[Int(slot)].machine.operCommand else {
                return false
            }
            associations.append(
                terms.tlv(command, of: other.slots[Int(slot)].vsiID, filter: other.carriedFilter(Int(slot), terms)))
        }
        return VDPDU(managerID: cohort.round.manager, associations: associations).encoded() == cohort.payload
    }

    private func checkMachine(
        _ vsi: VDPStation.VSI, _ wanted: VDPStation.Terms, _ granted: VDPStation.Terms?, hasPeer: Bool, isBehind: Bool,
        _ check: (Bool, String) -> Void
    ) {
        check(vsi.reported == vsi.state, "its state was not told")
        let waits = vsi.wait != .none || vsi.exchange != .idle
        if vsi.openRequest != nil { check(waits, "an open request waits for nothing") }
        if vsi.isSent, case .response = vsi.wait {} else { check(!vsi.isSent, "sent without a time for its answer") }
        if vsi.exchange.isRecovering || vsi.isOverdue { check(vsi.exchange != .idle, "idle and stalled or overdue") }
        if wanted.filter.format.hasGroupID, !hasPeer { check(vsi.machine.state == .initial, "bound to nobody") }
        switch vsi.machine.state {
        case .initial:
            check(vsi.exchange == .idle, "INIT and something to say")
            check(granted == nil, "INIT and bound")
            check(vsi.interest != .withdrawn, "withdrawn and still there")
            // One that was asked for meanwhile waits for the next bridge.
            if hasPeer, !isBehind, vsi.interest != .refusedForGood {
                if case .retry = vsi.wait {} else { check(false, "nobody will try again") }
            }
        case .waitSystemCommand:
            check(vsi.exchange == .idle, "WAIT_SYSTEM_CMD and something to say")
            check(granted != nil && vsi.machine.operCommand != nil, "bound to nothing")
            if case .keepAlive = vsi.wait {} else { check(false, "no keep-alive") }
            check(vsi.openRequest == nil, "bound and a request open")
        case .processing, .transmitKeepAlive, .transmitDeassociate:
            check(vsi.exchange != .idle, "waits for the answer to nothing")
            check(hasPeer, "waits for nobody")
        }
    }

    // MARK: The end

    /// Faults stop: every request ends, and all that is wanted is associated.
    private func calm(_ walk: Walk, seed: UInt64) {
        let (bench, bridge) = (walk.bench, walk.bench.bridge)
        bench.loss = 0
        (bridge.isAlive, bridge.sendsAcks, bridge.sendsTLV, bridge.mode) = (true, true, true, .bridge)
        bridge.status = [.groupIDs]
        bridge.timers = OperationalTimers(rte: 8, rwd: 16, rka: 18)
        bridge.policy = { tlv in
            .init(verdict: .grant(Self.filled(tlv.filter, 42)))
        }
        bench.reconfigure(.test(timers: OperationalTimers(rte: 10, rwd: 16, rka: 18)))
        bench.setLink(up: false)
        bench.run(for: .seconds(1))
        bench.setLink(up: true)
        bench.run(for: .seconds(120))
        #expect(bench.open.values.allSatisfy { $0 == 0 }, "seed \(seed): a request never ended")
        for vsi in bench.port.vsis {
            let isBound = vsi.state == vsi.request.target.state
            #expect(isBound, "seed \(seed): \(vsi.request.vsiID.testName) is \(vsi.state.rawValue)")
            #expect(bridge.entries[vsi.request.vsiID] != nil)
            #expect(walk.wanted[vsi.request.vsiID] != nil, "seed \(seed): nobody wants it")
        }
        for (vsiID, persistence) in walk.wanted where persistence == .untilWithdrawn {
            #expect(bench.port.vsi(vsiID) != nil, "seed \(seed): \(vsiID.testName) is gone")
        }
        #expect(bridge.entries.count == bench.port.vsis.count)
        #expect(holds(bench.port.vdp), "seed \(seed): at the end")
    }
}

extension VDPStation.VSI {
    fileprivate var isSent: Bool { if case .awaiting = exchange { true } else { false } }
    fileprivate var isOverdue: Bool { if case .awaiting(_, _, .overdue) = exchange { true } else { false } }
    fileprivate var isQueued: Bool { if case .queued = exchange { true } else { false } }
}

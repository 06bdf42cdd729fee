import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Keep-alives of many VSIs as one: what comes of it is what comes of them VSI by VSI.
@Suite struct KeepAliveCohortTests {
    /// A station with so many VSIs, all of which have been kept alive once.
    private func kept(_ count: UInt64) throws -> PairBench {
        let bench = PairBench(vsisMax: 1000).start()
        for number in 1...count { try bench.request(number) }
        bench.run(for: .seconds(25))
        return bench
    }

    @Test("SPD-240 the VSIs of a PDU of keep-alives are one cohort from its answer on, and each PDU is full")
    func formed() throws {
        let bench = try kept(200)
        let vdp = bench.station.vdp
        let members = vdp.cohorts.all.map { vdp.cohorts[$0].slots.count }
        #expect(members.reduce(0, +) == 200 && members.max() == 42, "\(members)")
        #expect(vdp.deadlines.count == 0 && vdp.cohorts.deadlines.count == members.count)
        bench.run(for: .seconds(120))
        #expect((1...200).allSatisfy { bench.state($0) == .associated })
        #expect(bench.station.vdp.cohorts.all.count <= members.count)
        #expect(bench.bridge.snapshot.statistics.vdp.keepAliveTimeouts == 0)
    }

    @Test(
        "SPD-301 of the VSIs of cohorts nothing is kept that the cohort knows, and one that is taken out has it again")
    func onTheirOwn() throws {
        let bench = try kept(200)
        #expect(bench.station.vdp.activities.count == 0)
        let vdp = apart(bench.station).vdp
        let all = vdp.vsis
        var other = vdp
        other.dissolveCohorts()
        #expect(other.activities.count == 200 && other.deadlines.count == 200)
        #expect(other.vsis.map { "\($0)" } == all.map { "\($0)" })
        try bench.request(7, vid: 8)
        #expect((1...42).contains(bench.station.vdp.activities.count))
        bench.run(for: .seconds(60))
        #expect(bench.station.vdp.activities.count == 0 && bench.state(7) == .associated)
    }

    /// The port with each VSI on its own whose answer is awaited.
    private func apart(_ port: StationPort) -> StationPort {
        var port = port
        for number in port.vdp.order.asking.reversed() { port.vdp.dissolve(number) }
        return port
    }

    /// What there is to see of a station, its cohorts aside, and when keep-alives are due.
    private func seen(_ port: StationPort) -> (what: [String], due: [Instant?]) {
        let (vdp, own) = (port.vdp, apart(port).vdp)
        var due: [Instant?] = []
        let vsis = vdp.vsis.map { vsi in
            var vsi = vsi
            guard case .keepAlive(let at) = vsi.wait else {
                due.append(nil)
                return "\(vsi)"
            }
            // A cohort that is made has a place of its own in the period.
            due.append(at)
            vsi.wait = .keepAlive(at: .origin)
            return "\(vsi)"
        }
        let rest = [
            "\(vdp.statistics)", "\(vdp.pace)", "\(vdp.pacing) \(vdp.trustDeadline) \(vdp.lastAnswer) \(vdp.answering)",
            "\(vdp.outstanding) \(vdp.recovering) \(vdp.payloadsLost) \(vdp.offer) \(vdp.queue.count)",
            "\(String(describing: vdp.stallDeadline)) \(String(describing: vdp.heldUntil))",
            "\(own.inFlight.sorted()) \(vdp.cohorts.ready.count)", "\(port.link.statistics)",
        ]
        return (vsis + rest, due)
    }

    /// The first of what there is to see that is not the same.
    private func difference(_ one: StationPort, _ other: StationPort) -> String? {
        let (one, other, most) = (seen(one), seen(other), OperationalTimers().times.reinitKeepAlive / 4)
        guard one.what.count == other.what.count else { return "\(one.what.count) and \(other.what.count)" }
        if let pair = zip(one.what, other.what).first(where: { $0 != $1 }) { return "\(pair.0)\nand\n\(pair.1)" }
        for case (let due?, let otherDue?) in zip(one.due, other.due)
        where max(due, otherDue).since(min(due, otherDue)) > most {
            return "due at \(due.text) and at \(otherDue.text)"
        }
        return nil
    }

    @Test(
        "SPD-240 any answer has the outcome that it has VSI by VSI", arguments: [1, 2, 3] as [UInt64])
    func sameOutcome(seed: UInt64) throws {
        var random = SplitMix64(seed: Environment.seed("sameOutcome", otherwise: seed))
        let bench = try kept(UInt64(44 + random.below(20)))
        var (compared, confirmed) = (0, 0)
        bench.stationReceives = { port, frame, now in
            let frame = random.chance(80) ? frame : Self.changed(frame, &random)
            var other = apart(port)
            let (asking, all) = (port.vdp.order.asking.count, port.vdp.cohorts.all)
            let effects = port.receive(frame, at: now)
            #expect(effects == other.receive(frame, at: now))
            #expect(difference(port, other) == nil)
            compared += 1
            if port.vdp.order.asking.count < asking, port.vdp.cohorts.all == all { confirmed += 1 }
            return effects
        }
        for _ in 0..<30 {
            switch random.below(20) {
            case 0: try? bench.withdraw(UInt64(1 + random.below(60)))
            case 1, 2: try? bench.request(UInt64(1 + random.below(60)), vid: UInt16(10 + random.below(3)))
            case 3:
                let lost = random.next()
                bench.losesFromStation = { _ in lost % 3 == 0 }
            default: bench.losesFromStation = { _ in false }
            }
            bench.run(for: .milliseconds(random.next() % 9000))
        }
        #expect(compared > 50 && confirmed > 3, "\(compared) compared, \(confirmed) confirmed")
    }

    /// A bridge's frame with something in its VDPDU that a bridge may say, or may not.
    private static func changed(_ frame: Frame, _ random: inout SplitMix64) -> Frame {
        frame.changed(&random) { pdu, place, random in
            let flags = VDPStatus(rawValue: UInt8(truncatingIfNeeded: random.next()) & 0x30)
            switch random.below(9) {
            case 0:
                pdu.associations[place].status = .answer(VDPReason(rawValue: UInt8(random.below(6))), flags)
            case 1: pdu.associations[place].command = VDPCommand.allCases[random.below(4)]
            case 2: pdu.associations.remove(at: place)
            case 3: pdu.associations.swapAt(place, random.below(pdu.associations.count))
            case 4: pdu.associations.append(pdu.associations[place])
            case 5: pdu.associations[place].status = []
            case 6: pdu.hasEnd.toggle()
            default: return false
            }
            return true
        }
    }

    @Test("SPD-240 a PDU of a cohort that does not get across is made up VSI by VSI, and no VSI is lost")
    func lost() throws {
        let bench = try kept(100)
        bench.clear()
        var left = 9
        bench.losesFromStation = { frame in
            guard case .ecp = frame.payload, left > 0 else { return false }
            left -= 1
            return true
        }
        bench.run(for: .seconds(60))
        #expect(left == 0)
        #expect((1...100).allSatisfy { bench.state($0) == .associated })
        #expect(bench.outcomes.isEmpty && bench.releases.isEmpty)
    }

    @Test("SPD-240 commands and keep-alives of cohorts leave by turns")
    func turns() throws {
        let bench = try kept(300)
        // Something to say at each moment at which ECP can take a PDU.
        var number: UInt64 = 300
        for _ in 0..<2000 {
            number += 1
            try bench.request(301 + number % 8, vid: UInt16(10 + number % 5))
            bench.run(for: .milliseconds(15))
        }
        #expect((1...300).allSatisfy { bench.state($0) == .associated && bench.held($0) != nil })
        #expect(bench.bridge.snapshot.statistics.vdp.keepAliveTimeouts == 0)
    }

    @Test("SPD-240 one VSI of a cohort that waits for ECP is withdrawn: the others go on waiting for ECP alone")
    func leaving() throws {
        let bench = try kept(100)
        bench.losesFromBridge = { if case .ecp = $0.payload { true } else { false } }
        for _ in 0..<600 where bench.station.vdp.cohorts.ready.isEmpty { bench.run(for: .milliseconds(50)) }
        let ready = try #require(bench.station.vdp.cohorts.ready.first)
        let slot = Int(bench.station.vdp.cohorts[ready].slots[0])
        let gone = bench.station.vdp.slots[slot].vsiID
        bench.run(for: .milliseconds(1))
        try bench.stationDoes { try $0.withdraw(gone, at: $1) }
        #expect(bench.station.nextDeadline.map { $0 >= bench.now } == true)
        bench.losesFromBridge = { _ in false }
        bench.run(for: .seconds(60))
        #expect((1...100).count { bench.state($0) == .associated } == 99 && bench.station.vsi(gone) == nil)
        #expect(bench.bridge.snapshot.statistics.vdp.keepAliveTimeouts == 0)
    }

    /// How many VSIs each cohort of the station has.
    private func sizes(_ bench: PairBench) -> [Int] {
        let cohorts = bench.station.vdp.cohorts
        return cohorts.all.map { cohorts[$0].slots.count }.sorted()
    }

    @Test("SPD-310 VSIs of a burst whose PDUs are not full share full PDUs from their first keep-alives on")
    func burst() throws {
        let bench = PairBench(vsisMax: 1000).start()
        for number in 1...200 as ClosedRange<UInt64> {
            try bench.request(number)
            if number % 20 == 0 { bench.run(for: .milliseconds(10)) }
        }
        let asked = bench.sentByStation.compactMap(\.frame.requestPayload).count
        #expect(asked >= 10, "the burst took \(asked) PDUs")
        bench.run(for: .seconds(10))
        #expect(sizes(bench) == [32, 42, 42, 42, 42])
        bench.run(for: .seconds(60))
        #expect(sizes(bench) == [32, 42, 42, 42, 42])
        #expect(bench.bridge.snapshot.statistics.vdp.keepAliveTimeouts == 0)
    }

    @Test("SPD-311 cohorts that have room in one PDU become one, however far apart they are due")
    func joined() throws {
        let bench = try kept(9)
        for group in 1...3 as ClosedRange<UInt64> {
            for number in group * 9 + 1...group * 9 + 9 { try bench.request(number) }
            // Another place in the period for each group.
            bench.run(for: .milliseconds(33_300))
        }
        #expect(sizes(bench) == [36])
        bench.clear()
        bench.run(for: .seconds(60))
        // No more than one PDU for 65 % of the period of 10.5 s.
        #expect(bench.sentByStation.compactMap(\.frame.requestPayload).count <= 9)
        #expect(bench.bridge.snapshot.statistics.vdp.keepAliveTimeouts == 0)
        #expect((1...36).allSatisfy { bench.state($0) == .associated })
    }

    @Test("SPD-312 cohorts whose PDUs are nearly full stay as they are")
    func nearlyFull() throws {
        let bench = try kept(35)
        for number in 36...70 as ClosedRange<UInt64> { try bench.request(number) }
        bench.run(for: .seconds(25))
        let former = bench.station.vdp.cohorts
        #expect(sizes(bench) == [35, 35])
        bench.run(for: .seconds(60))
        let cohorts = bench.station.vdp.cohorts
        for number in former.all {
            #expect(cohorts[number].slots == former[number].slots)
            #expect(cohorts[number].round.answered >= former[number].round.answered + 5)
        }
    }

    @Test("SPD-312 cohorts that have room for no VSI of another stay as they are, however short their PDUs are")
    func ofLongFilters() throws {
        let bench = PairBench(vsisMax: 1000).start()
        // Two of them take some 1,000 of 1,500 octets, and three do not fit.
        for number in 1...8 as ClosedRange<UInt64> {
            var request = try DraftBench.request(number)
            request.filter = try FilterInfo(
                checking: (0..<60).map {
                    FilterEntry(vid: 10, macAddress: MACAddress(truncating: 0x5254_0000_0000 + number << 8 + $0))
                })
            try bench.stationDoes { try $0.request(request, at: $1) }
            if number % 2 == 0 { bench.run(for: .milliseconds(1500)) }
        }
        bench.run(for: .seconds(60))
        let former = bench.station.vdp.cohorts
        #expect(sizes(bench) == [2, 2, 2, 2])
        bench.run(for: .seconds(60))
        let cohorts = bench.station.vdp.cohorts
        for number in former.all {
            #expect(cohorts[number].slots == former[number].slots)
            #expect(cohorts[number].round.answered >= former[number].round.answered + 5)
        }
    }
}

import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// Keep-alives of many VSIs that the bridge answers as one: what comes of it is what comes of them VSI by VSI.
@Suite struct AnswerCohortTests {
    private func kept(_ count: UInt64) throws -> PairBench {
        let bench = PairBench(vsisMax: 1000).start()
        for number in 1...count { try bench.request(number) }
        bench.run(for: .seconds(25))
        return bench
    }

    /// The port with each VSI on its own, but for those whose answer waits for ECP.
    private func apart(_ port: BridgePort, but ready: [Int]? = nil) -> BridgePort {
        var port = port
        let ready = ready ?? port.vdp.cohorts.ready
        for number in port.vdp.cohorts.all where !ready.contains(number) { port.vdp.dissolve(number) }
        return port
    }

    /// The first of what there is to see that is not the same.
    private func difference(_ one: BridgePort, _ other: BridgePort) -> String? {
        let (one, other) = (seen(one), seen(other))
        guard one.count == other.count else { return "\(one.count) and \(other.count)" }
        return zip(one, other).first { $0 != $1 }.map { "\($0)\nand\n\($1)" }
    }

    /// What there is to see of a bridge's port, its cohorts aside.
    private func seen(_ port: BridgePort) -> [String] {
        let vdp = apart(port, but: []).vdp
        return vdp.slots.map { "\($0)" } + vdp.messages.map { "\(String(describing: $0))" } + [
            "\(vdp.statistics)", "\(vdp.livingCount) \(vdp.entryCount) \(vdp.queue.count)",
            "\(vdp.inFlight.map(\.slot).sorted())", "\(String(describing: port.nextDeadline))",
            "\(port.link.statistics)", "\(port.vsis)",
        ]
    }

    @Test("SPD-241 the VSIs of a PDU of keep-alives are one cohort from its answer on")
    func formed() throws {
        let bench = try kept(200)
        let vdp = bench.bridge.vdp
        #expect(vdp.cohorts.all.reduce(0) { $0 + vdp.cohorts[$1].slots.count } == 200)
        #expect(vdp.deadlines.count == 0)
        let counted = vdp.statistics.keepAlives
        bench.run(for: .seconds(60))
        #expect(bench.bridge.vdp.statistics.keepAlives > counted + 1000)
        #expect((1...200).allSatisfy { bench.held($0) != nil })
        // A station that falls silent loses all of them, as ever.
        bench.losesFromStation = { if case .ecp = $0.payload { true } else { false } }
        bench.run(for: .seconds(60))
        #expect((1...200).allSatisfy { bench.held($0) == nil })
        #expect(bench.bridge.vdp.statistics.keepAliveTimeouts == 200)
    }

    @Test("SPD-241 any PDU has the outcome that it has VSI by VSI", arguments: [1, 2, 3] as [UInt64])
    func sameOutcome(seed: UInt64) throws {
        var random = SplitMix64(seed: Environment.seed("sameOutcome", otherwise: seed))
        let bench = try kept(UInt64(44 + random.below(20)))
        var (compared, kept) = (0, 0)
        bench.bridgeReceives = { port, frame, now in
            let frame = random.chance(80) ? frame : Self.changed(frame, &random)
            var other = apart(port)
            let (all, former) = (port.vdp.cohorts.all, port.vdp.statistics.keepAlives)
            let effects = port.receive(frame, at: now)
            #expect(effects == other.receive(frame, at: now))
            #expect(difference(port, other) == nil)
            compared += 1
            if port.vdp.statistics.keepAlives > former, port.vdp.cohorts.all == all { kept += 1 }
            return effects
        }
        for _ in 0..<30 {
            switch random.below(20) {
            case 0: try? bench.withdraw(UInt64(1 + random.below(60)))
            case 1, 2: try? bench.request(UInt64(1 + random.below(60)), vid: UInt16(10 + random.below(3)))
            case 3:
                let name = DraftBench.id(UInt64(1 + random.below(60)))
                bench.bridgeDoes { $0.deassociate(name, at: $1) }
            case 4:
                let lost = random.below(3)
                bench.losesFromBridge = { _ in lost == 0 }
            default: bench.losesFromBridge = { _ in false }
            }
            bench.run(for: .milliseconds(random.next() % 9000))
        }
        #expect(compared > 50 && kept > 3, "\(compared) compared, \(kept) kept alive")
    }

    /// A station's frame with something in its VDPDU that a station may say, or may not.
    private static func changed(_ frame: Frame, _ random: inout SplitMix64) -> Frame {
        frame.changed(&random) { pdu, place, random in
            switch random.below(8) {
            case 0: pdu.associations[place].status = VDPStatus(rawValue: UInt8(truncatingIfNeeded: random.next()))
            case 1: pdu.associations[place].command = VDPCommand.allCases[random.below(4)]
            case 2: pdu.associations.remove(at: place)
            case 3: pdu.associations.swapAt(place, random.below(pdu.associations.count))
            case 4: pdu.associations.append(pdu.associations[place])
            case 5: pdu.associations[place].typeVersion &+= 1
            default: return false
            }
            return true
        }
    }

    @Test("SPD-241 of a station that is gone nothing is left, however its VSIs were kept alive")
    func lost() throws {
        let bench = try kept(300)
        bench.setLink(up: false)
        bench.run(for: .seconds(1))
        #expect(bench.bridge.vsis.isEmpty && bench.bridge.vdp.cohorts.isEmpty)
        bench.setLink(up: true)
        bench.run(for: .seconds(25))
        #expect((1...300).allSatisfy { bench.held($0) != nil && bench.state($0) == .associated })
    }

    @Test("SPD-241 a cohort that is kept alive before a change of times has reached it loses no VSI by that")
    func retimed() throws {
        let bench = try kept(200)
        bench.clear()
        bench.run(for: .seconds(60))
        var vdp = bench.bridge.vdp
        vdp.placesPerCall = 1
        var station = try #require(vdp.station)
        station.keepAliveTimeout = station.keepAliveTimeout + .seconds(1)
        vdp.stationChanged(station, at: bench.now)
        // Each PDU once more, before the change goes on.
        for payload in bench.sentByStation.compactMap(\.frame.requestPayload)
        where !vdp.keepCohortAlive(payload, at: bench.now) {
            vdp.receive(try WireDialect.ratified.read(payload, from: .station), payload, at: bench.now)
        }
        for _ in 0..<500 { vdp.advance(to: bench.now) }
        #expect(vdp.livingCount == 200 && vdp.statistics.keepAliveTimeouts == 0)
    }

    @Test("SPD-241 the answers to PDUs of few VSIs each are gathered")
    func few() throws {
        let bench = try kept(3)
        #expect(bench.bridge.vdp.cohorts.isEmpty && !bench.station.vdp.cohorts.isEmpty)
        #expect(bench.bridge.snapshot.statistics.vdp.keepAliveTimeouts == 0)
    }
}

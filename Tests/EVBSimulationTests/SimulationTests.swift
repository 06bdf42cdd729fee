import EVBProtocol
import EVBSimulation
import EVBTime
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Seeded worlds, a few of them; `Tests/run` has `evb-simulate` run many.
///
/// EVBD_SEED and EVBD_RUNS in the environment say where to begin and how many runs to make.
@Suite struct SimulationTests {
    private static func number(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }

    private static let seed = number("EVBD_SEED") ?? 0x5EED
    private static let runs = number("EVBD_RUNS") ?? 12

    private static func expectNoViolation(_ report: SimulationReport) {
        if let violation = report.violation { Issue.record("EVBD_SEED=\(report.seed) EVBD_RUNS=1\n\(violation)") }
    }

    @Test("whatever goes wrong, what must hold holds")
    func turmoil() {
        print("simulation: EVBD_SEED=\(Self.seed) EVBD_RUNS=\(Self.runs)")
        var associations: UInt64 = 0
        for index in 0..<Self.runs {
            let report = Simulation.run(SimulationOptions(seed: Self.seed &+ index, turmoil: .seconds(600)))
            associations += report.associations
            Self.expectNoViolation(report)
            if report.violation != nil { return }
        }
        // A world in which nothing is ever associated would keep every rule.
        #expect(associations > Self.runs)
    }

    @Test(
        "HEAL-108 what managers want that never ask again is had again in time",
        arguments: [Fault.refuse, .retract, .cut, .bridgeReboot])
    func managersThatNeverAskAgain(_ fault: Fault) {
        for seed in Self.seed..<Self.seed + 6 {
            Self.expectNoViolation(
                Simulation.run(SimulationOptions(seed: seed, turmoil: .seconds(900), stations: 1, faults: [fault])))
        }
    }

    @Test("one fault at a time", arguments: Fault.allCases)
    func single(_ fault: Fault) {
        for seed in Self.seed..<Self.seed + 3 {
            Self.expectNoViolation(
                Simulation.run(SimulationOptions(seed: seed, turmoil: .seconds(300), stations: 1, faults: [fault])))
        }
    }

    @Test("TLV-27 the draft is spoken in these worlds, and both sides change over to it and back")
    func dialects() {
        var (grants, ratifiedGrants, changes) = (0, 0, 0)
        for seed in Self.seed..<Self.seed + 13 {
            let options = SimulationOptions(
                seed: seed, turmoil: .seconds(1200), stations: 1, faults: [.draft, .dialect, .loss])
            Self.expectNoViolation(
                Simulation.run(options) { line in
                    if line.contains("> S draft ECP"), line.contains("granted") { grants += 1 }
                    if line.contains("> S ECP"), line.contains("granted") { ratifiedGrants += 1 }
                    if line.contains("the dialect has changed") { changes += 1 }
                })
        }
        #expect(grants > 100)
        #expect(ratifiedGrants > 100)
        #expect(changes > 0)
    }

    @Test("HEAL-307 other neighbours and changed addresses, with losses and without", arguments: [true, false])
    func neighbours(hasLoss: Bool) {
        var replaced = 0
        for seed in Self.seed..<Self.seed + 10 {
            let faults: Set<Fault> = [.replaceBridge, .falseBridge, .changeAddress, .withdraw]
            let options = SimulationOptions(
                seed: seed, turmoil: .seconds(1200), stations: 1, faults: hasLoss ? faults.union([.loss]) : faults)
            Self.expectNoViolation(
                Simulation.run(options) { if $0.contains("another bridge has taken its place") { replaced += 1 } })
        }
        #expect(replaced > 2)
    }

    @Test(
        "HEAL-607 a slow bridge keeps all VSIs, or as many as it can, and after the faults none flaps",
        arguments: SimulationOptions.SlowBridge.allCases)
    func slowBridge(_ slow: SimulationOptions.SlowBridge) {
        print("slow bridge: EVBD_SEED=\(Self.seed)")
        var associations: UInt64 = 0
        for seed in Self.seed..<Self.seed + 3 {
            let options = SimulationOptions(
                seed: seed, turmoil: .seconds(600), stations: 1, vsis: 60,
                faults: [.loss, .cut, .flap, .bridgeReboot, .stationCrash, .withdraw], slowBridge: slow)
            let report = Simulation.run(options)
            associations += report.associations
            Self.expectNoViolation(report)
        }
        #expect(associations > 60)
    }

    @Test("a seed is all that a run needs")
    func determinism() {
        var traces: [[String]] = [[], []]
        for round in 0...1 {
            _ = Simulation.run(SimulationOptions(seed: 7, turmoil: .seconds(120))) { traces[round].append($0) }
        }
        #expect(!traces[0].isEmpty)
        #expect(traces[0] == traces[1])
    }

    @Test("whatever the kernel and other processes do to links, what must hold of them holds")
    func dataplane() {
        print("dataplane simulation: EVBD_SEED=\(Self.seed) EVBD_RUNS=\(Self.runs)")
        var openings: UInt64 = 0
        for index in 0..<Self.runs {
            let report = DataplaneSimulation.run(DataplaneOptions(seed: Self.seed &+ index, turmoil: .seconds(300)))
            openings += report.openings
            if let violation = report.violation {
                Issue.record("EVBD_SEED=\(report.seed) EVBD_RUNS=1\n\(violation)")
                return
            }
        }
        #expect(openings > Self.runs)
    }

    @Test(
        "SEC-1136 whatever a card does to virtual functions, none is opened without a grant, and what it refuses is closed"
    )
    func functions() {
        print("simulation of functions: EVBD_SEED=\(Self.seed) EVBD_RUNS=\(Self.runs)")
        var openings: UInt64 = 0
        for index in 0..<Self.runs {
            let options = DataplaneOptions(seed: Self.seed &+ index, turmoil: .seconds(300), vsis: 4)
            let report = DataplaneSimulation.runFunctions(options)
            openings += report.openings
            if let violation = report.violation {
                Issue.record("EVBD_SEED=\(report.seed) EVBD_RUNS=1\n\(violation)")
                return
            }
        }
        #expect(openings > Self.runs)
    }

    @Test("a seed is all that a run of the dataplane needs")
    func dataplaneDeterminism() {
        var traces: [[String]] = [[], []]
        for round in 0...1 {
            _ = DataplaneSimulation.run(DataplaneOptions(seed: 7, turmoil: .seconds(60))) { traces[round].append($0) }
        }
        #expect(!traces[0].isEmpty)
        #expect(traces[0] == traces[1])
    }
}

import EVBSimulation
import EVBTime
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Uplinks with S-channels, a few of them; `Tests/run` has `evb-simulate --channels` run many.
///
/// EVBD_SEED and EVBD_RUNS in the environment say where to begin and how many runs to make.
@Suite struct ChannelSimulationTests {
    private static func number(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }

    private static let seed = number("EVBD_SEED") ?? 0x5C4A
    private static let runs = number("EVBD_RUNS") ?? 8

    /// Runs worlds of `faults`, until one breaks a rule.
    private static func run(
        _ faults: Set<ChannelFault>, runs: UInt64, turmoil: UInt64 = 900, trace: ((String) -> Void)? = nil
    ) -> [ChannelReport] {
        print("channels \(faults.map(\.rawValue).sorted()): EVBD_SEED=\(seed) EVBD_RUNS=\(runs)")
        var reports: [ChannelReport] = []
        for number in 0..<runs {
            let options = ChannelOptions(seed: seed &+ number, turmoil: .seconds(turmoil), faults: faults)
            let report = ChannelSimulation.run(options, trace: trace)
            if let violation = report.violation {
                Issue.record("EVBD_SEED=\(report.seed) EVBD_RUNS=1\n\(violation)")
                return reports
            }
            reports.append(report)
        }
        return reports
    }

    @Test("SCH-142 whatever goes wrong on an uplink with S-channels, what must hold holds")
    func turmoil() {
        let reports = Self.run(Set(ChannelFault.allCases), runs: Self.runs)
        // A world without channels would keep every rule.
        #expect(reports.reduce(0) { $0 + $1.channelsUp } > Self.runs)
        #expect(reports.reduce(0) { $0 + $1.associations } > Self.runs)
    }

    @Test("SCH-143 one fault of an uplink at a time", arguments: ChannelFault.allCases)
    func single(_ fault: ChannelFault) { _ = Self.run([fault], runs: 2, turmoil: 600) }

    @Test("SCH-11 SCH-144 VSIs of a channel whose SVID changes are released on both sides and asked for anew")
    func moves() {
        let reports = Self.run([.pool, .spoof, .loss], runs: 4)
        #expect(reports.reduce(0) { $0 + $1.moves } > 2)
    }

    @Test("SCH-145 channels keep their SVIDs over restarts of either side, with memory of one or of both")
    func restarts() {
        var channelsUp: UInt64 = 0
        for faults in [[.stationRestart, .bridgeRestart], [.stationRestart, .forget], [.bridgeRestart, .forget]]
            as [Set<ChannelFault>]
        {
            let reports = Self.run(faults, runs: 3)
            #expect(reports.allSatisfy { $0.moves == 0 })
            channelsUp += reports.reduce(0) { $0 + $1.channelsUp }
        }
        #expect(channelsUp > 20)
    }

    @Test("SCH-146 a second neighbour, whatever it says, takes no channel of a side that hears its own")
    func liars() {
        var downs = 0
        let reports = Self.run([.liar], runs: 4) { if $0.contains(" down(") { downs += 1 } }
        #expect(reports.count == 4 && downs == 0)
    }

    @Test("SCH-147 a seed is all that a run of an uplink needs")
    func determinism() {
        var traces: [[String]] = [[], []]
        for round in 0...1 {
            _ = ChannelSimulation.run(ChannelOptions(seed: 7, turmoil: .seconds(300))) { traces[round].append($0) }
        }
        #expect(!traces[0].isEmpty)
        #expect(traces[0] == traces[1])
    }
}

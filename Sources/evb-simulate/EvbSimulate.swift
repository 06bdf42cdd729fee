internal import ArgumentParser
internal import EVBSimulation
internal import EVBTime

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Runs simulated worlds and tells whether what must hold did.
@main
struct EvbSimulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evb-simulate",
        abstract: "Simulate EVB stations and a bridge on links that fail, and check what must hold.",
        discussion: """
            Every run has a seed of its own, counted up from --seed, and runs the same each time. Half of its time and more \
            goes wrong by the faults that the seed picks; then all has to come right. Exits with 1 after a violation, whose \
            seed, time and trace are printed.
            """)

    @Option(help: ArgumentHelp("Seed of the first run.", valueName: "n"))
    var seed: UInt64 = 0x8021

    @Option(help: ArgumentHelp("Station-hours to simulate, in as many runs as that takes.", valueName: "h"))
    var hours: Double?

    @Option(help: ArgumentHelp("Runs, where --hours does not say.", valueName: "n"))
    var runs: UInt64?

    @Option(help: ArgumentHelp("Stations of each run.", valueName: "n"))
    var stations = 2

    @Option(
        help: ArgumentHelp("VSIs that a station wants at most (6 by default), or a channel (2).", valueName: "n"))
    var vsis: Int?

    @Option(help: ArgumentHelp("Minutes in which things go wrong, of each run.", valueName: "n"))
    var minutes: UInt64 = 60

    @Option(
        help: ArgumentHelp(
            "Faults that may happen, parted by commas, or none; all by default: \(Self.faultNames). With --channels: \(Self.channelFaultNames).",
            valueName: "list"))
    var faults: String?

    private static let faultNames = Fault.allCases.map(\.rawValue).joined(separator: ", ")

    private static let channelFaultNames = ChannelFault.allCases.map(\.rawValue).joined(separator: ", ")

    @Option(
        help: ArgumentHelp(
            "A bridge that answers one VSI for each ack timer, and takes the station's longer keep-alive period or keeps its own: \(Self.slowNames).",
            valueName: "kind"))
    var slowBridge: String?

    private static let slowNames = SimulationOptions.SlowBridge.allCases.map(\.rawValue).joined(separator: ", ")

    @Flag(help: "Print all that happens.")
    var trace = false

    @Flag(help: "Simulate the links of VSIs over a kernel that fails, and no stations.")
    var dataplane = false

    @Flag(help: "With --dataplane: virtual functions of a card that fails, and no links of the host.")
    var functions = false

    @Flag(
        help: "Simulate an uplink with S-channels, a station and a bridge port in each; --hours are uplink-hours then.")
    var channels = false

    @Option(help: ArgumentHelp("S-channels of an uplink at most, for --channels.", valueName: "n"))
    var channelsMax = 4

    func validate() throws {
        if channels, dataplane { throw ValidationError("--channels and --dataplane exclude each other.") }
        if functions, !dataplane { throw ValidationError("--functions wants --dataplane.") }
        if channels { _ = try chosenFaults(ChannelFault.self) } else { _ = try chosenFaults(Fault.self) }
        _ = try chosenBridge()
    }

    private func chosenBridge() throws -> SimulationOptions.SlowBridge? {
        guard let slowBridge else { return nil }
        guard let chosen = SimulationOptions.SlowBridge(rawValue: slowBridge) else {
            throw ValidationError("No slow bridge is called '\(slowBridge)'.")
        }
        return chosen
    }

    func chosenFaults<Kind: RawRepresentable<String> & CaseIterable & Hashable>(_ kind: Kind.Type) throws -> Set<Kind> {
        guard let faults else { return Set(Kind.allCases) }
        var chosen: Set<Kind> = []
        for name in faults.split(separator: ",") where name != "none" {
            guard let fault = Kind(rawValue: String(name)) else {
                throw ValidationError("No fault is called '\(name)'.")
            }
            chosen.insert(fault)
        }
        return chosen
    }

    func run() throws {
        if dataplane { return try runDataplane() }
        if channels { return try runChannels() }
        let faults = try chosenFaults(Fault.self)
        let vsis = vsis ?? 6
        let slowBridge = try chosenBridge()
        var (done, events, associations) = (UInt64(0), UInt64(0), UInt64(0))
        var seconds = 0.0
        var violation: Violation?
        while violation == nil {
            if let hours, seconds >= hours * 3600 { break }
            if hours == nil, done >= runs ?? 1 { break }
            if let runs, done >= runs { break }
            let options = SimulationOptions(
                seed: seed &+ done, turmoil: .seconds(60 * minutes), stations: stations, vsis: vsis, faults: faults,
                slowBridge: slowBridge)
            let report = Simulation.run(options, trace: trace ? { print($0) } : nil)
            done += 1
            events &+= report.events
            associations &+= report.associations
            seconds += Double(report.stationTime.nanoseconds) / 1e9
            violation = report.violation
        }
        if let violation { print("VIOLATION \(violation)\n") }
        let stationHours = (seconds / 360).rounded() / 10
        print(
            "runs \(done), seeds \(seed) to \(seed &+ done &- 1), station-hours \(stationHours), events \(events),"
                + " associations \(associations), violations \(violation == nil ? 0 : 1)")
        if let violation {
            print(
                "repeat: evb-simulate --seed \(violation.seed) --runs 1 --stations \(stations) --vsis \(vsis)"
                    + " --minutes \(minutes)\(self.faults.map { " --faults \($0)" } ?? "") --trace")
            throw ExitCode(1)
        }
    }

    private func runDataplane() throws {
        let vsis = vsis ?? 6
        var (done, events, openings) = (UInt64(0), UInt64(0), UInt64(0))
        var seconds = 0
        var violation: Violation?
        while violation == nil {
            if let hours, Double(seconds) >= hours * 3600 { break }
            if hours == nil, done >= runs ?? 1 { break }
            if let runs, done >= runs { break }
            let options = DataplaneOptions(seed: seed &+ done, turmoil: .seconds(60 * minutes), vsis: vsis)
            let listener: ((String) -> Void)? = trace ? { print($0) } : nil
            let report =
                functions
                ? DataplaneSimulation.runFunctions(options, trace: listener)
                : DataplaneSimulation.run(options, trace: listener)
            done += 1
            events &+= report.events
            openings &+= report.openings
            seconds += report.seconds
            violation = report.violation
        }
        if let violation { print("VIOLATION \(violation)\n") }
        print(
            "runs \(done), seeds \(seed) to \(seed &+ done &- 1), port-hours \(seconds / 3600), events \(events),"
                + " openings \(openings), violations \(violation == nil ? 0 : 1)")
        if let violation {
            print(
                "repeat: evb-simulate --dataplane\(functions ? " --functions" : "") --seed \(violation.seed) --runs 1"
                    + " --vsis \(vsis) --minutes \(minutes) --trace")
            throw ExitCode(1)
        }
    }
}

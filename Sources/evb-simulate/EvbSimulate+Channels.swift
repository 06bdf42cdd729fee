internal import ArgumentParser
internal import EVBSimulation
internal import EVBTime

extension EvbSimulate {
    /// Runs uplinks with S-channels.
    func runChannels() throws {
        let faults = try chosenFaults(ChannelFault.self)
        let vsis = vsis ?? 2
        var (done, events, ups, moves, associations) = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        var seconds = 0.0
        var violation: Violation?
        while violation == nil {
            if let hours, seconds >= hours * 3600 { break }
            if hours == nil, done >= runs ?? 1 { break }
            if let runs, done >= runs { break }
            let options = ChannelOptions(
                seed: seed &+ done, turmoil: .seconds(60 * minutes), channels: channelsMax, vsis: vsis, faults: faults)
            let report = ChannelSimulation.run(options, trace: trace ? { print($0) } : nil)
            done += 1
            events &+= report.events
            ups &+= report.channelsUp
            moves &+= report.moves
            associations &+= report.associations
            seconds += Double(report.time.nanoseconds) / 1e9
            violation = report.violation
        }
        if let violation { print("VIOLATION \(violation)\n") }
        let hours = (seconds / 360).rounded() / 10
        print(
            "runs \(done), seeds \(seed) to \(seed &+ done &- 1), uplink-hours \(hours), events \(events), channels up"
                + " \(ups), moved \(moves), associations \(associations), violations \(violation == nil ? 0 : 1)")
        if let violation {
            print(
                "repeat: evb-simulate --channels --seed \(violation.seed) --runs 1 --channels-max \(channelsMax)"
                    + " --vsis \(vsis) --minutes \(minutes)\(self.faults.map { " --faults \($0)" } ?? "") --trace")
            throw ExitCode(1)
        }
    }
}

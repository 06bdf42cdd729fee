internal import EVBModel
internal import EVBPorts
internal import EVBWire

/// The numbers of the daemon and of its ports, for a list that is drawn bit by bit: the VSIs of a port are counted some at a time, and
/// such a step gives nil. So a step costs the same however many there are.
struct MetricsListing: Sequence, IteratorProtocol {
    /// Places of VSIs that a step looks at.
    private static let placesPerStep = 64

    private struct Progress {
        let port: EVBPort
        var place = 0
        var counts = VSICounts()
    }

    private var daemon: (() -> DaemonMetrics)?
    /// Ports that are not begun, the first at the end.
    private var ports: [EVBPort]
    private var current: Progress?
    private let counters: (EVBPort) -> StatisticsReport
    /// What was counted in the kernel.
    private let reading: TrafficReading
    private let listsVSIs: Bool
    /// The VSIs of the port that was listed last, as far as they are to come.
    private var vsis: (port: EVBPort, vsiIDs: ArraySlice<VSIID>)?

    /// Lists the numbers.
    ///
    /// - Parameters:
    ///   - ports: the ports, in their order.
    ///   - reading: what was counted in the kernel.
    ///   - vsis: whether VSIs are listed.
    ///   - counters: all counters of a port.
    ///   - daemon: the numbers of the daemon itself, which come first.
    init(
        _ ports: [EVBPort], _ reading: TrafficReading, vsis: Bool, counters: @escaping (EVBPort) -> StatisticsReport,
        daemon: @escaping () -> DaemonMetrics
    ) {
        listsVSIs = vsis
        self.ports = ports.reversed()
        self.counters = counters
        self.reading = reading
        self.daemon = daemon
    }

    mutating func next() -> Metrics?? {
        if let daemon {
            self.daemon = nil
            return .some(Metrics(daemon: daemon()))
        }
        if let (port, vsiIDs) = vsis {
            vsis = vsiIDs.count > 1 ? (port: port, vsiIDs: vsiIDs.dropFirst()) : nil
            return .some(vsiIDs.first.flatMap { metrics(of: $0, port) })
        }
        if current == nil { current = ports.popLast().map { Progress(port: $0) } }
        guard var progress = current else { return nil }
        let next = progress.place + Self.placesPerStep
        guard progress.place >= progress.port.common.placeCount else {
            progress.port.common.count(progress.place..<next, into: &progress.counts)
            progress.place = next
            current = progress
            return .some(nil)
        }
        current = nil
        if listsVSIs { vsis = (port: progress.port, vsiIDs: progress.port.common.vsiIDs[...]) }
        return .some(Metrics(port: metrics(of: progress.port, progress.counts)))
    }

    private func metrics(of vsiID: VSIID, _ port: EVBPort) -> Metrics? {
        guard let traffic = port.common.traffic(of: vsiID, reading) else { return nil }
        let role: PortRole = if case .bridge = port { .bridge } else { .station }
        return Metrics(vsi: VSIMetrics(port: port.name, role: role, vsiID: vsiID.description, traffic: traffic))
    }

    private func metrics(of port: EVBPort, _ counts: VSICounts) -> PortMetrics {
        let common = port.common
        return PortMetrics(
            port: common.status(counts), counters: counters(port).counters,
            problems: ProblemCount.counts(of: common.problems.lazy.map(\.kind.rawValue)),
            associationTimes: HistogramReport(common.associationTimes),
            ecpRoundTrips: HistogramReport(common.ecpRoundTrips), dropped: reading.rules[port.name]?.dropped)
    }
}

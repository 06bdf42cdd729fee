internal import EVBModel
internal import EVBPorts

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

    /// Lists the numbers.
    ///
    /// - Parameters:
    ///   - ports: the ports, in their order.
    ///   - counters: all counters of a port.
    ///   - daemon: the numbers of the daemon itself, which come first.
    init(
        _ ports: [EVBPort], counters: @escaping (EVBPort) -> StatisticsReport, daemon: @escaping () -> DaemonMetrics
    ) {
        self.ports = ports.reversed()
        self.counters = counters
        self.daemon = daemon
    }

    mutating func next() -> Metrics?? {
        if let daemon {
            self.daemon = nil
            return .some(Metrics(daemon: daemon()))
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
        return .some(Metrics(port: metrics(of: progress.port, progress.counts)))
    }

    private func metrics(of port: EVBPort, _ counts: VSICounts) -> PortMetrics {
        let common = port.common
        return PortMetrics(
            port: common.status(counts), counters: counters(port).counters,
            problems: ProblemCount.counts(of: common.problems.lazy.map(\.kind.rawValue)),
            associationTimes: HistogramReport(common.associationTimes),
            ecpRoundTrips: HistogramReport(common.ecpRoundTrips))
    }
}

// What evbd tells of itself to a system that collects numbers: the replies of GetMetrics.

public import JSON

/// How often something took how long.
public struct HistogramReport: Codable, Sendable, Equatable {
    /// The upper ends of the buckets in microseconds, which belong to them; above the last there is one more bucket.
    public var bounds: [Int]
    /// Samples in each bucket, those of other buckets not among them; one more than ``bounds``.
    public var counts: [Int]
    /// The sum of all samples, in microseconds.
    public var sumMicroseconds: Int

    /// Makes a report.
    public init(bounds: [Int], counts: [Int], sumMicroseconds: Int) {
        self.bounds = bounds
        self.counts = counts
        self.sumMicroseconds = sumMicroseconds
    }
}

/// How many problems of one kind a port, or the daemon, has now.
public struct ProblemCount: Codable, Sendable, Equatable {
    /// The kind, as in ``PortProblem`` and ``StatusNote``.
    public var kind: String
    /// Problems of the kind. Of many problems evbd lists some, and counts those.
    public var count: Int

    /// Makes a count.
    public init(kind: String, count: Int) {
        self.kind = kind
        self.count = count
    }

    /// Counts kinds, in their order.
    package static func counts(of kinds: some Sequence<String>) -> [ProblemCount] {
        var counts: [String: Int] = [:]
        for kind in kinds { counts[kind, default: 0] += 1 }
        return counts.sorted { $0.key < $1.key }.map { ProblemCount(kind: $0.key, count: $0.value) }
    }
}

/// The process of the daemon, as the kernel accounts it.
public struct ProcessReport: Codable, Sendable, Equatable {
    /// Memory that is resident, and all that is mapped, in octets.
    public var residentOctets: Int
    public var virtualOctets: Int
    /// Descriptors that are open, and the most that there may be.
    public var openDescriptors: Int
    public var descriptorsMax: Int
    /// Time that all threads have computed, in microseconds.
    public var computedMicroseconds: Int
    /// When the process started, in milliseconds since 1970 (UTC).
    public var startedMilliseconds: Int

    /// Makes a report.
    public init(
        residentOctets: Int, virtualOctets: Int, openDescriptors: Int, descriptorsMax: Int, computedMicroseconds: Int,
        startedMilliseconds: Int
    ) {
        self.residentOctets = residentOctets
        self.virtualOctets = virtualOctets
        self.openDescriptors = openDescriptors
        self.descriptorsMax = descriptorsMax
        self.computedMicroseconds = computedMicroseconds
        self.startedMilliseconds = startedMilliseconds
    }
}

/// The numbers of the daemon itself.
public struct DaemonMetrics: Codable, Sendable, Equatable {
    /// The daemon's version.
    public var version: String
    /// The counters that are no port's, by the names of ``Counter``.
    public var counters: [String: Int]
    public var problems: [ProblemCount]
    public var process: ProcessReport
    /// Turns of the loop, and the longest since the start, in microseconds: for so long nothing else is done.
    public var turns: HistogramReport
    public var longestTurnMicroseconds: Int
    /// The most that the loop has computed in one turn, in microseconds: what a turn takes beyond that, it has waited for a
    /// processor or for the kernel. An older evbd does not say so.
    @Nullable public var mostComputedMicroseconds: Int?
    /// The servers of VSI types.
    @Listed public var typeServers: [TypeServerStatus]

    /// Joins the numbers.
    public init(
        version: String, counters: [String: Int], problems: [ProblemCount], process: ProcessReport,
        turns: HistogramReport, longestTurnMicroseconds: Int, mostComputedMicroseconds: Int? = nil,
        typeServers: [TypeServerStatus] = []
    ) {
        _mostComputedMicroseconds = Nullable(wrappedValue: mostComputedMicroseconds)
        _typeServers = Listed(wrappedValue: typeServers)
        self.version = version
        self.counters = counters
        self.problems = problems
        self.process = process
        self.turns = turns
        self.longestTurnMicroseconds = longestTurnMicroseconds
    }
}

/// The numbers of a port.
public struct PortMetrics: Codable, Sendable, Equatable {
    /// The port in brief.
    public var port: PortStatus
    /// The counters, by the names of ``Counter``.
    public var counters: [String: Int]
    public var problems: [ProblemCount]
    /// From a request for an association to its grant.
    public var associationTimes: HistogramReport
    /// From the first sending of an ECPDU to its acknowledgement.
    public var ecpRoundTrips: HistogramReport
    /// Frames that the rules of VSI types have dropped; nil where the port has no such rules.
    @Nullable public var dropped: TrafficCounts?

    /// Joins the numbers.
    public init(
        port: PortStatus, counters: [String: Int], problems: [ProblemCount], associationTimes: HistogramReport,
        ecpRoundTrips: HistogramReport, dropped: TrafficCounts? = nil
    ) {
        self._dropped = Nullable(wrappedValue: dropped)
        self.port = port
        self.counters = counters
        self.problems = problems
        self.associationTimes = associationTimes
        self.ecpRoundTrips = ecpRoundTrips
    }
}

/// One part of the numbers; one of the keys has a value.
public struct Metrics: Codable, Sendable, Equatable {
    @Nullable public var daemon: DaemonMetrics?
    @Nullable public var port: PortMetrics?
    @Nullable public var vsi: VSIMetrics?

    /// Makes a part.
    public init(daemon: DaemonMetrics? = nil, port: PortMetrics? = nil, vsi: VSIMetrics? = nil) {
        self._vsi = Nullable(wrappedValue: vsi)
        self._daemon = Nullable(wrappedValue: daemon)
        self._port = Nullable(wrappedValue: port)
    }
}

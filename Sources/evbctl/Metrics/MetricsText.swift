// Numbers as systems that collect them read them: OpenMetrics 1.0, and the older text format of Prometheus.

internal import EVBModel
internal import TerminalText

struct MetricsText {
    /// How numbers are written.
    enum Format: String, CaseIterable {
        /// OpenMetrics 1.0.
        case openmetrics
        /// The text format of Prometheus, 0.0.4.
        case prometheus

        /// The media type in HTTP.
        var contentType: String {
            switch self {
            case .openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            }
        }
    }

    private typealias Labels = [(name: String, value: String)]

    private let format: Format
    private let daemon: DaemonMetrics?
    private let ports: [PortMetrics]
    private let vsis: [VSIMetrics]
    private(set) var text = ""
    /// Comes before the next sample: a family without samples has no head.
    private var head = ""

    /// Writes the parts of a reply.
    init(_ parts: [Metrics], _ format: Format) {
        self.format = format
        daemon = parts.lazy.compactMap(\.daemon).first
        ports = parts.compactMap(\.port)
        vsis = parts.compactMap(\.vsi)
        if let daemon { add(daemon) }
        addProblems()
        addPorts()
        addVSIs()
        addCounters()
        if format == .openmetrics { text += "# EOF\n" }
    }

    private mutating func add(_ daemon: DaemonMetrics) {
        head(.build)
        sample(MetricFamily.build.sampleName, [("version", daemon.version)], "1")
        head(.turn)
        add(daemon.turns, .turn, [])
        let process = daemon.process
        gauge(.longestTurn, Self.seconds(daemon.longestTurnMicroseconds))
        daemon.mostComputedMicroseconds.map { gauge(.mostComputed, Self.seconds($0)) }
        gauge(.resident, "\(process.residentOctets)")
        gauge(.virtual, "\(process.virtualOctets)")
        gauge(.descriptors, "\(process.openDescriptors)")
        gauge(.descriptorsMax, "\(process.descriptorsMax)")
        gauge(.computed, Self.seconds(process.computedMicroseconds))
        gauge(.started, Self.decimal(process.startedMilliseconds, places: 3))
        add(daemon.typeServers)
    }

    private mutating func add(_ servers: [TypeServerStatus]) {
        let families: [(MetricFamily, (TypeServerStatus) -> String?)] = [
            (.types, { "\($0.types ?? 0)" }), (.typesAge, { $0.ageSeconds.map(String.init) }),
            (.typesFetched, { $0.fetchedMilliseconds.map { Self.decimal($0, places: 3) } }),
        ]
        for (family, value) in families {
            head(family)
            for server in servers {
                guard let value = value(server) else { continue }
                sample(family.sampleName, [("manager", server.managerID ?? ""), ("url", server.url)], value)
            }
        }
    }

    /// Kinds that are known are there with 0 too: a series that comes and goes is no good for an alert.
    private mutating func addProblems() {
        head(.problem)
        if let daemon { add(daemon.problems, known: Self.daemonProblems, port: "") }
        for port in ports {
            add(port.problems, known: PortProblem.Kind.allCases.map(\.rawValue), port: port.port.interface)
        }
    }

    private static let daemonProblems =
        StatusNote.Kind.allCases.map(\.rawValue) + [PortProblem.Kind.storeFailing.rawValue]

    private mutating func add(_ problems: [ProblemCount], known: [String], port: String) {
        var counts = Dictionary(known.map { ($0, 0) }) { first, _ in first }
        for problem in problems { counts[problem.kind, default: 0] += problem.count }
        for (kind, count) in counts.sorted(by: { $0.key < $1.key }) {
            sample(MetricFamily.problem.sampleName, [("port", port), ("kind", kind)], "\(count)")
        }
    }

    private mutating func addPorts() {
        let gauges: [(MetricFamily, (PortStatus) -> Bool)] = [
            (.up, \.linkUp), (.peer, { $0.peer != nil }), (.relayRequested, \.reflectiveRelay.requested),
            (.relayGranted, { $0.reflectiveRelay.status == .granted }),
        ]
        for (family, value) in gauges {
            head(family)
            for port in ports { sample(family.sampleName, Self.labels(port), value(port.port) ? "1" : "0") }
        }
        head(.vsis)
        for port in ports {
            let counts = port.port.vsis
            for (state, count) in [
                ("associated", counts.associated), ("preassociated", counts.preassociated),
                ("pending", counts.pending), ("deassociated", counts.deassociated),
            ] {
                sample(MetricFamily.vsis.sampleName, Self.labels(port) + [("state", state)], "\(count)")
            }
        }
        for (family, histogram) in [
            (MetricFamily.association, \PortMetrics.associationTimes), (.roundTrip, \.ecpRoundTrips),
        ] {
            head(family)
            for port in ports { add(port[keyPath: histogram], family, Self.labels(port)) }
        }
        for (family, count) in [(MetricFamily.droppedFrames, \TrafficCounts.frames), (.droppedOctets, \.octets)] {
            head(family)
            for port in ports {
                guard let dropped = port.dropped else { continue }
                sample(family.sampleName, Self.labels(port), "\(dropped[keyPath: count])")
            }
        }
    }

    private mutating func addVSIs() {
        for traffic in MetricFamily.traffic {
            head(traffic.family)
            for vsi in vsis {
                guard let counts = vsi.traffic[keyPath: traffic.direction], let value = counts[keyPath: traffic.count]
                else { continue }
                let labels: Labels = [("port", vsi.port), ("role", vsi.role.rawValue), ("vsi", vsi.vsiID)]
                sample(traffic.family.sampleName, labels, "\(value)")
            }
        }
    }

    private mutating func addCounters() {
        for counter in Counter.allCases {
            let family = MetricFamily(counter)
            head(family)
            if let value = daemon?.counters[counter.rawValue] { sample(family.sampleName, [], "\(value)") }
            for port in ports {
                guard let value = port.counters[counter.rawValue] else { continue }
                sample(family.sampleName, Self.labels(port), "\(value)")
            }
        }
    }

    // MARK: Lines

    private static func labels(_ port: PortMetrics) -> Labels {
        [("port", port.port.interface), ("role", port.port.role.rawValue)]
    }

    private mutating func head(_ family: MetricFamily) {
        let name = format == .openmetrics ? family.name : family.sampleName
        let kind = format == .prometheus && family.kind == .info ? .gauge : family.kind
        head = "# HELP \(name) \(family.help)\n# TYPE \(name) \(kind.rawValue)\n"
        if format == .openmetrics, let unit = family.unit { head += "# UNIT \(name) \(unit)\n" }
    }

    private mutating func gauge(_ family: MetricFamily, _ value: String) {
        head(family)
        sample(family.sampleName, [], value)
    }

    private mutating func add(_ histogram: HistogramReport, _ family: MetricFamily, _ labels: Labels) {
        var count = 0
        let bounds = histogram.bounds.map { Self.seconds($0) } + ["+Inf"]
        for (bound, samples) in zip(bounds, histogram.counts) {
            count += samples
            sample(family.name + "_bucket", labels + [("le", bound)], "\(count)")
        }
        sample(family.name + "_sum", labels, Self.seconds(histogram.sumMicroseconds))
        sample(family.name + "_count", labels, "\(count)")
    }

    private mutating func sample(_ name: String, _ labels: Labels, _ value: String) {
        let list = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
        text += head
        head = ""
        text += list.isEmpty ? "\(name) \(value)\n" : "\(name){\(list)} \(value)\n"
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in printable(value).unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func seconds(_ microseconds: Int) -> String { decimal(microseconds, places: 6) }

    /// A number with a point and at least one digit behind it, as OpenMetrics writes bounds.
    static func decimal(_ value: Int, places: Int) -> String {
        let divisor = (0..<places).reduce(1) { product, _ in product * 10 }
        let (whole, rest) = value.magnitude.quotientAndRemainder(dividingBy: UInt(divisor))
        let digits = "\(rest)"
        var fraction = String(repeating: "0", count: places - digits.count) + digits
        while fraction.count > 1, fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(value < 0 ? "-" : "")\(whole).\(fraction)"
    }
}

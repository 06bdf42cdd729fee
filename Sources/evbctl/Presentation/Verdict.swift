// What a monitoring plugin says: a state, one line and performance data.

internal import EVBModel
internal import TerminalText

/// What `evbctl check` found.
struct Verdict: Encodable, Equatable {
    /// The states of monitoring plugins.
    enum State: String, Encodable {
        case ok, warning, critical, unknown

        /// The exit status.
        var status: Int32 {
            switch self {
            case .ok: 0
            case .warning: 1
            case .critical: 2
            case .unknown: 3
            }
        }
    }

    /// One value of the performance data.
    struct Measure: Encodable, Equatable {
        var label: String
        var value: Int
        var unit = ""
        var warning: Int?
        var critical: Int?

        /// As plugins write it: `'label'=value[unit];warning;critical;minimum`.
        var text: String {
            let quoted = label.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            let limits = [warning, critical].map { $0.map { "\($0)" } ?? "" }.joined(separator: ";")
            return "'\(quoted)'=\(value)\(unit);\(limits);0"
        }
    }

    var state: State
    var message: String
    var problems: [PortProblem] = []
    var measures: [Measure] = []

    /// evbd cannot be asked.
    init(unknown failure: Failure) {
        self.init(unknown: failure.text.split(separator: "\n").first.map(String.init) ?? "")
    }

    init(unknown message: String) {
        state = .unknown
        self.message = message.hasPrefix("evbctl: ") ? String(message.dropFirst("evbctl: ".count)) : message
    }

    /// Judges ports.
    ///
    /// - Parameters:
    ///   - ports: The ports.
    ///   - problems: What evbd says is wrong with them, and with itself; causes before consequences.
    ///   - neighbours: The LLDP neighbours of the first of the ports, in their order.
    init(ports: [PortStatus], problems: [PortProblem], neighbours: [NeighbourStatus?]) {
        self.problems = problems
        measures = zip(ports, neighbours).flatMap { port, neighbour in
            Self.measures(port, neighbour, isAlone: ports.count == 1)
        }
        let critical = problems.filter { $0.kind.severity == .critical }
        // VSIs of a port that is drained are away because an operator wants that.
        let stations = ports.filter { $0.role == .station && $0.drain == nil }
        let drained = ports.filter { $0.drain != nil }.map { "; \($0.interface) is drained" }.joined()
        let lost = stations.reduce(0) { $0 + $1.vsis.deassociated }
        let pending = stations.reduce(0) { $0 + $1.vsis.pending }
        let misbehaving = ports.filter { $0.misbehaviour != nil }
        let (associated, all) = ports.reduce((0, 0)) { ($0.0 + $1.vsis.associated, $0.1 + $1.vsis.all) }
        let vsis = "\(associated) of \(all == 1 ? "1 VSI" : "\(all) VSIs") associated" + drained
        let first = critical.first ?? problems.first
        let further = problems.count > 1 ? "; and \(problems.count - 1) more, see evbctl status" : ""
        let told = first.map { problem in
            (ports.count == 1 ? "" : problem.port.map { "\($0): " } ?? "") + "\(problem.message): \(problem.hint)"
                + further
        }
        if !critical.isEmpty || lost > 0 {
            state = .critical
            message = "\(told ?? "\(lost == 1 ? "1 VSI is" : "\(lost) VSIs are") de-associated"); \(vsis)"
        } else if !problems.isEmpty || pending > 0 || !misbehaving.isEmpty || ports.isEmpty {
            state = .warning
            let misbehaves = misbehaving.first.map { "\($0.interface) misbehaves on purpose" }
            let waiting = pending > 0 ? "\(pending == 1 ? "1 VSI waits" : "\(pending) VSIs wait") for the bridge" : nil
            message = ports.isEmpty ? "evbd has no ports" : "\(told ?? misbehaves ?? waiting ?? ""); \(vsis)"
        } else {
            state = .ok
            message = "\(ports.count == 1 ? "1 port" : "\(ports.count) ports"), \(vsis)"
        }
    }

    private static func measures(_ port: PortStatus, _ neighbour: NeighbourStatus?, isAlone: Bool) -> [Measure] {
        let place = isAlone ? "" : "\(port.interface) "
        var measures = [
            Measure(label: place + "associated", value: port.vsis.associated),
            Measure(label: place + "vsis", value: port.vsis.all),
        ]
        if let neighbour {
            measures.append(
                Measure(
                    label: place + "lldp-age", value: neighbour.ageSeconds, unit: "s",
                    warning: neighbour.ttlSeconds * 2 / 3, critical: neighbour.ttlSeconds))
        }
        return measures
    }

    /// The one line. Behind a vertical bar stand the performance data, so that no other may stand in it.
    var line: String {
        let text = printable(message).split(separator: "|", omittingEmptySubsequences: false).joined(separator: "/")
        let data = measures.map { printable($0.text) }.joined(separator: " ")
        return "EVB \(state.rawValue.uppercased()) - \(text)" + (data.isEmpty ? "" : " | \(data)")
    }
}

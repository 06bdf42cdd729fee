// Replies as people read them. Nothing is printed here: every method gives the text.

internal import EVBModel
internal import TerminalText

struct Presenter {
    /// Whether to use colours.
    let colour: Bool
    /// Columns of the terminal, by which tables are cut; nil where there is none.
    var width: Int?

    // MARK: Status and ports

    func status(_ report: StatusReport, _ view: TableView = TableView()) -> String {
        let daemon = report.daemon
        let head =
            "evbd \(printable(daemon.version)), process \(daemon.pid), up \(Units.uptime(seconds: daemon.uptimeSeconds))"
        // A problem of the daemon stands among the notes too, for those who read these alone.
        let notes = report.notes.filter { note in !report.problems.contains { $0.message == note.message } }
        let lines = problems(report.problems) + notes.map(note)
        return ([head, ports(report.ports, view)] + lines).joined(separator: "\n\n")
    }

    /// A line for each problem, with its port where that is not known from the place.
    private func problems(_ problems: [PortProblem], isPortKnown: Bool = false) -> [String] {
        problems.map { problem in
            let place = isPortKnown ? "" : problem.port.map { "\($0): " } ?? ""
            let age = problem.ageSeconds.map { " (for \(Units.uptime(seconds: $0)))" } ?? ""
            return sentence("PROBLEM: \(place)\(problem.message): \(problem.hint)\(age)", .bad)
        }
    }

    private func note(_ note: StatusNote) -> String {
        let place = note.port.map { "\($0): " } ?? ""
        let text = "\(note.isProblem ? "PROBLEM" : "NOTE"): \(place)\(note.message): \(note.hint)"
        return sentence(text, note.isProblem ? .bad : .warning)
    }

    func ports(_ ports: [PortStatus], _ view: TableView = TableView()) -> String {
        guard !ports.isEmpty else { return "no ports; set them in evbd.yaml" }
        let warnings = ports.filter { $0.misbehaviour != nil }.map(misbehaviour) + ports.compactMap(drain)
        return ([list(ports, portColumns(), view)] + warnings).joined(separator: "\n\n")
    }

    /// What a port does wrong on purpose, so that nobody takes it for a fault.
    func misbehaviour(_ port: PortStatus) -> String {
        guard let misbehaviour = port.misbehaviour else { return "\(printable(port.interface)) behaves" }
        let text = "\(port.interface) MISBEHAVES ON PURPOSE: it \(misbehaviour.summary)"
        return Cell(text, .bad).rendered(colour: colour)
    }

    func link(_ port: PortStatus) -> Cell {
        guard port.linkState != .missing else { return Cell("missing", .bad) }
        return port.linkUp ? Cell("up", .good) : Cell("down", .bad)
    }

    func peer(_ port: PortStatus) -> Cell {
        guard let peer = port.peer else { return Cell("none", .warning) }
        return Cell("\(peer.chassisID) \(peer.portID) (\(peer.evbMode))")
    }

    func relay(_ relay: ReflectiveRelayStatus) -> Cell {
        guard relay.requested else { return Cell("not requested") }
        let style: Style =
            switch relay.status {
            case .granted: .good
            case .refused: .bad
            case .unknown: .warning
            case .notRequested: .plain
            }
        return Cell(relay.status.rawValue, style)
    }

    func port(_ details: PortDetails) -> String {
        let port = details.port
        var facts = Table(heading: [])
        facts.rows = [[Cell("Port"), Cell(port.interface, .heading)]]
        if let channel = port.channel { facts.rows.append([Cell("S-channel"), self.channel(channel)]) }
        facts.rows += [
            [Cell("Role"), Cell(port.role.rawValue)],
            [Cell("Link"), link(port)], [Cell("Dialect"), Cell(port.dialect.rawValue)],
            [Cell("EVB peer"), peer(port)], [Cell("Reflective relay"), relay(port.reflectiveRelay)],
            [Cell("Retries (R)"), Cell("\(port.timers.retries)")],
            [Cell("ECP ack timer (RTE)"), timer(port.timers.rte)],
            [Cell("Resource wait (RWD)"), timer(port.timers.rwd)],
            [Cell("Keep-alive (RKA)"), timer(port.timers.rka)],
            [
                Cell("VSIs"),
                Cell(
                    "\(port.vsis.associated) associated, \(port.vsis.preassociated) pre-associated, "
                        + "\(port.vsis.pending) pending, \(port.vsis.deassociated) de-associated"),
            ],
        ]
        if let neighbour = details.lldpNeighbour {
            let age = "heard \(neighbour.ageSeconds) s ago, lives \(neighbour.ttlSeconds) s"
            facts.rows.append([Cell("LLDP neighbour"), Cell("\(neighbour.chassisID) \(neighbour.portID), \(age)")])
            for (name, text) in [
                ("System", neighbour.systemName), ("System description", neighbour.systemDescription),
                ("Its port", neighbour.portDescription),
            ] {
                if let text { facts.rows.append([Cell("  " + name), Cell(text)]) }
            }
        } else {
            facts.rows.append([Cell("LLDP neighbour"), Cell("none", .warning)])
        }
        let ecp = details.ecp
        facts.rows.append([
            Cell("ECP"),
            Cell(
                "\(ecp.txFrameCount) sent, \(ecp.txRetryCount) sent again, \(ecp.txFailures) given up, "
                    + "\(ecp.rxFrameCount) received, in \(Units.span(hundredths: details.counterDiscontinuity))"),
        ])
        if let openVSwitch = details.openVSwitch {
            facts.rows.append([Cell("Open vSwitch"), self.openVSwitch(openVSwitch)])
        }
        if let dropped = details.dropped {
            facts.rows.append([Cell("Dropped by rules"), Cell(Self.traffic(dropped))])
        }
        if let unknown = details.unknownAddresses, unknown.count > 0 {
            let rest = unknown.count - unknown.addresses.count
            let list = unknown.addresses.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
            facts.rows.append([Cell("Without VSI"), Cell("\(list): not filtered by a VSI, associate them", .warning)])
        }
        let warning = (port.misbehaviour == nil ? [] : [misbehaviour(port)]) + [drain(port)].compactMap(\.self)
        let problems = problems(details.problems, isPortKnown: true)
        return
            (warning + problems + [facts.rendered(colour: colour)]
            + (details.uplink.map(uplink) ?? [])
            + [tlvs(details.evbTLV), objects(details.managedObjects)])
            .joined(separator: "\n\n")
    }

    private func openVSwitch(_ status: SwitchStatus) -> Cell {
        let place = "bridge \(status.bridge), \(status.datapath.rawValue) datapath, database"
        if let seconds = status.connectedSeconds {
            // What a machine sends has left for the datapath before nftables sees it.
            let filter = status.datapath == .userspace ? "; the guest filter at taps holds towards machines only" : ""
            return Cell("\(place) followed for \(Units.uptime(seconds: seconds))\(filter)")
        }
        return Cell("\(place) not followed\(status.reason.map { ": \($0)" } ?? "")", .warning)
    }

    private func timer(_ exponent: Int) -> Cell {
        Cell("\(exponent) (\(Units.timer(exponent: exponent)))")
    }

    private func tlvs(_ pair: EVBTLVPair) -> String {
        var table = Table(heading: ["EVB TLV", "LOCAL", "REMOTE"])
        func add(_ name: String, _ field: (EVBTLVStatus) -> String) {
            let local = pair.local.map(field) ?? "-"
            let remote = pair.remote.map(field) ?? "-"
            table.rows.append([Cell(name), Cell(local), Cell(remote)])
        }
        func bit(_ value: Bool) -> String { value ? "1" : "0" }
        add("EVB mode") { $0.evbMode }
        add("BGID") { bit($0.bgid) }
        add("RRCAP") { bit($0.rrcap) }
        add("RRCTR") { bit($0.rrctr) }
        add("SGID") { bit($0.sgid) }
        add("RRREQ") { bit($0.rrreq) }
        add("RRSTAT") { $0.rrstat.rawValue }
        add("R") { "\($0.retries)" }
        add("RTE") { "\($0.rte)" }
        add("RWD") { "\($0.rwd) (\($0.rwdOrigin.rawValue))" }
        add("RKA") { "\($0.rka) (\($0.rkaOrigin.rawValue))" }
        return table.rendered(colour: colour)
    }

    // MARK: VSIs

    func vsi(_ details: VSIDetails) -> String {
        let vsi = details.vsi
        var facts = Table(heading: [])
        facts.rows = [
            [Cell("VSI"), Cell(vsi.vsiID, .heading)], [Cell("Label"), Cell(vsi.label ?? "-")],
            [Cell("Format"), Cell(vsi.vsiIDFormat.rawValue)],
            [Cell("Port"), Cell(vsi.port)], [Cell("State"), state(vsi)],
            [Cell("Reason"), Cell(vsi.reason.map { "\($0.rawValue)" } ?? "-")],
            [Cell("Manager"), Cell(vsi.managerID ?? "the bridge's own")],
            [Cell("Type"), Cell("\(vsi.typeID) (0x\(String(vsi.typeID, radix: 16))), version \(vsi.typeVersion)")],
        ]
        for (index, filter) in vsi.filters.enumerated() {
            facts.rows.append([Cell(index == 0 ? "Filter" : ""), Cell(Self.filter(filter, of: vsi.state))])
        }
        let link = vsi.link.map { link in
            [link.name, link.kind?.rawValue, link.mode?.rawValue].compactMap(\.self).joined(separator: " ")
        }
        facts.rows.append([Cell("Link"), Cell(link ?? "-")])
        if let wanted = vsi.requestedLink {
            let words = [wanted.name, wanted.kind?.rawValue, wanted.mode?.rawValue].compactMap(\.self)
            facts.rows.append([Cell("Wanted link"), Cell(words.joined(separator: " "), .warning)])
        }
        if let retry = vsi.retryInMilliseconds {
            facts.rows.append([Cell("Next try"), Cell("in \(Units.seconds(milliseconds: retry))", .warning)])
        }
        if let traffic = details.traffic {
            facts.rows.append([Cell("Machine sent"), Cell(Self.traffic(traffic.sent))])
            facts.rows.append([Cell("Machine received"), Cell(Self.traffic(traffic.received))])
        } else if let note = details.trafficNote {
            facts.rows.append([Cell("Traffic"), Cell("not counted: \(note)", .faint)])
        }
        return
            (vsi.warnings.map(warning) + [facts.rendered(colour: colour), objects(details.managedObjects)])
            .joined(separator: "\n\n")
    }

    private static func traffic(_ counts: TrafficCounts?) -> String {
        guard let counts else { return "not counted" }
        let drops = counts.drops.map { ", \($0) dropped" } ?? ""
        return "\(counts.frames) frames, \(counts.octets) octets\(drops)"
    }

    /// One line on what has become of a VSI that was asked for.
    func outcome(_ vsi: VSIStatus) -> String {
        let reason = vsi.reason.map { $0 == .success ? "" : " (\($0.rawValue))" } ?? ""
        let state = state(vsi).rendered(colour: colour)
        let line = "VSI \(printable(vsi.vsiID)) on \(printable(vsi.port)) is \(state)\(reason)"
        return ([line] + vsi.warnings.map(warning)).joined(separator: "\n")
    }

    private func warning(_ warning: VSIWarning) -> String {
        sentence("WARNING: \(warning.message): \(warning.hint)", .warning)
    }

    func state(_ vsi: VSIStatus) -> Cell {
        let style: Style =
            switch vsi.state {
            case .associated: .good
            case .preassociated, .preassociatedRR: .plain
            case .pending: .warning
            case .deassociated: .bad
            }
        return Cell(vsi.state.rawValue, style)
    }

    /// An entry of a filter with what becomes of its frames where it names no VLAN: the bridge gives the type's (802.1Q 41.2.9), and
    /// where it has given none frames are untagged, of the VLAN that the bridge's port has for such.
    private static func filter(_ filter: VSIFilter, of state: VSIState) -> String {
        guard filter.vlan == 0 else { return self.filter(filter) }
        var rest = filter
        rest.vlan = nil
        let isGranted = state == .associated || state == .preassociated || state == .preassociatedRR
        let vlan = isGranted ? "VLAN: the port's own, untagged" : "VLAN: as the switch gives it"
        return [self.filter(rest), vlan].filter { !$0.isEmpty }.joined(separator: ", ")
    }

    static func filter(_ filter: VSIFilter) -> String {
        [
            filter.mac.map { "mac=\($0)" }, filter.vlan.map { "vlan=\($0)" }, filter.pcp.map { "pcp=\($0)" },
            filter.group.map { "group=\($0)" },
        ].compactMap(\.self).joined(separator: ",")
    }

    // MARK: Events and counters

    func event(_ event: ControlEvent) -> String {
        let time = Cell(Units.time(milliseconds: event.timeMilliseconds), .faint).rendered(colour: colour)
        // Most messages about a VSI name it.
        let vsiID = event.vsiID.flatMap { event.message.contains($0) ? nil : $0 }
        let places = [event.port, vsiID].compactMap(\.self).map { printable($0) + " " }.joined()
        return "\(time) \(event.kind.rawValue) \(places)\(printable(event.message))"
    }

    func statistics(_ reports: [StatisticsReport]) -> String {
        guard !reports.isEmpty else { return "no counters" }
        var table = Table(heading: ["PORT", "COUNTER", "VALUE"])
        for report in reports {
            for (name, value) in report.counters.sorted(by: { $0.key < $1.key }) {
                table.rows.append([Cell(report.interface ?? "evbd"), Cell(name), Cell("\(value)")])
            }
        }
        let spans = reports.map {
            "\(printable($0.interface ?? "evbd")) has been counting for \(Units.span(hundredths: $0.counterDiscontinuity))"
        }
        return ([table.rendered(colour: colour), ""] + spans).joined(separator: "\n")
    }
}

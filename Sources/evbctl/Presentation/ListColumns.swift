// The columns of the lists: ports and VSIs.

internal import EVBModel
internal import TerminalText

/// A VSI in a list.
struct VSIRow {
    var vsi: VSIStatus
    /// The libvirt domain, where it was asked for and is known.
    var domain: String?
}

enum VSIColumns: ColumnNames {
    static let all = [
        "vsi", "port", "type", "state", "reason", "filter", "vni", "link", "label", "domain", "manager", "format",
        "retry",
    ]
}

enum PortColumns: ColumnNames {
    static let all = [
        "port", "scid", "svid", "role", "link", "dialect", "peer", "reflective-relay", "assoc", "preassoc", "pending",
        "deassoc",
    ]
}

extension Presenter {
    /// A list of VSIs as a table.
    ///
    /// - Parameters:
    ///   - rows: the VSIs.
    ///   - view: which columns, and in which order.
    ///   - hasDomains: whether libvirt was asked.
    /// - Returns: the table.
    func vsis(_ rows: [VSIRow], _ view: TableView = TableView(), hasDomains: Bool = false) -> String {
        guard !rows.isEmpty else { return view.hasHeading ? "no VSIs" : "" }
        return list(rows, vsiColumns(hasDomains: hasDomains), view)
    }

    func vsiColumns(hasDomains: Bool) -> [Column<VSIRow>] {
        [
            Column("vsi", importance: 100, minimum: 13) { Cell($0.vsi.vsiID) },
            Column("port", importance: 50, minimum: 6) { Cell($0.vsi.port) },
            Column("type", importance: 40) { Cell("\($0.vsi.typeID) v\($0.vsi.typeVersion)") },
            Column("state", importance: 90) { state($0.vsi) },
            Column("reason", importance: 60, minimum: 10) { Cell($0.vsi.reason?.rawValue ?? "") },
            Column("filter", importance: 30, minimum: 21) { Cell(Self.filters($0.vsi)) },
            Column(
                "vni", importance: 55, isShown: { rows in rows.contains { !$0.vsi.networks.isEmpty } },
                cell: { Cell($0.vsi.networks.map { "\($0.vni)" }.joined(separator: ",")) }),
            Column("link", importance: 80, minimum: 8) { link($0.vsi) },
            Column(
                "label", importance: 70, minimum: 8,
                isShown: { rows in rows.contains { $0.vsi.label != nil } }, cell: { Cell($0.vsi.label ?? "") }),
            Column(
                "domain", importance: 65, minimum: 8, isShown: { _ in hasDomains }, cell: { Cell($0.domain ?? "") }),
            Column("manager", importance: 20, isShown: { _ in false }, cell: { Cell($0.vsi.managerID ?? "") }),
            Column("format", importance: 10, isShown: { _ in false }, cell: { Cell($0.vsi.vsiIDFormat.rawValue) }),
            Column(
                "retry", importance: 35, isShown: { _ in false },
                cell: { Cell($0.vsi.retryInMilliseconds.map(Units.seconds) ?? "") }),
        ]
    }

    private static func filters(_ vsi: VSIStatus) -> String {
        let more = vsi.filters.count > 1 ? " and \(vsi.filters.count - 1) more" : ""
        return (vsi.filters.first.map(filter) ?? "") + more
    }

    /// The link; in brackets one that is wanted and not there.
    private func link(_ vsi: VSIStatus) -> Cell {
        if let link = vsi.link { return Cell(link.name) }
        return Cell(vsi.requestedLink.map { "(\($0.name))" } ?? "")
    }

    func portColumns() -> [Column<PortStatus>] {
        [
            // Below its uplink, which stands before it.
            Column("port", importance: 100, minimum: 8) { Cell(($0.channel == nil ? "" : "  ") + $0.interface) },
            Column(
                "scid", importance: 76, isShown: { rows in rows.contains { $0.channel != nil } },
                cell: { Cell($0.channel.map { "\($0.scid)" } ?? "") }),
            Column(
                "svid", importance: 77, isShown: { rows in rows.contains { $0.channel != nil } },
                cell: {
                    $0.channel.map { Cell($0.svid.map { "\($0)" } ?? "none", $0.svid == nil ? .bad : .plain) }
                        ?? Cell("")
                }),
            Column("role", importance: 40) { Cell($0.role.rawValue) },
            Column("link", importance: 90) { link($0) },
            Column("dialect", importance: 30) { Cell($0.dialect.rawValue) },
            Column("peer", importance: 70, minimum: 20) { peer($0) },
            Column("reflective-relay", heading: "REFLECTIVE RELAY", importance: 60) { relay($0.reflectiveRelay) },
            Column("assoc", importance: 80) { Cell("\($0.vsis.associated)") },
            Column("preassoc", importance: 50) { Cell("\($0.vsis.preassociated)") },
            Column("pending", importance: 79) {
                Cell("\($0.vsis.pending)", $0.vsis.pending > 0 ? .warning : .plain)
            },
            Column("deassoc", importance: 78) {
                Cell("\($0.vsis.deassociated)", $0.vsis.deassociated > 0 ? .bad : .plain)
            },
        ]
    }
}

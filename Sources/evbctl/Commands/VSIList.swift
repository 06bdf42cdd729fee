internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON
internal import LinuxSystem

struct VSIList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List VSIs: all, or those to which every option fits.",
        discussion: """
            In --link and --label, * and ? stand for other characters. A link in brackets is wanted and not there yet.

            COLUMNS
              vsi, port, type, state, reason, filter, link and label (where a VSI has one); with --domain, domain. With --wide \
            or --columns also manager, format, and retry: in how long a failed request is made again.

            EXAMPLES
              evbctl vsi list --port eth0 --state pending
              evbctl vsi list --link 'vm*' --sort link --columns link,vsi,state,reason
              evbctl vsi list --domain --no-headers
            """)

    @Option(help: ArgumentHelp("Only those on a port.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var port: String?

    @Option(help: "Only those in a state.")
    var state: VSIState?

    @Option(help: ArgumentHelp("Only those of a type.", valueName: "id"), transform: parseType)
    var type: Int?

    @Option(help: ArgumentHelp("Only those of a VSI manager.", valueName: "id"))
    var manager: String?

    @Option(
        help: ArgumentHelp("Only those that have, or want, such a link.", valueName: "name"),
        completion: LiveCompletion.links.kind)
    var link: String?

    @Option(
        help: ArgumentHelp("Only those with this MAC address in their filter.", valueName: "mac"),
        completion: LiveCompletion.macs.kind)
    var mac: String?

    @Option(
        help: ArgumentHelp("Only those with such a label.", valueName: "text"), completion: LiveCompletion.labels.kind)
    var label: String?

    @Option(help: "Only those with a reason.")
    var reason: VSIReason?

    @Flag(help: "Ask libvirt, by virsh, which domain each belongs to (JSON: domain).")
    var domain = false

    @OptionGroup var table: TableOptions<VSIColumns>
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        try table.validate(json: global.json)
        if let mac, !VSIFilter.isMAC(mac) {
            throw ValidationError("\(mac) is no MAC address; give one like 52:54:00:00:c7:3e")
        }
    }

    private var request: ListVSIsRequest {
        var request = ListVSIsRequest(port: port, state: state)
        request.typeID = type
        request.managerID = manager
        request.link = link
        request.mac = mac
        request.label = label
        request.reason = reason
        return request
    }

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            let asksLibvirt =
                domain || (table.columns ?? []).contains("domain") || (table.sort ?? []).contains("domain")
            // What is only passed on is not read.
            if global.json, !asksLibvirt, !table.orders {
                print(JSONValue.array(try items(client)).pretty)
                return
            }
            var rows: [(row: VSIRow, json: JSONValue)] = []
            try client.stream(
                .listVSIs, request, timeoutMilliseconds: GlobalOptions.answerMilliseconds
            ) { answer throws(ControlClientError) in
                let page = try answer.value("vsis", as: [VSIStatus].self)
                guard case .array(let items)? = answer.parameters["vsis"] else { return true }
                rows += zip(page, items).map { (VSIRow(vsi: $0), $1) }
                return true
            }
            if asksLibvirt, !rows.isEmpty { addDomains(&rows) }
            show(rows, hasDomains: asksLibvirt)
        }
    }

    private func items(_ client: ControlClient) throws(ControlClientError) -> [JSONValue] {
        var items: [JSONValue] = []
        try client.stream(
            .listVSIs, request, timeoutMilliseconds: GlobalOptions.answerMilliseconds
        ) { answer throws(ControlClientError) in
            if case .array(let page)? = answer.parameters["vsis"] { items += page }
            return true
        }
        return items
    }

    /// Without an answer of libvirt the list is shown all the same, and standard error says what is missing.
    private func addDomains(_ rows: inout [(row: VSIRow, json: JSONValue)]) {
        do throws(ChildFailure) {
            let domains = try LibvirtDomains.ask()
            for index in rows.indices { rows[index].row.domain = domains.name(of: rows[index].row.vsi) }
        } catch {
            let failure = Failure(
                "NoLibvirt", "libvirt domains are not shown: virsh \(error.words)",
                remedy:
                    "run evbctl where libvirtd runs, with libvirt-clients installed; LIBVIRT_DEFAULT_URI names another",
                status: 0)
            Terminal.complain(global.json ? failure.json.pretty : failure.text)
        }
    }

    private func show(_ rows: [(row: VSIRow, json: JSONValue)], hasDomains: Bool) {
        let presenter = Terminal.presenter
        guard global.json else {
            Terminal.show(presenter.vsis(rows.map(\.row), table.view, hasDomains: hasDomains))
            return
        }
        let columns = presenter.vsiColumns(hasDomains: hasDomains).map { column in
            Column<(row: VSIRow, json: JSONValue)>(column.name, importance: 0) { column.cell($0.row) }
        }
        let items = table.view.sorted(rows, by: columns).map { row, json in
            guard hasDomains, case .object(let members) = json else { return json }
            return JSONValue.object(
                members + [JSONValue.Member("domain", row.domain.map(JSONValue.string) ?? .null)])
        }
        print(JSONValue.array(items).pretty)
    }
}

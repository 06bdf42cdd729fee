internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON

struct VSI: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vsi",
        abstract: "Look at VSIs, the virtual station interfaces of machines, and associate them with the bridge.",
        discussion: """
            A VSIID is a UUID, or a text that names its format: ipv4:192.0.2.1, ipv6:2001:db8::1, \
            mac:52:54:00:00:c7:3e or local:...

            EXAMPLE
              evbctl vsi list
            """,
        subcommands: [
            VSIList.self, VSIShow.self, VSIAssociate.self, VSIPreassociate.self, VSIDeassociate.self, VSIRetry.self,
        ])
}

struct VSIList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List VSIs: all, or those of a port or in a state.",
        discussion: """
            EXAMPLE
              evbctl vsi list --port eth0 --state pending
            """)

    @Option(help: ArgumentHelp("Only those on a port.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var port: String?

    @Option(help: "Only those in a state.")
    var state: VSIState?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            var items: [JSONValue] = []
            var vsis: [VSIStatus] = []
            let request = ListVSIsRequest(port: port, state: state)
            try client.stream(
                .listVSIs, request, timeoutMilliseconds: GlobalOptions.answerMilliseconds
            ) { answer throws(ControlClientError) in
                if global.json {
                    if case .array(let page)? = answer.parameters["vsis"] { items += page }
                } else {
                    vsis += try answer.value("vsis", as: [VSIStatus].self)
                }
                return true
            }
            if global.json {
                print(JSONValue.array(items).pretty)
            } else {
                Terminal.show(Terminal.presenter.vsis(vsis))
            }
        }
    }
}

struct VSIShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one VSI, and the EVB MIB's objects of it.",
        discussion: """
            The prefix ieee8021BridgeEvb of the MIB's objects is left out.

            EXAMPLE
              evbctl vsi show 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51
            """)

    @Argument(
        help: ArgumentHelp("The VSI.", valueName: "vsiid"), completion: LiveCompletion.vsis.kind,
        transform: parseVSIID)
    var vsiID: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.show(.getVSI, GetVSIRequest(vsiID: vsiID), "vsi", as: VSIDetails.self) { $0.vsi($1) }
    }
}

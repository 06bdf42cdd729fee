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
            mac:52:54:00:00:c7:3e, or local: and 32 hexadecimal digits of one's own choice.

            Commands take a VSI by its VSIID, by the first digits of a UUID (at least 4), by its link, by a MAC address of its \
            filter, or by its label. What means several VSIs is refused, and they are listed. A name in full goes before the \
            first digits of a UUID; id=, link=, mac= or label= before a name says which is meant.

            EXAMPLES
              evbctl vsi list
              evbctl vsi show vm1
              evbctl vsi show 5ab5c6
              evbctl vsi deassociate label=web link=vm2
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
        abstract: "Show VSIs, and the EVB MIB's objects of them.",
        discussion: """
            The prefix ieee8021BridgeEvb of the MIB's objects is left out. With --json, several VSIs are an array.

            EXAMPLES
              evbctl vsi show vm1
              evbctl vsi show 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51
            """)

    @OptionGroup var names: VSINames
    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.showEach(names, "vsi", as: VSIDetails.self, separator: "") {
            client, vsi throws(ControlClientError) in
            try client.call(
                .getVSI, GetVSIRequest(vsiID: vsi.vsiID, port: vsi.port),
                timeoutMilliseconds: GlobalOptions.answerMilliseconds)
        } text: {
            $0.vsi($1)
        }
    }
}

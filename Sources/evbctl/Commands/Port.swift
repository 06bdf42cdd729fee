internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct Port: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "port",
        abstract: "Look at ports: the interfaces on which evbd speaks EVB.",
        discussion: """
            EXAMPLE
              evbctl port show eth0
            """,
        subcommands: [PortList.self, PortShow.self, PortMisbehave.self])
}

struct PortList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the ports.",
        discussion: """
            EXAMPLES
              evbctl port list
              evbctl port list --columns port,peer,pending --sort port
            """)

    @OptionGroup var table: TableOptions<PortColumns>
    @OptionGroup var global: GlobalOptions

    func validate() throws { try table.validate(json: global.json) }

    func run() throws {
        try global.show(.listPorts, NoParameters(), "ports", as: [PortStatus].self) { $0.ports($1, table.view) }
    }
}

struct PortShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one port: the EVB TLVs of both sides, timers, LLDP neighbour, and the EVB MIB's objects.",
        discussion: """
            Each side's EVB TLV tells how it sees both: a field that differs between them is worth a look. The prefix \
            ieee8021BridgeEvb of the MIB's objects is left out.

            EXAMPLE
              evbctl port show eth0
            """)

    @Argument(
        help: ArgumentHelp("The interface of the port.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var interface: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let request = GetPortRequest(interface: interface)
        try global.show(.getPort, request, "port", as: PortDetails.self) { $0.port($1) }
    }
}

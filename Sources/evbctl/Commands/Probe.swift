internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct Probe: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find out what the switch of a port can do, by VSIs that harm nothing.",
        discussion: """
            Test VSIs with random VSIIDs and locally administered addresses are pre-associated, one by one and several at \
            once; one is associated, changed, and asked for with a type that does not exist, to see a refusal. All are \
            de-associated at the end, also when evbctl is interrupted. VSIs of machines are not touched. Give a type that the \
            switch knows, or everything is refused. The table is worth sending to the makers of evbd, for each switch.

            EXAMPLE
              evbctl probe eth0 --type 100 --type-version 1
            """)

    @Argument(
        help: ArgumentHelp("The interface of the port, one of role station.", valueName: "iface"),
        completion: LiveCompletion.ports.kind)
    var interface: String

    @Option(help: ArgumentHelp("The VSI manager that knows the type (default: the bridge's own).", valueName: "id"))
    var manager: String?

    @Option(help: ArgumentHelp("The VSI type (VTID), 0 to 16777215.", valueName: "id"))
    var type = 1

    @Option(help: ArgumentHelp("The version of the type, 0 to 255.", valueName: "n"))
    var typeVersion = 0

    @Option(help: ArgumentHelp("The VLAN of the test VSIs (default: the switch gives one).", valueName: "vid"))
    var vlan: Int?

    @Option(help: ArgumentHelp("How many VSIs at once, 2 to 64.", valueName: "n"))
    var vsis = 8

    @OptionGroup var global: GlobalOptions

    /// evbd gives up after 200 s.
    private static let milliseconds = 230_000

    func validate() throws {
        for (name, value, range) in [
            ("--type", type, 0...0xFF_FFFF), ("--type-version", typeVersion, 0...255), ("--vlan", vlan ?? 1, 1...4094),
            ("--vsis", vsis, ProbeRequest.vsisRange),
        ] where !range.contains(value) {
            throw ValidationError("\(name) \(value) is out of range; give \(range.lowerBound) to \(range.upperBound)")
        }
    }

    func run() throws {
        let request = ProbeRequest(
            port: interface, managerID: manager, typeID: type, typeVersion: typeVersion, vlan: vlan ?? 0, vsis: vsis)
        try global.show(
            .probe, request, "probe", as: ProbeReport.self, timeoutMilliseconds: Self.milliseconds
        ) { $0.probe($1) }
    }
}

internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct Probe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Find out what the switch of a port can do, by VSIs that harm nothing.",
        discussion: """
            Test VSIs with random VSIIDs and locally administered addresses are pre-associated, one by one and several at \
            once; one is associated, changed, and asked for with a type that does not exist, to see a refusal. All are \
            de-associated at the end, also when evbctl is interrupted. VSIs of machines are not touched. Give a type that the \
            switch knows, or everything is refused. The last line says what the switch knows and what to ask its \
            administrator for. The table is worth sending to the makers of evbd, for each switch.

            --keep-alive tries, too, when the switch takes back a VSI that is not kept alive. That takes as long as the \
            switch waits: half a minute by the default timers, and ten minutes at most.

            EXIT STATUS
              0 if the switch granted something of the type that was given, 1 if it refused all, 4 if it answered nothing.

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

    @Flag(help: "Try when the switch takes back a VSI that is not kept alive.")
    var keepAlive = false

    @OptionGroup var global: GlobalOptions

    /// evbd gives up after 200 s, and ten minutes later with `--keep-alive`.
    private var milliseconds: Int { keepAlive ? 830_000 : 230_000 }

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
            port: interface, managerID: manager, typeID: type, typeVersion: typeVersion, vlan: vlan ?? 0, vsis: vsis,
            keepAlive: keepAlive)
        var verdict: ProbeReport.Verdict?
        try global.withClient { client throws(ControlClientError) in
            let answer = try client.call(.probe, request, timeoutMilliseconds: milliseconds)
            verdict = try answer.value("probe", as: ProbeReport.self).verdict
            try global.show(answer, "probe", as: ProbeReport.self) { $0.probe($1) }
        }
        switch verdict {
        case .granted, .partly, nil: break
        case .refused: throw ExitCode(Failure.Status.refused)
        case .unanswered: throw ExitCode(Failure.Status.noAnswer)
        }
    }
}

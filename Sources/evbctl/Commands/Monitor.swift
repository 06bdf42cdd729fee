internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON

struct Monitor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monitor",
        abstract: "Show events as they happen, one a line, until interrupted.",
        discussion: """
            With --json every line is a JSON object. Times are in UTC. Ctrl-C is status 0. With several options, events to \
            which all of them fit; an option that is given again has several values.

            EXAMPLES
              evbctl monitor --kind vsi --port eth0
              evbctl monitor --vsi vm1
              evbctl monitor --json | jq --unbuffered 'select(.kind == "vsi")'
            """)

    @Option(help: ArgumentHelp("Only those of a port.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var port: [String] = []

    @Option(
        help: ArgumentHelp("Only those of a VSI; see evbctl vsi --help for how to name it.", valueName: "vsi"),
        completion: LiveCompletion.vsiNames.kind, transform: VSINames.checked)
    var vsi: [String] = []

    @Option(help: "Only those of a kind.")
    var kind: [ControlEvent.Kind] = []

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            // Names are of now; the VSI that has one keeps being meant.
            var vsiIDs: Set<String> = []
            for text in vsi {
                vsiIDs.insert(
                    try client.select(text, timeoutMilliseconds: GlobalOptions.answerMilliseconds).vsiID.lowercased())
            }
            let presenter = Terminal.presenter
            Interrupt.endsWell()
            try client.stream(.monitor, NoParameters(), timeoutMilliseconds: nil) { answer throws(ControlClientError) in
                let event = try answer.value("event", as: ControlEvent.self)
                guard fits(event, vsiIDs) else { return true }
                print(global.json ? (answer.parameters["event"] ?? .null).compact : presenter.event(event))
                Terminal.flush()
                return true
            }
        }
    }

    func fits(_ event: ControlEvent, _ vsiIDs: Set<String>) -> Bool {
        (port.isEmpty || event.port.map(port.contains) ?? false) && (kind.isEmpty || kind.contains(event.kind))
            && (vsiIDs.isEmpty || event.vsiID.map { vsiIDs.contains($0.lowercased()) } ?? false)
    }
}

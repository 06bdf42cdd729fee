internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show everything on one screen: the daemon, its ports, their peers, and VSIs per state.",
        discussion: """
            A port without a peer hears no EVB bridge; its VSIs wait. Reflective relay is what a VEPA needs of the \
            bridge: "refused" means that frames between machines of this host do not come back.

            With --watch the screen is drawn again when evbd reports an event, and at least every so many seconds, until \
            Ctrl-C, which is status 0. What goes to a file or a pipe is one status after the other; with --json one a line.

            EXAMPLES
              evbctl status
              evbctl status --watch
            """)

    @Option(
        defaultAsFlag: 2,
        help: ArgumentHelp("Go on, and look again at least every so many seconds, 1 to 3600.", valueName: "seconds"))
    var watch: Int? = nil

    @OptionGroup var table: TableOptions<PortColumns>
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        try table.validate(json: global.json)
        guard watch.map((1...3600).contains) ?? true else {
            throw ValidationError("--watch \(watch ?? 0) is out of range; give 1 to 3600 seconds")
        }
    }

    func run() throws {
        guard let watch else {
            try global.show(.getStatus, NoParameters(), "status", as: StatusReport.self) { $0.status($1, table.view) }
            return
        }
        try global.watch(every: watch, .getStatus, NoParameters(), "status", as: StatusReport.self) {
            $0.status($1, table.view)
        }
    }
}

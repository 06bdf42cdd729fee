internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show counters under their names in the EVB MIB.",
        discussion: """
            The prefix ieee8021BridgeEvb is left out. EcpTxFailures above zero means that a bridge did not acknowledge.

            EXAMPLE
              evbctl stats eth0
            """)

    @Argument(help: ArgumentHelp("Only those of a port.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var interface: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let request = GetStatisticsRequest(interface: interface)
        try global.show(.getStatistics, request, "statistics", as: [StatisticsReport].self) { $0.statistics($1) }
    }
}

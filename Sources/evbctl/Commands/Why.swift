internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import Glibc
internal import JSON

struct Why: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "why",
        abstract: "Say what happened to a VSI, in order, and what comes next.",
        discussion: """
            Who asked for it and when, what the bridge was asked and what it said, what became of its link, and last how it \
            stands. It is known also after a restart of evbd, and for a VSI that is gone, for a while. What happened again and \
            again is one line with how often and when last. On a bridge port: what the station asked and what it was told.

            EXAMPLES
              evbctl why vm1
              evbctl why 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51 --follow
            """)

    @Argument(
        help: ArgumentHelp("The VSI, by any of its names; by its VSIID in full once it is gone.", valueName: "vsi"),
        completion: LiveCompletion.vsiNames.kind, transform: VSINames.checked)
    var vsi: String

    @Option(
        help: ArgumentHelp("Only on this port (default: wherever it is or was).", valueName: "iface"),
        completion: LiveCompletion.ports.kind)
    var port: String?

    @Flag(help: "Go on, and print what happens as it happens; with --json an event a line.")
    var follow = false

    @OptionGroup var global: GlobalOptions

    /// Between two looks of --follow.
    private static let pauseMicroseconds: UInt32 = 500_000

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            let vsi = try client.select(vsi, port: port, timeoutMilliseconds: GlobalOptions.answerMilliseconds)
            let request = GetHistoryRequest(vsiID: vsi.vsiID, port: port)
            guard follow else {
                let answer = try client.call(
                    .getHistory, request, timeoutMilliseconds: GlobalOptions.answerMilliseconds)
                return try global.show(answer, "histories", as: [VSIHistory].self) { $0.histories($1) }
            }
            var shown: [String: [Int: VSIHistoryEvent]] = [:]
            while true {
                let answer = try client.call(
                    .getHistory, request, timeoutMilliseconds: GlobalOptions.answerMilliseconds)
                for history in try answer.value("histories", as: [VSIHistory].self) {
                    for event in history.events where shown[history.port]?[event.number] != event {
                        show(event, of: history)
                    }
                    shown[history.port] = Dictionary(uniqueKeysWithValues: history.events.map { ($0.number, $0) })
                }
                Terminal.flush()
                usleep(Self.pauseMicroseconds)
            }
        }
    }

    private func show(_ event: VSIHistoryEvent, of history: VSIHistory) {
        if global.json {
            print(String(decoding: JSONCoding.encode(event), as: UTF8.self))
        } else {
            Terminal.show(Terminal.presenter.historyLine(event, of: history))
        }
    }
}

internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON

struct Monitor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show events as they happen, one a line, until interrupted.",
        discussion: """
            With --json every line is a JSON object. Times are in UTC.

            EXAMPLE
              evbctl monitor --json | jq --unbuffered 'select(.kind == "vsi")'
            """)

    @OptionGroup var global: GlobalOptions

    func run() throws {
        try global.withClient { client throws(ControlClientError) in
            let presenter = Terminal.presenter
            try client.stream(.monitor, NoParameters(), timeoutMilliseconds: nil) { answer throws(ControlClientError) in
                if global.json {
                    print((answer.parameters["event"] ?? .null).compact)
                } else {
                    print(presenter.event(try answer.value("event", as: ControlEvent.self)))
                }
                Terminal.flush()
                return true
            }
        }
    }
}

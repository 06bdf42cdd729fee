internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON

extension MetricsText.Format: ExpressibleByArgument {}

struct MetricsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Print numbers for a system that collects them, in the OpenMetrics format.",
        discussion: """
            Names are those of the EVB MIB where it has one; Documentation/metrics.md lists all. There is no series \
            for each VSI. With --http one request of HTTP/1.1 for /metrics is read from standard input and answered, \
            as systemd starts it for evbd-metrics.socket.

            EXAMPLES
              evbctl metrics | grep evbd_problem
              evbctl metrics --format prometheus | promtool check metrics
            """)

    @Option(help: "How numbers are written: OpenMetrics 1.0, or the text format of Prometheus, 0.0.4.")
    var format = MetricsText.Format.openmetrics

    @Flag(help: "Answer one request of HTTP on standard input and output; the request says the format.")
    var http = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        guard !http else {
            return HTTPConnection().serve { format in
                do throws(ControlClientError) {
                    return .success(
                        MetricsText(try Self.ask(try GlobalOptions.connect(global.socketPath)), format).text)
                } catch {
                    var failure = Failure(error)
                    if case .noDaemon(_, .forbidden) = error {
                        failure.text += "\n  or have evbd open its read-only socket: control: read-only: in evbd.yaml"
                    }
                    Terminal.complain(failure.text)
                    return .failure(failure)
                }
            }
        }
        try global.withClient { client throws(ControlClientError) in
            if global.json {
                var items: [JSONValue] = []
                try Self.stream(client) { answer throws(ControlClientError) in
                    if case .array(let page)? = answer.parameters["metrics"] { items += page }
                }
                print(JSONValue.array(items).pretty)
            } else {
                print(MetricsText(try Self.ask(client), format).text, terminator: "")
            }
        }
    }

    private static func ask(_ client: ControlClient) throws(ControlClientError) -> [Metrics] {
        var parts: [Metrics] = []
        try stream(client) { answer throws(ControlClientError) in
            parts += try answer.value("metrics", as: [Metrics].self)
        }
        return parts
    }

    private static func stream(
        _ client: ControlClient, _ take: (ControlAnswer) throws(ControlClientError) -> Void
    ) throws(ControlClientError) {
        try client.stream(
            .getMetrics, NoParameters(), timeoutMilliseconds: GlobalOptions.answerMilliseconds
        ) { answer throws(ControlClientError) in
            try take(answer)
            return true
        }
    }
}

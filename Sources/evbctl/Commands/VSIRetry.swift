internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON

struct VSIRetry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Ask the bridge at once for VSIs that it refused, or that wait for their next try.",
        discussion: """
            A bridge that refuses hard says that the same request will always fail, and evbd asks no more. When the cause is \
            put right at the bridge, this asks again. One VSI is waited for as by associate; several are asked for, and not \
            waited for.

            EXAMPLES
              evbctl vsi retry 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51
              evbctl vsi retry --all --port eth0
            """)

    @Argument(
        help: ArgumentHelp(
            "The VSIs: a VSIID, the first digits of a UUID, a link, a MAC address or a label.", valueName: "vsi"),
        completion: LiveCompletion.vsiNames.kind)
    var vsis: [String] = []

    @Flag(help: "All VSIs that were refused or wait for their next try.")
    var all = false

    @Option(
        help: ArgumentHelp("Only those on a port.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var port: String?

    @OptionGroup var wait: WaitOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard all == vsis.isEmpty else { throw ValidationError("name VSIs, or give --all") }
        for text in vsis { _ = try VSINames.checked(text) }
        guard wait.wait == nil || vsis.count == 1 else {
            throw ValidationError("--wait goes with one VSI; several are not waited for")
        }
    }

    func run() throws {
        if all {
            try retryAll()
        } else if vsis.count == 1 {
            try retryOne()
        } else {
            try retrySeveral()
        }
    }

    private func retryOne() throws {
        try global.withClient { client throws(ControlClientError) in
            let vsi = try client.select(vsis[0], port: port, timeoutMilliseconds: GlobalOptions.answerMilliseconds)
            let answer = try client.call(
                .retry, RetryRequest(vsiID: vsi.vsiID, port: vsi.port, waitMilliseconds: wait.milliseconds),
                timeoutMilliseconds: wait.timeoutMilliseconds)
            if global.json { return print((answer.parameters["vsi"] ?? .null).pretty) }
            Terminal.show(Terminal.presenter.outcome(try answer.value("vsi", as: VSIStatus.self)))
        }
    }

    private func retryAll() throws {
        try global.withClient { client throws(ControlClientError) in
            let answer = try client.call(
                .retryAll, RetryAllRequest(port: port), timeoutMilliseconds: GlobalOptions.answerMilliseconds)
            if global.json { return print(answer.parameters.pretty) }
            let count = try answer.value("retried", as: Int.self)
            Terminal.show(count == 1 ? "1 VSI is asked for again" : "\(count) VSIs are asked for again")
        }
    }

    /// Each by itself: what cannot be asked for again keeps no other from it.
    private func retrySeveral() throws {
        var items: [JSONValue] = []
        var failure: Failure?
        try global.withClient { client throws(ControlClientError) in
            for name in vsis {
                do throws(ControlClientError) {
                    let vsi = try client.select(
                        name, port: port, timeoutMilliseconds: GlobalOptions.answerMilliseconds)
                    let answer = try client.call(
                        .retry, RetryRequest(vsiID: vsi.vsiID, port: vsi.port),
                        timeoutMilliseconds: GlobalOptions.answerMilliseconds)
                    if global.json {
                        items.append(answer.parameters["vsi"] ?? .null)
                    } else {
                        Terminal.show(Terminal.presenter.outcome(try answer.value("vsi", as: VSIStatus.self)))
                    }
                } catch {
                    guard case .refused = error else { throw error }
                    let words = global.complain(error)
                    failure = failure ?? words
                }
            }
        }
        if global.json { print(JSONValue.array(items).pretty) }
        if let failure { throw ExitCode(failure.status) }
    }
}

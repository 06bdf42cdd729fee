// A screen that is drawn again and again, until Ctrl-C.

internal import EVBControl
internal import EVBModel
internal import JSON

extension GlobalOptions {
    /// How long after an event the screen is drawn: more of them come together as a rule.
    private static let gatherMilliseconds = 100

    /// Shows a reply, again when evbd reports an event, and at least every so many seconds. Returns only by a failure.
    func watch<Value: Decodable>(
        every seconds: Int, _ method: ControlMethod, _ parameters: some Encodable, _ key: String, as type: Value.Type,
        _ text: (Presenter, Value) -> String
    ) throws {
        // Whether events come on a second connection: the first one is busy with them.
        try withClient { events throws(ControlClientError) in
            let client = try Self.connect(socketPath)
            if Terminal.isTerminal, !json { Terminal.takeScreen() }
            Interrupt.endsWell()
            defer { Terminal.giveScreenBack() }
            func draw() throws(ControlClientError) {
                let answer = try client.call(method, parameters, timeoutMilliseconds: Self.answerMilliseconds)
                if json {
                    print((answer.parameters[key] ?? .null).compact)
                } else {
                    Terminal.draw(text(Terminal.presenter, try answer.value(key, as: type)))
                }
                Terminal.flush()
            }
            try draw()
            try events.subscribe(.monitor, NoParameters())
            while true {
                if try events.nextEvent(within: seconds * 1000) != nil {
                    let end = ContinuousClock.now + .milliseconds(Self.gatherMilliseconds)
                    while ContinuousClock.now < end, try events.nextEvent(within: Self.gatherMilliseconds) != nil {}
                }
                try draw()
            }
        }
    }
}

internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import Glibc
internal import JSON

/// What every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The control socket of evbd (default: $EVBCTL_SOCKET, else /run/evbd/evbd.sock).", valueName: "path"),
        completion: .file())
    var socket: String?

    @Flag(help: "Print JSON, for programs; its keys stay as they are.")
    var json = false

    /// How long evbd may take for an answer that waits for nobody else.
    static let answerMilliseconds = 10_000

    var socketPath: String { Self.socketPath(given: socket) }

    /// The control socket that an option names, else the environment's, else the standard's.
    static func socketPath(given socket: String?) -> String {
        if let socket { return socket }
        if let value = getenv("EVBCTL_SOCKET"), value.pointee != 0 { return String(cString: value) }
        return ControlSocketPath.standard
    }

    /// Does what a command does with evbd, and turns a failure into its words and its exit status.
    func withClient(_ body: (ControlClient) throws(ControlClientError) -> Void) throws {
        do {
            try body(try Self.connect(socketPath))
        } catch {
            throw ExitCode(complain(error).status)
        }
    }

    /// Prints a failure on standard error: in words, or with --json as one object.
    @discardableResult
    func complain(_ error: ControlClientError) -> Failure {
        let failure = Failure(error)
        Terminal.complain(json ? failure.json.pretty : failure.text)
        return failure
    }

    /// Who may not use the control socket may still look: evbd may have a read-only socket beside it.
    static func connect(_ path: String, patienceSeconds: Int = 10) throws(ControlClientError) -> ControlClient {
        do {
            return try ControlClient(socket: path, patienceSeconds: patienceSeconds)
        } catch {
            guard case .noDaemon(_, .forbidden) = error,
                let client = try? ControlClient(
                    socket: ControlSocketPath.readOnly(beside: path), patienceSeconds: patienceSeconds)
            else { throw error }
            return client
        }
    }

    /// Asks for one thing, and shows it as JSON or as text.
    func show<Value: Decodable>(
        _ method: ControlMethod, _ parameters: some Encodable, _ key: String, as type: Value.Type,
        timeoutMilliseconds: Int = answerMilliseconds, _ text: (Presenter, Value) -> String
    ) throws {
        try withClient { client throws(ControlClientError) in
            let answer = try client.call(method, parameters, timeoutMilliseconds: timeoutMilliseconds)
            try show(answer, key, as: type, text)
        }
    }

    /// Shows an answer as JSON or as text.
    func show<Value: Decodable>(
        _ answer: ControlAnswer, _ key: String, as type: Value.Type, _ text: (Presenter, Value) -> String
    ) throws(ControlClientError) {
        if json {
            print((answer.parameters[key] ?? .null).pretty)
        } else {
            Terminal.show(text(Terminal.presenter, try answer.value(key, as: type)))
        }
    }
}

// VSIs as arguments, and what is done to each.

internal import ArgumentParser
internal import EVBControl
internal import JSON

/// The VSIs that a command is about, by whatever they are known by.
struct VSINames: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The VSIs: a VSIID, the first digits of a UUID, a link, a MAC address or a label.", valueName: "vsi"),
        completion: LiveCompletion.vsiNames.kind)
    var vsis: [String]

    @Option(
        help: ArgumentHelp("The port that they are on (default: wherever they are).", valueName: "iface"),
        completion: LiveCompletion.ports.kind)
    var port: String?

    func validate() throws {
        for text in vsis { _ = try VSINames.checked(text) }
    }

    /// A text that may name a VSI.
    static func checked(_ text: String) throws -> String {
        if let problem = VSISelector(text).problem { throw ValidationError("\(problem); \(VSISelector.rule)") }
        return text
    }
}

extension GlobalOptions {
    /// Finds the VSIs that names mean, each once, before anything is done to one of them.
    static func select(
        _ names: VSINames, _ client: ControlClient
    ) throws(ControlClientError) -> [SelectedVSI] {
        var vsis: [SelectedVSI] = []
        for name in names.vsis {
            let vsi = try client.select(name, port: names.port, timeoutMilliseconds: answerMilliseconds)
            if !vsis.contains(where: { $0.vsiID.lowercased() == vsi.vsiID.lowercased() }) { vsis.append(vsi) }
        }
        return vsis
    }

    /// Makes a call for each of the VSIs that names mean, and shows what evbd says, with `separator` on a line between texts.
    ///
    /// As JSON, one name gives an object and several an array. What fails for one VSI does not keep the others from their turn.
    ///
    /// - Throws: `ExitCode` of the first that failed; each failure has been printed.
    func showEach<Value: Decodable>(
        _ names: VSINames, _ key: String, as type: Value.Type, separator: String? = nil,
        _ call: (ControlClient, SelectedVSI) throws(ControlClientError) -> ControlAnswer,
        text: (Presenter, Value) -> String
    ) throws {
        var failures: [Failure] = []
        try withClient { client throws(ControlClientError) in
            var items: [JSONValue] = []
            for (index, vsi) in try Self.select(names, client).enumerated() {
                do throws(ControlClientError) {
                    let answer = try call(client, vsi)
                    if json {
                        items.append(answer.parameters[key] ?? .null)
                    } else {
                        let shown = text(Terminal.presenter, try answer.value(key, as: type))
                        if index > 0, let separator { Terminal.show(separator) }
                        Terminal.show(shown)
                    }
                } catch {
                    // What evbd refuses for one VSI it may grant for the next; any other failure is one of evbd itself.
                    guard names.vsis.count > 1, case .refused = error else { throw error }
                    failures.append(complain(error))
                }
            }
            if json {
                print((names.vsis.count == 1 ? items.first ?? .null : .array(items)).pretty)
            }
        }
        if let first = failures.first { throw ExitCode(first.status) }
    }
}

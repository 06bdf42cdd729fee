// What the shell offers behind an option or an argument: the ports, VSIs and links that evbd has now.

internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import JSON

/// Words that evbd is asked for while a command is typed, by calls that change nothing.
///
/// Without an evbd that answers in time there are none, and nothing is printed.
enum LiveCompletion: Sendable {
    /// `vsis` are VSIIDs alone; `vsiNames` are all names by which a command takes a VSI.
    case ports, vsis, vsiNames, links, labels, macs

    /// How long evbd may take to accept the call, and again to answer it.
    static let patience = Duration.seconds(1)
    /// How many words are offered at most.
    static let maximumWords = 1000

    /// For an argument or an option.
    var kind: CompletionKind {
        .custom { words, _, prefix in
            offered(at: Self.socket(in: words), prefix: prefix)
        }
    }

    /// The socket that the words name, or the one that evbctl would take.
    static func socket(in words: [String]) -> String {
        for (index, word) in words.enumerated() {
            if word.hasPrefix("--socket=") { return String(word.dropFirst("--socket=".count)) }
            // bash gives the equals sign as a word of its own.
            let value = words.dropFirst(index + 1).first { $0 != "=" }
            if word == "--socket", let value { return value }
        }
        return GlobalOptions.socketPath(given: nil)
    }

    /// The words that begin with a prefix, in evbd's order, each once.
    func offered(at socket: String, prefix: String) -> [String] {
        var seen: Set<String> = []
        var words: [String] = []
        func take(_ word: String) {
            guard words.count < Self.maximumWords, word.hasPrefix(prefix), Self.isHarmless(word) else { return }
            if seen.insert(word).inserted { words.append(Self.quoted(word, for: CompletionShell.requesting)) }
        }
        do {
            let client = try GlobalOptions.connect(socket, patienceSeconds: 1)
            switch self {
            case .ports:
                let answer = try client.call(.listPorts, NoParameters(), timeoutMilliseconds: Self.milliseconds)
                for port in try answer.value("ports", as: [PortStatus].self) { take(port.interface) }
            case .vsis:
                try Self.eachVSI(client) { take($0.vsiID) }
            case .vsiNames:
                // Names first: what people type is what people remember, and there may be more VSIs than words.
                var vsiIDs: [String] = []
                try Self.eachVSI(client) { vsi in
                    if let link = vsi.link { take(link.name) }
                    if let label = vsi.label { take(label) }
                    if vsiIDs.count < Self.maximumWords { vsiIDs.append(vsi.vsiID) }
                }
                vsiIDs.forEach(take)
            case .links:
                try Self.eachVSI(client) { vsi in
                    if let link = vsi.link { take(link.name) }
                }
            case .labels:
                try Self.eachVSI(client) { vsi in
                    if let label = vsi.label { take(label) }
                }
            case .macs:
                try Self.eachVSI(client) { vsi in
                    for mac in vsi.filters.compactMap(\.mac) { take(mac) }
                }
            }
        } catch {
            // There is no evbd, or it is late: what has come so far is offered.
        }
        return words
    }

    private static var milliseconds: Int { Int(patience.components.seconds) * 1000 }

    private static func eachVSI(
        _ client: ControlClient, _ body: (VSIStatus) -> Void
    ) throws(ControlClientError) {
        let end = ContinuousClock.now + patience
        try client.stream(
            .listVSIs, ListVSIsRequest(), timeoutMilliseconds: milliseconds
        ) { answer throws(ControlClientError) in
            for vsi in try answer.value("vsis", as: [VSIStatus].self) { body(vsi) }
            return ContinuousClock.now < end
        }
    }

    /// Whether a shell takes a word as it is. bash expands what it is offered, so a link named `$(reboot)` is not offered.
    static func isHarmless(_ word: String) -> Bool {
        !word.isEmpty && word.first != "-" && word.utf8.allSatisfy(harmless.contains)
    }

    private static let harmless = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:@+%,/".utf8)

    /// zsh takes what stands behind a colon for a description.
    private static func quoted(_ word: String, for shell: CompletionShell?) -> String {
        guard shell == .zsh else { return word }
        return word.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "\\:")
    }
}

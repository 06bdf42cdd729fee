/// What a container runtime asks of the plugin by environment variables.
package struct CNIInvocation: Equatable, Sendable {
    package enum Command: String, CaseIterable, Sendable {
        case add = "ADD"
        case delete = "DEL"
        case check = "CHECK"
        case status = "STATUS"
        case collectGarbage = "GC"
        case version = "VERSION"

        /// Whether it is about one interface of one container.
        var isAboutAttachment: Bool { self == .add || self == .delete || self == .check }
    }

    package let command: Command
    /// The container and its interface; empty for calls that are about the whole network.
    package let attachment: Attachment
    /// The path of the container's network namespace; empty where it is gone.
    package let namespace: String
    /// What was added by hand: `NAME=VALUE;NAME=VALUE`.
    package let arguments: [String: String]
    /// Where plugins are looked for.
    package let path: [String]

    /// Octets of each variable, at most.
    private static let longest = 4096

    /// Reads the environment.
    ///
    /// - Throws: ``CNIError`` with the code for an invalid environment.
    package init(_ environment: [String: String]) throws(CNIError) {
        func text(_ name: String) throws(CNIError) -> String {
            let value = environment[name] ?? ""
            guard value.utf8.count <= Self.longest else {
                throw CNIError(.invalidEnvironment, "\(name) is longer than \(Self.longest) octets")
            }
            return value
        }
        let word = try text("CNI_COMMAND")
        guard let command = Command(rawValue: word) else {
            let known = Command.allCases.map(\.rawValue).joined(separator: ", ")
            throw CNIError(
                .invalidEnvironment,
                word.isEmpty ? "CNI_COMMAND is not set" : "CNI_COMMAND has another value than \(known)",
                details: "this is a plugin of the Container Network Interface: a container runtime runs it")
        }
        self.command = command
        attachment = Attachment(container: try text("CNI_CONTAINERID"), interface: try text("CNI_IFNAME"))
        namespace = try text("CNI_NETNS")
        path = try text("CNI_PATH").split(separator: ":").map(String.init)
        arguments = Dictionary(
            try text("CNI_ARGS").split(separator: ";").compactMap { pair in
                let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
                return parts.count == 2 ? (parts[0], parts[1]) : nil
            }
        ) { _, last in last }
        guard command.isAboutAttachment else { return }
        if let problem = attachment.problem { throw CNIError(.invalidEnvironment, problem) }
        if command != .delete, namespace.isEmpty { throw CNIError(.invalidEnvironment, "CNI_NETNS is not set") }
    }
}

/// One interface of one container.
package struct Attachment: Hashable, Sendable {
    package let container: String
    package let interface: String

    package init(container: String, interface: String) {
        (self.container, self.interface) = (container, interface)
    }

    /// What is wrong with the names, by the specification's rules.
    var problem: String? {
        let others: Set<Character> = ["_", ".", "-"]
        func isPlain(_ character: Character) -> Bool {
            character.isASCII && (character.isLetter || character.isNumber)
        }
        guard let first = container.first, isPlain(first),
            container.allSatisfy({ isPlain($0) || others.contains($0) })
        else { return "CNI_CONTAINERID has to begin with a letter or digit, and may have _ . and - besides" }
        let isInterface =
            (1...15).contains(interface.utf8.count) && interface != "." && interface != ".."
            && !interface.contains { $0 == "/" || $0 == ":" || $0.isWhitespace }
        return isInterface ? nil : "CNI_IFNAME is no name of an interface"
    }
}

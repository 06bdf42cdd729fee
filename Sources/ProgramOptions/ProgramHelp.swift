internal import JSON

extension Program {
    /// The width of a terminal that help is written for, in columns.
    private static let columns = 80
    /// Where what is said of an option begins.
    private static let helpColumn = 26

    /// The synopsis.
    var usage: String { ([name] + options.map(\.usage)).joined(separator: " ") }

    /// What `--help` prints.
    var help: String {
        var lines = Self.wrapped("OVERVIEW: \(abstract)")
        lines.append("")
        for line in discussion.split(separator: "\n", omittingEmptySubsequences: false) {
            lines += Self.wrapped(String(line))
        }
        lines += [""] + Self.wrapped("USAGE: \(usage)") + ["", "OPTIONS:"]
        for option in options + Self.common { lines += Self.entry(option) }
        return lines.joined(separator: "\n") + "\n"
    }

    /// An option and what is said of it, which begins in a line of its own where the option is long.
    private static func entry(_ option: ProgramOption) -> [String] {
        let short = option.name == "help" ? "-h, " : ""
        let head = "  \(short)--\(option.name)\(option.valueName.map { " <\($0)>" } ?? "")"
        let said = option.help + (option.fallback.map { " (default: \($0))" } ?? "")
        let margin = String(repeating: " ", count: helpColumn)
        let lines = wrapped(said, columns: columns - helpColumn).map { margin + $0 }
        guard head.utf8.count < helpColumn, let first = lines.first else { return [head] + lines }
        return [head + first.dropFirst(head.utf8.count)] + lines.dropFirst()
    }

    /// A paragraph in lines that fit. A word that does not has a line of its own.
    private static func wrapped(_ paragraph: String, columns: Int = columns) -> [String] {
        var lines = [""]
        for word in paragraph.split(separator: " ") {
            let last = lines[lines.count - 1]
            if last.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if last.count + 1 + word.count < columns {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    /// The options as JSON, in the schema of swift-argument-parser's dump (serialization version 0), so that Packaging/manual reads all
    /// programs alike.
    var description: String {
        let arguments = (options + Self.common).map { option in
            var names = [Self.named("long", option.name)]
            if option.name == "help" { names.insert(Self.named("short", "h"), at: 0) }
            var members: [JSONValue.Member] = [
                .init("kind", .string(option.valueName == nil ? "flag" : "option")),
                .init("names", .array(names)),
                .init("preferredName", Self.named("long", option.name)),
                .init("valueName", .string(option.valueName ?? option.name)),
                .init("abstract", .string(option.help)),
                .init("isOptional", .bool(true)),
                .init("isRepeating", .bool(false)),
                .init("shouldDisplay", .bool(true)),
            ]
            if let fallback = option.fallback { members.append(.init("defaultValue", .string(fallback))) }
            return JSONValue.object(members)
        }
        let command: [JSONValue.Member] = [
            .init("commandName", .string(name)), .init("abstract", .string(abstract)),
            .init("discussion", .string(discussion)), .init("shouldDisplay", .bool(true)),
            .init("arguments", .array(arguments)),
        ]
        return JSONValue.object([.init("command", .object(command)), .init("serializationVersion", .number("0"))])
            .pretty
    }

    private static func named(_ kind: String, _ name: String) -> JSONValue {
        .object([.init("kind", .string(kind)), .init("name", .string(name))])
    }
}

internal import JSON

extension JSONValue {
    /// The value as block YAML, without a line end after the last line: what the configuration file needs of the language.
    var yaml: String { Self.lines(self).joined(separator: "\n") }

    private static func lines(_ value: JSONValue) -> [String] {
        switch value {
        case .object(let members) where !members.isEmpty:
            members.flatMap { member in
                let inner = lines(member.value)
                return member.value.isNested
                    ? ["\(scalar(member.key)):"] + inner.map { "  " + $0 } : ["\(scalar(member.key)): \(inner[0])"]
            }
        case .array(let items) where !items.isEmpty:
            items.flatMap { item in
                lines(item).enumerated().map { ($0 == 0 ? "- " : "  ") + $1 }
            }
        case .object: ["{}"]
        case .array: ["[]"]
        case .string(let text): [scalar(text)]
        case .null, .bool, .number: [value.compact]
        }
    }

    private var isNested: Bool {
        switch self {
        case .object(let members): !members.isEmpty
        case .array(let items): !items.isEmpty
        default: false
        }
    }

    /// A text as it is where YAML takes it for one, else in double quotes, where JSON's escapes are YAML's too.
    private static func scalar(_ text: String) -> String {
        let words: Set = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        let isPlain =
            text.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
                    || [0x2D, 0x2E, 0x2F, 0x5F].contains($0)
            } && text.utf8.contains { (0x61...0x7A).contains($0 | 0x20) } && !words.contains(text.lowercased())
            && text.utf8.first.map { !(0x30...0x39).contains($0) && $0 != 0x2D && $0 != 0x2E } ?? false
        return isPlain ? text : JSONValue.string(text).compact
    }
}

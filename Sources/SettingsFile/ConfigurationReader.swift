// The YAML tree into typed values, with every mistake collected on the way.
//
// The helpers here know types and ranges; what keys there are is told in Configuration+YAML.swift.

internal import EVBSettings
internal import TerminalText

/// Collects the mistakes of one file while its tree is read.
///
/// A helper that meets a mistake notes it and answers nil; its caller goes on with the default, so that one run tells
/// everything. Nothing read so is used in the end: a single mistake refuses the file.
struct ConfigurationReader {
    let file: String
    private(set) var mistakes: [ConfigurationMistake] = []
    /// The servers of VSI types so far, by their ID, and the line of each.
    var typeServers: [String: (server: TypeServer, line: Int)] = [:]

    init(file: String, mistakes: [ConfigurationMistake]) {
        self.file = file
        self.mistakes = mistakes
    }

    /// Notes a mistake.
    mutating func note(_ line: Int, _ key: String, _ problem: String, _ remedy: String) {
        mistakes.append(ConfigurationMistake(file: file, line: line, key: key, problem: problem, remedy: remedy))
    }

    // MARK: Collections

    /// A mapping with known keys only.
    ///
    /// - Parameters:
    ///   - node: the node that has to be a mapping.
    ///   - path: where it stands.
    ///   - keys: the keys that it may have; others are noted, with the nearest of these as a proposal.
    /// - Returns: the entries by key, without the unknown ones; nil if it is no mapping.
    mutating func mapping(_ node: YAMLNode, _ path: String, keys: [String]) -> [String: YAMLEntry]? {
        switch node.content {
        case .mapping(let entries):
            var known: [String: YAMLEntry] = [:]
            for entry in entries {
                if keys.contains(entry.key) {
                    known[entry.key] = entry
                } else {
                    let place = YAMLReader.path(path, entry.key)
                    note(entry.line, place, "is not a known key", Self.proposal(for: entry.key, among: keys))
                }
            }
            return known
        case .refused: return nil
        case .scalar, .sequence:
            let example = keys.first.map { "such as \($0)" } ?? "and values"
            note(node.line, path, "is \(Self.kind(of: node))", "give keys \(example), each with its value")
            return nil
        }
    }

    /// A list.
    mutating func list(_ node: YAMLNode, _ path: String, of what: String) -> [YAMLNode]? {
        switch node.content {
        case .sequence(let items): return items
        case .refused: return nil
        case .scalar, .mapping:
            note(node.line, path, "is \(Self.kind(of: node))", "give a list of \(what), each after a dash")
            return nil
        }
    }

    // MARK: Scalars

    /// A truth value: `true` or `false`, plain.
    mutating func boolean(_ node: YAMLNode, _ path: String) -> Bool? {
        switch node.content {
        case .scalar("true", isPlain: true): return true
        case .scalar("false", isPlain: true): return false
        case .refused: return nil
        case .scalar(let text, let isPlain) where !text.isEmpty:
            let quotes = isPlain ? "" : ", without quotes"
            let meaning = Self.looseBooleans[text.lowercased()]
            let remedy = meaning.map { "give \($0)\(quotes)" } ?? "give true or false"
            note(node.line, path, "\(Self.quoted(text)) is neither true nor false", remedy)
            return nil
        case .scalar, .sequence, .mapping:
            note(node.line, path, "is \(Self.kind(of: node))", "give true or false")
            return nil
        }
    }

    /// A whole number in decimal digits, plain, within a range.
    mutating func integer(_ node: YAMLNode, _ path: String, in range: ClosedRange<Int>) -> Int? {
        let remedy = "give \(range.lowerBound) to \(range.upperBound)"
        switch node.content {
        case .refused: return nil
        case .scalar(let text, let isPlain) where !text.isEmpty:
            let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
            let isDecimal = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
            // 007 is octal to some readers of YAML and decimal to others: neither is taken.
            guard isPlain, isDecimal, digits.count == 1 || !digits.hasPrefix("0") else {
                note(node.line, path, "\(Self.quoted(text)) is not a whole number in decimal digits", remedy)
                return nil
            }
            guard let value = Int(text), range.contains(value) else {
                note(node.line, path, "\(printable(text, longest: 64)) is out of range", remedy)
                return nil
            }
            return value
        case .scalar, .sequence, .mapping:
            note(node.line, path, "is \(Self.kind(of: node))", remedy)
            return nil
        }
    }

    /// A text that is not empty.
    mutating func text(_ node: YAMLNode, _ path: String, _ remedy: String) -> String? {
        switch node.content {
        case .refused: return nil
        case .scalar(let text, let isPlain):
            guard !text.isEmpty, !(isPlain && (text == "~" || text == "null")) else { break }
            return text
        case .sequence, .mapping: break
        }
        note(node.line, path, "is \(Self.kind(of: node))", remedy)
        return nil
    }

    /// One of the words of a choice.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ node: YAMLNode, _ path: String, _ type: Choice.Type
    ) -> Choice? where Choice.RawValue == String {
        let remedy = "give \(Self.alternatives(Choice.allCases.map(\.rawValue)))"
        guard let text = text(node, path, remedy) else { return nil }
        guard let value = Choice(rawValue: text) else {
            note(node.line, path, "\(Self.quoted(text)) is not a valid value", remedy)
            return nil
        }
        return value
    }

    /// The absolute path of a file.
    mutating func path(_ node: YAMLNode, _ path: String, longest: Int = 4095) -> String? {
        guard let text = text(node, path, "give an absolute path") else { return nil }
        guard text.hasPrefix("/") else {
            note(node.line, path, "\(Self.quoted(text)) is not an absolute path", "give a path that begins with /")
            return nil
        }
        guard text.utf8.count <= longest, !text.utf8.contains(0) else {
            note(node.line, path, "is too long for a path, or has a NUL in it", "give at most \(longest) octets")
            return nil
        }
        return text
    }

    // MARK: Words

    private static let looseBooleans: [String: Bool] = [
        "yes": true, "on": true, "y": true, "true": true, "no": false, "off": false, "n": false, "false": false,
    ]

    static func quoted(_ text: String) -> String { "\"\(printable(text, longest: 64))\"" }

    static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "nothing" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    private static func kind(of node: YAMLNode) -> String {
        switch node.content {
        case .scalar(let text, let isPlain):
            text.isEmpty || (isPlain && (text == "~" || text == "null")) ? "empty" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .refused: "refused"
        }
    }

    /// What to do about an unknown key: the nearest known one, if one is near, else all of them.
    static func proposal(for key: String, among known: [String]) -> String {
        let folded = key.lowercased().map { $0 == "_" || $0 == " " ? "-" : $0 }
        // A quarter of the letters may be wrong, and two where the word is short: more would propose anything.
        let tolerance = folded.count > 32 ? 0 : max(folded.count / 4, min(2, folded.count / 2))
        let nearest = known.map { (distance: distance(folded, Array($0)), key: $0) }.min { $0.distance < $1.distance }
        if let nearest, nearest.distance <= tolerance { return "did you mean \(nearest.key)?" }
        return "the known keys are \(known.joined(separator: ", "))"
    }

    /// Levenshtein's distance, with a swap of neighbours counted once.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in 0..<left.count {
            var row = [i + 1]
            for j in 0..<right.count {
                let substitution = last[j] + (left[i] == right[j] ? 0 : 1)
                var best = min(substitution, last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    best = min(best, beforeLast[j - 1] + 1)
                }
                row.append(best)
            }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}

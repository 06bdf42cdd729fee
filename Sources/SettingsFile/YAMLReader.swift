// libyaml's events into a tree of YAMLNode. This is the only file that knows libyaml.
//
// The tree is bounded (octets, depth) and has neither aliases nor tags: a configuration needs none, and with them a
// small file could describe a tree without end.

internal import CYAML
internal import TerminalText

/// Reads one YAML document.
struct YAMLReader {
    /// The largest document: far above any real configuration, and small enough to read at once.
    static let maximumOctets = 1 << 20
    /// The deepest nesting: the configuration itself goes four levels down.
    static let maximumDepth = 16

    private let file: String
    private(set) var mistakes: [ConfigurationMistake] = []

    /// Thrown to end the reading when the mistake that ends it has been noted.
    private struct Broken: Error {}

    /// Makes a reader.
    ///
    /// - Parameter file: the name that mistakes give to the file.
    init(file: String) {
        self.file = file
    }

    /// Reads the one document of a text.
    ///
    /// - Parameter octets: the text, in UTF-8.
    /// - Returns: the root, or nil for a text without a document or with one that is broken; ``mistakes`` tells.
    mutating func read(_ octets: [UInt8]) -> YAMLNode? {
        guard octets.count <= Self.maximumOctets else {
            note(line: nil, "is larger than \(Self.maximumOctets) octets", "give a smaller file")
            return nil
        }
        return octets.withUnsafeBufferPointer { buffer in
            // An empty array may have no address, and libyaml wants one.
            guard let base = buffer.baseAddress, !buffer.isEmpty else { return nil }
            var parser = yaml_parser_t()
            guard yaml_parser_initialize(&parser) == 1 else {
                note(line: nil, "cannot be read: out of memory", "")
                return nil
            }
            defer { yaml_parser_delete(&parser) }
            yaml_parser_set_input_string(&parser, base, buffer.count)
            return try? document(&parser)
        }
    }

    private mutating func document(_ parser: inout yaml_parser_t) throws(Broken) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let event = try next(&parser)
            switch event.kind {
            case YAML_STREAM_END_EVENT: return root
            case YAML_DOCUMENT_START_EVENT:
                guard root == nil else {
                    note(line: event.line, "a second document begins here", "give one document in a file")
                    throw Broken()
                }
            case YAML_STREAM_START_EVENT, YAML_DOCUMENT_END_EVENT: break
            default: root = try node(from: event, &parser, path: "", depth: 1)
            }
        }
    }

    private mutating func node(
        from event: Event, _ parser: inout yaml_parser_t, path: String, depth: Int
    ) throws(Broken) -> YAMLNode {
        guard depth <= Self.maximumDepth else {
            note(line: event.line, "is nested deeper than \(Self.maximumDepth) levels", "use fewer levels")
            throw Broken()
        }
        var node = YAMLNode(content: .refused, line: event.line, column: event.column)
        if let ornament = event.ornament {
            note(line: event.line, key: path, "has \(ornament)", "write the value itself")
        }
        switch event.kind {
        case YAML_SCALAR_EVENT:
            node.content = .scalar(event.text, isPlain: event.isPlain)
        case YAML_SEQUENCE_START_EVENT:
            var items: [YAMLNode] = []
            while true {
                let item = try next(&parser)
                if item.kind == YAML_SEQUENCE_END_EVENT { break }
                items.append(try self.node(from: item, &parser, path: "\(path)[\(items.count)]", depth: depth + 1))
            }
            node.content = .sequence(items)
        case YAML_MAPPING_START_EVENT:
            node.content = .mapping(try entries(&parser, path: path, depth: depth))
        default:
            break  // An alias: noted above, and nothing to read.
        }
        if event.ornament != nil { node.content = .refused }
        return node
    }

    private mutating func entries(
        _ parser: inout yaml_parser_t, path: String, depth: Int
    ) throws(Broken) -> [YAMLEntry] {
        var entries: [YAMLEntry] = []
        var lineOfKey: [String: Int] = [:]
        while true {
            let keyEvent = try next(&parser)
            if keyEvent.kind == YAML_MAPPING_END_EVENT { return entries }
            let key = try node(from: keyEvent, &parser, path: path, depth: depth + 1)
            let below = Self.path(path, keyEvent.text)
            let value = try node(from: try next(&parser), &parser, path: below, depth: depth + 1)
            guard case .scalar(let name, _) = key.content else {
                if case .refused = key.content { continue }
                note(line: key.line, key: path, "has a list or a mapping as a key", "use plain text as a key")
                continue
            }
            if let first = lineOfKey[name] {
                note(line: key.line, key: below, "is given twice, first on line \(first)", "give every key once")
                continue
            }
            lineOfKey[name] = key.line
            entries.append(YAMLEntry(key: name, line: key.line, column: key.column, value: value))
        }
    }

    /// The path of a key below another: `a` and `b` make `a.b`.
    static func path(_ parent: String, _ key: String) -> String {
        parent.isEmpty ? printable(key, longest: 64) : "\(parent).\(printable(key, longest: 64))"
    }

    private mutating func note(line: Int?, key: String = "", _ problem: String, _ remedy: String) {
        mistakes.append(ConfigurationMistake(file: file, line: line, key: key, problem: problem, remedy: remedy))
    }
}

// MARK: - Events

extension YAMLReader {
    /// One event of libyaml, copied out of the memory that it owns.
    private struct Event {
        var kind: yaml_event_type_t
        var line: Int
        var column: Int
        var text = ""
        var isPlain = false
        /// What the node carries that a configuration may not have, in words.
        var ornament: String?
    }

    private mutating func next(_ parser: inout yaml_parser_t) throws(Broken) -> Event {
        var raw = yaml_event_t()
        guard yaml_parser_parse(&parser, &raw) == 1 else {
            let problem = parser.problem.map { String(cString: $0) } ?? "cannot be read"
            // A reader error (bad UTF-8) has no mark of a line, only an offset.
            let line = parser.error == YAML_READER_ERROR ? nil : Int(clamping: parser.problem_mark.line) &+ 1
            let shown = printable(problem, longest: 64)
            note(line: line, "is not YAML: \(shown)", "check the indentation, colons and quotes on that line")
            throw Broken()
        }
        defer { yaml_event_delete(&raw) }
        var event = Event(
            kind: raw.type, line: Int(clamping: raw.start_mark.line) &+ 1,
            column: Int(clamping: raw.start_mark.column) &+ 1)
        switch raw.type {
        case YAML_SCALAR_EVENT:
            let scalar = raw.data.scalar
            let octets = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            event.text = String(decoding: octets, as: UTF8.self)
            event.isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
            event.ornament = Self.ornament(anchor: scalar.anchor, tag: scalar.tag)
        case YAML_SEQUENCE_START_EVENT:
            event.ornament = Self.ornament(anchor: raw.data.sequence_start.anchor, tag: raw.data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT:
            event.ornament = Self.ornament(anchor: raw.data.mapping_start.anchor, tag: raw.data.mapping_start.tag)
        case YAML_ALIAS_EVENT:
            event.ornament = "an alias (*)"
        default: break
        }
        return event
    }

    private static func ornament(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?
    ) -> String? {
        if anchor != nil { return "an anchor (&)" }
        if tag != nil { return "a tag (!)" }
        return nil
    }
}

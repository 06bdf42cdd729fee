// A text in libconfig's format into a LibconfigGroup. Bounded in octets and depth, without @include.

internal import TerminalText

extension LibconfigGroup {
    /// The largest file: lldpad keeps an entry for each interface that ever was, some 700 octets each.
    package static let maximumOctets = 4 << 20
    /// The deepest nesting; lldpad's file goes three levels down.
    package static let maximumDepth = 16

    /// Reads a text.
    ///
    /// - Parameter octets: the text; libconfig does not know an encoding.
    /// - Throws: the first mistake with its line.
    package init(parsing octets: [UInt8]) throws(LibconfigError) {
        guard octets.count <= Self.maximumOctets else {
            throw LibconfigError(line: 1, problem: "the file is larger than \(Self.maximumOctets) octets")
        }
        var parser = try LibconfigParser(octets)
        self = try parser.settings(until: nil, depth: 1)
    }
}

private struct LibconfigParser {
    private var tokens: LibconfigTokens
    private var token = LibconfigTokens.Token.end
    private var line: Int { tokens.line }

    init(_ octets: [UInt8]) throws(LibconfigError) {
        tokens = LibconfigTokens(octets)
        try advance()
    }

    private mutating func advance() throws(LibconfigError) {
        token = try tokens.next()
    }

    private mutating func take(_ mark: Character) throws(LibconfigError) -> Bool {
        guard case .mark(let octet) = token, octet == mark.asciiValue else { return false }
        try advance()
        return true
    }

    /// Reads settings up to a mark, which is taken, or up to the end of the text.
    mutating func settings(until mark: Character?, depth: Int) throws(LibconfigError) -> LibconfigGroup {
        var group = LibconfigGroup()
        while true {
            if let mark, try take(mark) { return group }
            if token == .end {
                guard let mark else { return group }
                throw tokens.error("the file ends where a \(mark) is missing")
            }
            let (name, start) = (try self.name(), line)
            try advance()
            // Not `||`: its right side is a closure, whose error has no type.
            if try !take("=") {
                guard try take(":") else { throw tokens.error("\(name) has neither = nor : behind it, but \(shown)") }
            }
            let value = try self.value(depth: depth)
            guard group.append(LibconfigGroup.Setting(name: name, value: value)) else {
                throw LibconfigError(line: start, problem: "\(name) is given twice")
            }
            // An end is optional, and libconfig takes a comma for one.
            if try !take(";") { _ = try take(",") }
        }
    }

    private func name() throws(LibconfigError) -> String {
        switch token {
        case .name(let name): return name
        case .value(.boolean(let value)): return "\(value)"
        default: throw tokens.error("has \(shown) where the name of a setting is due")
        }
    }

    private mutating func value(depth: Int) throws(LibconfigError) -> LibconfigValue {
        guard depth < LibconfigGroup.maximumDepth else {
            throw tokens.error("is nested deeper than \(LibconfigGroup.maximumDepth) levels")
        }
        let start = line
        if try take("{") {
            return LibconfigValue(content: .group(try settings(until: "}", depth: depth + 1)), line: start)
        }
        if try take("(") {
            return LibconfigValue(content: .list(try values(until: ")", depth: depth + 1)), line: start)
        }
        if try take("[") {
            return LibconfigValue(content: .list(try values(until: "]", depth: depth + 1)), line: start)
        }
        guard case .value(let scalar) = token else { throw tokens.error("has \(shown) where a value is due") }
        try advance()
        guard case .string(var text) = scalar else { return LibconfigValue(content: scalar, line: start) }
        // Strings beside each other are one, as in C.
        while case .value(.string(let more)) = token {
            text += more
            try advance()
        }
        return LibconfigValue(content: .string(text), line: start)
    }

    private mutating func values(until mark: Character, depth: Int) throws(LibconfigError) -> [LibconfigValue] {
        var values: [LibconfigValue] = []
        while try !take(mark) {
            let value = try self.value(depth: depth)
            if mark == "]" {
                switch value.content {
                case .list, .group:
                    throw LibconfigError(
                        line: value.line, problem: "an array has something else than numbers, booleans and strings")
                default: break
                }
            }
            values.append(value)
            if try !take(",") {
                guard try take(mark) else { throw tokens.error("has \(shown) where a , or \(mark) is due") }
                return values
            }
        }
        return values
    }

    /// The token at hand, as an error shows it.
    private var shown: String {
        switch token {
        case .name(let name): printable(name, longest: 32)
        case .value(.boolean(let value)): "\(value)"
        case .value(.integer(let value)): "\(value)"
        case .value(.float(let value)): "\(value)"
        case .value(.string(let text)): "\"\(printable(text, longest: 32))\""
        case .value: "a value"
        case .mark(let octet): LibconfigTokens.shown(octet)
        case .end: "the end of the file"
        }
    }
}

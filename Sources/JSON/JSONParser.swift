// Octets to JSONValue. Every step checks what is there before it reads; nothing that a peer sends can trap.

/// Why octets are no JSON that is taken here.
public enum JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Something else than JSON asks for stands at an offset in octets.
    case malformed(offset: Int)
    /// Nested deeper than ``JSONValue/maximumDepth``.
    case tooDeep(offset: Int)
    /// An object has a key twice: readers disagree on what that means.
    case duplicateKey(String)

    /// What is wrong, for a log.
    public var description: String {
        switch self {
        case .malformed(let offset): "no JSON at octet \(offset)"
        case .tooDeep(let offset): "nested deeper than \(JSONValue.maximumDepth) levels at octet \(offset)"
        case .duplicateKey(let key): "the key \(JSONValue.string(String(key.prefix(64))).compact) is given twice"
        }
    }
}

extension JSONValue {
    /// Reads one value, with nothing but white space around it.
    ///
    /// - Parameter octets: the text in UTF-8.
    /// - Throws: ``JSONError``.
    public init(parsing octets: [UInt8]) throws(JSONError) {
        var parser = JSONParser(octets: octets)
        parser.skipSpace()
        self = try parser.value(depth: 1)
        parser.skipSpace()
        guard parser.offset == octets.count else { throw .malformed(offset: parser.offset) }
    }
}

private struct JSONParser {
    let octets: [UInt8]
    var offset = 0

    init(octets: [UInt8]) {
        self.octets = octets
    }

    /// The octet in hand; zero, which JSON has nowhere, at the end.
    private var current: UInt8 { offset < octets.count ? octets[offset] : 0 }

    private var malformed: JSONError { .malformed(offset: offset) }

    mutating func skipSpace() {
        while offset < octets.count {
            switch octets[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    private mutating func take(_ octet: UInt8) -> Bool {
        guard current == octet, offset < octets.count else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let matches = word.withUTF8Buffer { octets.dropFirst(offset).starts(with: $0) }
        guard matches else { throw malformed }
        offset += word.utf8CodeUnitCount
        return value
    }

    mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= JSONValue.maximumDepth else { throw .tooDeep(offset: offset) }
        switch current {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try expect("true", .bool(true))
        case UInt8(ascii: "f"): return try expect("false", .bool(false))
        case UInt8(ascii: "n"): return try expect("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        offset += 1
        var members: [JSONValue.Member] = []
        var keys: Set<String> = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        repeat {
            skipSpace()
            let key = try string()
            guard keys.insert(key).inserted else { throw .duplicateKey(key) }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw malformed }
            skipSpace()
            members.append(JSONValue.Member(key, try value(depth: depth + 1)))
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "}")) else { throw malformed }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        offset += 1
        var items: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array([]) }
        repeat {
            skipSpace()
            items.append(try value(depth: depth + 1))
            skipSpace()
        } while take(UInt8(ascii: ","))
        guard take(UInt8(ascii: "]")) else { throw malformed }
        return .array(items)
    }

    // MARK: Numbers

    private mutating func digits() throws(JSONError) {
        guard (0x30...0x39).contains(current) else { throw malformed }
        while (0x30...0x39).contains(current) { offset += 1 }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return .number(String(decoding: octets[start..<offset], as: UTF8.self))
    }

    // MARK: Texts

    private mutating func string() throws(JSONError) -> String {
        guard take(UInt8(ascii: "\"")) else { throw malformed }
        var text: [UInt8] = []
        let start = offset
        while true {
            switch current {
            case UInt8(ascii: "\""):
                offset += 1
                guard let string = String(validating: text, as: UTF8.self) else { throw .malformed(offset: start) }
                return string
            case UInt8(ascii: "\\"):
                offset += 1
                text.append(contentsOf: String(try escaped()).utf8)
            case 0..<0x20: throw malformed  // The end of the text too.
            default:
                // As much as stands as it is, at once.
                let first = offset
                while offset < octets.count, octets[offset] >= 0x20, octets[offset] != 0x22, octets[offset] != 0x5C {
                    offset += 1
                }
                text.append(contentsOf: octets[first..<offset])
            }
        }
    }

    private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
        let letter = current
        guard offset < octets.count else { throw malformed }
        offset += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var code = try fourHexDigits()
            if (0xD800..<0xDC00).contains(code) {
                guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw malformed }
                let low = try fourHexDigits()
                guard (0xDC00..<0xE000).contains(low) else { throw malformed }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed }
            return scalar
        default: throw malformed
        }
    }

    private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(current)).hexDigitValue else { throw malformed }
            code = code << 4 | UInt32(digit)
            offset += 1
        }
        return code
    }
}

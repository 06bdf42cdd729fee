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
        var parser = JSONParser(octets: octets[...])
        parser.skipSpace()
        self = try parser.value(depth: 1)
        parser.skipSpace()
        guard parser.isAtEnd else { throw parser.malformed }
    }
}

/// The grammar of JSON over octets.
struct JSONParser {
    private let octets: ArraySlice<UInt8>
    private var position: Int

    init(octets: ArraySlice<UInt8>) {
        self.octets = octets
        position = octets.startIndex
    }

    /// Octets that are read.
    var offset: Int { position - octets.startIndex }

    var isAtEnd: Bool { position >= octets.endIndex }

    /// The octet in hand; zero, which JSON has nowhere, at the end.
    private var current: UInt8 { position < octets.endIndex ? octets[position] : 0 }

    var malformed: JSONError { .malformed(offset: offset) }

    mutating func skipSpace() {
        while position < octets.endIndex {
            switch octets[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    func isAt(_ octet: UInt8) -> Bool { !isAtEnd && octets[position] == octet }

    mutating func take(_ octet: UInt8) -> Bool {
        guard isAt(octet) else { return false }
        position += 1
        return true
    }

    mutating func expect(_ word: StaticString) throws(JSONError) {
        let matches = word.withUTF8Buffer { octets[position...].starts(with: $0) }
        guard matches else { throw malformed }
        position += word.utf8CodeUnitCount
    }

    private mutating func expect(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        try expect(word)
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
        position += 1
        var members: [JSONValue.Member] = []
        var keys: Set<String> = []
        // A set is for objects that a stranger makes long: of a few keys each is compared with all.
        func isRepeated(_ key: String) -> Bool {
            guard members.count >= 16 else { return members.contains { $0.key == key } }
            if keys.isEmpty { keys = Set(members.lazy.map(\.key)) }
            return !keys.insert(key).inserted
        }
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object([]) }
        repeat {
            skipSpace()
            let key = try string()
            guard !isRepeated(key) else { throw .duplicateKey(key) }
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
        position += 1
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
        while (0x30...0x39).contains(current) { position += 1 }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        .number(String(decoding: try literal(), as: UTF8.self))
    }

    /// A number as it stands there.
    private mutating func literal() throws(JSONError) -> ArraySlice<UInt8> {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return octets[start..<position]
    }

    /// A number; nil for one that is no whole number, or too large.
    mutating func integer() throws(JSONError) -> Int? {
        var magnitude = UInt(0)
        let digits = try literal()
        let isNegative = digits.first == UInt8(ascii: "-")
        for digit in isNegative ? digits.dropFirst() : digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            let (product, isTooLarge) = magnitude.multipliedReportingOverflow(by: 10)
            guard !isTooLarge, product <= UInt(Int.max) - 9 else { return nil }
            magnitude = product + UInt(digit - 0x30)
        }
        return isNegative ? -Int(magnitude) : Int(magnitude)
    }

    // MARK: Texts

    mutating func string() throws(JSONError) -> String {
        guard take(UInt8(ascii: "\"")) else { throw malformed }
        let (start, malformedText) = (position, malformed)
        let isASCII = skipPlain()
        // As nearly all texts are: nothing is escaped.
        if isAt(UInt8(ascii: "\"")) {
            let plain = octets[start..<position]
            guard isASCII else {
                guard let string = String(validating: plain, as: UTF8.self) else { throw malformedText }
                position += 1
                return string
            }
            position += 1
            return String(decoding: plain, as: UTF8.self)
        }
        var text = Array(octets[start..<position])
        while true {
            switch current {
            case UInt8(ascii: "\""):
                position += 1
                guard let string = String(validating: text, as: UTF8.self) else { throw malformedText }
                return string
            case UInt8(ascii: "\\"):
                position += 1
                text.append(contentsOf: String(try escaped()).utf8)
            case 0..<0x20: throw malformed  // The end of the text too.
            default:
                let first = position
                skipPlain()
                text.append(contentsOf: octets[first..<position])
            }
        }
    }

    /// Steps over what stands as it is in a text.
    ///
    /// - Returns: whether all of that is ASCII.
    @discardableResult
    private mutating func skipPlain() -> Bool {
        let (count, isASCII) = octets[position...].withUnsafeBufferPointer { rest in
            var (count, all) = (0, UInt8(0))
            for octet in rest {
                guard octet >= 0x20, octet != 0x22, octet != 0x5C else { break }
                all |= octet
                count += 1
            }
            return (count, all < 0x80)
        }
        position += count
        return isASCII
    }

    private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
        let letter = current
        guard !isAtEnd else { throw malformed }
        position += 1
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
            position += 1
        }
        return code
    }
}

// Octets of a libconfig file into tokens.

internal import TerminalText

struct LibconfigTokens {
    enum Token: Equatable {
        case name(String)
        case value(LibconfigValue.Content)
        /// One of `{ } [ ] ( ) = : ; ,`.
        case mark(UInt8)
        case end
    }

    private let octets: [UInt8]
    private var position = 0
    private var newLines = 0

    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    /// The line on which the last token began, counted from 1.
    private(set) var line = 1

    mutating func next() throws(LibconfigError) -> Token {
        try skip()
        line = newLines + 1
        guard let octet = here else { return .end }
        switch octet {
        case UInt8(ascii: "\""): return .value(.string(try string()))
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), 0x30...0x39: return .value(try number())
        case UInt8(ascii: "@"):
            throw error("has a directive such as @include; give one file with all settings")
        case _ where Self.marks.contains(octet):
            position += 1
            return .mark(octet)
        case _ where Self.beginsName(octet): return word()
        default: throw error("has \(Self.shown(octet)), which begins nothing")
        }
    }

    func error(_ problem: String) -> LibconfigError { LibconfigError(line: line, problem: problem) }

    private static let marks = Array("{}[]()=:;,".utf8)

    private var here: UInt8? { position < octets.count ? octets[position] : nil }

    private func ahead(_ offset: Int) -> UInt8? {
        position + offset < octets.count ? octets[position + offset] : nil
    }

    /// Skips white space and comments: `# ...`, `// ...` and `/* ... */`.
    private mutating func skip() throws(LibconfigError) {
        while let octet = here {
            switch octet {
            case 0x0A:
                newLines += 1
                position += 1
            case 0x09, 0x0B, 0x0C, 0x0D, 0x20: position += 1
            case UInt8(ascii: "#"): skipLine()
            case UInt8(ascii: "/") where ahead(1) == UInt8(ascii: "/"): skipLine()
            case UInt8(ascii: "/") where ahead(1) == UInt8(ascii: "*"): try skipComment()
            default: return
            }
        }
    }

    private mutating func skipLine() {
        while let octet = here, octet != 0x0A { position += 1 }
    }

    private mutating func skipComment() throws(LibconfigError) {
        line = newLines + 1
        position += 2
        while let octet = here {
            if octet == UInt8(ascii: "*"), ahead(1) == UInt8(ascii: "/") {
                position += 2
                return
            }
            if octet == 0x0A { newLines += 1 }
            position += 1
        }
        throw error("begins a comment that has no end")
    }

    // MARK: Words

    private static func beginsName(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: "*") || (0x41...0x5A).contains(octet & 0xDF)
    }

    private static func continuesName(_ octet: UInt8) -> Bool {
        beginsName(octet) || (0x30...0x39).contains(octet) || octet == UInt8(ascii: "_") || octet == UInt8(ascii: "-")
    }

    private mutating func word() -> Token {
        let start = position
        while let octet = here, Self.continuesName(octet) { position += 1 }
        let text = String(decoding: octets[start..<position], as: UTF8.self)
        // A setting may be called "true" all the same; the parser knows where a name stands.
        switch text.lowercased() {
        case "true": return .value(.boolean(true))
        case "false": return .value(.boolean(false))
        default: return .name(text)
        }
    }

    // MARK: Numbers

    private mutating func number() throws(LibconfigError) -> LibconfigValue.Content {
        let start = position
        position += 1
        while let octet = here, Self.continuesNumber(octet, after: octets[position - 1]) { position += 1 }
        var text = Substring(String(decoding: octets[start..<position], as: UTF8.self))
        let whole = text
        // What C calls long: a suffix of 64 bits.
        while let last = text.last, last == "L", whole.utf8.count - text.utf8.count < 2 { text.removeLast() }
        if let value = Self.integer(text) { return .integer(value) }
        let isFraction =
            text == whole && text.utf8.contains { $0 == UInt8(ascii: ".") || $0 & 0xDF == UInt8(ascii: "E") }
        if isFraction, let value = Double(text), value.isFinite { return .float(value) }
        throw error("\(printable(String(whole), longest: 32)) is no number of at most 64 bits")
    }

    private static func continuesNumber(_ octet: UInt8, after last: UInt8) -> Bool {
        switch octet {
        case 0x30...0x39, UInt8(ascii: "."): true
        case UInt8(ascii: "+"), UInt8(ascii: "-"): last & 0xDF == UInt8(ascii: "E")
        default: (0x41...0x5A).contains(octet & 0xDF)
        }
    }

    private static func integer(_ text: Substring) -> Int64? {
        for (prefix, radix) in [
            ("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8), ("0q", 8), ("0Q", 8),
        ]
        where text.hasPrefix(prefix) {
            // The bits, as in C: the highest is a sign.
            return UInt64(text.dropFirst(2), radix: radix).map { Int64(bitPattern: $0) }
        }
        return Int64(text)
    }

    // MARK: Strings

    private mutating func string() throws(LibconfigError) -> String {
        position += 1
        var text: [UInt8] = []
        while let octet = here {
            position += 1
            switch octet {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text.append(try escaped())
            case 0x0A:
                newLines += 1
                text.append(octet)
            default: text.append(octet)
            }
        }
        throw error("begins a string that has no end")
    }

    private mutating func escaped() throws(LibconfigError) -> UInt8 {
        guard let octet = here else { throw error("begins a string that has no end") }
        position += 1
        switch octet {
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "a"): return 0x07
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "v"): return 0x0B
        case UInt8(ascii: "\\"), UInt8(ascii: "\""): return octet
        case UInt8(ascii: "x"):
            let digits = octets[position..<min(position + 2, octets.count)]
            guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16),
                digits.first != UInt8(ascii: "+")
            else { throw error("has \\x without two hexadecimal digits") }
            position += 2
            return value
        default: throw error("has \\\(Self.shown(octet)) in a string, which is no escape")
        }
    }

    static func shown(_ octet: UInt8) -> String {
        (0x21..<0x7F).contains(octet) ? String(UnicodeScalar(octet)) : "octet \(octet)"
    }
}

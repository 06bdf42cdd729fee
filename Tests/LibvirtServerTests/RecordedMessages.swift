import Glibc
import Testing

@testable import LibvirtServer

/// The netlink messages that libvirt 9.0 and lldpad exchanged, from Tests/Captures.
struct RecordedMessage {
    let isRequest: Bool
    let type: String
    let octets: [UInt8]

    /// Reads a file of one JSON object a line; only three of its keys matter here.
    static func load(_ name: String) throws -> [RecordedMessage] {
        let path = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let file = try #require(fopen("/\(path)/Captures/\(name)", "r"), "Tests/Captures/\(name) is missing")
        defer { fclose(file) }
        var messages: [RecordedMessage] = []
        var line = [CChar](repeating: 0, count: 65_536)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            messages.append(
                RecordedMessage(
                    isRequest: try value(of: "dir", in: text) == "to-lldpad", type: try value(of: "type", in: text),
                    octets: try octets(value(of: "raw", in: text))))
        }
        return messages
    }

    private static func value(of key: String, in line: String) throws -> String {
        let parts = line.split(separator: "\"\(key)\": \"", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = try #require(parts.count == 2 ? parts[1] : nil, "no key \(key)")
        return String(rest.prefix { $0 != "\"" })
    }

    static func octets(_ hexadecimal: String) throws -> [UInt8] {
        let digits = Array(hexadecimal)
        return try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0..<min($0 + 2, digits.count)]), radix: 16))
        }
    }
}

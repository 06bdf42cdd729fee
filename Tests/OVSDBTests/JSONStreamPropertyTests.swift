import JSON
import Testing

@testable import OVSDB

#if canImport(Glibc)
    import Glibc
#endif

/// Random JSON in random portions.
@Suite struct JSONStreamPropertyTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private static func value(_ generator: inout Generator, depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 4 ? 4 : 6), using: &generator) {
        case 0: return .null
        case 1: return .number("\(Int.random(in: -9...9, using: &generator))")
        case 2: return .bool(true)
        case 3: return .string(["", "}", "\"", "\\", "[{", "\\\"}", "ü"].randomElement(using: &generator) ?? "")
        case 4:
            return .array(
                (0..<Int.random(in: 0...3, using: &generator)).map { _ in value(&generator, depth: depth + 1) })
        default: return object(&generator, depth: depth + 1)
        }
    }

    private static func object(_ generator: inout Generator, depth: Int) -> JSONValue {
        .object(
            (0..<Int.random(in: 0...3, using: &generator)).map {
                JSONValue.Member("\($0)}\"", value(&generator, depth: depth))
            })
    }

    @Test("OVL-110 objects come out of the stream as they went in, whatever the portions and the space between")
    func portions() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 0...UInt64.max)
        print("EVBD_SEED=\(seed)")
        var generator = Generator(state: seed)
        for _ in 0..<200 {
            let objects = (0..<Int.random(in: 1...8, using: &generator)).map { _ in Self.object(&generator, depth: 0) }
            var octets: [UInt8] = []
            for object in objects {
                octets += Array((Bool.random(using: &generator) ? object.pretty : object.compact).utf8)
                octets += Array(["", " ", "\n\t", "\r\n"].randomElement(using: &generator)?.utf8 ?? "".utf8)
            }
            var stream = JSONStream(limit: 1 << 20)
            var found: [JSONValue] = []
            var rest = octets[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...rest.count, using: &generator)
                stream.append(rest.prefix(count))
                rest = rest.dropFirst(count)
                while let object = try stream.next() { found.append(try JSONValue(parsing: object)) }
            }
            #expect(found == objects, "EVBD_SEED=\(seed)")
            #expect(stream.pendingCount == 0)
        }
    }
}

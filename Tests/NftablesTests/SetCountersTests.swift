import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Nftables

private func attribute(_ type: UInt16, _ octets: [UInt8]) -> [UInt8] {
    let head = [UInt16(4 + octets.count), type].withUnsafeBytes(Array.init)
    return head + octets + [UInt8](repeating: 0, count: (4 - octets.count % 4) % 4)
}

private func number(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) } }

private func counts(_ frames: UInt64, _ octets: UInt64) -> [UInt8] {
    attribute(1, number(octets)) + attribute(2, number(frames))
}

private func message(_ type: UInt16, flags: UInt16 = 0, _ payload: [UInt8]) -> [UInt8] {
    let header: [UInt32] = [UInt32(16 + payload.count), UInt32(flags) << 16 | UInt32(type), 0, 0]
    return header.withUnsafeBytes(Array.init) + payload
}

/// A message of some elements, each with its key, and with counts where it counts.
private func elements(_ list: [(key: [UInt8], counts: [UInt8]?)], flags: UInt16 = 0) -> [UInt8] {
    let octets = list.flatMap { element in
        let expression = element.counts.map {
            attribute(7 | 0x8000, attribute(1, Array("counter\0".utf8)) + attribute(2 | 0x8000, $0))
        }
        return attribute(1 | 0x8000, attribute(1 | 0x8000, attribute(1, element.key)) + (expression ?? []))
    }
    return message(
        0x0A0C, flags: flags, [7, 0, 0, 0] + attribute(1, Array("evbd\0".utf8)) + attribute(3 | 0x8000, octets))
}

@Suite struct SetCountersTests {
    @Test(
        "OPS-613 the kernel's answers about counters are read, many elements in a message and many messages in a datagram"
    )
    func answers() throws {
        var reading = CounterReading()
        let octets =
            elements([([1, 2], counts(3, 200)), ([1, 3], nil)]) + elements([([9], counts(.max, 1))])
            + message(0x0A12, [7, 0, 0, 0] + attribute(4 | 0x8000, counts(5, 6)))
        let isDone = try reading.take(octets[...])
        #expect(!isDone && !reading.isTorn)
        #expect(
            reading.elements == [
                [1, 2]: FrameCounts(frames: 3, octets: 200), [1, 3]: FrameCounts(),
                [9]: FrameCounts(frames: .max, octets: 1),
            ])
        #expect(reading.counter == FrameCounts(frames: 5, octets: 6))
        let isLast = try reading.take((message(3, [0, 0, 0, 0]))[...])
        #expect(isLast)
        let isAcknowledged = try reading.take((message(2, [0, 0, 0, 0]))[...])
        #expect(isAcknowledged)
        _ = try reading.take(elements([([1], nil)], flags: 0x10)[...])
        #expect(reading.isTorn, "the set changed while it was read")
        for code in [-ENOENT, Int32.min] {
            #expect(throws: SystemError.self) {
                try reading.take(message(2, withUnsafeBytes(of: code, Array.init))[...])
            }
        }
    }

    @Test("OPS-613 an answer that ends early, or lies about lengths, is no trap")
    func broken() throws {
        let whole = elements([([1, 2], counts(3, 200)), ([1, 3], counts(4, 300))])
        for count in 0..<whole.count {
            var reading = CounterReading()
            _ = try reading.take(whole[..<count])
            #expect(reading.elements.isEmpty)
        }
        for place in whole.indices {
            for value in [UInt8(0), 1, 3, 0x7F, 0xFF] {
                var lie = whole
                lie[place] = value
                var reading = CounterReading()
                _ = try? reading.take(lie[...])
            }
        }
    }

    @Test(
        "OPS-613 the counters of a set's elements and of a name are read from the kernel",
        .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
    func kernel() throws {
        let session = try NftablesSession()
        let elements = (1...3000).map {
            "52:54:00:00:\(hex($0 >> 8)):\(hex($0 & 255)) . 10 counter packets \($0) bytes 7"
        }
        try session.run(
            """
            add table bridge evbd-counted
            add set bridge evbd-counted tagged { typeof ether saddr . vlan id; counter; }
            add set bridge evbd-counted plain { type ether_addr; counter; }
            add element bridge evbd-counted plain { 52:54:00:00:00:09 }
            add element bridge evbd-counted tagged { \(elements.joined(separator: ", ")) }
            add counter bridge evbd-counted lost { packets 11 bytes 22 }
            """)
        defer { try? session.run("delete table bridge evbd-counted") }
        let reader = try CounterReader(table: "evbd-counted")
        let found = try reader.elements(of: "tagged")
        #expect(found.count == 3000)
        let key: [UInt8] = [0x52, 0x54, 0, 0, 1, 2, 0, 0, 0, 10, 0, 0]
        #expect(found[key] == FrameCounts(frames: 258, octets: 7))
        let plain = try reader.elements(of: "plain")
        #expect(plain == [[0x52, 0x54, 0, 0, 0, 9]: FrameCounts()])
        let lost = try reader.counter("lost")
        #expect(lost == FrameCounts(frames: 11, octets: 22))
        for name in ["none", "lost"] {
            #expect(throws: SystemError.self) { try CounterReader(table: "evbd-counted").elements(of: name) }
        }
        #expect(throws: SystemError.self) { try CounterReader(table: "evbd-counted").counter("none") }
    }

    private func hex(_ number: Int) -> String { (number < 16 ? "0" : "") + String(number, radix: 16) }
}

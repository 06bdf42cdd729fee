import Glibc
import Testing

@testable import LinuxSystem

@Suite struct BackgroundValueTests {
    /// A pipe: a thread waits until it is closed at the other end.
    private final class Gate: Sendable {
        private let reading: Int32
        private let writing: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            (reading, writing) = (ends[0], ends[1])
        }

        func open() { close(writing) }

        func wait() {
            var octet: UInt8 = 0
            _ = read(reading, &octet, 1)
        }

        deinit { close(reading) }
    }

    /// Opens a gate when it is freed.
    private final class Ticket: Sendable {
        private let gate: Gate

        init(opening gate: Gate) { self.gate = gate }

        deinit { gate.open() }
    }

    @Test("SPD-290 a value that a thread works out is waited for, and is given once")
    func taken() throws {
        let value = try BackgroundValue { (0...1_000_000).reduce(0, +) }
        #expect(value.take() == 500_000_500_000)
        #expect(value.take() == nil)
    }

    @Test("SPD-290 a value that is wanted no more is worked out all the same, and freed", .timeLimit(.minutes(1)))
    func dropped() throws {
        let (begin, end) = (try Gate(), try Gate())
        var value: BackgroundValue<Ticket>? = try BackgroundValue {
            begin.wait()
            return Ticket(opening: end)
        }
        withExtendedLifetime(value) {}
        value = nil
        begin.open()
        end.wait()
    }
}

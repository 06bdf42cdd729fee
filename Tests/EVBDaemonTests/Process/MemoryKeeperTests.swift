import EVBTime
import Synchronization
import Testing

@testable import EVBDaemon
@testable import EventLoop

@Suite struct MemoryKeeperTests {
    private final class Count: Sendable {
        let value = Mutex(0)
        var now: Int { value.withLock { $0 } }

        func add() { value.withLock { $0 += 1 } }
    }

    @Test("SPD-349 memory is given back after the start and a burst, and once more after the burst's first keep-alives")
    func bursts() throws {
        let loop = try EventLoop()
        let (timers, count) = (Timers(loop: loop), Count())
        let keeper = MemoryKeeper(
            loop: loop, timers: timers, patience: .milliseconds(20), roundPatience: .milliseconds(200)
        ) { count.add() }
        var timer: Timers.Timer?
        func run(for time: Interval) throws {
            timer = timers.timer { loop.stop() }
            timer?.set(timers.now + time)
            try loop.run()
        }
        try run(for: .milliseconds(120))
        #expect(count.now == 1)
        keeper.changed(200)
        try run(for: .milliseconds(120))
        #expect(count.now == 1, "few VSIs are not worth it")
        for _ in 0..<3 { keeper.changed(400) }
        try run(for: .milliseconds(120))
        #expect(count.now == 2)
        try run(for: .milliseconds(300))
        #expect(count.now == 3)
        try run(for: .milliseconds(300))
        #expect(count.now == 3, "and not again and again")
        keeper.read(1000)
        try run(for: .milliseconds(120))
        #expect(count.now == 3)
        keeper.read(100_000)
        try run(for: .milliseconds(120))
        #expect(count.now == 4)
        // One between a burst and its first keep-alives takes the place of neither.
        keeper.changed(400)
        try run(for: .milliseconds(100))
        keeper.read(100_000)
        try run(for: .milliseconds(50))
        #expect(count.now == 6)
        try run(for: .milliseconds(300))
        #expect(count.now == 7)
    }
}

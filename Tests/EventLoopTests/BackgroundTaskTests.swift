import EventLoop
import LinuxSystem
import Synchronization
import Testing

@Suite struct BackgroundTaskTests {
    @Test("SEC-714 the loop has its turns while work goes on elsewhere, and hears of the end once")
    func turns() throws {
        let loop = try EventLoop()
        let mayEnd = Mutex(false)
        var turns = 0
        var results: [Int] = []
        let task = try BackgroundTask(on: loop) {
            while !mayEnd.withLock({ $0 }) {}
            return 42
        } completion: { number in
            results.append(number)
            loop.later { loop.stop() }
        }
        func turn() {
            turns += 1
            if turns == 100 { mayEnd.withLock { $0 = true } } else { loop.later(turn) }
        }
        loop.later(turn)
        try loop.run()
        #expect(turns == 100 && results == [42])
        withExtendedLifetime(task) {}
    }

    @Test("work whose task is let go ends by itself, and its end is not told")
    func letGo() throws {
        let loop = try EventLoop()
        let hasEnded = Mutex(false)
        var isTold = false
        do {
            _ = try BackgroundTask(on: loop) {
                hasEnded.withLock { $0 = true }
            } completion: {
                isTold = true
            }
        }
        func look() {
            if hasEnded.withLock({ $0 }) { loop.later { loop.stop() } } else { loop.later(look) }
        }
        loop.later(look)
        try loop.run()
        #expect(!isTold)
    }

    @Test("SPD-160 who cannot go on without the end waits for it, and it is told once")
    func wait() throws {
        let loop = try EventLoop()
        var results: [Int] = []
        let task = try BackgroundTask(on: loop) {
            (0..<1000).reduce(0) { $0 &+ $1 }
        } completion: {
            results.append($0)
        }
        task.wait()
        #expect(results == [499_500])
        task.wait()
        loop.later { loop.later { loop.stop() } }
        try loop.run()
        #expect(results == [499_500])
    }
}

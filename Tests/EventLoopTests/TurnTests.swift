import EVBTime
import EventLoop
import Glibc
import LinuxSystem
import Testing

/// What has long work to do leaves its turn to what comes in.
@Suite struct TurnTests {
    /// Works for as long as a slice may last.
    private func workOneSlice(_ loop: EventLoop) {
        let end = loop.now() + EventLoop.sliceTime
        while loop.now() < end {}
    }

    @Test("SEC-715 what comes in waits for the slices of one turn, however many queues have some")
    func queues() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        var (done, sentAfter, takenAfter) = (0, 0, 0)
        let queues = (0..<20).map { number in
            WorkQueue<Int>(loop: loop) { _ in
                workOneSlice(loop)
                done += 1
                guard done == 50 else { return }
                sentAfter = done
                pipe.send()
            }
        }
        try loop.watch(pipe.readEnd, for: .readable) { _ in
            pipe.take()
            takenAfter = done
        }
        for queue in queues { queue.append(contentsOf: Array(0..<10)) }
        func look() {
            if queues.allSatisfy(\.isEmpty) { loop.stop() } else { loop.later(look) }
        }
        loop.later(look)
        try loop.runGuarded()
        #expect(done == 200 && sentAfter == 50)
        // A turn has three slices, of which the first may have been the one that sent.
        #expect(takenAfter <= 52, "the handler had its turn after \(takenAfter - sentAfter) more slices")
    }

    @Test("SEC-715 queues have their slices by turns, in the order in which they put them off")
    func order() throws {
        let loop = try EventLoop()
        var order: [Int] = []
        let queues = (0..<3).map { number in
            WorkQueue<Int>(loop: loop) { _ in
                workOneSlice(loop)
                order.append(number)
            }
        }
        for queue in queues { queue.append(contentsOf: [0, 1, 2, 3]) }
        func look() {
            if queues.allSatisfy(\.isEmpty) { loop.stop() } else { loop.later(look) }
        }
        loop.later(look)
        try loop.runGuarded()
        #expect(order == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    }

    @Test(
        "SEC-716 timers that are due together have their turns in their order, and what comes in is not kept waiting"
    )
    func timers() throws {
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        let pipe = try Pipe()
        var fired: [Int] = []
        var takenAfter = 0
        try loop.watch(pipe.readEnd, for: .readable) { _ in
            pipe.take()
            takenAfter = fired.count
        }
        let due = (0..<20).map { number in
            timers.timer {
                workOneSlice(loop)
                fired.append(number)
                if number == 5 { pipe.send() }
                if number == 19 { loop.stop() }
            }
        }
        let now = timers.now
        for (number, timer) in due.enumerated() { timer.set(now + Interval(nanoseconds: UInt64(number) * 1000)) }
        try loop.runGuarded()
        #expect(fired == Array(0..<20))
        #expect((6...7).contains(takenAfter), "the handler had its turn after \(takenAfter) timers")
    }

    @Test(
        "SEC-716 a timer that waits for its turn can be ended or set later, and one always due delays no other"
    )
    func changes() throws {
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        var fired: [String] = []
        var ended: Timers.Timer?
        var later: Timers.Timer?
        var always: Timers.Timer?
        let start = timers.now
        let first = timers.timer {
            workOneSlice(loop)
            fired.append("first")
            ended?.set(nil)
            // A time that has passed leaves it its place.
            always?.set(start)
            later?.set(timers.now + .milliseconds(20))
        }
        always = timers.timer {
            workOneSlice(loop)
            fired.append("always")
            always?.set(start)
        }
        ended = timers.timer { fired.append("ended") }
        let last = timers.timer { fired.append("last") }
        later = timers.timer {
            fired.append("later")
            loop.stop()
        }
        for (number, timer) in [first, always, ended, last, later].enumerated() {
            timer?.set(start + Interval(nanoseconds: UInt64(number)))
        }
        try loop.runGuarded()
        #expect(fired.first == "first" && fired.contains("later") && !fired.contains("ended"))
        #expect(fired.firstIndex(of: "last") == 2, "\(fired.prefix(8))")
        #expect(fired.filter { $0 == "always" }.count > 3)
        _ = (first, last)
    }

    @Test("SEC-715 what a turn has computed is told from what it has waited for")
    func computed() throws {
        let loop = try EventLoop()
        func compute() {
            let end = ThreadClock.now() + 2_000_000
            while ThreadClock.now() < end {}
            loop.stop()
        }
        func wait() {
            usleep(20_000)
            loop.later(compute)
        }
        // What is put off before the loop runs is done before its first turn.
        loop.later { loop.later(wait) }
        try loop.runGuarded()
        #expect(loop.turns.longest >= .milliseconds(20) && loop.mostComputed < loop.turns.longest)
        #expect(loop.mostComputed >= .milliseconds(2))
    }
}

import EVBTime
import EventLoop
import Glibc
import LinuxSystem
import Testing

/// What has long work to do leaves its turn to what comes in.
@Suite struct TurnTests {
    /// Works for as long as a slice may last, or a handler.
    private func workOneSlice(_ loop: EventLoop) {
        let end = loop.now() + EventLoop.handlerTime
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
        // A turn has few slices, of which the first may have been the one that sent.
        #expect(takenAfter <= 52, "the handler had its turn after \(takenAfter - sentAfter) more slices")
    }

    @Test("SPD-176 bulk of many descriptors is taken by turns, and what is no bulk waits for few of them")
    func bulk() throws {
        let loop = try EventLoop()
        let prompt = try Pipe()
        let pipes = try (0..<40).map { _ in try Pipe() }
        var counts = [Int](repeating: 0, count: 40)
        var (done, takenAfter) = (0, 0)
        for (number, pipe) in pipes.enumerated() {
            // It always has something to read.
            pipe.send()
            try loop.watch(pipe.readEnd, for: .readable, isBulk: true) { _ in
                workOneSlice(loop)
                counts[number] += 1
                done += 1
                if done == 200 { prompt.send() }
                if done == 1000 { loop.stop() }
            }
        }
        try loop.watch(prompt.readEnd, for: .readable) { _ in
            prompt.take()
            takenAfter = done
        }
        try loop.runGuarded()
        #expect((200...203).contains(takenAfter), "the handler had its turn after \(takenAfter - 200) more of bulk")
        #expect(counts.allSatisfy { (20...30).contains($0) }, "\(counts)")
    }

    @Test("SPD-176 bulk that is not waited for any more, or whose watch has ended, is not handled in its turn")
    func bulkEnds() throws {
        let loop = try EventLoop()
        let pipes = try (0..<3).map { _ in try Pipe() }
        var handled: [Int] = []
        var watches: [EventLoop.Watch] = []
        for (number, pipe) in pipes.enumerated() {
            pipe.send()
            let watch = try loop.watch(pipe.readEnd, for: .readable, isBulk: true) { _ in
                handled.append(number)
                let others = watches.indices.filter { $0 != number }
                watches[others[0]].cancel()
                watches[others[1]].update([])
                pipe.take()
                loop.laterSlice { loop.laterSlice { loop.stop() } }
            }
            watches.append(watch)
        }
        try loop.runGuarded()
        #expect(handled.count == 1)
    }

    /// The most slices that one of twenty turns has, where each does so much else: others on the machine only make them fewer.
    private func mostSlices(besides nanoseconds: UInt64) throws -> Int {
        let loop = try EventLoop()
        var (turns, inTurn, most) = (0, 0, 0)
        func others() {
            turns += 1
            (most, inTurn) = (max(most, inTurn), 0)
            let end = loop.now() + nanoseconds
            while loop.now() < end {}
            if turns > 20 { loop.stop() } else { loop.later(others) }
        }
        func slice() {
            inTurn += 1
            let end = loop.now() + EventLoop.sliceTime
            while loop.now() < end {}
            loop.laterSlice(slice)
        }
        loop.later(others)
        for _ in 0..<100 { loop.laterSlice(slice) }
        try loop.runGuarded()
        return most
    }

    @Test("SPD-175 slices have as much of a turn as all else has, and no more than a few where there is nothing else")
    func share() throws {
        #expect(try mostSlices(besides: 0) <= 3)
        #expect(try mostSlices(besides: 400_000) >= 4)
        #expect(try mostSlices(besides: 5_000_000) <= 6, "and never more than a quarter of a millisecond")
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

    @Test("SPD-320 work that is put off is done behind all else of the turn, and before work that is added behind it")
    func putOff() throws {
        let loop = try EventLoop()
        var order: [String] = []
        let queue = KeyedWorkQueue<Int, String>(loop: loop, key: { Int($0.prefix(1)) }) { order.append($0) }
        loop.later {
            queue.append(contentsOf: ["1 put off", "2 put off"], isForLater: true)
            #expect(order.isEmpty && !queue.isIdle)
            // In its turn, though it is not put off itself.
            queue.append(contentsOf: ["1 behind it"])
            queue.append(contentsOf: ["3 put off"], isForLater: true)
            // What is wanted at once takes what was put off of the same with it, and nothing else.
            queue.finish(2)
            queue.finish(4)
            #expect(order == ["2 put off"])
            loop.later { order.append("else") }
            loop.laterSlice { loop.stop() }
        }
        try loop.runGuarded()
        #expect(order == ["2 put off", "else", "1 put off", "1 behind it", "3 put off"])
        #expect(queue.isIdle)
    }

    @Test("SPD-320 of work that is put off no more waits than some pieces: a burst's is done as it comes")
    func putOffInABurst() throws {
        let loop = try EventLoop()
        var done: [Int] = []
        let queue = WorkQueue<Int>(loop: loop) { done.append($0) }
        let others = (0..<2).map { _ in WorkQueue<Int>(loop: loop) { done.append($0) } }
        let most = WorkQueue<Int>.putOffMax
        loop.later {
            for number in 1...most { queue.append(contentsOf: [number], isForLater: true) }
            #expect(done.isEmpty)
            // As much as a turn allows, which is one piece at least.
            queue.append(contentsOf: [most + 1], isForLater: true)
            #expect(done.first == 1)
            // Of many queues two put work off in a turn.
            for (number, other) in others.enumerated() { other.append(contentsOf: [100 + number], isForLater: true) }
            #expect(done.last == 101 && !others[0].isIdle && others[1].isIdle)
            loop.laterSlice { loop.stop() }
        }
        try loop.runGuarded()
        #expect(done.filter { $0 < 100 } == Array(1...most + 1) && queue.isIdle)
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

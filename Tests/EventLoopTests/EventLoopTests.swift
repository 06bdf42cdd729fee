import CLinux
import EventLoop
import Glibc
import LinuxSystem
import Testing

@Suite struct EventLoopTests {
    @Test func aReadableDescriptorFiresUntilItIsRead() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        var calls = 0
        try loop.watch(pipe.readEnd, for: .readable) { readiness in
            #expect(readiness == .readable)
            calls += 1
            if calls == 3 {
                pipe.take()
                loop.stop()
            }
        }
        pipe.send()
        try loop.runGuarded()
        #expect(calls == 3)
    }

    @Test func interestChangesAndHangupIsAlwaysReported() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        var seen: [EventLoop.Readiness] = []
        let watch = try loop.watch(pipe.readEnd, for: .readable) { readiness in
            seen.append(readiness)
            loop.stop()
        }
        pipe.send()
        watch.update([])
        // Nothing to report: this turn only does the work that was put off.
        loop.later { loop.later { loop.stop() } }
        try loop.runGuarded()
        #expect(seen == [])

        watch.update(.readable)
        try loop.runGuarded()
        #expect(seen == [.readable])

        pipe.take()
        watch.update([])
        pipe.closeWriteEnd()
        try loop.runGuarded()
        #expect(seen == [.readable, .hangup])
    }

    @Test func writableIsReported() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        try loop.watch(pipe.writeEnd, for: .writable) { readiness in
            #expect(readiness == .writable)
            loop.stop()
        }
        try loop.runGuarded()
    }

    @Test func aWatchCancelledInTheBatchDoesNotFire() throws {
        let loop = try EventLoop()
        let pipes = [try Pipe(), try Pipe()]
        var watches: [EventLoop.Watch] = []
        var calls = 0
        for pipe in pipes {
            // Both are ready in one batch; whichever is first ends both.
            watches.append(
                try loop.watch(pipe.readEnd, for: .readable) { _ in
                    calls += 1
                    for watch in watches {
                        watch.cancel()
                        watch.cancel()
                    }
                    loop.later { loop.later { loop.stop() } }
                })
            pipe.send()
        }
        try loop.runGuarded()
        #expect(calls == 1)
    }

    @Test func anEventOfAClosedDescriptorDoesNotReachItsSuccessor() throws {
        let loop = try EventLoop()
        let pipes = [try Pipe(), try Pipe()]
        let successor = try Pipe()
        var watches: [EventLoop.Watch] = []
        var successorCalls = 0
        for (index, pipe) in pipes.enumerated() {
            watches.append(
                try loop.watch(pipe.readEnd, for: .readable) { _ in
                    // The other one is in this batch too. It is closed, and its number and slot are used again.
                    let other = 1 - index
                    watches[0].cancel()
                    watches[1].cancel()
                    pipes[other].replaceReadEnd(by: successor)
                    do {
                        try loop.watch(successor.readEnd, for: .readable) { _ in
                            successorCalls += 1
                            #expect(successor.take() == 7)
                            loop.stop()
                        }
                    } catch {
                        Issue.record(error)
                    }
                    // Only now, after the batch, is there something to read.
                    loop.later {
                        #expect(successorCalls == 0)
                        successor.send(7)
                    }
                })
            pipe.send()
        }
        try loop.runGuarded()
        #expect(successorCalls == 1)
    }

    @Test func aLateCancelLeavesTheSuccessorOfItsDescriptorAlone() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        let successor = try Pipe()
        let old = try loop.watch(pipe.readEnd, for: .readable) { _ in Issue.record("the old watch fired") }
        // Against the rules: closed without a cancel.
        pipe.replaceReadEnd(by: successor)
        var calls = 0
        try loop.watch(successor.readEnd, for: .readable) { _ in
            calls += 1
            loop.stop()
        }
        old.cancel()
        successor.send()
        try loop.runGuarded()
        #expect(calls == 1)
    }

    @Test func manyWatchesComeAndGo() throws {
        let loop = try EventLoop()
        // More than one turn takes from the kernel.
        let pipes = try (0..<200).map { _ in try Pipe() }
        for round in 0..<3 {
            var left = Set(0..<200)
            var watches: [EventLoop.Watch] = []
            for (index, pipe) in pipes.enumerated() {
                watches.append(
                    try loop.watch(pipe.readEnd, for: .readable) { _ in
                        #expect(pipe.take() == UInt8(round))
                        left.remove(index)
                        watches[index].cancel()
                        if left.isEmpty {
                            loop.stop()
                        }
                    })
                pipe.send(UInt8(round))
            }
            try loop.runGuarded()
            #expect(left.isEmpty)
        }
    }

    @Test func errorsOfWatchingAreThrown() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        try loop.watch(pipe.readEnd, for: .readable) { _ in }
        #expect(throws: SystemError(call: "epoll_ctl", code: EEXIST)) {
            try loop.watch(pipe.readEnd, for: .readable) { _ in }
        }
        let file = FileDescriptor(owning: try systemCall("open") { open("/proc/self/exe", O_RDONLY) })
        let number = file.rawValue
        #expect(throws: SystemError(call: "epoll_ctl", code: EPERM)) {
            try loop.watch(number, for: .readable) { _ in }
        }
    }

    // MARK: Deadline

    @Test func theDeadlineFiresOnceAndNotEarly() throws {
        let loop = try EventLoop()
        let deadline = loop.now() + 20_000_000
        var calls = 0
        loop.onDeadline = {
            calls += 1
            #expect(loop.now() >= deadline)
            // A deadline that has passed fires at once, so this ends only after a chance for a second call.
            if calls == 1 {
                loop.later { loop.later { loop.stop() } }
            }
        }
        loop.setDeadline(deadline + 3_600_000_000_000)
        loop.setDeadline(deadline)
        try loop.runGuarded()
        #expect(calls == 1)
    }

    @Test(arguments: [0, 1, UInt64.max])
    func extremeDeadlinesAreTaken(_ deadline: UInt64) throws {
        let loop = try EventLoop()
        var fired = false
        loop.onDeadline = {
            fired = true
            loop.stop()
        }
        loop.setDeadline(deadline)
        if deadline == .max {
            let pipe = try Pipe()
            try loop.watch(pipe.writeEnd, for: .writable) { _ in loop.stop() }
            try loop.runGuarded()
            #expect(!fired)
        } else {
            try loop.runGuarded()
            #expect(fired)
        }
    }

    @Test func aDeadlineThatAHandlerMovesDoesNotFireInItsBatch() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        let start = loop.now()
        var firedAt: UInt64?
        try loop.watch(pipe.readEnd, for: .readable) { _ in
            pipe.take()
            // The timer has expired by now and is the next event of the batch, or of the next turn.
            while loop.now() < start + 5_000_000 {}
            loop.setDeadline(start + 40_000_000)
        }
        loop.onDeadline = {
            firedAt = loop.now()
            loop.stop()
        }
        loop.setDeadline(start + 1)
        pipe.send()
        try loop.runGuarded()
        #expect(try #require(firedAt) >= start + 40_000_000)
    }

    @Test("SPD-182 a deadline that moves away fires in its time and not early, and one that moves nearer is kept")
    func aDeadlineMoves() throws {
        let loop = try EventLoop()
        // Moves the deadline while the loop sleeps, and the kernel's timer is set.
        let ticks = try systemCall("timerfd_create") { timerfd_create(CLOCK_MONOTONIC, 0) }
        let owner = FileDescriptor(owning: ticks)
        var setting = itimerspec()
        setting.it_value.tv_nsec = 1_000_000
        setting.it_interval.tv_nsec = 1_000_000
        try systemCall("timerfd_settime") { timerfd_settime(ticks, 0, &setting, nil) }
        var (due, calls, moves) = (loop.now() + 10_000_000, 0, 0)
        func set(_ deadline: UInt64) {
            due = deadline
            loop.setDeadline(deadline)
        }
        let watch = try loop.watch(owner.rawValue, for: .readable) { _ in
            var count: UInt64 = 0
            _ = read(ticks, &count, 8)
            guard moves <= calls else { return }
            moves += 1
            set(loop.now() + (calls == 0 ? 30_000_000 : 10_000_000))
            // From then on only its own timer wakes the loop.
            var none = itimerspec()
            if calls == 1 { timerfd_settime(ticks, 0, &none, nil) }
        }
        loop.onDeadline = {
            #expect(loop.now() >= due)
            calls += 1
            if calls == 1 { set(loop.now() + 3_600_000_000_000) } else { loop.stop() }
        }
        set(due)
        try loop.runGuarded()
        watch.cancel()
        #expect(calls == 2)
    }

    @Test func aDisarmedDeadlineDoesNotFire() throws {
        let loop = try EventLoop()
        loop.onDeadline = { Issue.record("a deadline fired that was disarmed") }
        loop.setDeadline(loop.now() + 1_000_000)
        let pipe = try Pipe()
        let start = loop.now()
        try loop.watch(pipe.writeEnd, for: .writable) { _ in
            loop.setDeadline(nil)
            if loop.now() > start + 10_000_000 {
                loop.stop()
            }
        }
        try loop.runGuarded()
    }

    // MARK: Signals, later, stop

    @Test func signalsArriveAsEvents() throws {
        let loop = try EventLoop()
        var seen: Set<Int32> = []
        try loop.watchSignals([SIGUSR1, SIGUSR2]) { signal in
            seen.insert(signal)
            if seen.count == 2 {
                loop.stop()
            }
        }
        // To this thread, for the other threads of the test process do not block them.
        #expect(pthread_kill(pthread_self(), SIGUSR1) == 0)
        #expect(pthread_kill(pthread_self(), SIGUSR2) == 0)
        try loop.runGuarded()
        #expect(seen == [SIGUSR1, SIGUSR2])
    }

    @Test func aNumberThatIsNoSignalIsRefused() throws {
        let loop = try EventLoop()
        #expect(throws: SystemError(call: "sigaddset 9999", code: EINVAL)) {
            try loop.watchSignals([9999]) { _ in }
        }
    }

    @Test func laterRunsAfterTheBatchInOrder() throws {
        let loop = try EventLoop()
        let pipes = [try Pipe(), try Pipe()]
        var trace: [String] = []
        for pipe in pipes {
            try loop.watch(pipe.readEnd, for: .readable) { _ in
                pipe.take()
                trace.append("handler")
                loop.later { trace.append("later") }
            }
            pipe.send()
        }
        loop.later { trace.append("before the first turn") }
        loop.later { loop.later { loop.later { loop.stop() } } }
        try loop.runGuarded()
        #expect(trace == ["before the first turn", "handler", "handler", "later", "later"])
    }

    @Test func laterThatPutsItselfOffDoesNotStarveTheLoop() throws {
        let loop = try EventLoop()
        let pipe = try Pipe()
        var turns = 0
        func again() {
            turns += 1
            if turns == 10 {
                pipe.send()
            }
            loop.later(again)
        }
        loop.later(again)
        try loop.watch(pipe.readEnd, for: .readable) { _ in loop.stop() }
        try loop.runGuarded()
        // The turn after the tenth sees the pipe, and its own later work is the eleventh.
        #expect(turns == 11)
    }

    @Test func stopBeforeRunReturnsAtOnceAndOnlyOnce() throws {
        let loop = try EventLoop()
        loop.stop()
        try loop.runGuarded()
        let pipe = try Pipe()
        var fired = false
        try loop.watch(pipe.writeEnd, for: .writable) { _ in
            fired = true
            loop.stop()
        }
        try loop.runGuarded()
        #expect(fired)
    }

    @Test func aCancelledHandlerIsFreed() throws {
        final class Canary {}
        let loop = try EventLoop()
        let pipe = try Pipe()
        weak var canary: Canary?
        let watch: EventLoop.Watch
        do {
            let strong = Canary()
            canary = strong
            watch = try loop.watch(pipe.readEnd, for: .readable) { _ in _ = strong }
        }
        #expect(canary != nil)
        watch.cancel()
        #expect(canary == nil)
    }
}

import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Synchronization
import Testing

@testable import Dataplane

/// Waits until something is so, at most some seconds.
private func eventually(_ isSo: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<10_000 {
        if try isSo() { return true }
        usleep(1000)
    }
    return try isSo()
}

extension KernelWorker {
    /// A worker with its work replaced.
    fileprivate convenience init(
        capacity: Int, links: sending @escaping (LinkCommand) -> Result<Link?, NetlinkError>
    ) throws {
        try self.init(
            capacity: capacity,
            perform: { operation in
                guard let command = operation as? LinkCommand else { return LinkCommand.Answer.success(nil) }
                return links(command)
            })
    }
}

extension KernelWorker.Outcome {
    fileprivate var isSuccess: Bool { (answer as? LinkCommand.Answer) == .success(nil) }
}

/// The worker with its work replaced, so that no privilege is needed.
@Suite struct KernelWorkerTests {
    /// Lets the worker go on one command at a time, and keeps what it did.
    private final class Gate: Sendable {
        private let state = Mutex<(permits: Int, done: [LinkCommand])>((0, []))

        func permit(_ count: Int) {
            state.withLock { $0.permits += count }
        }

        var done: [LinkCommand] {
            state.withLock { $0.done }
        }

        func perform(_ command: LinkCommand) -> Result<Link?, NetlinkError> {
            let mayGo = eventually {
                state.withLock { state in
                    guard state.permits > 0 else {
                        return false
                    }
                    state.permits -= 1
                    state.done.append(command)
                    return true
                }
            }
            return mayGo ? .success(nil) : .failure(NetlinkError(operation: "test", kind: .other, reason: "no permit"))
        }
    }

    private func isReadable(_ descriptor: Int32) -> Bool {
        var question = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&question, 1, 0) == 1
    }

    @Test func commandsAreDoneInOrderAndOutcomesWakeTheLoop() throws {
        let gate = Gate()
        let worker = try KernelWorker(capacity: 5000, links: { gate.perform($0) })
        #expect(!isReadable(worker.descriptor))
        for ticket in 0..<5000 {
            #expect(worker.submit(LinkCommand.delete(index: Int32(ticket)), ticket: UInt64(ticket)))
        }
        gate.permit(5000)
        var outcomes: [KernelWorker.Outcome] = []
        let came = eventually {
            if isReadable(worker.descriptor) {
                outcomes += worker.drain()
            }
            return outcomes.count == 5000
        }
        #expect(came)
        #expect(outcomes.map(\.ticket) == (0..<5000).map { UInt64($0) })
        #expect(gate.done == (0..<5000).map { .delete(index: Int32($0)) })
        #expect(outcomes.allSatisfy { $0.isSuccess })
        #expect(!isReadable(worker.descriptor))
    }

    @Test("SEC-719 where the worker and the loop have one processor, the loop goes first")
    func courtesy() throws {
        let order = Mutex<[String]>([])
        let worker = try KernelWorker(
            capacity: 2, giveWay: { order.withLock { $0.append("way") } },
            perform: { _ in
                order.withLock { $0.append("operation") }
                return LinkCommand.Answer.success(nil)
            })
        for number in 1...2 as ClosedRange<UInt64> {
            #expect(worker.submit(LinkCommand.delete(index: 1), ticket: number))
        }
        #expect(worker.shutDown(finishing: 2).count == 2)
        #expect(order.withLock { $0 } == ["operation", "way", "operation", "way"])
    }

    @Test func theBoundHoldsUntilOutcomesAreDrained() throws {
        let gate = Gate()
        let worker = try KernelWorker(capacity: 2, links: { gate.perform($0) })
        #expect(worker.submit(LinkCommand.delete(index: 1), ticket: 1))
        #expect(worker.submit(LinkCommand.delete(index: 2), ticket: 2))
        #expect(!worker.submit(LinkCommand.delete(index: 3), ticket: 3))
        gate.permit(2)
        #expect(eventually { gate.done.count == 2 })
        // Done, but not drained.
        #expect(!worker.submit(LinkCommand.delete(index: 3), ticket: 3))
        var outcomes: [KernelWorker.Outcome] = []
        #expect(
            eventually {
                outcomes += worker.drain()
                return outcomes.count == 2
            })
        #expect(worker.submit(LinkCommand.delete(index: 4), ticket: 4))
        gate.permit(1)
        #expect(worker.shutDown(finishing: 1).map(\.ticket) == [4])
        #expect(gate.done == [.delete(index: 1), .delete(index: 2), .delete(index: 4)])
    }

    @Test func shutDownFinishesSomeAndCancelsTheRest() throws {
        let gate = Gate()
        let worker = try KernelWorker(capacity: 10, links: { gate.perform($0) })
        for ticket in 1...6 {
            #expect(worker.submit(LinkCommand.delete(index: Int32(ticket)), ticket: UInt64(ticket)))
        }
        gate.permit(1)
        #expect(eventually { gate.done.count == 1 })
        // The second is under way, or about to be; both are the worker's. The permits let it go on while we join it.
        gate.permit(9)
        let outcomes = worker.shutDown(finishing: 0)
        #expect(outcomes.map(\.ticket) == [1, 2, 3, 4, 5, 6])
        let cancelled = outcomes.filter { $0.answer == nil }
        #expect(gate.done.count + cancelled.count == 6)
        #expect(cancelled.map(\.ticket) == (0..<cancelled.count).map { UInt64(7 - cancelled.count + $0) })
        #expect(!worker.submit(LinkCommand.delete(index: 7), ticket: 7))
        #expect(worker.shutDown(finishing: 5).isEmpty)
    }

    @Test func shutDownFinishesAllWithinItsLimit() throws {
        let gate = Gate()
        gate.permit(100)
        let worker = try KernelWorker(capacity: 100, links: { gate.perform($0) })
        for ticket in 0..<100 {
            #expect(worker.submit(LinkCommand.delete(index: Int32(ticket)), ticket: UInt64(ticket)))
        }
        let outcomes = worker.shutDown(finishing: .max)
        #expect(outcomes.map(\.ticket) == (0..<100).map { UInt64($0) })
        #expect(gate.done.count == 100)
    }

    @Test func aWorkerThatIsForgottenEnds() throws {
        final class Canary: Sendable {}
        weak var canary: Canary?
        do {
            let strong = Canary()
            canary = strong
            let worker = try KernelWorker(
                capacity: 1,
                links: { [strong] _ in
                    _ = strong
                    return .success(nil)
                })
            #expect(worker.submit(LinkCommand.delete(index: 1), ticket: 1))
        }
        // The thread was joined and let go of all that it had.
        #expect(eventually { canary == nil })
    }

    @Test func theThreadBlocksAllSignals() throws {
        // A closure cannot capture a Mutex itself.
        final class Box: Sendable {
            let blocked = Mutex(false)
        }
        let box = Box()
        // The test runner's threads may block all signals themselves. This one is harmless to let through.
        var one = sigset_t()
        var before = sigset_t()
        sigemptyset(&one)
        sigaddset(&one, SIGWINCH)
        pthread_sigmask(SIG_UNBLOCK, &one, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let worker = try KernelWorker(
            capacity: 1,
            links: { _ in
                var set = sigset_t()
                pthread_sigmask(SIG_SETMASK, nil, &set)
                let isBlocked = sigismember(&set, SIGWINCH) == 1 && sigismember(&set, SIGTERM) == 1
                box.blocked.withLock { $0 = isBlocked }
                return .success(nil)
            })
        #expect(worker.submit(LinkCommand.delete(index: 1), ticket: 1))
        #expect(worker.shutDown(finishing: 1).count == 1)
        #expect(box.blocked.withLock { $0 })
        // The thread that started it does not.
        var after = sigset_t()
        pthread_sigmask(SIG_SETMASK, nil, &after)
        #expect(sigismember(&after, SIGWINCH) == 0)
    }
}

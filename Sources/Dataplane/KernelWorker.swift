// The one thread beside the loop's. The kernel blocks the caller while it changes links (deleting a macvtap takes some 16 ms),
// and a burst of changes must not hold up ECP. Owns that thread, its queue and an eventfd; the order of submission is kept.

internal import CLinux
internal import Glibc
package import LinuxSystem

/// Performs operations on a thread of its own, in the order in which they were submitted.
///
/// All methods are for the one thread that created it.
package final class KernelWorker {
    /// The name of the thread. The kernel names it in the news of changes to nftables.
    package static let threadName = "evbd-links"

    /// Performs an operation on the worker's thread; the value is an `Answer` of the operation.
    package typealias Performer = (any KernelOperation) -> any Sendable

    /// What became of an operation.
    package struct Outcome: Sendable {
        /// The number that was given with the operation.
        package let ticket: UInt64
        /// The operation's answer; nil if it was cancelled.
        package let answer: (any Sendable)?

        package init(ticket: UInt64, answer: (any Sendable)?) {
            self.ticket = ticket
            self.answer = answer
        }
    }

    /// What both threads touch.
    ///
    /// `@unchecked` because the compiler cannot see that `mutex` guards every variable. A pthread mutex, for the
    /// thread sanitizer knows it and the condition that goes with it.
    private final class Shared: @unchecked Sendable {
        let mutex: UnsafeMutablePointer<pthread_mutex_t>
        let condition: UnsafeMutablePointer<pthread_cond_t>
        let signal: FileDescriptor
        /// Used by the worker's thread only.
        let perform: Performer
        let giveWay: @Sendable () -> Void
        /// How many operations that are done with stay in the queue before they are taken out together.
        private static let doneMax = 1024
        /// Operations that wait; those before `head` are done with.
        var queue: [(ticket: UInt64, operation: any KernelOperation)] = []
        var head = 0
        var outcomes: [Outcome] = []
        var isEnding = false

        init(
            signal: consuming FileDescriptor, perform: @escaping Performer, giveWay: @escaping @Sendable () -> Void
        ) {
            self.signal = signal
            self.perform = perform
            self.giveWay = giveWay
            mutex = .allocate(capacity: 1)
            condition = .allocate(capacity: 1)
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }

        func withLock<Value>(_ body: () -> Value) -> Value {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return body()
        }

        /// Waits for an operation; nil ends the thread.
        func next() -> (ticket: UInt64, operation: any KernelOperation)? {
            withLock {
                while head == queue.count, !isEnding {
                    pthread_cond_wait(condition, mutex)
                }
                guard head < queue.count else {
                    return nil
                }
                defer {
                    head += 1
                    // What is done with is taken out now and then, so that a queue that never empties does not grow.
                    if head == queue.count || head == Self.doneMax {
                        queue.removeSubrange(..<head)
                        head = 0
                    }
                }
                return queue[head]
            }
        }

        func finish(_ outcome: Outcome) {
            let isFirst = withLock {
                outcomes.append(outcome)
                return outcomes.count == 1
            }
            // The loop wants the lock as soon as it is woken. What follows the first is taken together with it.
            guard isFirst else { return }
            // Fails only when the count would overflow, and then the loop is awake anyway.
            var one: UInt64 = 1
            _ = write(signal.rawValue, &one, 8)
        }

        /// Takes what there is, together with the count that announced it, so that no wake is lost and none is idle.
        func takeOutcomes() -> [Outcome] {
            withLock {
                var count: UInt64 = 0
                _ = read(signal.rawValue, &count, 8)
                defer { outcomes = [] }
                return outcomes
            }
        }
    }

    private let shared: Shared
    private let capacity: Int
    private var thread: pthread_t?
    private var outstanding = 0

    /// Starts the thread.
    ///
    /// - Parameter capacity: The greatest number of operations whose outcomes have not been drained; it bounds the queue
    ///   and the outcomes alike.
    /// - Throws: `SystemError` if there is no descriptor or no thread to be had.
    package convenience init(capacity: Int = 4096) throws(SystemError) {
        let contexts = KernelContexts()
        try self.init(capacity: capacity) { contexts.perform($0) }
    }

    /// Starts the thread with another way to do the work, for tests.
    package init(
        capacity: Int, giveWay: @escaping @Sendable () -> Void = { Threads.giveWay() },
        perform: sending @escaping Performer
    ) throws(SystemError) {
        precondition(capacity > 0, "a queue for nothing has no use")
        let number = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }
        shared = Shared(signal: FileDescriptor(owning: number), perform: perform, giveWay: giveWay)
        self.capacity = capacity
        thread = try Threads.start { [shared] in Self.run(shared) }
    }

    deinit {
        _ = shutDown(finishing: 0)
    }

    /// Readable when there is something to drain.
    package var descriptor: Int32 {
        shared.signal.rawValue
    }

    /// Queues an operation.
    ///
    /// - Parameters:
    ///   - operation: What is to be done.
    ///   - ticket: A number of the caller's, by which the outcome is recognised.
    /// - Returns: Whether it was queued; false when `capacity` outcomes are outstanding, or after `shutDown`.
    package func submit(_ operation: any KernelOperation, ticket: UInt64) -> Bool {
        guard thread != nil, outstanding < capacity else {
            return false
        }
        outstanding += 1
        shared.withLock {
            shared.queue.append((ticket, operation))
            pthread_cond_signal(shared.condition)
        }
        return true
    }

    /// Takes the outcomes that are there, in the order of their operations.
    package func drain() -> [Outcome] {
        let outcomes = shared.takeOutcomes()
        outstanding -= outcomes.count
        return outcomes
    }

    /// Ends the thread and waits for it, as long as the operations take that it finishes.
    ///
    /// - Parameter limit: How many of the operations that wait are finished. The one under way always is.
    /// - Returns: All outcomes that were not drained, in order; without an answer for operations beyond the limit.
    package func shutDown(finishing limit: Int) -> [Outcome] {
        guard let thread else {
            return []
        }
        self.thread = nil
        let cancelled = shared.withLock {
            let kept = shared.head + min(limit, shared.queue.count - shared.head)
            let cancelled = shared.queue[kept...].map(\.ticket)
            shared.queue.removeSubrange(kept...)
            shared.isEnding = true
            pthread_cond_signal(shared.condition)
            return cancelled
        }
        pthread_join(thread, nil)
        return drain() + cancelled.map { Outcome(ticket: $0, answer: nil) }
    }

    // MARK: The thread

    private static func run(_ shared: Shared) {
        clinux_name_thread(threadName)
        while let (ticket, operation) = shared.next() {
            shared.finish(Outcome(ticket: ticket, answer: shared.perform(operation)))
            // Where both have one processor the loop goes first: clients and neighbours wait for it.
            shared.giveWay()
        }
    }
}

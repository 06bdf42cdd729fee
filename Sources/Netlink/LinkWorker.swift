// The one thread beside the loop's. Changing links blocks inside the kernel (deleting a macvtap some 16 ms), and a burst
// of changes must not hold up ECP. Owns that thread, its queue and an eventfd; the order of submission is kept.

internal import CLinux
internal import Glibc
internal import LinuxSystem

/// A change to a link that the worker makes.
public enum LinkCommand: Sendable, Equatable {
    /// Creates a macvlan or macvtap; the result is the link.
    case create(MacvlanSpec)
    /// Deletes a link; the result is nil.
    case delete(index: Int32)
    /// Changes the mode of a macvlan or macvtap; the result is the link.
    case setMacvlanMode(index: Int32, MacvlanMode)
    /// Sets a link up or down; the result is the link.
    case setUp(index: Int32, Bool)
    /// Puts a link into the group that the host's own IP is kept off; the result is the link.
    case keepHostOff(index: Int32)
    /// Sets the MTU of a link, in octets; the result is the link.
    case setMTU(index: Int32, UInt32)
    /// Sees to it that there is a VLAN device; the result is it.
    case ensureVLAN(VLANDevice)
    /// Sets a virtual function of a port's card; the result is nil.
    case setVirtualFunction(portIndex: Int32, VirtualFunctionSettings)
    /// Looks how a link is, after all that was asked for before; the result is the link, or nil if there is none.
    case look(index: Int32)
    /// Looks for the link of an alias in all network namespaces; the result is the link, or nil if there is none.
    case locate(alias: String)
    /// Sets hairpin of a bridge port; the result is the link.
    case setHairpin(portIndex: Int32, Bool)
    /// Does what another module wants to have done in the order of these changes; the result is nil.
    case perform(LinkTask)
}

/// Work for the worker's thread that is no change to one link alone.
public struct LinkTask: Sendable, Equatable {
    /// What is done, on the worker's thread.
    let body: @Sendable () -> Void
    private let identity = Identity()

    /// Tells two tasks apart.
    private final class Identity: Sendable {}

    /// - Parameter body: What is to be done, on the worker's thread. What comes of it is its own to tell.
    public init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    public static func == (left: LinkTask, right: LinkTask) -> Bool { left.identity === right.identity }
}

/// What became of a command.
public struct LinkOutcome: Sendable, Equatable {
    /// The number that was given with the command.
    public let ticket: UInt64
    /// The link after the change, nil where it is gone; or why the change was not made.
    public let result: Result<Link?, NetlinkError>

    /// Creates an outcome.
    public init(ticket: UInt64, result: Result<Link?, NetlinkError>) {
        self.ticket = ticket
        self.result = result
    }
}

/// Makes changes to links on a thread of its own, in the order in which they were submitted.
///
/// All methods are for the one thread that created it.
public final class LinkWorker {
    /// The name of the thread, which the kernel tells with changes to nftables.
    public static let threadName = "evbd-links"

    typealias Performer = (LinkCommand) -> Result<Link?, NetlinkError>

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
        /// How many commands that are done with stay in the queue before they are taken out together.
        private static let doneMax = 1024
        /// Commands that wait; those before `head` are done with.
        var queue: [(ticket: UInt64, command: LinkCommand)] = []
        var head = 0
        var outcomes: [LinkOutcome] = []
        var isEnding = false

        init(signal: consuming FileDescriptor, perform: @escaping Performer) {
            self.signal = signal
            self.perform = perform
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

        /// Waits for a command; nil ends the thread.
        func next() -> (ticket: UInt64, command: LinkCommand)? {
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

        func finish(_ outcome: LinkOutcome) {
            withLock {
                outcomes.append(outcome)
                // Fails only when the count would overflow, and then the loop is awake anyway.
                var one: UInt64 = 1
                _ = write(signal.rawValue, &one, 8)
            }
        }

        /// Takes what there is, together with the count that announced it, so that no wake is lost and none is idle.
        func takeOutcomes() -> [LinkOutcome] {
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
    /// - Parameter capacity: The greatest number of commands whose outcomes have not been drained; it bounds the queue
    ///   and the outcomes alike.
    /// - Throws: `NetlinkError`, if there is no socket or no thread to be had.
    public convenience init(capacity: Int = 4096) throws(NetlinkError) {
        let links = try Links()
        try self.init(capacity: capacity) { command in
            Self.perform(command, with: links)
        }
    }

    /// Starts the thread with another way to do the work, for tests.
    init(capacity: Int, perform: sending @escaping Performer) throws(NetlinkError) {
        precondition(capacity > 0, "a queue for nothing has no use")
        do throws(SystemError) {
            let number = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }
            shared = Shared(signal: FileDescriptor(owning: number), perform: perform)
            self.capacity = capacity
            thread = try Self.start(shared)
        } catch {
            throw NetlinkError(
                operation: "start the link worker", kind: .other, code: error.code, reason: error.description)
        }
    }

    deinit {
        _ = shutDown(finishing: 0)
    }

    /// Readable when there is something to drain.
    public var descriptor: Int32 {
        shared.signal.rawValue
    }

    /// Queues a command.
    ///
    /// - Parameters:
    ///   - command: The change.
    ///   - ticket: A number of the caller's, by which the outcome is recognised.
    /// - Returns: Whether it was queued; false when `capacity` outcomes are outstanding, or after `shutDown`.
    public func submit(_ command: LinkCommand, ticket: UInt64) -> Bool {
        guard thread != nil, outstanding < capacity else {
            return false
        }
        outstanding += 1
        shared.withLock {
            shared.queue.append((ticket, command))
            pthread_cond_signal(shared.condition)
        }
        return true
    }

    /// Takes the outcomes that are there, in the order of their commands.
    public func drain() -> [LinkOutcome] {
        let outcomes = shared.takeOutcomes()
        outstanding -= outcomes.count
        return outcomes
    }

    /// Ends the thread and waits for it, as long as the commands take that it finishes.
    ///
    /// - Parameter limit: How many of the commands that wait are finished. The one under way always is.
    /// - Returns: All outcomes that were not drained, in order; of kind `cancelled` for commands beyond the limit.
    public func shutDown(finishing limit: Int) -> [LinkOutcome] {
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
        let error = NetlinkError(operation: "change a link", kind: .cancelled, reason: "The link worker has ended")
        return drain() + cancelled.map { LinkOutcome(ticket: $0, result: .failure(error)) }
    }

    // MARK: The thread

    private static func start(_ shared: Shared) throws(SystemError) -> pthread_t {
        // A thread inherits the signals that are blocked, and signals are the loop's alone.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

        var thread = pthread_t()
        let context = Unmanaged.passRetained(shared)
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context {
                    LinkWorker.run(Unmanaged<Shared>.fromOpaque(context).takeRetainedValue())
                }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw SystemError(call: "pthread_create", code: code)
        }
        return thread
    }

    private static func run(_ shared: Shared) {
        clinux_name_thread(threadName)
        while let (ticket, command) = shared.next() {
            shared.finish(LinkOutcome(ticket: ticket, result: shared.perform(command)))
        }
    }

    private static func perform(_ command: LinkCommand, with links: Links) -> Result<Link?, NetlinkError> {
        Result { () throws(NetlinkError) in
            switch command {
            case .create(let spec):
                return try links.createMacvlan(spec)
            case .delete(let index):
                try links.delete(index: index)
                return nil
            case .setMacvlanMode(let index, let mode):
                try links.setMacvlanMode(index: index, mode)
                return try links.link(index: index)
            case .setUp(let index, let isUp):
                try links.setUp(index: index, isUp)
                return try links.link(index: index)
            case .keepHostOff(let index):
                try links.joinGroup(index: index)
                return try links.link(index: index)
            case .setMTU(let index, let mtu):
                try links.setMTU(index: index, mtu)
                return try links.link(index: index)
            case .ensureVLAN(let device):
                return try links.ensureVLAN(device)
            case .setVirtualFunction(let index, let settings):
                try links.setVirtualFunction(portIndex: index, settings)
                return nil
            case .look(let index):
                return try links.link(index: index)
            case .locate(let alias):
                return try links.locate(alias: alias)
            case .setHairpin(let index, let isOn):
                try links.setHairpin(portIndex: index, isOn)
                return try links.link(index: index)
            case .perform(let task):
                task.body()
                return nil
            }
        }
    }
}

internal import CLinux
internal import Glibc
public import LinuxSystem
internal import Synchronization

/// One piece of work that takes long, on a thread of its own. What comes of it is handed to the loop's thread.
///
/// All methods are for the thread of the loop. The work of a task that is let go ends by itself, and `completion` is not called.
public final class BackgroundTask<Value: Sendable> {
    /// What both threads touch.
    private final class Shared: Sendable {
        let result = Mutex<Value?>(nil)
        let body: @Sendable () -> Value
        let signal: FileDescriptor

        init(signal: consuming FileDescriptor, body: @escaping @Sendable () -> Value) {
            self.signal = signal
            self.body = body
        }

        func run() {
            let value = body()
            result.withLock { $0 = value }
            // Fails only when the count would overflow, and it is written once.
            var one: UInt64 = 1
            _ = write(signal.rawValue, &one, 8)
        }
    }

    private let shared: Shared
    private let completion: (Value) -> Void
    private var watch: EventLoop.Watch?

    /// Starts the work.
    ///
    /// - Parameters:
    ///   - loop: whose thread hears of the end.
    ///   - body: the work. It blocks no other.
    ///   - completion: is called once, on the thread of the loop.
    /// - Throws: `SystemError`, if there is no thread or no descriptor to be had.
    public init(
        on loop: EventLoop, _ body: @escaping @Sendable () -> Value, completion: @escaping (Value) -> Void
    ) throws(SystemError) {
        let number = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }
        shared = Shared(signal: FileDescriptor(owning: number), body: body)
        self.completion = completion
        watch = try loop.watch(shared.signal.rawValue, for: .readable) { [weak self] _ in self?.end() }
        pthread_detach(try Threads.start { [shared] in shared.run() })
    }

    deinit { watch?.cancel() }

    /// Waits for the end of the work, for a caller that cannot go on without it: `completion` has been called afterwards.
    public func wait() {
        while watch != nil {
            var signal = pollfd(fd: shared.signal.rawValue, events: Int16(POLLIN), revents: 0)
            // A signal may end the wait before there is anything.
            _ = poll(&signal, 1, -1)
            end()
        }
    }

    private func end() {
        // The thread sanitizer sees by it that the one comes after the other.
        var count: UInt64 = 0
        _ = read(shared.signal.rawValue, &count, 8)
        guard let watch, let value = shared.result.withLock({ $0 }) else { return }
        watch.cancel()
        self.watch = nil
        completion(value)
    }

    /// Does work on a thread of its own, and waits for what comes of it, but not for what the thread tidies up after that. Before
    /// the loop runs; what comes later has a task.
    ///
    /// - Parameter body: the work; it hands its value over once, and may go on.
    /// - Returns: the value.
    /// - Throws: `SystemError`, if there is no thread or no descriptor to be had.
    public static func outcome(
        of body: @escaping @Sendable (_ handOver: (Value) -> Void) -> Void
    ) throws(SystemError) -> Value {
        let number = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC)) }
        let slot = Slot<Value>(signal: FileDescriptor(owning: number))
        pthread_detach(try Threads.start { body { slot.put($0) } })
        return slot.take()
    }
}

/// Where a thread puts a value, and another waits for it.
private final class Slot<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let signal: FileDescriptor

    init(signal: consuming FileDescriptor) { self.signal = signal }

    func put(_ new: Value) {
        value.withLock { $0 = new }
        var one: UInt64 = 1
        _ = write(signal.rawValue, &one, 8)
    }

    func take() -> Value {
        while true {
            var count: UInt64 = 0
            // A signal may end the wait before there is anything.
            _ = read(signal.rawValue, &count, 8)
            if let found = value.withLock({ $0 }) { return found }
        }
    }
}

internal import Glibc
internal import Synchronization

/// A value that a thread of its own works out, for a caller that does something else meanwhile and then waits for it.
///
/// Used by one thread.
public final class BackgroundValue<Value: Sendable> {
    private final class Slot: Sendable {
        let value = Mutex<Value?>(nil)
    }

    private let slot = Slot()
    private var thread: pthread_t?

    /// Starts the thread.
    ///
    /// - Parameter body: gives the value.
    /// - Throws: `SystemError`: EAGAIN where there can be no more threads.
    public init(_ body: @escaping @Sendable () -> Value) throws(SystemError) {
        thread = try Threads.start { [slot] in
            let value = body()
            slot.value.withLock { $0 = value }
        }
    }

    /// The value is wanted no more; the thread ends by itself.
    deinit { if let thread { pthread_detach(thread) } }

    /// Waits for the value.
    ///
    /// - Returns: the value; nil where it has been given before.
    public func take() -> Value? {
        if let thread { pthread_join(thread, nil) }
        thread = nil
        return slot.value.withLock { value in
            defer { value = nil }
            return value
        }
    }
}

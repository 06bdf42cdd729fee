internal import Glibc

/// The one owner of an open descriptor: it is closed when its owner goes.
public struct FileDescriptor: ~Copyable, Sendable {
    /// The kernel's number, for calls that do not close it.
    public let rawValue: Int32

    /// Takes over an open descriptor, which nobody else may close from now on.
    public init(owning descriptor: Int32) {
        precondition(descriptor >= 0, "an open descriptor is not negative")
        rawValue = descriptor
    }

    deinit {
        // close(2) on Linux frees the number even when it fails, so it is neither checked nor tried again.
        _ = close(rawValue)
    }

    /// Gives the descriptor up without closing it.
    ///
    /// - Returns: The number, which the caller must close.
    public consuming func release() -> Int32 {
        let descriptor = rawValue
        discard self
        return descriptor
    }

    /// Closes it on a thread of its own: where the kernel lets a close wait, the caller does not.
    public consuming func closeApart() {
        let descriptor = release()
        if let thread = try? Threads.start({ _ = close(descriptor) }) {
            pthread_detach(thread)
        } else {
            _ = close(descriptor)
        }
    }
}

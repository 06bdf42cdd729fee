public import Glibc

/// Threads beside the one of the loop.
public enum Threads {
    /// What a thread does, in the one word that C hands over.
    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread. It takes no signals: those are for the loop, and a thread inherits which are blocked.
    ///
    /// - Parameter body: what it does.
    /// - Returns: the thread, to be joined or detached.
    /// - Throws: `SystemError`: EAGAIN where there can be no more.
    public static func start(_ body: @escaping @Sendable () -> Void) throws(SystemError) -> pthread_t {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let box = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw SystemError(call: "pthread_create", code: code)
        }
        return thread
    }

    /// Lets another thread have the processor first, where one waits for it.
    ///
    /// (A nice value would do it for good, but to set one is among what the unit does not allow.)
    public static func giveWay() { sched_yield() }
}

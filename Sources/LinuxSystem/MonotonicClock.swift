internal import Glibc

/// The clock of all deadlines: it never jumps, and stands still while the host is suspended.
public enum MonotonicClock {
    /// Nanoseconds of CLOCK_MONOTONIC.
    public static func now() -> UInt64 {
        var time = timespec()
        // Fails only for a bad clock or address.
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }
}

/// The clock of what a thread computes: it stands still while others have the processor.
public enum ThreadClock {
    /// Nanoseconds that the calling thread has computed, in the kernel too.
    public static func now() -> UInt64 {
        var time = timespec()
        // Fails only for a bad clock or address.
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }
}

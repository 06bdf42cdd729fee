internal import Glibc

/// The clock by which people and captures date what happens. It may jump.
public enum WallClock {
    /// Nanoseconds since 1970 (UTC).
    public static func now() -> UInt64 {
        var time = timespec()
        // Fails only for a bad clock or address.
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }
}

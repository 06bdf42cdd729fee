/// A moment on a clock that only goes forward, in nanoseconds since some origin.
///
/// The machines never read a clock: whoever drives them says what time it is.
public struct Instant: Hashable, Comparable, Sendable {
    public let nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The moment `interval` later; at the end of the clock's range it stays there.
    public static func + (instant: Instant, interval: Interval) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(interval.nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    public func since(_ earlier: Instant) -> Interval {
        Interval(nanoseconds: nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0)
    }

    /// The sooner of two moments, either of which may never come.
    package static func earliest(_ one: Instant?, _ other: Instant?) -> Instant? {
        guard let one else { return other }
        guard let other else { return one }
        return min(one, other)
    }
}

/// A length of time in nanoseconds. Arithmetic stops at the largest value instead of trapping.
public struct Interval: Hashable, Comparable, Sendable {
    public let nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static func milliseconds(_ count: UInt64) -> Interval { Interval(nanoseconds: count) * 1_000_000 }

    public static func seconds(_ count: UInt64) -> Interval { Interval(nanoseconds: count) * 1_000_000_000 }

    /// The time that an exponent of the EVB TLV stands for, 10 us x 2^exponent: 10 us for 0, just under six hours for 31.
    public static func exponent(_ exponent: UInt8) -> Interval {
        Interval(nanoseconds: 10_000 << UInt64(min(exponent, 31)))
    }

    public static func < (left: Interval, right: Interval) -> Bool { left.nanoseconds < right.nanoseconds }

    public static func + (left: Interval, right: Interval) -> Interval {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return Interval(nanoseconds: overflow ? .max : sum)
    }

    public static func * (interval: Interval, factor: UInt64) -> Interval {
        let (product, overflow) = interval.nanoseconds.multipliedReportingOverflow(by: factor)
        return Interval(nanoseconds: overflow ? .max : product)
    }

    public static func / (interval: Interval, divisor: UInt64) -> Interval {
        Interval(nanoseconds: interval.nanoseconds / max(divisor, 1))
    }
}

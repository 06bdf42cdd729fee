internal import EVBProtocol

/// So many at once, and then so many a second.
struct TokenBucket {
    private static let nanosecondsPerSecond: UInt64 = 1_000_000_000

    private let perSecond: UInt64
    /// What it holds and what is in it, both in billionths, so that a nanosecond's share is a whole number.
    private let capacity: UInt64
    private var credit: UInt64
    private var counted: Instant?

    /// A full one.
    ///
    /// - Parameters:
    ///   - burst: what it holds, 1 to 10^10.
    ///   - perSecond: what flows into it, at least 1.
    init(burst: UInt64, perSecond: UInt64) {
        precondition((1...10_000_000_000).contains(burst) && perSecond > 0)
        self.perSecond = perSecond
        capacity = burst * Self.nanosecondsPerSecond
        credit = capacity
    }

    /// What may be taken now.
    mutating func available(at now: Instant) -> UInt64 {
        let (earned, overflow) = now.since(counted ?? now).nanoseconds.multipliedReportingOverflow(by: perSecond)
        counted = now
        credit = overflow || earned > capacity - credit ? capacity : credit + earned
        return credit / Self.nanosecondsPerSecond
    }

    /// Takes something out, or all that is there.
    mutating func take(_ number: UInt64 = 1) {
        let (taken, overflow) = number.multipliedReportingOverflow(by: Self.nanosecondsPerSecond)
        credit -= overflow ? credit : min(credit, taken)
    }

    /// How long it takes for so many to flow in.
    func time(for number: UInt64) -> Interval {
        let (billionths, overflow) = number.multipliedReportingOverflow(by: Self.nanosecondsPerSecond)
        return Interval(nanoseconds: overflow ? .max : billionths / perSecond)
    }
}

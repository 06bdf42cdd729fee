/// So many at once, and then so many a second, or one every so often.
package struct TokenBucket: Sendable {
    private static let nanosecondsPerSecond: UInt64 = 1_000_000_000

    /// What flows in with each nanosecond, and what one token takes out, so that both are whole numbers.
    private let earning: UInt64
    private let price: UInt64
    /// What it holds and what is in it, in the unit of the price.
    private let capacity: UInt64
    private var credit: UInt64
    private var counted: Instant?

    /// A full one.
    ///
    /// - Parameters:
    ///   - burst: what it holds, 1 to 10^10.
    ///   - perSecond: what flows into it, at least 1.
    package init(burst: UInt64, perSecond: UInt64) {
        precondition((1...10_000_000_000).contains(burst) && perSecond > 0)
        self.init(burst: burst, earning: perSecond, price: Self.nanosecondsPerSecond)
    }

    /// A full one into which one token flows every `interval`.
    ///
    /// - Parameters:
    ///   - burst: what it holds, 1 to 10^6.
    ///   - interval: a nanosecond to an hour.
    package init(burst: UInt64, every interval: Interval) {
        precondition((1...1_000_000).contains(burst) && (1...3_600_000_000_000).contains(interval.nanoseconds))
        self.init(burst: burst, earning: 1, price: interval.nanoseconds)
    }

    private init(burst: UInt64, earning: UInt64, price: UInt64) {
        self.earning = earning
        self.price = price
        capacity = burst * price
        credit = capacity
    }

    /// What may be taken now.
    package mutating func available(at now: Instant) -> UInt64 {
        let (earned, overflow) = now.since(counted ?? now).nanoseconds.multipliedReportingOverflow(by: earning)
        counted = now
        credit = overflow || earned > capacity - credit ? capacity : credit + earned
        return credit / price
    }

    /// Takes something out, or all that is there.
    package mutating func take(_ number: UInt64 = 1) {
        let (taken, overflow) = number.multipliedReportingOverflow(by: price)
        credit -= overflow ? credit : min(credit, taken)
    }

    /// How long it takes for so many to flow in.
    package func time(for number: UInt64) -> Interval {
        let (billionths, overflow) = number.multipliedReportingOverflow(by: price)
        return Interval(nanoseconds: overflow ? .max : billionths / earning)
    }
}

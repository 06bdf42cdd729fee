internal import EVBProtocol

/// How many log lines a peer may cause: some at once, then so many a second. What is over that is counted, not written.
struct LogBudget {
    private let burst: UInt64
    private let perSecond: UInt64
    /// Thousandths of lines that may still be written.
    private var credit: UInt64
    private var counted: Instant?
    private var suppressed: UInt64 = 0

    /// A full budget.
    init(burst: UInt64, perSecond: UInt64) {
        self.burst = burst
        self.perSecond = perSecond
        credit = burst * 1000
    }

    /// Whether a line may be written now, and how many were not since the last that was.
    mutating func take(at now: Instant) -> (isAllowed: Bool, suppressed: UInt64) {
        let passed = now.since(counted ?? now).nanoseconds / 1_000_000
        if passed > 0 || counted == nil {
            let (earned, overflow) = passed.multipliedReportingOverflow(by: perSecond)
            credit = overflow ? burst * 1000 : min(burst * 1000, credit &+ min(earned, burst * 1000))
            counted = now
        }
        guard credit >= 1000 else {
            suppressed &+= 1
            return (false, 0)
        }
        credit -= 1000
        defer { suppressed = 0 }
        return (true, suppressed)
    }
}

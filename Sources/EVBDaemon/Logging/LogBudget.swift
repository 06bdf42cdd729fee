internal import EVBProtocol

/// How many log lines a peer may cause: some at once, then so many a second. What is over that is counted, not written.
struct LogBudget {
    private var bucket: TokenBucket
    private var suppressed: UInt64 = 0

    /// A full budget.
    init(burst: UInt64, perSecond: UInt64) {
        bucket = TokenBucket(burst: burst, perSecond: perSecond)
    }

    /// Whether a line may be written now, and how many were not since the last that was.
    mutating func take(at now: Instant) -> (isAllowed: Bool, suppressed: UInt64) {
        guard bucket.available(at: now) > 0 else {
            suppressed &+= 1
            return (false, 0)
        }
        bucket.take()
        defer { suppressed = 0 }
        return (true, suppressed)
    }
}

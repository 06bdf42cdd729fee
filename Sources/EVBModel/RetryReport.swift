/// How many VSIs are asked for again.
public struct RetryReport: Codable, Sendable, Equatable {
    public var retried: Int

    /// Makes a report.
    public init(retried: Int) { self.retried = retried }
}

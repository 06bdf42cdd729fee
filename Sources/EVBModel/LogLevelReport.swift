/// The level of the daemon's log.
public struct LogLevelReport: Codable, Sendable, Equatable {
    /// The names of the levels, from the least severe to the most.
    public static let levels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]

    /// The least severe level that is written.
    public var level: String
    /// The level of the configuration or of the command line, which holds again after a reload or a restart.
    public var configured: String
    /// Whether `level` was set while evbd runs, and ends with a reload or a restart.
    public var isTemporary: Bool

    /// Makes a report.
    public init(level: String, configured: String, isTemporary: Bool) {
        self.level = level
        self.configured = configured
        self.isTemporary = isTemporary
    }
}

package import EVBSettings
package import Logging
internal import Synchronization

/// The least severe level that is written, shared by all loggers of the daemon: a reload changes it for each of them at once.
package final class LogThreshold: Sendable {
    private let shared: Mutex<Logger.Level>
    /// Whether the level was given on the command line, which the configuration does not change.
    private let isFixed: Bool

    /// Makes a threshold.
    ///
    /// - Parameters:
    ///   - level: the level at the start.
    ///   - isFixed: whether ``follow(_:)`` leaves it as it is.
    package init(_ level: Logger.Level, isFixed: Bool = false) {
        shared = Mutex(level)
        self.isFixed = isFixed
    }

    /// The level now.
    package var level: Logger.Level { shared.withLock { $0 } }

    /// Takes the level of a configuration.
    package func follow(_ level: Logger.Level) {
        if !isFixed { shared.withLock { $0 = level } }
    }
}

extension Logger.Level {
    /// The level of the configuration.
    package init(_ level: LogLevel) {
        self =
            switch level {
            case .trace: .trace
            case .debug: .debug
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error: .error
            case .critical: .critical
            }
    }
}

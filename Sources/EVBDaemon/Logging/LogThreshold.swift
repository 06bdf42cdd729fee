internal import EVBControl
internal import EVBModel
package import EVBSettings
package import Logging
internal import Synchronization

/// The least severe level that is written, shared by all loggers of the daemon: a change holds for each of them at once.
package final class LogThreshold: Sendable {
    private struct State {
        /// The level of the command line, or of the configuration.
        var standing: Logger.Level
        /// The one that a client has set for a while.
        var temporary: Logger.Level?
    }

    private let state: Mutex<State>
    /// Whether the standing level was given on the command line, which the configuration does not change.
    private let isFixed: Bool

    /// Makes a threshold.
    ///
    /// - Parameters:
    ///   - level: the level at the start.
    ///   - isFixed: whether ``follow(_:)`` leaves the standing level as it is.
    package init(_ level: Logger.Level, isFixed: Bool = false) {
        state = Mutex(State(standing: level))
        self.isFixed = isFixed
    }

    /// The level now.
    package var level: Logger.Level { state.withLock { $0.temporary ?? $0.standing } }

    /// The level without one that was set for a while.
    package var standing: Logger.Level { state.withLock { $0.standing } }

    /// Whether a client has set the level for a while.
    package var isTemporary: Bool { state.withLock { $0.temporary != nil } }

    /// Takes the level of a configuration; one that was set for a while ends.
    package func follow(_ level: Logger.Level) {
        state.withLock {
            $0.temporary = nil
            if !isFixed { $0.standing = level }
        }
    }

    /// Sets the level until the configuration is read again; nil goes back to the standing one.
    package func set(_ level: Logger.Level?) { state.withLock { $0.temporary = level } }

    /// Does as a client asks, says so in the log, and reports the level.
    func report(_ request: SetLogLevelRequest?, _ logger: Logger) -> LogLevelReport {
        if let request {
            let former = level
            let wanted = request.level.flatMap { Logger.Level(rawValue: $0) }
            let next = wanted ?? standing
            // Where the line is seen: before there is less, or after there is more.
            let change: Logger.Metadata = ["from": "\(former.rawValue)", "level": "\(next.rawValue)"]
            if next > former { logger.notice("log level set by a client", metadata: change) }
            set(wanted)
            if next <= former { logger.notice("log level set by a client", metadata: change) }
        }
        return LogLevelReport(level: level.rawValue, configured: standing.rawValue, isTemporary: isTemporary)
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

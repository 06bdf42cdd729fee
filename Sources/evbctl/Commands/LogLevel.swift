internal import ArgumentParser
internal import EVBControl
internal import EVBModel

struct LogLevel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log-level",
        abstract: "Show how much evbd logs, or change it while evbd runs.",
        discussion: """
            Without a level it is shown. A level that is set holds until evbd reads its configuration again or restarts, and \
            "default" goes back to the configured one at once. Only root may set it.

            EXAMPLES
              evbctl log-level
              evbctl log-level debug
              evbctl log-level default
            """)

    private static let standing = "default"

    @Argument(
        help: "\(LogLevelReport.levels.joined(separator: ", ")), or default.",
        completion: .list(LogLevelReport.levels + [standing]))
    var level: String?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard let level, level != Self.standing, !LogLevelReport.levels.contains(level) else { return }
        throw ValidationError(
            "\(level) is no log level; give one of \(LogLevelReport.levels.joined(separator: ", ")), or default")
    }

    func run() throws {
        let text: (Presenter, LogLevelReport) -> String = { $0.logLevel($1) }
        guard let level else {
            return try global.show(.getLogLevel, NoParameters(), "logLevel", as: LogLevelReport.self, text)
        }
        let request = SetLogLevelRequest(level: level == Self.standing ? nil : level)
        try global.show(.setLogLevel, request, "logLevel", as: LogLevelReport.self, text)
    }
}

extension Presenter {
    /// The level of the log, and how long it holds.
    func logLevel(_ report: LogLevelReport) -> String {
        guard report.isTemporary else { return report.level }
        return "\(report.level) until evbd reads its configuration again or restarts (configured: \(report.configured))"
    }
}

internal import ArgumentParser
internal import EVBDaemon
internal import EVBLog
internal import EVBModel
internal import EVBSettings
internal import Glibc
internal import Logging
internal import SettingsFile
internal import TerminalText
internal import TypeCopies

@main
struct Evbd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evbd",
        abstract: "The EVB daemon: associates VSIs with the switch and has it reflect frames, or plays the switch.",
        discussion: """
            Runs in the foreground. SIGTERM and SIGINT stop it in order, SIGHUP makes it read its configuration again.
            Needs CAP_NET_ADMIN and CAP_NET_RAW.
            """,
        version: "evbd \(Release.version)")

    @Option(name: .customLong("config"), help: "The configuration file.", completion: .file(extensions: ["yaml"]))
    var configurationPath = "/etc/evbd/evbd.yaml"

    @Flag(help: "Print OK, or every mistake in the configuration, and exit.")
    var checkConfig = false

    @Option(
        name: .customLong("runtime-dir"), help: "The directory for what lives until the next boot.",
        completion: .directory)
    var runtimeDirectory = "/run/evbd"

    @Option(
        name: .customLong("types-dir"),
        help: "The folder in which evbd-types leaves VSI types that servers give (vsi-types: https://...).",
        completion: .directory)
    var typesDirectory = TypeExchange.standardFolder

    @Option(
        help: """
            trace, debug, info, notice, warning, error or critical, also over reloads; the configuration's if it is left \
            out.
            """,
        completion: .list(LogLevel.allCases.map(\.rawValue)), transform: parseLevel)
    var logLevel: Logger.Level?

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            // As ArgumentParser does, but what stands in arguments is safe on a terminal.
            let code = exitCode(for: error)
            let text = Array((printableLines(fullMessage(for: error)) + "\n").utf8)
            _ = write(code == .success ? STDOUT_FILENO : STDERR_FILENO, text, text.count)
            Glibc.exit(code.rawValue)
        }
    }

    func run() throws {
        // A reader of standard error that goes away does not take the daemon along.
        signal(SIGPIPE, SIG_IGN)
        let log = LogOutput()
        let configuration: DaemonSettings
        do {
            configuration = try DaemonSettings.load(configurationPath)
        } catch {
            fail("\(error)", log)
        }
        if checkConfig {
            for warning in ConfigurationAdvice.warnings(configuration, isThere: ConfigurationAdvice.hasInterface) {
                log.say("\(configurationPath): warning: \(warning)", level: .warning)
            }
            log.flush()
            print("OK")
            return
        }
        let threshold = LogThreshold(
            logLevel ?? Logger.Level(configuration.logLevel), isFixed: logLevel != nil)
        let logger = Logger(label: "evbd") { _ in DaemonLogHandler(threshold: threshold, output: log) }
        do {
            let daemon = try Daemon(
                configuration: configuration, configurationPath: configurationPath,
                runtimeDirectory: runtimeDirectory, typesDirectory: typesDirectory, logger: logger, log: log,
                threshold: threshold)
            try daemon.run()
        } catch {
            fail("evbd: \(error)", log)
        }
        log.flush()
    }

    /// Says why, on standard error or in the journal, and ends with status 1.
    private func fail(_ message: String, _ log: LogOutput) -> Never {
        log.say(message, level: .critical, alert: .daemonFailed)
        log.flush()
        Glibc.exit(1)
    }
}

private func parseLevel(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else {
        throw ValidationError("\(text) is not a log level; give one of \(LogLevel.allCases.map(\.rawValue))")
    }
    return level
}

internal import EVBDaemon
internal import EVBLog
internal import EVBModel
internal import EVBSettings
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import ProgramOptions
internal import SettingsFile
internal import TypeCopies

@main
struct Evbd {
    private static let config = ProgramOption(
        "config", takes: "file", otherwise: "/etc/evbd/evbd.yaml", help: "The configuration file.",
        completion: .file(ending: "yaml"))
    private static let checkConfig = ProgramOption(
        flag: "check-config", help: "Print OK, or every mistake in the configuration, and exit.")
    private static let runtimeDir = ProgramOption(
        "runtime-dir", takes: "folder", otherwise: "/run/evbd",
        help: "The directory for what lives until the next boot.",
        completion: .folder)
    private static let typesDir = ProgramOption(
        "types-dir", takes: "folder", otherwise: TypeExchange.standardFolder,
        help: "The folder in which evbd-types leaves VSI types that servers give (vsi-types: https://...).",
        completion: .folder)
    private static let level = ProgramOption(
        "log-level", takes: "level",
        help: """
            trace, debug, info, notice, warning, error or critical, also over reloads; the configuration's if it is left \
            out.
            """,
        completion: .words(LogLevel.allCases.map(\.rawValue)))

    private static let program = Program(
        name: "evbd",
        abstract: "The EVB daemon: associates VSIs with the switch and has it reflect frames, or plays the switch.",
        discussion: """
            Runs in the foreground. SIGTERM and SIGINT stop it in order, SIGHUP makes it read its configuration again.
            Needs CAP_NET_ADMIN and CAP_NET_RAW.
            """,
        version: "evbd \(Release.version)", options: [config, checkConfig, runtimeDir, typesDir, level])

    private let configurationPath: String
    private let checkConfig: Bool
    private let runtimeDirectory: String
    private let typesDirectory: String
    private let logLevel: Logger.Level?

    static func main() {
        program.read { given throws(UsageError) in try Self(given) }.run()
    }

    private init(_ given: GivenOptions) throws(UsageError) {
        configurationPath = given[Self.config] ?? ""
        checkConfig = given.has(Self.checkConfig)
        runtimeDirectory = given[Self.runtimeDir] ?? ""
        typesDirectory = given[Self.typesDir] ?? ""
        logLevel = try given[Self.level].map { text throws(UsageError) in
            guard let level = Logger.Level(rawValue: text) else {
                throw UsageError(
                    "The value '\(text)' is invalid for '--log-level <level>': it is not a log level; give one of "
                        + LogLevel.allCases.map(\.rawValue).joined(separator: ", "),
                    about: Self.level)
            }
            return level
        }
    }

    private func run() {
        ProcessMemory.keepLittle()
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

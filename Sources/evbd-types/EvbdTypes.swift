internal import CCurl
internal import EVBModel
internal import Glibc
internal import LinuxSystem
internal import ProgramOptions
internal import TerminalText
internal import TypeCopies

@main
struct EvbdTypes {
    private static let runtimeDir = ProgramOption(
        "runtime-dir", takes: "folder", otherwise: "/run/evbd",
        help: "The runtime directory of evbd, in which its list of servers is.", completion: .folder)
    private static let typesDir = ProgramOption(
        "types-dir", takes: "folder", otherwise: TypeExchange.standardFolder,
        help: "The folder for what servers gave, where evbd looks for it.", completion: .folder)

    private static let program = Program(
        name: "evbd-types",
        abstract: "Fetches VSI types for evbd from servers (HTTPS).",
        discussion: """
            Runs in the foreground. Which servers are asked, and how often, is said by vsi-types in evbd.yaml; evbd leaves the list in its \
            runtime directory. What a server gives is checked, and left for evbd in a folder; the last good copy stays there whatever \
            becomes of the server. It needs no privileges, and evbd no network. SIGHUP asks all servers at once, as evbctl types fetch \
            does; SIGTERM and SIGINT end it.
            """,
        version: "evbd-types \(Release.version)", options: [runtimeDir, typesDir])

    private let runtimeDirectory: String
    private let typesDirectory: String

    static func main() {
        program.read { given throws(UsageError) in try Self(given) }.run()
    }

    private init(_ given: GivenOptions) throws(UsageError) {
        runtimeDirectory = try Self.absolute(given, Self.runtimeDir)
        typesDirectory = try Self.absolute(given, Self.typesDir)
    }

    private static func absolute(_ given: GivenOptions, _ option: ProgramOption) throws(UsageError) -> String {
        let path = given[option] ?? ""
        guard path.hasPrefix("/") else {
            throw UsageError("--\(option.name) is \(path); give an absolute path", about: option)
        }
        return path
    }

    private func run() {
        // A reader of standard error that goes away does not take the process along.
        signal(SIGPIPE, SIG_IGN)
        guard curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK else { fail("libcurl cannot be used") }
        do {
            try Files.makeDirectory(typesDirectory, mode: 0o755)
            let lock = try LockFile("\(typesDirectory)/lock")
            try withExtendedLifetime(lock) {
                try Fetcher(runtimeDirectory: runtimeDirectory, folder: typesDirectory).run()
            }
        } catch {
            fail("\(error); the folder \(typesDirectory) has to be this user's own, with one evbd-types")
        }
    }

    private func fail(_ message: String) -> Never {
        log(.error, "evbd-types: \(message)")
        Glibc.exit(1)
    }
}

/// How urgent a line of the log is, as syslog counts.
enum Severity: Int {
    case error = 3
    case warning = 4
    case info = 6
}

/// Writes a line to standard error, with its severity where the journal reads it.
func log(_ severity: Severity, _ message: String) {
    let prefix = getenv("JOURNAL_STREAM") == nil ? "" : "<\(severity.rawValue)>"
    let text = Array("\(prefix)\(printable(message))\n".utf8)
    _ = write(STDERR_FILENO, text, text.count)
}

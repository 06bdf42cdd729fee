internal import ArgumentParser
internal import CCurl
internal import EVBModel
internal import Glibc
internal import LinuxSystem
internal import TerminalText
internal import TypeCopies

@main
struct EvbdTypes: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evbd-types",
        abstract: "Fetches VSI types for evbd from servers (HTTPS).",
        discussion: """
            Runs in the foreground. Which servers are asked, and how often, is said by vsi-types in evbd.yaml; evbd leaves the list in its \
            runtime directory. What a server gives is checked, and left for evbd in a folder; the last good copy stays there whatever \
            becomes of the server. It needs no privileges, and evbd no network. SIGHUP asks all servers at once, as evbctl types fetch \
            does; SIGTERM and SIGINT end it.
            """,
        version: "evbd-types \(Release.version)")

    @Option(
        name: .customLong("runtime-dir"), help: "The runtime directory of evbd, in which its list of servers is.",
        completion: .directory)
    var runtimeDirectory = "/run/evbd"

    @Option(
        name: .customLong("types-dir"), help: "The folder for what servers gave, where evbd looks for it.",
        completion: .directory)
    var typesDirectory = TypeExchange.standardFolder

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

    func validate() throws {
        for (name, path) in [("runtime-dir", runtimeDirectory), ("types-dir", typesDirectory)]
        where !path.hasPrefix("/") {
            throw ValidationError("--\(name) is \(path); give an absolute path")
        }
    }

    func run() throws {
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

internal import ArgumentParser
internal import EVBModel
internal import EVBTime
internal import Glibc
internal import TerminalText

@main
struct EvbdSNMP: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evbd-snmp",
        abstract: "Shows evbd's state to SNMP: an AgentX subagent for net-snmp's snmpd.",
        discussion: """
            Runs in the foreground and serves IEEE8021-EVB-MIB and the EVB objects of LLDP-EXT-DOT1-EVB-EXTENSIONS-MIB, for reading \
            only. It needs no privileges: of evbd a read-only socket (control: read-only in evbd.yaml), of snmpd the AgentX socket \
            (master agentx and agentXPerms in snmpd.conf). It waits for either, and looks for both again when they have gone.
            """,
        version: "evbd-snmp \(Release.version)")

    @Option(
        help: ArgumentHelp(
            "The control socket of evbd. Where it may not be used, the read-only socket beside it is.",
            valueName: "path"),
        completion: .file())
    var socket = ControlSocketPath.standard

    @Option(help: ArgumentHelp("The AgentX socket of snmpd.", valueName: "path"), completion: .file())
    var agentx = "/var/agentx/master"

    @Option(help: ArgumentHelp("Ask evbd for its state once in so many seconds, 1 to 3600.", valueName: "seconds"))
    var interval = 10

    @Option(
        help: ArgumentHelp(
            """
            How old a state may be that is shown, in seconds; without a newer one there are no objects. At least twice the \
            interval.
            """, valueName: "seconds"))
    var maxAge = 60

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
        guard (1...3600).contains(interval) else { throw ValidationError("--interval is \(interval); give 1 to 3600") }
        guard (2 * interval...86_400).contains(maxAge) else {
            throw ValidationError("--max-age is \(maxAge); give twice the interval, which is \(2 * interval), to 86400")
        }
    }

    func run() throws {
        // A reader of standard error that goes away does not take the subagent along.
        signal(SIGPIPE, SIG_IGN)
        let shelf = Shelf(maxAge: .seconds(UInt64(maxAge)))
        let fetcher = Fetcher(socket: socket, interval: .seconds(UInt64(interval)), shelf: shelf)
        try fetcher.start()
        Agent(socket: agentx, shelf: shelf).run()
    }
}

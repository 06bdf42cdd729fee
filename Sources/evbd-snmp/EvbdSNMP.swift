internal import EVBModel
internal import EVBTime
internal import Glibc
internal import ProgramOptions

@main
struct EvbdSNMP {
    private static let socket = ProgramOption(
        "socket", takes: "path", otherwise: ControlSocketPath.standard,
        help: "The control socket of evbd. Where it may not be used, the read-only socket beside it is.",
        completion: .file(ending: nil))
    private static let agentx = ProgramOption(
        "agentx", takes: "path", otherwise: "/run/agentx/master", help: "The AgentX socket of snmpd.",
        completion: .file(ending: nil))
    private static let interval = ProgramOption(
        "interval", takes: "seconds", otherwise: "10",
        help: "Ask evbd for its state once in so many seconds, 1 to 3600.")
    private static let maxAge = ProgramOption(
        "max-age", takes: "seconds", otherwise: "60",
        help: """
            How old a state may be that is shown, in seconds; without a newer one there are no objects. At least twice the \
            interval.
            """)

    private static let program = Program(
        name: "evbd-snmp",
        abstract: "Shows evbd's state to SNMP: an AgentX subagent for net-snmp's snmpd.",
        discussion: """
            Runs in the foreground and serves IEEE8021-EVB-MIB and the EVB objects of LLDP-EXT-DOT1-EVB-EXTENSIONS-MIB, for reading \
            only. It needs no privileges: of evbd a read-only socket (control: read-only in evbd.yaml), of snmpd the AgentX socket \
            (master agentx and agentXPerms in snmpd.conf). It waits for either, and looks for both again when they have gone.
            """,
        version: "evbd-snmp \(Release.version)", options: [socket, agentx, interval, maxAge])

    private let socket: String
    private let agentx: String
    /// Seconds.
    private let interval: Int
    /// Seconds.
    private let maxAge: Int

    static func main() throws {
        try program.read { given throws(UsageError) in try Self(given) }.run()
    }

    private init(_ given: GivenOptions) throws(UsageError) {
        socket = given[Self.socket] ?? ""
        agentx = given[Self.agentx] ?? ""
        interval = try given.number(Self.interval, in: 1...3600)
        let ages = 2 * interval...86_400
        maxAge = try given.number(
            Self.maxAge, in: ages, "twice the interval, which is \(ages.lowerBound), to \(ages.upperBound)")
    }

    private func run() throws {
        // A reader of standard error that goes away does not take the subagent along.
        signal(SIGPIPE, SIG_IGN)
        let shelf = Shelf(maxAge: .seconds(UInt64(maxAge)))
        let fetcher = Fetcher(socket: socket, interval: .seconds(UInt64(interval)), shelf: shelf)
        try fetcher.start()
        Agent(socket: agentx, shelf: shelf).run()
    }
}

internal import AgentX
internal import EVBMIB
internal import EVBTime
internal import Glibc
internal import LinuxSystem
internal import Synchronization
internal import TerminalText

/// The state of evbd as it was last fetched, between the thread that fetches it and the one that answers snmpd.
final class Shelf: Sendable {
    private let snapshot: Mutex<Snapshot>

    init(maxAge: Interval) { snapshot = Mutex(Snapshot(maxAge: maxAge)) }

    func replace(with tree: ObjectTree, at now: Instant) { snapshot.withLock { $0.replace(with: tree, at: now) } }

    func objects(at now: Instant) -> ObjectTree { snapshot.withLock { $0.objects(at: now) } }
}

extension Instant {
    /// The time by the monotonic clock.
    static var now: Instant { Instant(nanoseconds: MonotonicClock.now()) }
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

/// Sleeps; a signal may end it early.
func pause(_ interval: Interval) {
    var time = timespec(
        tv_sec: Int(interval.nanoseconds / 1_000_000_000), tv_nsec: Int(interval.nanoseconds % 1_000_000_000))
    nanosleep(&time, nil)
}

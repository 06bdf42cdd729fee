package import EVBLog
internal import EVBPorts
internal import EVBTime
internal import Glibc
internal import LinuxSystem
package import Logging
internal import TerminalText

/// The one log of a process: takes lines from any thread and never makes one wait for the reader.
///
/// A line is written at once where the reader, journald or what reads standard error, takes it. Where the reader stands still,
/// lines wait in a bounded queue for a thread that may wait; what does not fit there is lost and counted. The same thread tells
/// what the quota left out.
///
/// `@unchecked` because the compiler cannot see that the mutex guards every variable.
package final class LogOutput: @unchecked Sendable {
    /// Octets that wait for a reader: some two thousand lines.
    static let queuedOctetsMax = 512 << 10

    /// What has been counted since the start.
    package struct Counters: Sendable, Equatable {
        /// Lines that were lost because the log's reader stood still or was gone.
        package var lost: UInt64 = 0
        /// Lines that were over the quota, and were summarised.
        package var leftOut: UInt64 = 0
    }

    /// Where lines go.
    private enum Sink {
        case text(LogDescriptor)
        case journal(JournalSocket)

        /// Whether the thread of the loop may write.
        var neverBlocks: Bool {
            switch self {
            case .text(let descriptor): descriptor.neverBlocks
            case .journal: true
            }
        }

        func write(_ octets: ArraySlice<UInt8>) -> LogDescriptor.Outcome {
            switch self {
            case .text(let descriptor): descriptor.write(octets)
            case .journal(let socket): socket.write(octets)
            }
        }

        func waitUntilWritable() {
            switch self {
            case .text(let descriptor): descriptor.waitUntilWritable()
            case .journal(let socket): socket.waitUntilWritable()
            }
        }
    }

    /// Octets that belong together: lines of text, or one entry of the journal. Of text the front may be written already.
    private struct Piece {
        var octets: ArraySlice<UInt8>
        var lines: UInt64
    }

    private let sink: Sink
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var quota: LogQuota
    private var queue: [Piece] = []
    /// Octets of the queue, and of what the thread has in hand.
    private var waitingOctets = 0
    private var lost: UInt64 = 0
    private var lostTold: UInt64 = 0
    private var hasThread = false
    /// Whether the thread has nothing in hand.
    private var isThreadIdle = false
    private var isEnding = false

    /// The log at standard error, or at the journal if that is there.
    package convenience init() {
        let journal = JournalSocket.isJournal(STDERR_FILENO) ? JournalSocket() : nil
        self.init(journal.map { .journal($0) } ?? .text(LogDescriptor(STDERR_FILENO)), LogQuota())
    }

    /// The log at a descriptor, which has to stay open.
    convenience init(_ descriptor: LogDescriptor, quota: LogQuota) { self.init(.text(descriptor), quota) }

    /// The log at a journal.
    convenience init(_ journal: JournalSocket, quota: LogQuota) { self.init(.journal(journal), quota) }

    private init(_ sink: Sink, _ quota: LogQuota) {
        self.sink = sink
        self.quota = quota
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// What has been counted so far.
    package var counters: Counters { withLock { Counters(lost: lost, leftOut: quota.leftOut) } }

    private func withLock<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    // MARK: Lines

    /// Whether a line is within the quota; one that is not is counted, and told of later.
    func admits(_ source: LogQuota.Source, _ message: String) -> Bool {
        withLock {
            let now = Instant(nanoseconds: MonotonicClock.now())
            if quota.admit(source, message, at: now) { return true }
            wakeThread()
            return false
        }
    }

    /// Writes an entry.
    func write(_ entry: LogEntry) {
        switch sink {
        case .journal: write(entry.octets)
        case .text:
            var line: [UInt8] = []
            line.reserveCapacity(512)
            Self.appendTimestamp(to: &line)
            line.append(UInt8(ascii: " "))
            line.append(contentsOf: entry.level.rawValue.utf8)
            line.append(UInt8(ascii: " "))
            entry.appendText(to: &line)
            line.append(UInt8(ascii: "\n"))
            write(line)
        }
    }

    /// Writes what the reader of a terminal is to see as it is; in the journal it is an entry.
    ///
    /// - Parameters:
    ///   - text: the text, which may have several lines.
    ///   - level: its level in the journal.
    ///   - alert: the event that it tells, for the journal.
    package func say(_ text: String, level: Logger.Level, alert: LogAlert? = nil) {
        let text = printableLines(text)
        switch sink {
        case .journal: write(LogEntry(level: level, text: text, alert: alert))
        case .text: write(Array("\(text)\n".utf8))
        }
    }

    /// Writes octets that belong together.
    ///
    /// - Parameters:
    ///   - octets: the octets, with their line ends.
    ///   - lines: how many lines they are.
    func write(_ octets: [UInt8], lines: UInt64 = 1) {
        withLock {
            var rest = octets[...]
            if waitingOctets == 0, sink.neverBlocks {
                loop: while !rest.isEmpty {
                    switch sink.write(rest) {
                    case .taken(let count): rest = rest.dropFirst(count)
                    case .full: break loop
                    case .failed:
                        lost &+= lines
                        lostTold = lost
                        return
                    }
                }
            }
            guard !rest.isEmpty else { return }
            // A line of which the front is out is finished, whatever the bound.
            guard rest.count < octets.count || waitingOctets + rest.count <= Self.queuedOctetsMax else {
                lost &+= lines
                return
            }
            queue.append(Piece(octets: rest, lines: lines))
            waitingOctets += rest.count
            wakeThread()
        }
    }

    /// Waits until everything is written, but not for long: the reader may stand still for ever.
    package func flush(milliseconds: UInt64 = 200) {
        let deadline = MonotonicClock.now() &+ milliseconds &* 1_000_000
        withLock {
            while waitingOctets > 0 || hasThread && !isThreadIdle, MonotonicClock.now() < deadline {
                wait(until: deadline)
            }
        }
    }

    /// `2026-11-29T14:58:00Z`.
    private static func appendTimestamp(to line: inout [UInt8]) {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        line.append(contentsOf: String(parts.tm_year + 1900).utf8)
        func two(_ separator: Unicode.Scalar, _ value: Int32) {
            line.append(UInt8(truncatingIfNeeded: separator.value))
            line.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: value / 10))
            line.append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: value % 10))
        }
        two("-", parts.tm_mon + 1)
        two("-", parts.tm_mday)
        two("T", parts.tm_hour)
        two(":", parts.tm_min)
        two(":", parts.tm_sec)
        line.append(UInt8(ascii: "Z"))
    }

    // MARK: The thread

    /// With the mutex held: waits for a change, or for a time of the monotonic clock.
    private func wait(until deadline: UInt64?) {
        guard let deadline else {
            pthread_cond_wait(condition, mutex)
            return
        }
        var time = timespec()
        time.tv_sec = Int(clamping: deadline / 1_000_000_000)
        time.tv_nsec = Int(deadline % 1_000_000_000)
        pthread_cond_timedwait(condition, mutex, &time)
    }

    /// With the mutex held: has the thread look, and makes it if there is none yet. A log that flows needs none.
    private func wakeThread() {
        pthread_cond_broadcast(condition)
        guard !hasThread else { return }
        // Signals are for the thread of the loop.
        var all = sigset_t()
        var former = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &former)
        defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<LogOutput>.fromOpaque(context).takeRetainedValue().serve() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            // The next line tries again; these are lost.
            lost &+= queue.reduce(0) { $0 &+ $1.lines }
            waitingOctets -= queue.reduce(0) { $0 + $1.octets.count }
            queue = []
            return
        }
        hasThread = true
        pthread_detach(thread)
    }

    /// Ends the thread and waits for it, since it writes to a descriptor that is closed next; for tests, since the log of a
    /// process lives as long as that.
    func end() {
        withLock {
            isEnding = true
            pthread_cond_broadcast(condition)
            while hasThread { wait(until: nil) }
        }
    }

    private func serve() {
        defer {
            withLock {
                hasThread = false
                pthread_cond_broadcast(condition)
            }
        }
        while let work = nextWork() {
            for piece in work.pieces { drain(piece) }
            for summary in work.summaries {
                write(
                    LogEntry(
                        level: .warning,
                        text: "log lines were left out: \(printable(summary.text)) source=\(printable(summary.source))",
                        fields: [
                            .init(name: "EVBD_SOURCE", value: printable(summary.source)),
                            .init(name: "EVBD_COUNT", value: "\(summary.count)"),
                        ]))
            }
            tellLost()
        }
    }

    /// What there is to do for the thread, once there is something.
    private func nextWork() -> (pieces: [Piece], summaries: [LogQuota.Summary])? {
        withLock {
            isThreadIdle = true
            pthread_cond_broadcast(condition)
            defer { isThreadIdle = false }
            while !isEnding {
                let now = Instant(nanoseconds: MonotonicClock.now())
                let summaries = quota.summaries(at: now)
                if !queue.isEmpty || !summaries.isEmpty {
                    defer { queue = [] }
                    return (queue, summaries)
                }
                wait(until: quota.nextSummary?.nanoseconds)
            }
            return nil
        }
    }

    /// Writes what waits, for as long as the reader takes for it.
    private func drain(_ piece: Piece) {
        var rest = piece.octets
        var hasFailed = false
        while !rest.isEmpty, !hasFailed {
            switch sink.write(rest) {
            case .taken(let count): rest = rest.dropFirst(count)
            case .full: sink.waitUntilWritable()
            case .failed: hasFailed = true
            }
        }
        withLock {
            waitingOctets -= piece.octets.count
            if hasFailed {
                lost &+= piece.lines
                lostTold = lost
            }
            pthread_cond_broadcast(condition)
        }
    }

    /// Tells what was lost, as soon as lines flow again.
    private func tellLost() {
        let count: UInt64 = withLock {
            guard queue.isEmpty, lost > lostTold else { return 0 }
            defer { lostTold = lost }
            return lost - lostTold
        }
        guard count > 0 else { return }
        write(
            LogEntry(
                level: .warning, text: "\(count) log lines were lost: the reader of the log stood still count=\(count)",
                fields: [.init(name: "EVBD_COUNT", value: "\(count)")]))
    }
}

internal import EVBPorts
internal import EVBTime
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import TerminalText

/// The one log of a process: takes lines from any thread and never makes one wait for the reader.
///
/// A line is written at once where the reader takes it. Where the reader stands still, lines wait in a bounded queue for a thread
/// that may wait; what does not fit there is lost and counted. The same thread tells what the quota left out.
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

    private let descriptor: LogDescriptor
    private let journal: JournalSocket?
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var quota: LogQuota
    private var queue: [UInt8] = []
    private var queuedLines: UInt64 = 0
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
        let isJournal = JournalSocket.isJournal(STDERR_FILENO)
        self.init(LogDescriptor(STDERR_FILENO), journal: isJournal ? JournalSocket() : nil, quota: LogQuota())
    }

    /// The log at a descriptor, which has to stay open.
    init(_ descriptor: LogDescriptor, journal: JournalSocket? = nil, quota: LogQuota) {
        self.descriptor = descriptor
        self.journal = journal
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

    /// Writes a message with its fields to the journal, or as a line of text.
    func write(level: Logger.Level, message: String, fields: [(key: String, value: String)]) {
        if let journal, journal.send(level: level, message: message, fields: fields) { return }
        write(Array("\(Self.timestamp()) \(level.rawValue) \(message)\n".utf8))
    }

    /// Writes octets that belong together.
    ///
    /// - Parameters:
    ///   - octets: the octets, with their line ends.
    ///   - lines: how many lines they are.
    package func write(_ octets: [UInt8], lines: UInt64 = 1) {
        withLock {
            var rest = octets[...]
            if waitingOctets == 0, descriptor.neverBlocks {
                loop: while !rest.isEmpty {
                    switch descriptor.write(rest) {
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
            queue += rest
            queuedLines &+= lines
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

    private static func timestamp() -> String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
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
            lost &+= queuedLines
            forgetQueue()
            return
        }
        hasThread = true
        pthread_detach(thread)
    }

    private func forgetQueue() {
        waitingOctets -= queue.count
        queue = []
        queuedLines = 0
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
            if !work.octets.isEmpty { drain(work.octets, lines: work.lines) }
            for summary in work.summaries {
                write(
                    level: .warning,
                    message: "log lines were left out: \(printable(summary.text)) source=\(printable(summary.source))",
                    fields: [("source", summary.source), ("count", "\(summary.count)")])
            }
            tellLost()
        }
    }

    /// What there is to do for the thread, once there is something.
    private func nextWork() -> (octets: [UInt8], lines: UInt64, summaries: [LogQuota.Summary])? {
        withLock {
            isThreadIdle = true
            pthread_cond_broadcast(condition)
            defer { isThreadIdle = false }
            while !isEnding {
                let now = Instant(nanoseconds: MonotonicClock.now())
                let summaries = quota.summaries(at: now)
                if !queue.isEmpty || !summaries.isEmpty {
                    defer {
                        queue = []
                        queuedLines = 0
                    }
                    return (queue, queuedLines, summaries)
                }
                wait(until: quota.nextSummary?.nanoseconds)
            }
            return nil
        }
    }

    /// Writes what waits, for as long as the reader takes for it.
    private func drain(_ octets: [UInt8], lines: UInt64) {
        var rest = octets[...]
        var hasFailed = false
        while !rest.isEmpty, !hasFailed {
            switch descriptor.write(rest) {
            case .taken(let count): rest = rest.dropFirst(count)
            case .full: descriptor.waitUntilWritable()
            case .failed: hasFailed = true
            }
        }
        withLock {
            waitingOctets -= octets.count
            if hasFailed {
                lost &+= lines
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
            level: .warning, message: "\(count) log lines were lost: the reader of the log stood still count=\(count)",
            fields: [("count", "\(count)")])
    }
}

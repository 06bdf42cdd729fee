internal import ControlServer
package import EVBHistory
internal import EVBLog
package import EVBPorts
package import EVBSettings
internal import EVBTime
package import EVBWire
package import EventLoop
internal import Glibc
internal import LinuxSystem
package import Logging

/// Keeps what happens to VSIs, in memory and in the runtime directory for the next run of evbd on this boot.
///
/// The loop only notes; the file is read and written by threads of their own, written every ``pause`` that something has happened.
/// What happens before it is read waits, and so do questions. What cannot be read or written is logged, and nothing else depends
/// on it.
package final class HistoryKeeper: HistorySource {
    /// A kill -9 loses what happened within it, and while the file is being written.
    private static let pause = Interval.milliseconds(250)
    /// Delay before the file is tried again after a failure.
    private static let patience = Interval.seconds(5)
    /// Lines that the file may have beyond two for each event that is kept; then it is written as a whole.
    static let slack = 2048
    /// Events that wait for the file at most; beyond that it is written as a whole.
    private static let pendingMax = 8192
    /// Events that do not wait any longer. Where thousands of VSIs are associated, all that has happened would be written as a whole
    /// again each ``pause``, and copied for that.
    private static let pendingEnough = 4096
    /// Records that are noted before the time is looked at.
    private static let notesPerLook = 8
    /// Records that wait at most. Each has texts, whose places between what stays nothing else may fill once they are gone.
    private static let inboxMax = 8192
    /// The same until the file is read: to wait for that would hold the start of evbd up.
    private static let unreadMax = 65_536

    /// How far what the run before has left is in the book.
    private enum Reading {
        case later
        case now(BackgroundTask<HistoryFile.Content>)
        case done

        var isDone: Bool { if case .done = self { true } else { false } }
    }

    private enum News {
        case one(VSIRecord)
        case many(VSIRecords)
    }

    private var book: HistoryBook
    private let file: HistoryFile
    private let loop: EventLoop
    private let timers: Timers
    private let logger: Logger
    /// Milliseconds since 1970 (UTC).
    private let clock: () -> Int
    private var timer: Timers.Timer?
    private var reading = Reading.later
    /// Questions that wait for that.
    private var questions: [() -> Void] = []
    private var task: BackgroundTask<HistoryFile.Outcome>?
    /// What has not been noted yet, and when it happened.
    private var inbox = FIFO<(News, Int)>()
    /// What is being noted of very many VSIs, when that happened, and how many of them are done.
    private var underWay: (records: VSIRecords, time: Int, done: Int)?
    private var pending: [(key: HistoryKey, event: HistoryEvent)] = []
    /// The file lacks more than `pending`, or has to become shorter.
    private var needsWhole = true
    private var isReported = false

    /// Reads what the run before has left in the runtime directory, within the limits, once the loop runs: until then evbd restores
    /// VSIs, which a second thread would hold up. `clock` gives milliseconds since 1970 (UTC).
    package init(
        runtimeDirectory: String, limits: ResourceLimits, loop: EventLoop, timers: Timers, logger: Logger,
        clock: @escaping () -> Int = HistoryKeeper.wallClock
    ) {
        book = HistoryBook(limits: HistoryBook.Limits(events: min(65_536, limits.filterEntries)))
        file = HistoryFile(path: "\(runtimeDirectory)/history")
        self.loop = loop
        self.timers = timers
        self.logger = logger
        self.clock = clock
        timer = timers.timer { [weak self] in self?.flush() }
        loop.later { [weak self] in self?.beginReading() }
    }

    /// The time now, in milliseconds since 1970 (UTC).
    package static func wallClock() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    // MARK: Noting

    /// Takes what a port tells. It is noted soon: a lost bridge is something that happens to thousands of VSIs at once.
    package func take(_ record: VSIRecord) {
        add(.one(record))
        guard inbox.count > (reading.isDone ? Self.inboxMax : Self.unreadMax) else { return }
        finishReading()
        // Faster than they come, and no more than that at once.
        for _ in 0..<2 {
            if let (record, time) = next() { note(record, at: time) }
        }
    }

    /// The same of very many VSIs at once. What waits of that is no more than what the port has of them.
    package func take(_ records: VSIRecords) { add(.many(records)) }

    private func add(_ news: News) {
        if isAllNoted, reading.isDone { noteLater() }
        inbox.append((news, clock()))
    }

    private var isAllNoted: Bool { inbox.isEmpty && underWay == nil }

    /// What is to be noted next.
    private func next() -> (VSIRecord, Int)? {
        while true {
            while let (records, time, done) = underWay {
                underWay?.done += 1
                if done + 1 >= records.count { underWay = nil }
                if done < records.count, let record = records[done] { return (record, time) }
            }
            switch inbox.popFirst() {
            case (.one(let record), let time)?: return (record, time)
            case (.many(let records), let time)?: underWay = (records, time, 0)
            case nil: return nil
            }
        }
    }

    private func noteLater() { loop.laterSlice { [weak self] in self?.noteSome() } }

    private func noteSome() {
        let end = loop.now() &+ EventLoop.sliceTime
        repeat {
            for _ in 0..<Self.notesPerLook {
                guard let (record, time) = next() else { return }
                note(record, at: time)
            }
        } while loop.now() < end
        if !isAllNoted { noteLater() }
    }

    private func noteAll() {
        while let (record, time) = next() { note(record, at: time) }
    }

    private func note(_ record: VSIRecord, at time: Int) {
        let key = HistoryKey(port: record.port, vsiID: record.vsiID)
        guard
            let event = book.note(
                record.kind, key, reason: record.reason, detail: record.detail, isGone: record.isGone, at: time)
        else { return }
        if pending.isEmpty, task == nil { timer?.set(timers.now + (isReported ? Self.patience : Self.pause)) }
        if pending.count < Self.pendingMax {
            pending.append((key, event))
        } else {
            needsWhole = true
        }
        if pending.count >= Self.pendingEnough, !isReported { flush() }
    }

    package var now: Int { clock() }

    package func histories(
        of vsiID: VSIID, port: String?, then: @escaping ([(key: HistoryKey, entry: HistoryBook.Entry)]) -> Void
    ) {
        let answer = { [weak self] in
            guard let self else { return }
            noteAll()
            then(book.histories(of: vsiID, port: port))
        }
        if reading.isDone { answer() } else { questions.append(answer) }
    }

    // MARK: Reading

    private func beginReading() {
        guard case .later = reading else { return }
        do throws(SystemError) {
            _ = try Files.status(file.path)
            reading = .now(
                try BackgroundTask(
                    on: loop, { [file, book] in file.read(into: book) },
                    completion: { [weak self] in self?.wasRead($0) }))
        } catch {
            // Nothing is there, or nothing that could be read; or there is no thread for it.
            wasRead(file.read(into: book))
        }
    }

    private func wasRead(_ content: HistoryFile.Content) {
        reading = .done
        book = content.book
        if let cause = content.cause { setAside(cause) }
        if !isAllNoted { noteLater() }
        for question in questions { question() }
        questions = []
    }

    /// Waits until the file is read.
    func finishReading() {
        beginReading()
        if case .now(let task) = reading { task.wait() }
    }

    /// Puts a file that is not taken, or not as a whole, where it is not looked at again.
    private func setAside(_ cause: String) {
        let aside = "\(file.path).rejected"
        logger.alert(.stateNotStored).warning(
            "the history of VSIs is not taken as it is; its file is set aside",
            metadata: ["file": "\(aside)", "cause": "\(cause)"])
        _ = try? systemCall("rename \(file.path)") { () -> Int32 in rename(file.path, aside) }
    }

    // MARK: Writing

    /// Hands what has happened to the thread that writes.
    private func flush() {
        // Its end comes back here.
        guard task == nil, !pending.isEmpty else { return }
        handOver()
        do throws(SystemError) {
            task = try BackgroundTask(
                on: loop, { [file] in file.work() }, completion: { [weak self] in self?.written($0) })
        } catch {
            written(HistoryFile.Outcome(lines: 0, error: error))
        }
    }

    private func handOver() {
        file.add(needsWhole ? .whole(book) : .append(pending))
        needsWhole = false
        pending = []
    }

    private func written(_ outcome: HistoryFile.Outcome) {
        task = nil
        if let error = outcome.error {
            needsWhole = true
            if !isReported {
                logger.alert(.stateNotStored).warning(
                    "what happens to VSIs cannot be stored, and evbctl why will not know it after a restart; free some space, or make the directory writable",
                    metadata: ["file": "\(file.path)", "error": "\(error)"])
            }
            isReported = true
            if !pending.isEmpty { timer?.set(timers.now + Self.patience) }
            return
        }
        if isReported { logger.notice("what happens to VSIs is stored again") }
        isReported = false
        if outcome.lines > 2 * book.eventCount + Self.slack { needsWhole = true }
        if pending.count >= Self.pendingEnough { return flush() }
        if !pending.isEmpty { timer?.set(timers.now + Self.pause) }
    }

    /// Writes what is left, as evbd stops.
    package func finish() {
        finishReading()
        noteAll()
        timer = nil
        if !pending.isEmpty { handOver() }
        _ = file.work()
        task = nil
    }
}

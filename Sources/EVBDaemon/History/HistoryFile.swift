internal import EVBHistory
internal import EVBWire
internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// The file of the histories, written by whichever thread has the time: jobs are done in the order in which they came.
///
/// It is written at its end, and as a whole when it has grown long. It has to survive the process and not the machine, so that it
/// is not synced.
final class HistoryFile: Sendable {
    static let heading = Array("evbd-history 1\n".utf8)

    enum Job: Sendable {
        case append([(key: HistoryKey, event: HistoryEvent)])
        case whole(HistoryBook)
    }

    /// What came of the jobs.
    struct Outcome: Sendable {
        /// Lines of the file, those included in whose place later ones are.
        var lines: Int
        /// Why something of it is not written; the next job has to be the whole.
        var error: SystemError?
    }

    /// What an earlier run has left.
    struct Content: Sendable {
        var book: HistoryBook
        /// Why the file is not taken, or not as a whole.
        var cause: String?
    }

    /// Octets that are read at most.
    private static let lengthMax = 1 << 27
    /// Octets that there is room for at first, for each line.
    private static let usualLength = 128

    private struct State {
        var file: AppendFile?
        var lines = 0
    }

    let path: String
    private let jobs = Mutex<[Job]>([])
    private let state = Mutex(State())

    init(path: String) { self.path = path }

    /// Reads what an earlier run has left into an empty book. It may take a while.
    func read(into empty: HistoryBook) -> Content {
        var content = Content(book: empty)
        do throws(SystemError) {
            guard try Files.status(path).isOurs(.regular) else {
                content.cause = "other users could have written it"
                return content
            }
            let octets = try Files.read(path, limit: Self.lengthMax)
            guard octets.starts(with: Self.heading) else {
                // A file that was killed at its birth, which renaming does not let happen, is no other.
                content.cause = "it is not evbd's, or of another version"
                return content
            }
            var unreadable = 0
            octets.withUnsafeBufferPointer { octets in
                var decoder = HistoryLineDecoder()
                // The last line may be torn, as evbd was killed while it wrote; no other may.
                decoder.decodeAll(UnsafeBufferPointer(rebasing: octets[Self.heading.count...])) { line in
                    if let (event, key) = line { content.book.restore(event, key) } else { unreadable += 1 }
                }
            }
            if unreadable > 0 { content.cause = "\(unreadable) of its lines make no sense; the others are taken" }
        } catch {
            if error.code != ENOENT { content.cause = "\(error)" }
        }
        return content
    }

    func add(_ job: Job) { jobs.withLock { $0.append(job) } }

    /// Does all jobs. Blocks as long as another thread does so.
    func work() -> Outcome {
        state.withLock { state in
            var error: SystemError?
            for job in jobs.withLock({ jobs in
                defer { jobs = [] }
                return jobs
            }) {
                do throws(SystemError) {
                    try perform(job, &state)
                } catch let failure {
                    error = failure
                    state.file = nil
                }
            }
            return Outcome(lines: state.lines, error: error)
        }
    }

    private func perform(_ job: Job, _ state: inout State) throws(SystemError) {
        switch job {
        case .append(let events):
            guard let file = state.file else { throw SystemError(call: "write \(path)", code: EBADF) }
            var octets: [UInt8] = []
            octets.reserveCapacity(events.count * Self.usualLength)
            for (key, event) in events { HistoryLine.append(event, key, to: &octets) }
            try file.append(octets)
            state.lines += events.count
        case .whole(let book):
            state.file = nil
            var (octets, lines) = (Self.heading, 0)
            octets.reserveCapacity(octets.count + book.eventCount * Self.usualLength)
            for (key, entry) in book.entries {
                for event in entry.events {
                    HistoryLine.append(event, key, to: &octets)
                    lines += 1
                }
            }
            try Files.writeAtomically(path, octets, mode: 0o600)
            state.file = try AppendFile(path)
            state.lines = lines
        }
    }
}

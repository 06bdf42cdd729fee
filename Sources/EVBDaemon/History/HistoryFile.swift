internal import EVBHistory
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
        /// Octets of the file, and what it had when it was last written as a whole.
        var length: Int
        var wholeLength: Int
        /// Why something of it is not written; the next job has to be the whole.
        var error: SystemError?
    }

    private struct State {
        var jobs: [Job] = []
        var file: AppendFile?
        var wholeLength = 0
    }

    let path: String
    private let jobs = Mutex<[Job]>([])
    private let state = Mutex(State())

    init(path: String) { self.path = path }

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
            return Outcome(length: state.file?.length ?? 0, wholeLength: state.wholeLength, error: error)
        }
    }

    private func perform(_ job: Job, _ state: inout State) throws(SystemError) {
        switch job {
        case .append(let events):
            guard let file = state.file else { throw SystemError(call: "write \(path)", code: EBADF) }
            var octets: [UInt8] = []
            for (key, event) in events { octets += HistoryLine.encode(event, key) }
            try file.append(octets)
        case .whole(let book):
            state.file = nil
            var octets = Self.heading
            for (key, entry) in book.entries {
                for event in entry.events { octets += HistoryLine.encode(event, key) }
            }
            try Files.writeAtomically(path, octets, mode: 0o600)
            state.file = try AppendFile(path)
            state.wholeLength = octets.count
        }
    }
}

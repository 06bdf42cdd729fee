// Which server is asked when: the list of evbd, the times, and the report for evbd.

internal import EVBSettings
internal import EVBTime
internal import EventLoop
internal import Glibc
internal import LinuxSystem
internal import TypeCopies

/// Asks the servers of evbd's list, each in its time.
final class Fetcher {
    /// Servers that are asked at the same time.
    private static let threadsMax = 8
    /// Before a server that gave nothing is asked again: twice as long each time, up to its interval.
    private static let retryDelay = 5

    /// What is known of a server.
    private struct Source {
        var server: TypeServer
        var entry: TypeReport.Entry
        var copy: TypeCopy?
        var failures = 0
        /// When it is asked again; nil while it is being asked.
        var due: Instant?
        /// The request of evbd's list to which the last answer is the answer.
        var answered = -1
    }

    private let runtimeDirectory: String
    private let folder: String
    private let loop: EventLoop
    private let timers: Timers
    private var watch: FolderWatch?
    private var timer: Timers.Timer?
    private var request = 0
    private var sources: [String: Source] = [:]
    private var tasks: [String: BackgroundTask<FetchOutcome>] = [:]
    private var random = SystemRandomNumberGenerator()
    /// What is wrong with evbd's list, as the log has it.
    private var listProblem: String?
    private var reportProblem: String?

    init(runtimeDirectory: String, folder: String) throws {
        self.runtimeDirectory = runtimeDirectory
        self.folder = folder
        loop = try EventLoop()
        timers = Timers(loop: loop)
        timer = timers.timer { [weak self] in self?.ask() }
        try loop.watchSignals([SIGTERM, SIGINT, SIGHUP]) { [weak self] signal in
            if signal == SIGHUP { self?.askAll() } else { self?.loop.stop() }
        }
        watch = try FolderWatch(TypeExchange.listFolder(runtimeDirectory), loop: loop, timers: timers) { [weak self] in
            self?.readList()
        }
    }

    func run() throws {
        readList()
        if request == 0, sources.isEmpty, listProblem == nil {
            log(.info, "no evbd has left a list in \(runtimeDirectory); waiting for one with a server in vsi-types")
        }
        try loop.run()
    }

    // MARK: evbd's list

    private func readList() {
        let list: TypeServerList?
        do {
            list = try TypeServerList.read(runtimeDirectory)
            listProblem = nil
        } catch {
            if listProblem != error.description {
                log(.error, "evbd's list \(TypeExchange.list(runtimeDirectory)) cannot be used: \(error)")
            }
            listProblem = error.description
            return
        }
        guard let list else { return }
        let servers = Dictionary(list.typeServers.map { ($0.id, $0) }) { first, _ in first }
        for id in sources.keys where servers[id] == nil { sources[id] = nil }
        for (id, server) in servers {
            if var source = sources[id] {
                guard source.server != server else { continue }
                source.server = server
                if source.due != nil { source.due = timers.now }
                // The answer that is under way is another server's.
                source.answered = -1
                source.entry.url = server.url
                sources[id] = source
            } else {
                let former = (try? TypeReport.read(folder))??.servers.first { $0.id == id && $0.url == server.url }
                var entry = TypeReport.Entry(id: id, url: server.url)
                entry.confirmed = former?.confirmed
                sources[id] = Source(server: server, entry: entry, due: timers.now)
            }
        }
        if list.request != request {
            request = list.request
            askAll()
        } else {
            ask()
        }
        report()
    }

    private func askAll() {
        for id in sources.keys where sources[id]?.due != nil { sources[id]?.due = timers.now }
        ask()
    }

    // MARK: Asking

    private func ask() {
        let now = timers.now
        let due = sources.filter { $0.value.due.map { $0 <= now } ?? false }.keys.sorted()
        for id in due.prefix(max(0, Self.threadsMax - tasks.count)) where tasks[id] == nil { start(id) }
        // Those that wait for a thread have their turn when one has ended.
        guard tasks.count < Self.threadsMax else { return timer?.set(nil) ?? () }
        timer?.set(sources.filter { tasks[$0.key] == nil }.values.compactMap(\.due).min())
    }

    private func start(_ id: String) {
        guard let source = sources[id] else { return }
        let (server, folder, copy, request) = (source.server, folder, source.copy, request)
        sources[id]?.due = nil
        do {
            tasks[id] = try BackgroundTask(
                on: loop, { Fetch.run(server, folder: folder, known: copy) },
                completion: { [weak self] in self?.ended(id, server, $0, answerTo: request) })
        } catch {
            let problem = DownloadError(
                problem: "there is no thread to ask it: \(error)", hint: "see whether memory is short")
            ended(id, server, .failed(problem), answerTo: request)
        }
    }

    private func ended(_ id: String, _ server: TypeServer, _ outcome: FetchOutcome, answerTo number: Int) {
        tasks[id] = nil
        defer { ask() }
        guard var source = sources[id] else { return }
        let isCurrent = source.server == server
        let now = Clock.seconds
        source.entry.tried = now
        switch outcome {
        case .unchanged(let copy), .copied(let copy):
            source.copy = copy
            source.failures = 0
            if case .copied = outcome {
                log(.info, "\(server.name): \(copy.database.types.count) VSI types from \(server.url)")
            } else if source.entry.problem != nil {
                log(.info, "\(server.name): \(server.url) answers again; its VSI types are as before")
            }
            (source.entry.problem, source.entry.hint, source.entry.confirmed) = (nil, nil, now)
        case .failed(let error):
            source.failures += 1
            if source.entry.problem != error.problem {
                log(.warning, "\(server.name): \(server.url) gives no VSI types: \(error.problem); \(error.hint)")
            }
            (source.entry.problem, source.entry.hint) = (error.problem, error.hint)
        }
        let delay = delay(source)
        // Another server has its name by now, or evbd has asked again meanwhile.
        let isLate = !isCurrent || number != request
        source.due = isLate ? timers.now : timers.now + .milliseconds(UInt64(delay) * 1000 + UInt64(jitter(delay)))
        source.entry.next = isLate ? now : now + delay
        if isCurrent { source.answered = number }
        sources[id] = source
        report()
    }

    /// Seconds until a server is asked again.
    private func delay(_ source: Source) -> Int {
        guard source.failures > 0 else { return source.server.interval }
        return min(source.server.interval, Self.retryDelay << min(source.failures - 1, 14))
    }

    /// Milliseconds by which hosts that began at the same time come apart: up to a tenth.
    private func jitter(_ delay: Int) -> Int { Int.random(in: 0...(delay * 100), using: &random) }

    // MARK: The report

    private func report() {
        let answered = sources.values.map(\.answered).min() ?? request
        let entries = sources.sorted { $0.key < $1.key }.map(\.value.entry)
        do {
            try TypeReport(seen: request, answered: answered, servers: entries).write(folder)
            reportProblem = nil
        } catch {
            let text = "\(error)"
            if reportProblem != text { log(.error, "evbd cannot be told what servers say: \(text)") }
            reportProblem = text
        }
    }
}

// The servers of VSI types: evbd-types asks them, and this one gives it the list, and hears of its copies and its report.

internal import ControlServer
internal import EVBControl
internal import EVBModel
internal import EVBSettings
internal import EVBTime
internal import EventLoop
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import TerminalText
internal import TypeCopies

/// What evbd knows of the servers of VSI types.
final class TypeServers: TypeServerSource {
    typealias Completion = (Result<[TypeServerStatus], ControlError>) -> Void

    /// Seconds by which evbd-types may be late.
    private static let patience = 30
    /// Within this time evbd-types takes notice of a list.
    private static let noticeSeconds: UInt64 = 5
    /// Clients that may wait for servers at the same time.
    private static let waitersMax = 64

    private struct Waiter {
        var request: Int
        var completion: Completion
    }

    /// What a look at the folder gives.
    private struct Look: Sendable {
        var report: Result<TypeReport?, TypeExchangeError>
        var settings: DaemonSettings
    }

    /// Where copies are.
    let folder: String
    private let runtimeDirectory: String
    private let loop: EventLoop
    private let timers: Timers
    private let logger: Logger
    private var settings = DaemonSettings(ports: [])
    private var servers: [TypeServer] = []
    private var watch: FolderWatch?
    private var watchProblem: String?
    private var looking: BackgroundTask<Look>?
    /// Something has changed since the look that is under way began.
    private var isLookStale = false
    private var list: TypeServerList
    /// When the list was given last, in seconds since 1970.
    private var listed = 0
    private var listProblem: String?
    private var report: TypeReport?
    private var reportProblem: String?
    /// The problem of each server that the log has.
    private var told: [String: String] = [:]
    private var waiters: [Waiter] = []
    /// evbd-types has taken notice of the request, and the servers have their time.
    private var isExtended = false
    /// Ends the waiting of clients.
    private var deadline: Timers.Timer?
    /// Comes when evbd-types is late.
    private var silence: Timers.Timer?
    /// Called with settings whose VSI types are others than those in force.
    var onTypes: ((DaemonSettings) -> Void)?
    /// Called when ``notes`` may have changed.
    var onNotes: (() -> Void)?

    init(folder: String, runtimeDirectory: String, loop: EventLoop, timers: Timers, logger: Logger) {
        self.folder = folder
        self.runtimeDirectory = runtimeDirectory
        self.loop = loop
        self.timers = timers
        self.logger = logger
        // Requests are counted on, so that a report of before is no answer to one of now.
        list = ((try? TypeServerList.read(runtimeDirectory)) ?? nil) ?? TypeServerList(request: 0, servers: [])
        deadline = timers.timer { [weak self] in self?.waitedInVain() }
        silence = timers.timer { [weak self] in
            self?.tellOfProblems()
            self?.onNotes?()
        }
    }

    // MARK: The configuration

    /// Completes settings that were read, by what is held now. For a thread that may take its time.
    func completion() -> @Sendable (DaemonSettings) -> DaemonSettings {
        let (folder, former) = (folder, settings)
        return { fresh in
            var whole = fresh
            whole.takeTypeCopies(folder, former: former)
            return whole
        }
    }

    /// Follows other settings, which are complete.
    func follow(_ fresh: DaemonSettings) {
        settings = fresh
        servers = fresh.typeServers
        isLookStale = looking != nil
        guard !servers.isEmpty else {
            watch = nil
            if !list.servers.isEmpty { give(TypeServerList(request: list.request, servers: [])) }
            return
        }
        if watch == nil {
            do {
                watch = try FolderWatch(folder, loop: loop, timers: timers) { [weak self] in self?.look() }
                watchProblem = nil
            } catch {
                watchProblem = "\(error)"
            }
        }
        give(TypeServerList(request: list.request, servers: servers))
        look()
    }

    /// Hands evbd-types a list, unless it has the same.
    private func give(_ fresh: TypeServerList) {
        listed = Self.seconds
        if fresh == list, listProblem == nil, (try? TypeServerList.read(runtimeDirectory)) == fresh { return }
        do {
            try fresh.write(runtimeDirectory)
            list = fresh
            listProblem = nil
        } catch {
            listProblem = "\(error)"
            logger.error("evbd-types cannot be given the list of servers", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: What evbd-types says

    private func look() {
        guard looking == nil else { return isLookStale = true }
        isLookStale = false
        let (folder, settings) = (folder, settings)
        let work: @Sendable () -> Look = {
            // The report first: what it says to be there is there then.
            let report = Result { () throws(TypeExchangeError) in try TypeReport.read(folder) }
            var fresh = settings
            fresh.takeTypeCopies(folder, former: settings)
            return Look(report: report, settings: fresh)
        }
        do {
            looking = try BackgroundTask(on: loop, work) { [weak self] in self?.looked($0) }
        } catch {
            looked(work())
        }
    }

    private func looked(_ look: Look) {
        looking = nil
        defer {
            tellOfProblems()
            onNotes?()
        }
        // The settings have changed, or the files have: what was read may be older than what holds.
        guard !isLookStale else { return self.look() }
        switch look.report {
        case .success(let report): (self.report, reportProblem) = (report, nil)
        case .failure(let error): reportProblem = error.description
        }
        if look.settings.typeHoldings != settings.typeHoldings {
            tell(of: look.settings)
            settings = look.settings
            onTypes?(look.settings)
        }
        answer { $0.request <= self.report?.answered ?? -1 }
        silence?.set(timers.now + .seconds(UInt64(max(1, secondsToSilence))))
    }

    /// Logs each problem once when it begins, and when it is over.
    private func tellOfProblems() {
        var now: [String: String] = [:]
        for (server, status) in zip(servers, statuses) {
            if let problem = status.problem {
                now[server.id] = problem
                guard told[server.id] != problem else { continue }
                logger.warning(
                    "no newer VSI types come from \(server.name)",
                    metadata: ["url": "\(server.url)", "reason": "\(problem)", "remedy": "\(status.hint ?? "")"])
            } else if told[server.id] != nil {
                logger.notice("VSI types of \(server.name) are current again", metadata: ["url": "\(server.url)"])
            }
        }
        told = now
    }

    private func tell(of fresh: DaemonSettings) {
        for server in servers {
            let holding = fresh.typeHoldings[server.id]
            guard holding != settings.typeHoldings[server.id] else { continue }
            switch holding {
            case .copy(let copy)?:
                logger.notice(
                    "VSI types of \(server.name) taken",
                    metadata: ["url": "\(copy.url)", "types": "\(copy.database.types.count)"])
            case .damaged?, .awaited?, nil: break
            }
        }
    }

    // MARK: At once

    /// Has all servers asked at once.
    ///
    /// - Parameter completion: called when all have answered, or evbd-types or one of them has not in time.
    func fetch(_ completion: @escaping Completion) {
        guard !servers.isEmpty else {
            return completion(
                .failure(
                    ControlError(
                        .typesNotFetched, message: "no VSI types come from a server",
                        hint: "give vsi-types of a port the URL of one in evbd.yaml")))
        }
        guard waiters.count < Self.waitersMax else {
            return completion(.failure(ControlError(.busy(limit: "clients that wait for VSI types"))))
        }
        give(TypeServerList(request: list.request &+ 1, servers: servers))
        waiters.append(Waiter(request: list.request, completion: completion))
        isExtended = false
        deadline?.set(timers.now + .seconds(Self.noticeSeconds))
    }

    private func waitedInVain() {
        guard let last = waiters.last else { return }
        // It has heard of it, and asks: each server has its time, some at once.
        if report?.seen ?? -1 >= last.request, !isExtended {
            isExtended = true
            let rounds = (servers.count + 7) / 8
            let seconds = min(600, rounds * (servers.map(\.timeout).max() ?? 0) + Self.patience)
            deadline?.set(timers.now + .seconds(UInt64(seconds)))
            return
        }
        isExtended = false
        let error = ControlError(.typesNotFetched)
        for waiter in waiters { waiter.completion(.failure(error)) }
        waiters = []
    }

    private func answer(_ isAnswered: (Waiter) -> Bool) {
        let ended = waiters.filter(isAnswered)
        guard !ended.isEmpty else { return }
        waiters.removeAll(where: isAnswered)
        if waiters.isEmpty {
            isExtended = false
            deadline?.set(nil)
        }
        let statuses = statuses
        for waiter in ended { waiter.completion(.success(statuses)) }
    }

    // MARK: What is shown

    private static let helperHint =
        "see whether evbd-types runs (systemctl status evbd-types; it is a package of its own), and its log"

    /// Each server, with what is wrong about it.
    var statuses: [TypeServerStatus] {
        let now = Self.seconds
        return servers.map { server in
            var status = TypeServerStatus(managerID: server.manager?.text, url: server.url)
            let holding = settings.typeHoldings[server.id]
            let entry = report?.servers.first { $0.id == server.id && $0.url == server.url }
            status.types = holding?.database?.types.count
            status.nextMilliseconds = entry?.next.map { $0 * 1000 }
            if case .copy(let copy)? = holding {
                status.fetchedMilliseconds = copy.fetched * 1000
                status.ageSeconds = max(0, now - max(copy.fetched, entry?.confirmed ?? 0))
            }
            if let (problem, hint) = problem(server, holding, entry, now) {
                (status.problem, status.hint) = (problem, hint)
            }
            return status
        }
    }

    private func problem(
        _ server: TypeServer, _ holding: TypeHolding?, _ entry: TypeReport.Entry?, _ now: Int
    ) -> (String, String)? {
        if let listProblem {
            return ("evbd-types cannot be given the list of servers: \(listProblem)", "see whether the disk is full")
        }
        if let watchProblem {
            return ("evbd cannot see what comes into \(folder): \(watchProblem)", "put that right, then evbctl reload")
        }
        if let reportProblem {
            return (
                "the report of evbd-types cannot be used: \(printable(reportProblem, longest: 300))", Self.helperHint
            )
        }
        if case .damaged(_, let reason)? = holding {
            return (
                "the copy in \(TypeExchange.copy(of: server, folder)) cannot be used: \(printable(reason, longest: 300))",
                "evbctl types fetch has it fetched again; see whether the disk is sound, and who writes there"
            )
        }
        if let problem = entry?.problem {
            return (printable(problem, longest: 300), printable(entry?.hint ?? "", longest: 300))
        }
        if now > moment(ofSilence: entry, server) {
            return ("evbd-types has not asked for \(Self.patience) s longer than it should have", Self.helperHint)
        }
        if case .copy? = holding { return nil }
        return ("it has given none yet", Self.helperHint)
    }

    /// When it is time to speak of a server that is not asked.
    private func moment(ofSilence entry: TypeReport.Entry?, _ server: TypeServer) -> Int {
        max(entry?.next ?? 0, listed) + server.timeout + server.interval / 10 + Self.patience
    }

    private var secondsToSilence: Int {
        let now = Self.seconds
        let moments = servers.map { server in
            moment(ofSilence: report?.servers.first { $0.id == server.id && $0.url == server.url }, server)
        }
        return (moments.filter { $0 >= now }.min() ?? now + 86_400) - now + 1
    }

    /// What an operator has to put right.
    var notes: [StatusNote] {
        statuses.compactMap { status in
            guard let problem = status.problem else { return nil }
            let hasTypes = status.types != nil
            return StatusNote(
                kind: hasTypes ? .vsiTypesOutdated : .vsiTypesMissing, isProblem: true, port: nil,
                message: """
                    no \(hasTypes ? "newer " : "")VSI types come from \(status.url)\
                    \(status.managerID.map { " for manager \($0)" } ?? ""), \
                    \(hasTypes ? "so those that are there stay" : "so its VSIs are refused"): \(problem)
                    """, hint: status.hint ?? "")
        }
    }

    private static var seconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec
    }
}

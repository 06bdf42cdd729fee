internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// Has links changed by the worker thread and calls back on the loop's thread when each change is made.
final class LinkProgrammer {
    typealias Completion = (Result<Link?, NetlinkError>) -> Void

    private let worker: LinkWorker
    private var watch: EventLoop.Watch?
    private var completions: [UInt64: Completion] = [:]
    private var lastTicket: UInt64 = 0
    /// Commands for which the worker has no room yet. Each link has one command under way, so the VSIs bound them.
    private var backlog: [(command: LinkCommand, ticket: UInt64)] = []
    private var isFinished = false

    /// Starts the worker.
    ///
    /// - Throws: `NetlinkError` or `SystemError` when it cannot be started.
    convenience init(loop: EventLoop) throws {
        try self.init(loop: loop, worker: LinkWorker())
    }

    /// Takes a worker, for tests that want to see what it is given.
    ///
    /// - Throws: `SystemError` when the loop cannot watch it.
    init(loop: EventLoop, worker: LinkWorker) throws {
        self.worker = worker
        watch = try loop.watch(worker.descriptor, for: .readable) { [weak self] _ in self?.collect() }
    }

    /// Gives a command to the worker. Commands are carried out in the order in which they were given.
    ///
    /// - Returns: whether it was taken; after `finish` none is, and `completion` is not called then.
    func submit(_ command: LinkCommand, completion: @escaping Completion) -> Bool {
        guard !isFinished else { return false }
        lastTicket &+= 1
        if !backlog.isEmpty || !worker.submit(command, ticket: lastTicket) { backlog.append((command, lastTicket)) }
        completions[lastTicket] = completion
        return true
    }

    /// Ends the worker once it has done what it was given.
    func finish() {
        isFinished = true
        backlog = []
        for outcome in worker.shutDown(finishing: .max) { complete(outcome) }
        watch?.cancel()
    }

    private func collect() {
        let outcomes = worker.drain()
        refill()
        for outcome in outcomes { complete(outcome) }
    }

    private func refill() {
        var taken = 0
        while taken < backlog.count, worker.submit(backlog[taken].command, ticket: backlog[taken].ticket) { taken += 1 }
        backlog.removeFirst(taken)
    }

    private func complete(_ outcome: LinkOutcome) {
        completions.removeValue(forKey: outcome.ticket)?(outcome.result)
    }
}

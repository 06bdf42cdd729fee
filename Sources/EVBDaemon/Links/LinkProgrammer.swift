internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

/// Has links changed by the worker thread and calls back on the loop's thread when each change is made.
///
/// Each port has a lane of its own. Commands of one lane keep their order; lanes have their turns, a command each, so that ten
/// thousand changes of one port do not hold up the one of another.
final class LinkProgrammer {
    typealias Completion = (Result<Link?, NetlinkError>) -> Void

    /// Commands that the worker has at a time: the one that it makes, and one so that it need not wait for the loop. What the
    /// worker has cannot be overtaken.
    static let windowMax = 2
    private let worker: LinkWorker
    private var watch: EventLoop.Watch?
    private let completions = Completions()
    private var lastTicket: UInt64 = 0
    private var lanes = Lanes<(command: LinkCommand, ticket: UInt64)>()
    /// Commands that the worker has.
    private var outstanding = 0
    /// Changes that are made, and whose completions have not been called.
    private let outcomes: WorkQueue<LinkOutcome>
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
        outcomes = WorkQueue(loop: loop) { [completions] in completions.complete($0) }
        watch = try loop.watch(worker.descriptor, for: .readable) { [weak self] _ in self?.collect() }
    }

    /// Gives a command to the worker, in its turn.
    ///
    /// - Parameters:
    ///   - command: the change.
    ///   - lane: whose change it is: a port's name. Commands of one lane are carried out in the order in which they were given.
    ///   - completion: is called on the loop's thread when the change is made.
    /// - Returns: whether it was taken; after `finish` none is, and `completion` is not called then.
    func submit(_ command: LinkCommand, of lane: String = "", completion: @escaping Completion) -> Bool {
        guard !isFinished else { return false }
        lastTicket &+= 1
        completions.ofTicket[lastTicket] = completion
        lanes.append((command, lastTicket), to: lane)
        refill()
        return true
    }

    /// Ends the worker once it has done what it was given.
    func finish() {
        isFinished = true
        while let next = lanes.popFirst(), worker.submit(next.command, ticket: next.ticket) {}
        outcomes.finish()
        for outcome in worker.shutDown(finishing: .max) { completions.complete(outcome) }
        watch?.cancel()
    }

    private func collect() {
        let done = worker.drain()
        outstanding -= done.count
        refill()
        outcomes.append(contentsOf: done)
    }

    private func refill() {
        while outstanding < Self.windowMax, let next = lanes.popFirst() {
            // The worker's own bound is far above the window.
            guard worker.submit(next.command, ticket: next.ticket) else { return }
            outstanding += 1
        }
    }

    /// Who is told when a change is made, by ticket.
    private final class Completions {
        var ofTicket: [UInt64: Completion] = [:]

        func complete(_ outcome: LinkOutcome) {
            ofTicket.removeValue(forKey: outcome.ticket)?(outcome.result)
        }
    }
}

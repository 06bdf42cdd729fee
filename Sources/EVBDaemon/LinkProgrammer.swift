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

    /// Starts the worker.
    ///
    /// - Throws: `NetlinkError` or `SystemError` when it cannot be started.
    init(loop: EventLoop) throws {
        worker = try LinkWorker()
        watch = try loop.watch(worker.descriptor, for: .readable) { [weak self] _ in self?.collect() }
    }

    /// Gives a command to the worker. Commands are carried out in the order in which they were given.
    ///
    /// - Returns: whether the worker took it; its queue is bounded, and `completion` is not called if it did not.
    func submit(_ command: LinkCommand, completion: @escaping Completion) -> Bool {
        lastTicket &+= 1
        guard worker.submit(command, ticket: lastTicket) else { return false }
        completions[lastTicket] = completion
        return true
    }

    /// Ends the worker once it has done what it was given.
    func finish() {
        for outcome in worker.shutDown(finishing: .max) { complete(outcome) }
        watch?.cancel()
    }

    private func collect() {
        for outcome in worker.drain() { complete(outcome) }
    }

    private func complete(_ outcome: LinkOutcome) {
        completions.removeValue(forKey: outcome.ticket)?(outcome.result)
    }
}

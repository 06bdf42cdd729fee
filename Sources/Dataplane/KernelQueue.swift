package import EventLoop
internal import LinuxSystem
package import Logging
package import Netlink

/// Has operations performed by the worker's thread and calls back on the loop's thread when each is done.
///
/// Each port has a lane of its own. Operations of one lane keep their order; lanes have their turns, an operation each, so that
/// ten thousand changes of one port do not hold up the one of another. Each operation is counted by its kind and logged.
///
/// Links that wait to be deleted are deleted together (`LinkRemoval`), also those of other lanes and those behind commands for
/// other links. Operations on one link keep their order.
package final class KernelQueue {
    package typealias Completion = (Result<Link?, NetlinkError>) -> Void

    /// Operations that the worker has at a time: the one that it performs, and some so that it need not wait for a turn of the loop.
    /// What the worker has cannot be overtaken.
    package static let windowMax = 4
    /// Deletions of links among these, of one or of many: each takes the kernel as long as dozens of other operations.
    private static let deletionsMax = 2
    private let worker: KernelWorker
    private let logger: Logger?
    private var watch: EventLoop.Watch?
    private let completions: Completions
    private var lastTicket: UInt64 = 0
    private var lanes = Lanes<(operation: any KernelOperation, ticket: UInt64)>()
    /// Operations that the worker has.
    private var outstanding = 0
    /// The tickets of deletions that the worker has as one operation, by the first of them.
    private var deletions: [UInt64: [UInt64]] = [:]
    /// Operations that are done, and whose completions have not been called.
    private let outcomes: WorkQueue<KernelWorker.Outcome>
    private var isFinished = false

    /// How often operations of each kind have succeeded and failed.
    package var statistics: KernelStatistics { completions.statistics }

    /// Starts the worker.
    ///
    /// - Throws: `SystemError` when it cannot be started.
    package convenience init(loop: EventLoop, logger: Logger? = nil) throws {
        try self.init(loop: loop, worker: KernelWorker(), logger: logger)
    }

    /// Takes a worker, for tests that want to see what it is given.
    ///
    /// - Throws: `SystemError` when the loop cannot watch it.
    package init(loop: EventLoop, worker: KernelWorker, logger: Logger? = nil) throws {
        self.worker = worker
        self.logger = logger
        completions = Completions(logger: logger)
        outcomes = WorkQueue(loop: loop) { [completions] in completions.complete($0) }
        watch = try loop.watch(worker.descriptor, for: .readable) { [weak self] _ in self?.collect() }
    }

    /// Starts a worker that has links changed by something else than the kernel, for tests; all else goes to the kernel.
    ///
    /// - Throws: `SystemError` when it cannot be started.
    package convenience init(
        loop: EventLoop, links: sending @escaping (LinkCommand) -> Result<Link?, NetlinkError>
    ) throws {
        let contexts = KernelContexts()
        let worker = try KernelWorker(capacity: 16) { operation in
            if let command = operation as? LinkCommand { return links(command) }
            if let removal = operation as? LinkRemoval { return removal.indices.map { links(.delete(index: $0)) } }
            return contexts.perform(operation)
        }
        try self.init(loop: loop, worker: worker)
    }

    /// Gives a command for a link to the worker, in its turn.
    ///
    /// - Parameters:
    ///   - command: the change.
    ///   - lane: whose change it is: a port's name. Operations of one lane are performed in the order in which they were given.
    ///   - completion: is called on the loop's thread when the change is made, or with why it is not.
    /// - Returns: whether it was taken; after `finish` none is, and `completion` is not called then.
    package func submit(_ command: LinkCommand, of lane: String = "", completion: @escaping Completion) -> Bool {
        perform(command, of: lane) { answer in
            let cancelled = NetlinkError(operation: "change a link", kind: .cancelled, reason: "The queue has ended")
            completion(answer ?? .failure(cancelled))
        }
    }

    /// Gives an operation to the worker, in its turn.
    ///
    /// - Parameters:
    ///   - operation: what is to be done.
    ///   - lane: whose operation it is.
    ///   - completion: is called on the loop's thread with what came of it; with nil if the worker ended before.
    /// - Returns: whether it was taken; after `finish` none is, and `completion` is not called then.
    package func perform<Operation: KernelOperation>(
        _ operation: Operation, of lane: String = "", completion: @escaping (Operation.Answer?) -> Void
    ) -> Bool {
        guard !isFinished else { return false }
        lastTicket &+= 1
        completions.ofTicket[lastTicket] = Completions.Pending(kind: operation.kind, lane: lane) { answer in
            let answer = answer as? Operation.Answer
            completion(answer)
            return answer.map { Operation.problem(in: $0) } ?? "cancelled"
        }
        lanes.append((operation, lastTicket), to: lane)
        refill()
        return true
    }

    /// Ends the worker once it has done what it was given.
    package func finish() {
        guard !isFinished else { return }
        isFinished = true
        var refused: [UInt64] = []
        while let next = next() {
            // What the worker has no room for is not made, and those who wait for it hear so.
            if !refused.isEmpty || !worker.submit(next.operation, ticket: next.ticket) { refused.append(next.ticket) }
        }
        outcomes.finish()
        for outcome in worker.shutDown(finishing: .max).flatMap(separated) { completions.complete(outcome) }
        for ticket in refused { completions.complete(KernelWorker.Outcome(ticket: ticket, answer: nil)) }
        watch?.cancel()
        logger?.debug("operations of the kernel by kind, succeeded + failed: \(statistics)")
    }

    private func collect() {
        let done = worker.drain()
        outstanding -= done.count
        let separate = done.flatMap(separated)
        refill()
        outcomes.append(contentsOf: separate)
    }

    private func refill() {
        while outstanding < Self.windowMax, deletions.count < Self.deletionsMax, let next = next() {
            // The worker's own bound is far above the window.
            guard worker.submit(next.operation, ticket: next.ticket) else { return }
            outstanding += 1
        }
    }

    /// What the worker is given next: the operation whose turn it is. With a deletion go all others that may be performed now.
    private func next() -> (operation: any KernelOperation, ticket: UInt64)? {
        guard let first = lanes.popFirst() else { return nil }
        guard case .delete(let index)? = first.operation as? LinkCommand else { return first }
        deletions[first.ticket] = [first.ticket]
        var indices = [index]
        let others = lanes.extract {
            // What is before a deletion in its lane and stays there.
            var passed: Set<Int32> = []
            return { waiting in
                guard indices.count < LinkRemoval.linksMax, passed.count < LinkRemoval.linksMax,
                    let command = waiting.operation as? LinkCommand
                else { return .end }
                guard case .delete(let index) = command, !passed.contains(index), !indices.contains(index) else {
                    passed.formUnion(command.indices)
                    return .leave
                }
                indices.append(index)
                return .take
            }
        }
        guard !others.isEmpty else { return first }
        deletions[first.ticket]? += others.map(\.ticket)
        return (LinkRemoval(indices), first.ticket)
    }

    /// The outcomes of operations that were performed as one.
    private func separated(_ outcome: KernelWorker.Outcome) -> [KernelWorker.Outcome] {
        guard let tickets = deletions.removeValue(forKey: outcome.ticket), tickets.count > 1 else { return [outcome] }
        let answers = outcome.answer as? LinkRemoval.Answer
        return tickets.enumerated().map { position, ticket in
            KernelWorker.Outcome(ticket: ticket, answer: answers.flatMap { position < $0.count ? $0[position] : nil })
        }
    }

    /// Calls back when an operation is done, counts it and logs it.
    private final class Completions {
        /// An operation that is not done.
        struct Pending {
            let kind: String
            let lane: String
            /// Gives the problem back, if there was one.
            let complete: ((any Sendable)?) -> String?
        }

        var ofTicket: [UInt64: Pending] = [:]
        private(set) var statistics = KernelStatistics()
        private let logger: Logger?

        init(logger: Logger?) { self.logger = logger }

        func complete(_ outcome: KernelWorker.Outcome) {
            guard let pending = ofTicket.removeValue(forKey: outcome.ticket) else { return }
            let problem = pending.complete(outcome.answer)
            statistics.count(pending.kind, hasFailed: problem != nil)
            guard let logger, logger.logLevel <= .debug else { return }
            var metadata: Logger.Metadata = ["kind": "\(pending.kind)", "port": "\(pending.lane)"]
            if let problem { metadata["problem"] = "\(problem)" }
            logger.debug("kernel operation", metadata: metadata)
        }
    }
}

/// How often operations of each kind have succeeded and failed.
package struct KernelStatistics: Equatable, CustomStringConvertible {
    package struct Count: Equatable {
        package var succeeded: UInt64 = 0
        package var failed: UInt64 = 0

        package init(succeeded: UInt64 = 0, failed: UInt64 = 0) {
            self.succeeded = succeeded
            self.failed = failed
        }
    }

    package private(set) var counts: [String: Count] = [:]

    package mutating func count(_ kind: String, hasFailed: Bool) {
        if hasFailed {
            counts[kind, default: Count()].failed &+= 1
        } else {
            counts[kind, default: Count()].succeeded &+= 1
        }
    }

    package var description: String {
        counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.succeeded)+\($0.value.failed)" }
            .joined(separator: ", ")
    }
}

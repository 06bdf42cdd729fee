internal import EVBLog
package import EVBModel
package import EVBTime
internal import EventLoop
internal import Logging

/// Keeps a port's ``ProblemBook``: asks the port what is wrong when its state may have changed, and logs what has begun and what
/// is over.
package final class ProblemWatch {
    /// How long after a change of the port the book is settled: many changes come together.
    private static let delay = Interval.milliseconds(250)
    /// How often it is settled while there is something wrong, since some things are over by themselves.
    private static let period = Interval.seconds(10)

    private unowned let transport: PortTransport
    private var book = ProblemBook()
    private var timer: Timers.Timer?
    private var isDue = false
    /// What is wrong on the port now.
    package var conditions: () -> [PortProblem] = { [] }
    /// Kinds of which there is no doubt when they are met.
    package var certain: () -> Set<PortProblem.Kind> = { [] }
    /// When something will be wrong if nothing is heard until then.
    package var nextDoubt: () -> Instant? = { nil }
    /// Called with what is news.
    package var onNews: ((PortNews) -> Void)?

    package init(_ transport: PortTransport) {
        self.transport = transport
        timer = transport.surroundings.timers.timer { [weak self] in self?.settle() }
    }

    /// The state of the port may have changed.
    package func changed() {
        guard !isDue else { return }
        isDue = true
        timer?.set(transport.now + Self.delay)
    }

    /// What is wrong now, causes before consequences.
    package var problems: [PortProblem] {
        look()
        return shown
    }

    /// What was wrong within the delay, for who asks again and again. A change that the port has told of is among it.
    package var recentProblems: [PortProblem] {
        if isDue || !book.isSettled(within: Self.delay, at: transport.now) { look() }
        return shown
    }

    private func look() {
        // A client that looks is the cause of none of them.
        Requester.$current.withValue(nil) { settle() }
    }

    private var shown: [PortProblem] {
        guard !book.isEmpty else { return [] }
        return book.problems(at: transport.now).map { problem in
            var problem = problem
            problem.port = transport.name
            return problem
        }
    }

    /// Compares what is wrong now with what was wrong before.
    package func settle() {
        let now = transport.now
        isDue = false
        let change = book.settle(conditions(), certain: certain(), at: now)
        for problem in change.raised where !problem.kind.isLoggedElsewhere {
            let text = "\(problem.message): \(problem.hint)"
            transport.log(
                .warning, text, ["problem": "\(problem.kind.rawValue)"], alert: .neighbourProblem)
            onNews?(PortNews(kind: .notice, message: text))
        }
        for (problem, after) in change.cured where !problem.kind.isLoggedElsewhere {
            let text = "problem \(problem.kind.rawValue) is over after \(after.nanoseconds / 1_000_000_000) s"
            transport.log(.notice, text)
            onNews?(PortNews(kind: .notice, message: text))
        }
        let periodic = book.isEmpty ? nil : now + Self.period
        let doubt = nextDoubt().flatMap { $0 > now ? $0 : nil }
        timer?.set(Instant.earliest(Instant.earliest(periodic, doubt), book.nextDeadline))
    }

    /// The port closes.
    package func close() {
        timer = nil
        conditions = { [] }
    }
}

package import EVBLog
internal import EVBTime
package import EVBWire
internal import EventLoop
internal import Logging

/// Writes the lines of a port about changes of its VSIs: one for each, or one for many at once, by a ``ChangeDigest``.
package final class ChangeLog {
    private let logger: Logger
    private let timers: Timers
    private var digest = ChangeDigest()
    private lazy var timer = timers.timer { [weak self] in self?.advance() }

    init(timers: Timers, logger: Logger) {
        self.timers = timers
        self.logger = logger
    }

    /// VSIs that were lost when many were last.
    package var lastLost: Int { digest.lastLost }

    /// Whether a change has no line of its own now.
    package var isSummingUp: Bool { digest.isSummingUp }

    /// Something has happened that changes so many VSIs, or will in a moment.
    ///
    /// - Parameters:
    ///   - cause: what has happened, such as `link up`.
    ///   - expecting: how many VSIs it concerns.
    ///   - isReturn: whether they come back.
    package func begin(_ cause: String, expecting: Int, isReturn: Bool) {
        write(digest.begin(cause, expecting: expecting, isReturn: isReturn, at: timers.now))
        timer.set(digest.nextDeadline)
    }

    /// Logs a change of a VSI. What is summed up is a line at level debug.
    ///
    /// - Parameters:
    ///   - outcome: what has become of the VSI.
    ///   - message: the line.
    ///   - vsiID: the VSI.
    ///   - reason: why, where that is known.
    ///   - isAsked: whether its manager waits for it, so that the line is its own in any case.
    ///   - facts: what else the line says.
    package func log(
        _ outcome: ChangeDigest.Outcome, _ message: String, _ vsiID: VSIID, reason: String?, isAsked: Bool = false,
        _ facts: @autoclosure () -> LogFacts
    ) {
        let isSummedUp =
            !isAsked && digest.take(outcome, vsiID.description, reason: reason, at: timers.now)
        func metadata() -> Logger.Metadata {
            var facts = facts()
            if let reason { facts.set(.reason, reason) }
            return facts.packed
        }
        if isSummedUp {
            logger.debug("\(message)", metadata: metadata())
            timer.set(digest.nextDeadline)
        } else {
            let alert: LogAlert? = outcome == .lost ? .vsiLost : outcome == .refused ? .vsiRefused : nil
            logger.alert(alert).log(
                level: outcome.isTrouble ? .warning : .notice, "\(message)", metadata: metadata())
        }
    }

    /// Writes what is summed up so far.
    package func finish() {
        write(digest.end())
        timer.set(nil)
    }

    private func advance() {
        write(digest.advance(to: timers.now))
        timer.set(digest.nextDeadline)
    }

    private func write(_ summary: ChangeDigest.Summary?) {
        guard let summary else { return }
        var counts: Logger.Metadata = [:]
        for (outcome, count) in summary.counts { counts["\(outcome)"] = "\(count)" }
        let isTrouble = summary.counts.keys.contains(where: \.isTrouble)
        logger.alert(summary.alert).log(level: isTrouble ? .warning : .notice, "\(summary.text)", metadata: counts)
    }
}

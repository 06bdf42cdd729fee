internal import EVBModel
internal import TerminalText

extension Presenter {
    /// What has happened to a VSI on each port.
    func histories(_ histories: [VSIHistory]) -> String {
        histories.map(history).joined(separator: "\n\n")
    }

    private func history(_ history: VSIHistory) -> String {
        let state = history.state.map { state in
            Cell(state.rawValue, style(of: state)).rendered(colour: colour)
        }
        var lines = [
            "VSI \(printable(history.vsiID)) on \(printable(history.port))"
                + (state.map { " is \($0)" } ?? " is not known any more")
        ]
        if history.leftOut > 0 { lines.append("(\(history.leftOut) earlier events are not kept)") }
        var table = Table(heading: [])
        table.rows = history.events.map { event in
            [
                Cell(Units.time(milliseconds: event.timeMilliseconds), .faint),
                Cell(ago(event.timeMilliseconds, history)),
                Cell(words(event, history), style(of: event.kind)),
            ]
        }
        if !table.rows.isEmpty { lines.append(table.rendered(colour: colour)) }
        return (lines + ["Now: \(next(history))"]).joined(separator: "\n")
    }

    /// One event, as it happens.
    func historyLine(_ event: VSIHistoryEvent, of history: VSIHistory) -> String {
        let time = Cell(Units.time(milliseconds: event.lastMilliseconds), .faint).rendered(colour: colour)
        let times = event.count > 1 ? " (\(event.count) times)" : ""
        return "\(time) \(printable(history.port)) "
            + Cell(event.message + times, style(of: event.kind)).rendered(colour: colour)
    }

    private func words(_ event: VSIHistoryEvent, _ history: VSIHistory) -> String {
        guard event.count > 1 else { return event.message }
        let last = "last \(ago(event.lastMilliseconds, history)), \(Units.time(milliseconds: event.lastMilliseconds))"
        return "\(event.message) (\(event.count) times, \(last))"
    }

    private func next(_ history: VSIHistory) -> String {
        guard let moment = history.nextMilliseconds else { return printable(history.next) }
        let left = moment - history.nowMilliseconds
        let when = left < 1000 ? "now" : "in \(Units.uptime(seconds: left / 1000))"
        return "\(printable(history.next)), \(when) (\(Units.time(milliseconds: moment)))"
    }

    /// How long before evbd's time a moment was. The clock may have been set since.
    private func ago(_ milliseconds: Int, _ history: VSIHistory) -> String {
        let (span, hasOverflown) = history.nowMilliseconds.subtractingReportingOverflow(milliseconds)
        guard !hasOverflown, span >= 0 else { return "later than now" }
        return span < 1000 ? "\(span) ms ago" : "\(Units.uptime(seconds: span / 1000)) ago"
    }

    private func style(of state: VSIState) -> Style {
        switch state {
        case .associated: .good
        case .preassociated, .preassociatedRR: .plain
        case .pending: .warning
        case .deassociated: .bad
        }
    }

    private func style(of kind: VSIHistoryEvent.Kind) -> Style {
        switch kind {
        case .granted, .linkUp: .good
        case .refused, .refusedHard, .refusedKept, .unacknowledged, .unanswered, .unaskable, .mismatched, .takenBack,
            .lost,
            .linkFailed:
            .bad
        case .waiting, .linkCut: .warning
        case .requested, .restored, .withdrawn, .retried, .asked, .askedAgain, .released, .ended, .note: .plain
        }
    }
}

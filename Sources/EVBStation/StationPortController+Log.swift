internal import EVBLog
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
package import EVBWire
internal import EdgeRelays
internal import EventLoop
package import Logging

// What the log says of VSIs.

extension StationPortController {
    package func logFacts(_ vsiID: VSIID) -> Logger.Metadata { facts(vsiID).metadata }

    private func facts(_ vsiID: VSIID) -> LogFacts {
        guard let managed = vsis[vsiID], let vsi = port.vsi(vsiID) else {
            var facts = LogFacts()
            facts.set(.vsi, vsiID.description)
            return facts
        }
        return Self.facts(
            vsi.request, link: relay.link(of: vsiID)?.name ?? managed.link?.name, managed.requester?.value)
    }

    /// What a line says of a VSI that an earlier run has stored.
    static func logFacts(_ stored: StoredVSI) -> Logger.Metadata {
        facts(stored.request, link: stored.link?.name, .earlier(stored.owner)).metadata
    }

    private static func facts(_ request: EVBProtocol.VSIRequest, link: String?, _ requester: Requester?) -> LogFacts {
        VSIFacts(
            request.vsiID, typeID: request.typeID, version: request.typeVersion, manager: request.managerID,
            filter: request.filter, link: link, who: requester?.description
        ).facts
    }

    /// What the line of a change says. Only for a line that is written: thousands may be summed up.
    private func facts(_ change: VSIChange) -> LogFacts {
        var facts = facts(change.vsiID)
        facts.set("from", change.from.rawValue)
        facts.set("to", change.to.rawValue)
        return facts
    }

    /// Logs something of the port or of a VSI, behind the lines of grants that were put off: lines are in the order of what they tell.
    func log(
        _ level: Logger.Level, _ message: String, _ metadata: @autoclosure () -> Logger.Metadata = [:],
        alert: LogAlert? = nil
    ) {
        guard level >= logger.logLevel else { return }
        unlogged.finish()
        transport.log(level, message, metadata(), alert: alert)
    }

    /// Logs a change of a VSI's state.
    func logChange(_ change: VSIChange) {
        let vsiID = change.vsiID
        let isAsked = !(vsis[vsiID]?.allWaiters.isEmpty ?? true)
        // Behind the line of what was granted before: to this VSI, and to all before the line of a loss.
        if change.to == .deassociated { unlogged.finish() } else { unlogged.finish(vsiID) }
        func log(_ outcome: ChangeDigest.Outcome, _ message: String) {
            self.log(change, outcome, message, isAsked: isAsked)
        }
        switch change.to {
        case .pending: logWaiting("VSI pending", change, facts(change))
        case .associated, .preassociated, .preassociatedWithReservation:
            self.change(vsiID) { $0.loggedRefusal = nil }
            guard isAsked else { return logGrant(change, isAsked: false) }
            // Its manager need not wait for the line.
            unlogged.append(contentsOf: [change], isForLater: true)
        case .deassociated:
            guard let cause = change.reason, cause != .drained else { return log(.released, "VSI deassociated") }
            // Without a request of its own a VSI waits for the bridge that was lost; the port's line says so.
            let isBound = change.from != .pending
            guard isBound || cause != .bridgeLost else {
                return logWaiting("VSI waits for a bridge", change, facts(change))
            }
            if cause == .bridgeLost {
                transport.changes.begin("EVB bridge lost", expecting: vsis.count, isReturn: false)
            }
            guard !isBound else { return log(.lost, "VSI lost") }
            // It is asked for again and again, and refused again and again.
            guard vsis[vsiID]?.loggedRefusal != cause else {
                return logWaiting("VSI refused again", change, facts(change))
            }
            self.change(vsiID) { $0.loggedRefusal = cause }
            log(.refused, cause == .timeout ? "VSI not answered" : "VSI refused")
        }
    }

    /// Logs that the bridge has granted what is asked of it.
    func logGrant(_ change: VSIChange, isAsked: Bool) {
        log(
            change, change.to == .associated ? .associated : .preassociated, "VSI \(change.to.rawValue)",
            isAsked: isAsked)
    }

    private func log(_ change: VSIChange, _ outcome: ChangeDigest.Outcome, _ message: String, isAsked: Bool) {
        transport.changes.log(
            outcome, message, change.vsiID, reason: change.reason == .success ? nil : change.reason?.rawValue,
            isAsked: isAsked, facts(change))
    }

    /// Logs a change that asks for no action.
    private func logWaiting(_ message: String, _ change: VSIChange, _ facts: @autoclosure () -> LogFacts) {
        func metadata() -> Logger.Metadata {
            var facts = facts()
            if let reason = change.reason { facts.set(.reason, reason.rawValue) }
            return facts.packed
        }
        log(transport.changes.isSummingUp ? .debug : .info, message, metadata())
    }
}

internal import EVBProtocol
internal import EVBWire

/// Which decisions a bridge port waits for, and which were made for nobody: what such a one has put into force has to be put
/// right, though not before the last decision on the same VSI is made, which may be about just that.
struct DecisionLedger {
    private var awaited: Set<DecisionTicket> = []
    /// Decisions that have not been made yet, those that nobody awaits among them.
    private var open: [VSIID: Int] = [:]
    /// VSIs of which something was granted to nobody.
    private var stale: Set<VSIID> = []

    /// A decision was asked for.
    mutating func asked(_ ticket: DecisionTicket, _ vsiID: VSIID) {
        awaited.insert(ticket)
        open[vsiID, default: 0] += 1
    }

    /// Nobody waits for it any more.
    mutating func cancelled(_ ticket: DecisionTicket) {
        awaited.remove(ticket)
    }

    /// The decision is made. Whether somebody waits for it.
    mutating func made(_ ticket: DecisionTicket) -> Bool {
        awaited.remove(ticket) != nil
    }

    /// The decision has been carried out, as far as anybody waited for it.
    ///
    /// - Parameters:
    ///   - vsiID: the VSI that it was about.
    ///   - isForNobody: whether it has granted something that nobody has now.
    /// - Returns: whether to put right now what is in force for the VSI.
    mutating func settled(_ vsiID: VSIID, isForNobody: Bool) -> Bool {
        if isForNobody { stale.insert(vsiID) }
        let left = (open[vsiID] ?? 1) - 1
        open[vsiID] = left > 0 ? left : nil
        return left <= 0 && stale.remove(vsiID) != nil
    }
}

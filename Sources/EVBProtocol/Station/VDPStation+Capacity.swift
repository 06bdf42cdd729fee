internal import EVBTime
internal import EVBWire

// Where the bridge cannot answer about all VSIs within the keep-alive period, it is offered a longer one. A bridge that keeps its
// own gets as many VSIs as it can keep, and the others' managers hear why.

extension VDPStation {
    /// For how long a bridge may leave an offer unanswered: it sends an LLDPDU each 30 s.
    static let offerPatience = Interval.seconds(35)

    /// The keep-alive period that the bridge is offered, and those that it has shown.
    struct KeepAliveOffer {
        /// The exponent that the operator wants, and the larger one that the bridge is offered.
        var configured = OperationalTimers().reinitKeepAliveExponent
        var exponent: UInt8?
        /// When an offer that the bridge does not show is taken for refused.
        var deadline: Instant?
        /// When a smaller one is made.
        var loweringDeadline: Instant?
        /// The shortest period before the bridge showed a longer one, and when it last did.
        var formerPeriod: Interval?
        var formerPeriodEnd = Instant(nanoseconds: 0)
        /// VSIs are given up because the bridge has as many as it can keep.
        var isHoldingBack = false

        /// Another bridge is heard, or none: what the operator wants holds.
        mutating func reset() { self = KeepAliveOffer(configured: configured) }
    }

    /// When and how the bridge was asked about a VSI.
    struct Asking {
        /// When it was asked last, repetitions left out: it heard of the VSI no sooner.
        var askedAt = Instant(nanoseconds: 0)
        /// The same of the request that was answered last: the bridge holds the VSI from then on at least.
        var heardAt = Instant(nanoseconds: 0)
        /// When the answer can be expected where the bridge answers at its pace.
        var answerDue = Instant(nanoseconds: 0)
        /// The number of the PDU that it was sent in last.
        var sentIn: UInt64 = 0
        /// How often it was sent and not answered, repetitions of what has been answered among them: to which of several an answer is
        /// cannot be known.
        private(set) var unanswered: UInt8 = 0
        /// Some of them were sent before the request before this one, and never will be answered.
        private(set) var isLost = false
        /// ECP has acknowledged that PDU; kept where a trail is.
        var isAcknowledged = false

        /// The PDU that an answer is to; nil where it may be to another.
        var answeredPDU: UInt64? { unanswered > 1 ? nil : sentIn }

        /// It leaves in a PDU, for the first time or once more.
        mutating func send(in payload: UInt64, isRepeated: Bool) {
            sentIn = payload
            if !isRepeated {
                if isLost { unanswered = 0 }
                isLost = unanswered > 0
            }
            unanswered = min(unanswered, .max - 1) + 1
        }

        /// The bridge has answered it once.
        mutating func answer() { unanswered = max(unanswered, 1) - 1 }

        /// It has been answered, and no answer is due.
        mutating func settle() {
            heardAt = askedAt
            answerDue = askedAt
        }

        /// That of several VSIs, of which the bridge heard no sooner; nil of none.
        static func earliest(_ askings: some Sequence<Asking>) -> Asking? {
            askings.reduce(nil) { earliest, asking in
                guard var earliest else { return asking }
                earliest.askedAt = min(earliest.askedAt, asking.askedAt)
                earliest.heardAt = min(earliest.heardAt, asking.heardAt)
                return earliest
            }
        }
    }

    /// VSIs that the bridge holds or is asked for; those that wait to be asked for do not count.
    private var keptCount: Int { slots.count { $0.machine.state != .initial } - queue.arrivalCount }

    /// VSIs that the bridge can keep alive with the period that it shows; nil while no such limit matters.
    private var capacity: Int? {
        guard let peer, peer.dialect == .ratified, !pace.answersTogether, index.count > BridgePace.crowdMin,
            let capacity = pace.capacity(peer.timers.reinitKeepAlive), capacity < index.count
        else { return nil }
        return capacity
    }

    /// VSIs for which the bridge has room besides those that it keeps.
    var arrivalRoom: Int { capacity.map { max($0 - keptCount, 0) } ?? .max }

    /// Whether arrivals have to wait, since the bridge has as many VSIs as it can keep.
    var isFull: Bool { arrivalRoom == 0 }

    /// Whether the bridge will not have a longer keep-alive period, so that what does not fit now does not fit later either.
    private func isPeriodFinal(at now: Instant) -> Bool {
        guard let peer, pace.isSure else { return false }
        guard let shown = peer.shownKeepAlive else { return true }
        guard let offered = offer.exponent else { return false }
        let isRefused = offered > shown && offer.deadline.map { $0 <= now } ?? false
        return isRefused || offered >= BridgePace.exponentMax
    }

    /// The keep-alive period that the VSIs need is offered at once where it is longer. A shorter one is offered step by step, so that
    /// the offer does not follow each change of the bridge's pace.
    mutating func reconsiderKeepAlive(at now: Instant) {
        if offer.isHoldingBack, !isFull { offer.isHoldingBack = false }
        guard peer?.shownKeepAlive != nil else { return }
        let need = pace.exponent(for: pace.answersTogether ? 0 : index.count, least: offer.configured)
        let offered = max(offer.exponent ?? 0, offer.configured)
        guard need <= offered else {
            offer.exponent = need
            offer.deadline = now + Self.offerPatience
            offer.loweringDeadline = nil
            return
        }
        guard offered > offer.configured, need + 2 <= offered || need == offer.configured else {
            offer.loweringDeadline = nil
            return
        }
        let lowering = offer.loweringDeadline ?? now + .exponent(offered)
        offer.loweringDeadline = lowering
        guard lowering <= now else { return }
        offer.exponent = offered - 1 > offer.configured ? offered - 1 : nil
        offer.loweringDeadline = nil
    }

    /// Arrivals that wait in vain are given up for now; they are tried again after a while.
    mutating func refuseArrivals(at now: Instant) {
        guard queue.arrivalCount > 0, isPeriodFinal(at: now), isFull else { return }
        for slot in queue.removeArrivals() { holdBack(slot, at: now) }
    }

    /// Gives a VSI up, if the bridge does not hold it and cannot keep it.
    ///
    /// - Returns: whether it is given up.
    mutating func isHeldBack(_ slot: Int, at now: Instant) -> Bool {
        guard !slots[slot].isFree, slots[slot].machine.state == .initial, isPeriodFinal(at: now), isFull else {
            return false
        }
        holdBack(slot, at: now)
        return true
    }

    private mutating func holdBack(_ slot: Int, at now: Instant) {
        offer.isHoldingBack = true
        statistics.commandsFailed &+= 1
        setExchange(slot, .idle)
        modify(slot) {
            _ = $0.machine.handle(.peerLost)
            $0.reason = .bridgeOverloaded
            $0.counters.failed &+= 1
        }
        trace(slot, .overloaded)
        endRequest(slot, .bridgeOverloaded)
        settle(slot, at: now)
        report(slot)
    }

    /// Whether a VSI may go back from what holds: from an association as 802.1Qcy has it, and from nothing as 802.1Q 41.5 has it.
    func isReversible(_ held: VDPCommand) -> Bool { networks.isOn && held == .associate }

    /// What the VSIs of the port take.
    var use: ResourceUse { ResourceUse(vsis: index.count, filterEntries: entryCount) }

    /// Counts the filter entries of a VSI again.
    mutating func countEntries(_ slot: Int) {
        let (former, count) = (Int(slots[slot].countedEntries), min(filterEntries(slot), Int(UInt16.max)))
        if networks.isOn { networks.set(slot, granted(slot)?.filter) }
        guard count != former else { return }
        entryCount += count - former
        slots[slot].countedEntries = UInt16(count)
    }

    // MARK: When a keep-alive is due

    /// The keep-alive period of a VSI. One that was asked for before the bridge showed a longer period is timed there by the former.
    @inline(__always) func keepAlivePeriod(heardAt: Instant, _ peer: Peer) -> Interval {
        let period = peer.timers.reinitKeepAlive
        guard let former = offer.formerPeriod, heardAt <= offer.formerPeriodEnd else { return period }
        return min(former, period)
    }

    /// The keep-alive period has changed from `former`.
    mutating func notePeriod(_ former: Interval, _ changed: Interval, at now: Instant) {
        guard former != changed else { return }
        offer.formerPeriod = min(offer.formerPeriod ?? former, former)
        if changed > former { offer.formerPeriodEnd = now }
    }

    /// Thousandths of the keep-alive period after which a VSI's keep-alive is due, as `scatter` has it among those possible.
    ///
    /// Sooner than it has to be, so that many VSIs of one moment drift apart, and that a lost frame or two are made up before
    /// the bridge gives up. Where the bridge has hardly the time to answer all, no sooner than is needed.
    @inline(__always) func keepAliveShare(_ period: Interval, scatter: UInt64) -> UInt64 {
        let isCrowded = pace.isSlow && pace.interval.map { $0 * UInt64(index.count) * 2 > period } ?? false
        return isCrowded ? 850 + scatter % 150 : 650 + scatter % 250
    }
}

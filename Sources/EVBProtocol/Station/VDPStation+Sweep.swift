internal import EVBTime
internal import EVBWire

// What a bridge that comes or goes does to all VSIs is done to some at a time: there may be ten thousand, and other ports and the
// clients have their turns between.

extension VDPStation {
    /// What is being done to one VSI after the other.
    struct Sweep {
        enum Kind {
            /// The bridge is lost.
            case lost
            /// A bridge is heard.
            case appeared
        }

        let kind: Kind
        /// When it began.
        let began: Instant
        /// The first slot to which it is not done yet.
        var next = 0
        /// When the next part is due: at once.
        var due: Instant
    }

    /// Whether the loss of a bridge is not yet carried to all VSIs. Until then no other bridge is asked anything.
    var isLosing: Bool { sweep?.kind == .lost }

    /// VSIs to which it is done in each later part.
    private static let sweptPerPart = 48

    mutating func beginSweep(_ kind: Sweep.Kind, at now: Instant) {
        sweep = Sweep(kind: kind, began: now, due: now)
        continueSweep(at: now)
    }

    /// Does what is under way to the next VSIs.
    mutating func continueSweep(at now: Instant) {
        guard let current = sweep else { return }
        sweep?.due = now
        let count = current.next == 0 ? sweptAtOnce : min(sweptAtOnce, Self.sweptPerPart)
        for slot in current.next..<max(min(current.next + count, slots.count), current.next) {
            switch current.kind {
            case .lost: lose(slot, at: now)
            case .appeared: greet(slot, at: now)
            }
            sweep?.next = slot + 1
        }
        if let next = sweep?.next, next >= slots.count { sweep = nil }
    }

    /// Does to all what is under way, for what cannot go on before that.
    mutating func finishSweep(at now: Instant) {
        while sweep != nil { continueSweep(at: now) }
    }

    /// Whether a VSI does not know yet that the bridge is lost.
    func isUnaware(_ slot: Int) -> Bool { isLosing && slot >= sweep?.next ?? 0 }

    /// A VSI that something else happens to learns of the loss before that.
    mutating func catchUp(_ slot: Int, at now: Instant) {
        if isUnaware(slot) { lose(slot, at: now) }
    }

    /// Nothing that the bridge has granted of the VSI holds. To be told twice changes nothing.
    private mutating func lose(_ slot: Int, at now: Instant) {
        leaveCohort(slot)
        guard let state = vsi(slot)?.machine.state else { return }
        setExchange(slot, .idle)
        if state == .initial {
            let reason = awayReason
            modify(slot) { $0.reason = reason }
            settle(slot, at: now)
        } else {
            feed(slot, .peerLost, at: now)
        }
        report(slot)
    }

    /// Whether a bridge was heard and has not been asked for a VSI only because others come first.
    func isUngreeted(_ slot: Int) -> Bool {
        !isDrained && sweep.map { $0.kind == .appeared && slot >= $0.next } ?? false
    }

    /// Asks the bridge for the VSI, unless that has been done since it was heard.
    mutating func greet(_ slot: Int, at now: Instant) {
        guard let began = sweep?.began, let vsi = vsi(slot), vsi.machine.state == .initial, vsi.interest != .withdrawn,
            vsi.asking.askedAt <= began
        else { return }
        askAgain(slot, at: now)
    }

    /// A VSI as it is, also where it does not know of a loss yet; nil where that ends it. Where its next keep-alive stands is left out: its
    /// cohort may know more of that (``vsi(_:)``).
    func seen(_ slot: Int) -> VSI? {
        guard !slots[slot].isFree else { return nil }
        var vsi = VSI(record: slots[slot], activity: activities[slot])
        guard isUnaware(slot) else { return vsi }
        if vsi.machine.state == .initial {
            vsi.reason = awayReason
        } else if vsi.machine.handle(.peerLost).outcome == .peerLost {
            vsi.reason = .bridgeLost
        }
        let isOver = wanted(slot)?.persistence == .once && vsi.openRequest == nil && vsi.boundSince == nil
        return vsi.interest == .withdrawn || isOver ? nil : vsi
    }
}

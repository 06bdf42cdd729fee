internal import EVBTime
internal import EVBWire

extension VDPStation {
    /// The next moment at which ``advance(to:)`` has something to do.
    var nextDeadline: Instant? {
        let sending = queue.isEmpty ? nil : Instant.earliest(heldUntil, spacing.until)
        let work = Instant.earliest(sweep?.due, stallDeadline)
        let due = Instant.earliest(deadlines.next?.deadline, cohorts.deadlines.next?.deadline)
        return Instant.earliest(due, Instant.earliest(work, sending))
    }

    /// Lets time pass.
    mutating func advance(to now: Instant) {
        continueSweep(at: now)
        if let stallDeadline, stallDeadline <= now { resendStalled(at: now) }
        advanceCohorts(to: now)
        while let next = deadlines.next, next.deadline <= now {
            expire(next.member, at: now)
            report(next.member)
        }
        refuseArrivals(at: now)
    }

    mutating func expire(_ slot: Int, at now: Instant) {
        let wait = activities[slot].wait
        if isUnaware(slot) {
            // One that waits for a bridge knows: told again it would wait until now, without end.
            guard case .bridge = wait else { return catchUp(slot, at: now) }
        }
        setWaitExpired(slot)
        switch wait {
        case .none: break
        case .bridge where isUngreeted(slot): greet(slot, at: now)
        case .bridge:
            let reason = awayReason
            modify(slot) { $0.reason = reason }
            trace(slot, .noBridge)
            endRequest(slot, .noBridge)
            if slots[slot].machine.state == .initial { settle(slot, at: now) }
        case .response(let until, let repeatAt, let failures):
            if until <= now {
                if case .silent = answering {} else { answering = .silent(since: now) }
                setExchange(slot, .idle)
                feed(slot, .responseTimeout, at: now)
            } else if slots[slot].machine.state == .transmitKeepAlive {
                repeatKeepAlive(slot, until: until, failures: failures, at: now)
            } else if repeatAt != nil {
                setWait(slot, .response(until: until, repeatAt: nil, failures: failures))
                sendAgain(slot, failures: failures, repeatAt: nil)
            }
        case .keepAlive: feed(slot, .keepAliveDue, at: now)
        case .retry: begin(slot, at: now)
        }
    }

    /// Disarms a deadline that has passed; what happens next may arm another.
    private mutating func setWaitExpired(_ slot: Int) {
        deadlines.set(slot, nil)
        if case .response = activities[slot].wait { return }
        activities[slot].wait = .none
    }

    // MARK: Keep-alives and second tries

    /// Starts the time of the next keep-alive.
    mutating func startKeepAlive(_ slot: Int, at now: Instant) {
        guard let peer else { return }
        guard wanted(slot)?.isKeptAlive == true else { return setWait(slot, .none) }
        let (former, heardAt) = (slots[slot].keepAlives, activities[slot].asking.heardAt)
        slots[slot].keepAlives = former &+ 1
        let period = keepAlivePeriod(heardAt: heardAt, peer)
        let share = keepAliveShare(period, scatter: Self.scatter(UInt64(slot), UInt64(former)))
        // A slow bridge has heard of it when it was asked, long before its answer.
        let began = pace.isSlow ? heardAt : now
        let due = began + max(period / 1000 * share, Self.keepAliveMin)
        setWait(slot, .keepAlive(at: max(onStep(due, period, from: began + Self.keepAliveMin), now)))
    }

    /// Steps of a keep-alive period at which keep-alives are due.
    private static let keepAliveSteps: UInt64 = 128

    /// The step before a moment, of those that all ports of a host have: the keep-alives of many VSIs and ports are then due together.
    /// They leave one PDU after the other, and evbd wakes up for all of them, which costs more than a PDU. A bridge that does not answer
    /// several VSIs at once would have to keep them waiting.
    private func onStep(_ due: Instant, _ period: Interval, from least: Instant) -> Instant {
        guard pace.answersTogether else { return due }
        let step = max(period.nanoseconds / Self.keepAliveSteps, 1)
        return max(Instant(nanoseconds: due.nanoseconds / step * step), least)
    }

    /// The longest pause between two tries of a request that fails.
    static let retryMax = Interval.seconds(60)

    /// How long to wait before a failed request is tried again: a second, and twice as long after each failure, at most a
    /// minute. Its machine is cut off meanwhile, whatever the reason was, and nothing else may ask for it again.
    mutating func backoff(_ slot: Int, at now: Instant) -> Interval {
        guard let vsi = vsi(slot) else { return .seconds(1) }
        let wasStable = vsi.boundSince.map { now.since($0) >= .seconds(60) } ?? false
        let former = wasStable ? 0 : UInt64(failures[slot].count)
        failures[slot] = Failures(count: UInt32(clamping: former + 1), last: now)
        modify(slot) { $0.boundSince = nil }
        let whole = min(Interval.seconds(1) * (1 << min(former, 12)), Self.retryMax / 9 * 8)
        return whole / 1000 * (1000 + Self.scatter(UInt64(slot), former) % 125)
    }

    /// A number that differs from VSI to VSI and from time to time, and yet is the same in each run.
    private static func scatter(_ first: UInt64, _ second: UInt64) -> UInt64 {
        SplitMix64.mix((first &* 0x9E37_79B9_7F4A_7C15) ^ (second &* 0xD1B5_4A32_D192_ED03))
    }

    // MARK: The bridge comes and goes

    /// A bridge is heard: what is wanted is asked for, all of it from the beginning.
    mutating func peerAppeared(_ peer: Peer, at now: Instant) {
        self.peer = peer
        answering = .unknown
        pace = BridgePace()
        offer.reset()
        pacing = .batch
        trustPatience = Self.trustPatienceMin
        beginSweep(.appeared, at: now)
    }

    /// An LLDPDU has come in. If ECP had got nothing across, the bridge was away and is back: what it has let time out is asked
    /// for now, and not when the pause between tries is over. A bridge that hears and is slow keeps that pause.
    mutating func neighbourHeard(at now: Instant) {
        guard peer != nil, payloadsLost >= Self.transportFailuresMax else { return }
        payloadsLost = Self.transportFailuresMax - 1
        heldUntil = nil
        for slot in slots.indices {
            guard let vsi = vsi(slot), case .retry(let at) = vsi.wait, vsi.reason == .timeout else { continue }
            setWait(slot, .retry(at: min(at, max(now, failures[slot].last + .seconds(1)))))
        }
    }

    /// The bridge is not heard any more: nothing that it granted holds.
    mutating func peerLost(at now: Instant) {
        peer = nil
        inFlight = []
        cohorts.inFlight = nil
        for number in cohorts.ready { dissolve(number) }
        stallDeadline = nil
        heldUntil = nil
        spacing.until = nil
        offer.reset()
        payloadsLost = 0
        beginSweep(.lost, at: now)
    }

    /// The bridge knows nothing of this station any more, although it answers: it has restarted, or had not heard this side
    /// for long. What it had granted is asked for again at once, before a machine misses it, and so is what it had refused.
    mutating func bridgeForgot(at now: Instant) {
        dissolveCohorts()
        for slot in slots.indices {
            guard let vsi = vsi(slot) else { continue }
            if case .keepAlive = vsi.wait {
                modify(slot) { $0.isAskedAnew = true }
                setWait(slot, .none)
                feed(slot, .keepAliveDue, at: now)
            } else if vsi.machine.state == .initial, vsi.interest != .withdrawn {
                askAgain(slot, at: now)
            }
        }
    }

    /// Another bridge, or the same after a restart: what the one before has said of a VSI does not count.
    mutating func askAgain(_ slot: Int, at now: Instant) {
        modify(slot) { $0.interest = .wanted }
        failures.remove(slot)
        begin(slot, at: now)
        report(slot)
    }

    /// The bridge is the same, what was agreed with it has changed. Times that run already run out as they are, unless they
    /// would now end sooner.
    mutating func peerChanged(_ changed: Peer, at now: Instant) {
        guard let former = peer, former != changed else { return }
        dissolveCohorts()
        peer = changed
        notePeriod(former.timers.reinitKeepAlive, changed.timers.reinitKeepAlive, at: now)
        let isSooner = changed.timers.reinitKeepAlive < former.timers.reinitKeepAlive
        for slot in slots.indices {
            guard let vsi = vsi(slot) else { continue }
            if wanted(slot)?.filter.format.hasGroupID == true, former.usesGroupIDs != changed.usesGroupIDs {
                if vsi.interest == .withdrawn {
                    feed(slot, .peerLost, at: now)
                } else {
                    modify(slot) { $0.interest = .wanted }
                    begin(slot, at: now)
                }
                report(slot)
            } else if isSooner, case .keepAlive(let due) = vsi.wait {
                startKeepAlive(slot, at: now)
                // A shorter period from now on may still end later than what is left of the longer one.
                if case .keepAlive(let next) = activities[slot].wait { setWait(slot, .keepAlive(at: min(due, next))) }
            } else if case .response(let until, let repeatAt, let failures) = vsi.wait {
                // An answer is not waited for any longer than it would be now.
                let limit = now + changed.timers.responseWaitDelay
                let half = now + changed.timers.responseWaitDelay / 2
                setWait(
                    slot,
                    .response(until: min(until, limit), repeatAt: repeatAt.map { min($0, half) }, failures: failures))
            }
        }
    }
}

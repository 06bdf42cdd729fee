internal import EVBWire

extension VDPStation {
    /// The next moment at which ``advance(to:)`` has something to do.
    var nextDeadline: Instant? {
        guard let vsi = deadlines.next?.deadline else { return stallDeadline }
        return stallDeadline.map { min($0, vsi) } ?? vsi
    }

    /// Lets time pass.
    mutating func advance(to now: Instant) {
        if let stallDeadline, stallDeadline <= now { resendStalled(at: now) }
        while let next = deadlines.next, next.deadline <= now {
            expire(next.member, at: now)
            report(next.member)
        }
    }

    private mutating func expire(_ slot: Int, at now: Instant) {
        guard let vsi = slots[slot] else {
            deadlines.set(slot, nil)
            return
        }
        setWaitExpired(slot)
        switch vsi.wait {
        case .none: break
        case .bridge:
            modify(slot) { $0.reason = .bridgeLost }
            endRequest(slot, .noBridge)
            if vsi.machine.state == .initial { settle(slot, at: now) }
        case .response(let until, let repeatAt, let failures):
            if until <= now {
                setTransmission(slot, .idle)
                feed(slot, .responseTimeout, at: now)
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
        if case .response = slots[slot]?.wait { return }
        slots[slot]?.wait = .none
    }

    // MARK: Keep-alives and second tries

    /// Starts the time of the next keep-alive, somewhere between 65 and 90 % of reinitKeepAlive: sooner than it has to be,
    /// so that many VSIs of one moment drift apart, and that a lost frame or two are made up before the bridge gives up.
    mutating func startKeepAlive(_ slot: Int, at now: Instant) {
        guard let peer, let vsi = slots[slot] else { return }
        slots[slot]?.keepAlives = vsi.keepAlives &+ 1
        let period = peer.timers.reinitKeepAlive
        let share = 650 + Self.scatter(UInt64(slot), vsi.keepAlives) % 250
        setWait(slot, .keepAlive(at: now + max(period / 1000 * share, Self.keepAliveMin)))
    }

    /// How long to wait before a failed request is tried again: twice as long after each failure, at most five minutes.
    /// A bridge that refuses is left alone for a keep-alive period at least.
    mutating func backoff(_ slot: Int, at now: Instant) -> Interval {
        guard let vsi = slots[slot] else { return .seconds(1) }
        let wasStable = vsi.boundSince.map { now.since($0) >= .seconds(60) } ?? false
        let failures = wasStable ? 0 : vsi.failures
        modify(slot) {
            $0.failures = failures + 1
            $0.boundSince = nil
        }
        let isRefusal = vsi.reason != .timeout && vsi.reason != .bridgeDeassociated && vsi.reason != .bridgeLost
        let period = peer?.timers.reinitKeepAlive ?? .seconds(10)
        let base = isRefusal ? max(period, .seconds(1)) : .seconds(1)
        let ceiling = max(base, .seconds(300))
        let whole = min(base * (1 << min(failures, 12)), ceiling)
        return whole / 1000 * (875 + Self.scatter(UInt64(slot), failures) % 250)
    }

    /// A number that differs from VSI to VSI and from time to time, and yet is the same in each run (SplitMix64).
    private static func scatter(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var mixed = (first &* 0x9E37_79B9_7F4A_7C15) ^ (second &* 0xD1B5_4A32_D192_ED03)
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    // MARK: Bridges that lose answers

    /// How long others must have been answered before a silent VSI is asked again. It has to be well before it is given up,
    /// however short the agreed times are.
    private var patience: Interval { patience(.seconds(1), ackTimers: 4, share: 4) }

    /// How long one VSI alone may keep the others waiting.
    var lockstepPatience: Interval { patience(.milliseconds(200), ackTimers: 2, share: 8) }

    private func patience(_ least: Interval, ackTimers: UInt64, share: UInt64) -> Interval {
        let timers = peer?.timers ?? OperationalTimers().times
        let most = max(timers.responseWaitDelay / share, timers.ackTimer)
        return min(max(least, timers.ackTimer * ackTimers), most)
    }

    /// Some bridges lose all but one of the TLVs that reach them at once. The silence about a VSI while others that were
    /// asked later are answered is told from a bridge that takes its time: it is asked again after a while.
    mutating func armStall(at now: Instant) {
        guard outstanding > 0 else {
            stallDeadline = nil
            return
        }
        stallDeadline = now + (effectivePacing == .lockstep ? lockstepPatience : patience)
    }

    /// Answers have stopped coming: whoever was asked before the last one came is asked again, one at a time, and while that
    /// lasts also whoever was asked later, as it would keep the others waiting. One that stays silent is slow, not lost, and
    /// nobody waits for it any longer.
    private mutating func resendStalled(at now: Instant) {
        stallDeadline = nil
        for slot in slots.indices {
            guard let vsi = slots[slot], !vsi.isOverdue, case .sent(_, let sentAt) = vsi.transmission,
                case .response(_, let repeatAt, let failures) = vsi.wait
            else { continue }
            let silence = now.since(sentAt)
            if vsi.isStalled || pacing == .lockstep, silence >= lockstepPatience {
                becomeOverdue(slot)
            } else if !vsi.isStalled, sentAt < lastAnswer || recovering > 0, silence >= lockstepPatience {
                slots[slot]?.isStalled = true
                recovering += 1
                isLossConfirmed = false
                sendAgain(slot, failures: failures, repeatAt: repeatAt)
            }
        }
        if outstanding > 0 { armStall(at: now) }
    }

    private mutating func becomeOverdue(_ slot: Int) {
        if slots[slot]?.isStalled == true { recovering -= 1 }
        modify(slot) {
            $0.isOverdue = true
            $0.isStalled = false
        }
        outstanding -= 1
    }

    /// An answer has come for `vsi`. If it was asked again and answered at once, the bridge had lost the first request, and
    /// is asked more carefully from now on.
    mutating func noteRecovery(_ vsi: VSI, at now: Instant) {
        guard vsi.isStalled, !isLossConfirmed, case .sent(_, let sentAt) = vsi.transmission,
            now.since(sentAt) <= lockstepPatience
        else { return }
        isLossConfirmed = true
        pacing = pacing.slower
        statistics.stalls &+= 1
    }

    // MARK: The bridge comes and goes

    /// A bridge is heard: what is wanted is asked for, all of it from the beginning.
    mutating func peerAppeared(_ peer: Peer, at now: Instant) {
        self.peer = peer
        pacing = .batch
        for slot in slots.indices {
            guard let vsi = slots[slot], vsi.machine.state == .initial, !vsi.isWithdrawn else { continue }
            modify(slot) {
                $0.isRefusedForGood = false
                $0.failures = 0
            }
            begin(slot, at: now)
            report(slot)
        }
    }

    /// The bridge is not heard any more: nothing that it granted holds.
    mutating func peerLost(at now: Instant) {
        peer = nil
        inFlight = []
        stallDeadline = nil
        for slot in slots.indices {
            guard let vsi = slots[slot] else { continue }
            setTransmission(slot, .idle)
            if vsi.machine.state == .initial {
                modify(slot) { $0.reason = .bridgeLost }
                settle(slot, at: now)
            } else {
                feed(slot, .peerLost, at: now)
            }
            report(slot)
        }
    }

    /// The bridge is the same, what was agreed with it has changed. Times that run already run out as they are, unless they
    /// would now end sooner.
    mutating func peerChanged(_ changed: Peer, at now: Instant) {
        guard let former = peer, former != changed else { return }
        peer = changed
        let isSooner = changed.timers.reinitKeepAlive < former.timers.reinitKeepAlive
        for slot in slots.indices {
            guard let vsi = slots[slot] else { continue }
            if vsi.request.filter.format.hasGroupID, former.usesGroupIDs != changed.usesGroupIDs {
                modify(slot) { $0.isRefusedForGood = false }
                if vsi.isWithdrawn { feed(slot, .peerLost, at: now) } else { begin(slot, at: now) }
                report(slot)
            } else if isSooner, case .keepAlive = vsi.wait {
                startKeepAlive(slot, at: now)
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

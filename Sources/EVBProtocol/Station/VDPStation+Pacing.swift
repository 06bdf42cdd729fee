internal import EVBTime

/// How much the bridge is trusted to take at once. A bridge that loses answers gets less.
enum Pacing: Comparable {
    /// Several VSIs in a PDU, the next PDU as soon as ECP allows.
    case batch
    /// One VSI in a PDU.
    case single
    /// One VSI in a PDU, and the next only when it is answered.
    case lockstep

    /// The next careful way.
    var slower: Pacing {
        switch self {
        case .batch: .single
        case .single, .lockstep: .lockstep
        }
    }

    /// The next trusting way.
    var faster: Pacing {
        switch self {
        case .batch, .single: .batch
        case .lockstep: .single
        }
    }
}

extension VDPStation {
    /// For how long a bridge must have lost nothing before it is trusted with more again: twice this after its first loss, and
    /// never longer than that.
    static let trustPatienceMin = Interval.seconds(150)
    static let trustPatienceMax = Interval.seconds(3600)

    /// What is lost is asked for again in the most careful way, whatever the bridge has shown so far.
    ///
    /// But not of a bridge that answers many VSIs at once, as those of the draft do: what is lost there the wire has lost, and
    /// one VSI in a PDU, half a second for each that is lost, would not get the keep-alives of a hundred across in time.
    var effectivePacing: Pacing {
        if let timers = peer?.timers, timers.answerInterval < timers.ackTimer { return .batch }
        return recovering > 0 ? .lockstep : pacing
    }

    /// How many VSIs may wait for an answer at once.
    ///
    /// A bridge like lldpad's answers each VSI in a PDU of its own and sends one PDU for each of its ack timers; more than
    /// it can answer in half of respWaitDelay would only time out.
    func window(_ peer: Peer) -> Int {
        guard effectivePacing != .lockstep else { return 1 }
        let answers = peer.timers.responseWaitDelay.nanoseconds / 2 / max(peer.timers.answerInterval.nanoseconds, 1)
        return Int(min(max(answers, 1), UInt64(Self.gatherMax)))
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
    mutating func resendStalled(at now: Instant) {
        stallDeadline = nil
        for slot in slots.indices {
            guard let vsi = slots[slot], case .awaiting(_, let sentAt, let patience) = vsi.exchange,
                patience != .overdue,
                case .response(_, let repeatAt, let failures) = vsi.wait
            else { continue }
            let silence = now.since(sentAt)
            if patience == .repeated || pacing == .lockstep, silence >= lockstepPatience {
                becomeOverdue(slot)
            } else if patience == .normal, sentAt < lastAnswer || recovering > 0, silence >= lockstepPatience {
                isLossConfirmed = false
                sendAgain(slot, failures: failures, repeatAt: repeatAt, isLost: true)
            }
        }
        if outstanding > 0 { armStall(at: now) }
    }

    /// How long the answer to a keep-alive is awaited before it is said again. The bridge forgets a VSI toutKeepAlive after it
    /// heard of it last, 1.5 x RKA at least, which may be long before respWaitDelay is over; but each VSI that waits for an
    /// answer may have to wait for those of the others.
    var keepAlivePatience: Interval {
        let timers = peer?.timers ?? OperationalTimers().times
        let others = timers.answerInterval * UInt64(outstanding + 1)
        return min(max(timers.reinitKeepAlive / 5, others, Self.keepAliveMin), timers.responseWaitDelay / 2)
    }

    /// A keep-alive has not been answered in time: the bridge may have let it fall. As with any loss, what follows shows
    /// whether it has, or is slow.
    mutating func repeatKeepAlive(_ slot: Int, until: Instant, failures: Int, at now: Instant) {
        let next = now + keepAlivePatience
        let repeatAt = next < until ? next : nil
        setWait(slot, .response(until: until, repeatAt: repeatAt, failures: failures))
        guard case .awaiting(_, _, let patience) = slots[slot]?.exchange else { return }
        // Others have waited for an overdue one already, in vain.
        if patience == .normal { isLossConfirmed = false }
        sendAgain(slot, failures: failures, repeatAt: repeatAt, isLost: patience == .normal)
    }

    /// The longest that keep-alives wait after one that did not get across.
    static let holdMax = Interval.seconds(1)

    /// ECP has given up one PDU after another: the bridge does not hear, and is spoken to more seldom, so that the keep-alives
    /// of many VSIs are no flood. Commands are not held, since somebody waits for them.
    mutating func holdKeepAlives(at now: Instant) {
        guard payloadsLost >= Self.transportFailuresMax, let peer else { return }
        let most = max(min(peer.timers.reinitKeepAlive / 16, Self.holdMax), Self.keepAliveMin)
        heldUntil = now + min(Self.keepAliveMin * (1 << UInt64(payloadsLost - Self.transportFailuresMax)), most)
    }

    /// Lets keep-alives go again once they have waited long enough.
    mutating func endHold(at now: Instant) {
        if let heldUntil, heldUntil <= now { self.heldUntil = nil }
    }

    mutating func becomeOverdue(_ slot: Int) {
        guard case .awaiting(let command, let since, _) = slots[slot]?.exchange else { return }
        setExchange(slot, .awaiting(command, since: since, .overdue))
    }

    /// An answer has come for `vsi`. If it was asked again and answered at once, the bridge had lost the first request, and
    /// is asked more carefully from now on.
    mutating func noteRecovery(_ vsi: VSI, at now: Instant) {
        guard !isLossConfirmed, case .awaiting(_, let sentAt, .repeated) = vsi.exchange,
            now.since(sentAt) <= lockstepPatience
        else { return }
        isLossConfirmed = true
        pacing = pacing.slower
        trustPatience = min(trustPatience * 2, Self.trustPatienceMax)
        trustDeadline = now + trustPatience
        statistics.stalls &+= 1
    }

    /// A bridge that has lost nothing for long is trusted with more again. Each relapse makes the next try wait twice as long.
    mutating func regainTrust(at now: Instant) {
        guard pacing != .batch, recovering == 0, now >= trustDeadline else { return }
        pacing = pacing.faster
        trustDeadline = now + trustPatience
    }

}

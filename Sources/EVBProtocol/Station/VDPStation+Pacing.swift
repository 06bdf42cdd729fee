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
    /// The same for a bridge that has shown that it takes several VSIs of a PDU: it has lost a PDU, and the next comes alone.
    static let trustPatienceOfSeveral = Interval.seconds(3)

    /// What is lost is asked for again in the most careful way, whatever the bridge has shown so far.
    ///
    /// But not of a bridge that answers many VSIs at once, as those of the draft do: what is lost there the wire has lost, and
    /// one VSI in a PDU, half a second for each that is lost, would not get the keep-alives of a hundred across in time.
    @inline(__always) var effectivePacing: Pacing {
        if let timers = peer?.timers, timers.answerInterval < timers.ackTimer { return .batch }
        if pace.answersTogether { return .batch }
        // To wait for each answer of a slow bridge would cost others their keep-alives.
        if pace.isSlow { return recovering > 0 ? .single : min(pacing, .single) }
        return recovering > 0 ? .lockstep : pacing
    }

    /// How far apart the answers of the bridge come.
    @inline(__always) var answerInterval: Interval {
        let assumed = (peer?.timers ?? OperationalTimers().times).answerInterval
        guard let measured = pace.interval else { return assumed }
        // What answers together is reckoned as the draft's bridges are.
        return pace.answersTogether ? min(max(measured, .milliseconds(10)), assumed) : max(measured, assumed)
    }

    /// Answers that come before that to what is asked now.
    @inline(__always) var unanswered: Int { pace.isSlow ? max(outstanding, pace.owed) : outstanding }

    /// What may not be sent now. Only to a slow bridge keep-alives are sent whatever is still to be answered.
    func heldLanes(room: Int) -> TransmitQueue.Lanes {
        var held: TransmitQueue.Lanes = []
        if heldUntil != nil || room <= 0 && !pace.isSlow { held.insert(.keepAlives) }
        if room <= 0 { held.formUnion([.commands, .arrivals]) }
        if isFull { held.insert(.arrivals) }
        return held
    }

    // MARK: Bridges with one buffer

    /// When the next PDU may leave.
    struct Spacing {
        /// Until when the next PDU waits.
        var until: Instant?
        /// ECP has got the last one across just now.
        var isJustAcknowledged = false
        /// PDUs that were sent.
        var payloads: UInt64 = 0
    }

    /// How long after a PDU the next one leaves while answers are awaited.
    ///
    /// A bridge like lldpad's acknowledges a PDU before it has read it, and the next one takes its place in the buffer.
    static let spacing = Interval.milliseconds(20)

    /// Whether the next PDU has to wait.
    mutating func isSpaced(at now: Instant) -> Bool {
        if spacing.isJustAcknowledged {
            spacing.isJustAcknowledged = false
            // Of one VSI alone, and nothing known of the bridge, there is not much to lose.
            let isWorthIt = pace.isMeasured || outstanding > 1
            if outstanding > 0, isWorthIt, peer?.dialect == .ratified { spacing.until = now + Self.spacing }
        }
        if pace.answersTogether || outstanding == 0 { spacing.until = nil }
        return spacing.until != nil
    }

    /// How many VSIs may wait for an answer at once.
    ///
    /// A bridge like lldpad's answers each VSI in a PDU of its own and sends one PDU for each of its ack timers; more than
    /// it can answer in half of respWaitDelay would only time out. For one that may be slow it is a quarter, as keep-alives come on
    /// top of that.
    func window(_ peer: Peer) -> Int {
        guard effectivePacing != .lockstep else { return 1 }
        let share: UInt64 = pace.answersTogether || peer.dialect == .draft ? 2 : 4
        let answers = peer.timers.responseWaitDelay.nanoseconds / share / max(answerInterval.nanoseconds, 1)
        return Int(min(max(answers, 1), UInt64(Self.gatherMax)))
    }

    // MARK: Bridges that lose answers

    /// How long others must have been answered before a silent VSI is asked again. It has to be well before it is given up,
    /// however short the agreed times are.
    @inline(__always) private var patience: Interval { patience(.seconds(1), ackTimers: 4, share: 4) }

    /// How long one VSI alone may keep the others waiting.
    @inline(__always) var lockstepPatience: Interval { patience(.milliseconds(200), ackTimers: 2, share: 8) }

    @inline(__always) private func patience(_ least: Interval, ackTimers: UInt64, share: UInt64) -> Interval {
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
        for number in order.asking { dissolve(number) }
        pace.writeOff()
        for slot in slots.indices {
            guard let vsi = vsi(slot), case .awaiting(let sentAt, _, let patience) = vsi.exchange,
                patience != .overdue, vsi.asking.answerDue <= now,
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
        @inline(__always) get {
            let timers = peer?.timers ?? OperationalTimers().times
            return Self.keepAlivePatience(timers, answerInterval: answerInterval, unanswered: unanswered)
        }
    }

    /// The same of a bridge whose answers are so far apart, and that owes so many.
    @inline(__always) static func keepAlivePatience(
        _ timers: ProtocolTimes, answerInterval: Interval, unanswered: Int
    ) -> Interval {
        let others = answerInterval * UInt64(unanswered + 1) * 3 / 2
        return min(max(timers.reinitKeepAlive / 5, others, keepAliveMin), timers.responseWaitDelay / 2)
    }

    /// How long before a slow bridge forgets a VSI its keep-alive is said again at the latest.
    private static let slowMargin = Interval.seconds(3)

    /// The same for one VSI.
    @inline(__always) func keepAlivePatience(_ slot: Int, at now: Instant) -> Interval {
        pace.isSlow ? slowPatience(slot, at: now) : keepAlivePatience
    }

    /// The same where the bridge is slow: the keep-alive may have left late.
    func slowPatience(_ slot: Int, at now: Instant) -> Interval {
        let usual = keepAlivePatience
        guard let peer, let vsi = vsi(slot) else { return usual }
        // To say it again before its turn, or when it is too late already, would only slow the bridge down.
        let last = (vsi.asking.heardAt + peer.timers.reinitKeepAlive * 3 / 2).since(now + Self.slowMargin)
        let turn = (pace.interval ?? answerInterval) * UInt64(unanswered + 1) * 5 / 4
        return max(last > .seconds(1) ? min(usual, last) : usual, turn)
    }

    /// A slow bridge answers in the order in which it was asked, and about keep-alives it has nothing to think: those that were sent
    /// in an earlier PDU than one that is answered are lost. To wait for their time would be too long.
    mutating func resendOvertaken(by payload: UInt64, at now: Instant) {
        guard pace.isSlow else { return }
        for slot in slots.indices {
            guard let vsi = vsi(slot), vsi.machine.state == .transmitKeepAlive, vsi.asking.sentIn < payload,
                case .awaiting = vsi.exchange, case .response(_, _, let failures) = vsi.wait
            else { continue }
            sendAgain(slot, failures: failures, repeatAt: now + keepAlivePatience(slot, at: now))
        }
    }

    /// A keep-alive has not been answered in time: the bridge may have let it fall. As with any loss, what follows shows
    /// whether it has, or is slow.
    mutating func repeatKeepAlive(_ slot: Int, until: Instant, failures: Int, at now: Instant) {
        let next = now + keepAlivePatience(slot, at: now)
        let repeatAt = next < until ? next : nil
        setWait(slot, .response(until: until, repeatAt: repeatAt, failures: failures))
        guard case .awaiting(_, _, let patience) = activities[slot].exchange else { return }
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
        if let until = spacing.until, until <= now { spacing.until = nil }
    }

    mutating func becomeOverdue(_ slot: Int) {
        guard case .awaiting(let since, let command, _) = activities[slot].exchange else { return }
        setExchange(slot, .awaiting(since: since, command, .overdue))
    }

    /// An answer has come for a VSI. If it was asked again and answered at once, the bridge had lost the first request, and
    /// is asked more carefully from now on.
    mutating func noteRecovery(_ slot: Int, at now: Instant) {
        guard !isLossConfirmed, case .awaiting(let sentAt, _, .repeated) = activities[slot].exchange,
            now.since(sentAt) <= lockstepPatience
        else { return }
        isLossConfirmed = true
        pacing = pacing.slower
        trustPatience = min(trustPatience * 2, Self.trustPatienceMax)
        trustDeadline = now + (pace.takesSeveral ? Self.trustPatienceOfSeveral : trustPatience)
        statistics.stalls &+= 1
    }

    /// A bridge that has lost nothing for long is trusted with more again. Each relapse makes the next try wait twice as long.
    mutating func regainTrust(at now: Instant) {
        guard pacing != .batch, recovering == 0, now >= trustDeadline else { return }
        pacing = pacing.faster
        trustDeadline = now + (pace.takesSeveral ? Self.trustPatienceOfSeveral : trustPatience)
    }

}

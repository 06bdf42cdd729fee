internal import EVBTime
internal import EVBWire

extension VDPStation {
    /// VSIs that are looked at to fill one PDU.
    static let gatherMax = 512

    /// Puts what a VSI has to say into the queue.
    mutating func enqueue(_ slot: Int, _ command: VDPCommand) {
        guard let lane = slots[slot]?.lane else { return }
        if case .awaiting(let former, _, _)? = slots[slot]?.exchange, former != command {
            slots[slot]?.overtakenCommand = former
        }
        setExchange(slot, .idle)
        setWait(slot, .none)
        setExchange(slot, .queued(command, isRepeated: false))
        queue.append(slot, to: lane)
    }

    /// Builds the next PDU's octets, if there is something to say and the bridge may be told it now.
    ///
    /// Called when ECP has nothing outstanding.
    mutating func nextPayload(at now: Instant) -> [UInt8]? {
        guard let peer, !isSpaced(at: now) else { return nil }
        var room = window(peer) - outstanding
        guard !queue.isEmpty, let first = queue.popFirst(holding: heldLanes(room: room)),
            let manager = slots[first]?.carried.managerID
        else {
            return nil
        }
        var members = [first]
        let dialect = peer.dialect
        var length = dialect.vdpOverhead + (tlv(first).map(dialect.encodedLength) ?? 0)
        room -= 1
        if effectivePacing == .batch {
            members += gather(manager, room: &room, length: &length, peer, at: now)
        }
        var associations: [WireDialect.Association] = []
        for slot in members {
            guard let tlv = slots[slot]?.tlv, let manager = slots[slot]?.carried.managerID else { continue }
            associations.append(WireDialect.Association(managerID: manager, tlv: tlv))
            markSent(slot, tlv.command, timers: peer.timers, at: now)
        }
        inFlight = members
        pace.ask(members.count)
        spacing.payloads &+= 1
        return dialect.encode(associations)
    }

    /// More VSIs for a PDU, of the same manager where the dialect wants that: those that wait, then those whose keep-alive is due soon.
    private mutating func gather(
        _ manager: VSIManagerID, room: inout Int, length: inout Int, _ peer: Peer, at now: Instant
    ) -> [Int] {
        let dialect = peer.dialect
        var (space, octets, arrivals) = (room, length, arrivalRoom)
        let isSlow = pace.isSlow
        let waiting = queue.take(limit: Self.gatherMax, holding: arrivals == 0 ? [.arrivals] : []) { [slots] slot in
            guard let vsi = slots[slot], dialect.canJoin(vsi.carried.managerID, manager), let tlv = vsi.tlv,
                space > 0 || isSlow && vsi.machine.state == .transmitKeepAlive,
                arrivals > 0 || vsi.lane != .arrivals
            else { return .skip }
            let own = dialect.encodedLength(of: tlv)
            guard octets + own <= peer.payloadMax else { return .stop }
            space -= 1
            octets += own
            if vsi.lane == .arrivals { arrivals -= 1 }
            return .take
        }
        (room, length) = (space, octets)
        return waiting + gatherKeepAlives(manager, room: &room, length: &length, peer, at: now)
    }

    /// Keep-alives that are due soon, so that those of many VSIs leave together.
    ///
    /// Soon is all of the time over which they are spread (``keepAliveShare(_:scatter:)``): a port with few VSIs would send a frame for
    /// some each. A port with many fills its frame with those that are due first. A slow bridge has to answer each, and is
    /// asked no sooner than a sixteenth of the period before.
    private mutating func gatherKeepAlives(
        _ manager: VSIManagerID, room: inout Int, length: inout Int, _ peer: Peer, at now: Instant
    ) -> [Int] {
        let horizon = now + peer.timers.reinitKeepAlive / (pace.isSlow ? 16 : 4)
        var early: [Int] = []
        while room > 0 || pace.isSlow, let next = deadlines.next, next.deadline <= horizon,
            case .keepAlive? = slots[next.member]?.wait, let tlv = slots[next.member]?.keepAliveTLV,
            let itsManager = slots[next.member]?.carried.managerID, peer.dialect.canJoin(itsManager, manager)
        {
            let own = peer.dialect.encodedLength(of: tlv)
            guard length + own <= peer.payloadMax else { break }
            feed(next.member, .keepAliveDue, at: now)
            queue.remove(next.member)
            early.append(next.member)
            room -= 1
            length += own
        }
        return early
    }

    private func tlv(_ slot: Int) -> VSITLV? { slots[slot]?.tlv }

    private mutating func markSent(_ slot: Int, _ command: VDPCommand, timers: ProtocolTimes, at now: Instant) {
        let isRepeated = slots[slot]?.exchange.isRecovering ?? false
        setExchange(slot, .awaiting(command, since: now, isRepeated ? .repeated : .normal))
        slots[slot]?.asking.sentIn = spacing.payloads
        let answerDue = now + (pace.interval ?? Interval(nanoseconds: 0)) * UInt64(unanswered)
        slots[slot]?.asking.answerDue = answerDue
        if command == .deAssociate { slots[slot]?.isReleaseUnanswered = true }
        if slots[slot]?.machine.state == .transmitKeepAlive { statistics.keepAlives &+= 1 }
        if effectivePacing == .lockstep {
            stallDeadline = now + lockstepPatience
        } else if pacing == .lockstep, stallDeadline == nil {
            // What lets it be asked faster now may be over before the answer comes, and then nothing else is asked.
            armStall(at: now)
        }
        if case .response(let until, let repeatAt, let failures) = slots[slot]?.wait {
            setWait(slot, .response(until: until, repeatAt: repeatAt, failures: failures))
            slots[slot]?.asking.isSentAgain = true
            traceSent(slot, .askedAgain(command))
        } else {
            traceSent(slot, .asked(command))
            slots[slot]?.asking.askedAt = now
            slots[slot]?.asking.isSentAgain = false
            // A bridge that has others to answer first is not silent.
            let expected = (slots[slot]?.asking.answerDue ?? now).since(now)
            let delay = timers.responseWaitDelay + expected
            let isKeepAlive = slots[slot]?.machine.state == .transmitKeepAlive
            let usual = max(timers.responseWaitDelay / 2, expected * 3 / 2)
            let patience = isKeepAlive ? keepAlivePatience(slot, at: now) : usual
            setWait(slot, .response(until: now + delay, repeatAt: now + patience, failures: 0))
        }
    }

    /// Puts what has been sent into the queue once more; how long its answer has been awaited goes on counting.
    ///
    /// - Parameters:
    ///   - slot: the VSI's place.
    ///   - failures: how often ECP has failed to get the command across.
    ///   - repeatAt: when the command is sent once more, if it is.
    ///   - isLost: the bridge seems to have lost the command.
    mutating func sendAgain(_ slot: Int, failures: Int, repeatAt: Instant?, isLost: Bool = false) {
        guard let vsi = slots[slot], case .awaiting(let command, _, _) = vsi.exchange,
            case .response(let until, _, _) = vsi.wait
        else { return }
        statistics.repeats &+= 1
        setExchange(slot, .queued(command, isRepeated: isLost || vsi.exchange.isRecovering))
        setWait(slot, .response(until: until, repeatAt: repeatAt, failures: failures))
        queue.append(slot, to: vsi.machine.state == .transmitKeepAlive ? .keepAlives : .commands)
    }

    // MARK: What ECP says

    /// PDUs in which ECP may fail to get a command across before the VSI is given up.
    static let transportFailuresMax = 3

    /// The outstanding PDU has been acknowledged: it has reached the bridge's VDP.
    mutating func payloadAcknowledged() {
        spacing.isJustAcknowledged = true
        if trail != nil {
            for slot in inFlight { slots[slot]?.asking.isAcknowledged = true }
        }
        inFlight = []
        payloadsLost = 0
        heldUntil = nil
    }

    /// ECP has given the outstanding PDU up.
    ///
    /// One lost PDU of many VSIs must not cut them all off while there is time, so it is made up anew twice. What the bridge
    /// has granted it holds for toutKeepAlive, however short ECP's times are: a keep-alive is said again until
    /// respWaitDelay is over.
    mutating func payloadFailed(at now: Instant) {
        let slots = inFlight
        inFlight = []
        payloadsLost = min(payloadsLost + 1, 16)
        // Commands that fail do not make keep-alives wait longer than these do themselves.
        if slots.contains(where: { self.slots[$0]?.machine.state == .transmitKeepAlive }) { holdKeepAlives(at: now) }
        for slot in slots {
            guard let vsi = self.slots[slot], case .awaiting(_, _, let patience) = vsi.exchange,
                case .response(_, let repeatAt, let failures) = vsi.wait
            else { continue }
            if failures + 1 < Self.transportFailuresMax {
                sendAgain(slot, failures: failures + 1, repeatAt: repeatAt)
            } else if vsi.machine.state == .transmitKeepAlive {
                // It is said again when its time comes; until then nobody waits for it.
                if patience != .overdue { becomeOverdue(slot) }
            } else {
                feed(slot, .responseTimeout, at: now)
                report(slot)
            }
        }
    }
}

extension VDPStation.VSI {
    /// The request that the TLV to be sent speaks for: the one granted where it is kept alive or released, else the one
    /// wanted.
    var carried: VSIRequest {
        switch machine.state {
        case .processing(.deAssociate), .transmitKeepAlive, .waitSystemCommand, .transmitDeassociate:
            bound?.request ?? request
        case .initial, .processing: request
        }
    }

    /// The filter that goes with it: VLANs that the bridge filled in are used from then on, as long as the same is asked
    /// for and the bridge has not taken it back.
    private var carriedFilter: FilterInfo {
        guard let bound, !isAskedAnew, carried.filter == bound.request.filter else { return carried.filter }
        return bound.filter
    }

    /// The lane of the queue that what it has to say first goes to.
    var lane: TransmitQueue.LaneName {
        switch machine.state {
        case .transmitKeepAlive: .keepAlives
        case .processing(let command) where command != .deAssociate && machine.operCommand == nil: .arrivals
        case .initial, .processing, .waitSystemCommand, .transmitDeassociate: .commands
        }
    }

    /// The TLV that waits to be sent.
    var tlv: VSITLV? {
        switch exchange {
        case .idle: nil
        case .queued(let command, _), .awaiting(let command, _, _): carried.tlv(command, filter: carriedFilter)
        }
    }

    /// A TLV as long as the one that would keep it alive.
    var keepAliveTLV: VSITLV { carried.tlv(.associate, filter: carriedFilter) }
}

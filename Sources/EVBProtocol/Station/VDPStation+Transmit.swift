internal import EVBTime
internal import EVBWire

extension VDPStation {
    /// VSIs that are looked at to fill one PDU.
    static let gatherMax = 512

    /// Puts what a VSI has to say into the queue.
    mutating func enqueue(_ slot: Int, _ command: VDPCommand) {
        guard !slots[slot].isFree else { return }
        let lane = slots[slot].lane
        if case .awaiting(_, let former, _) = activities[slot].exchange, former != command {
            slots[slot].overtakenCommand = former
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
        // The queue and the cohorts have their turns.
        let isCohortTurn = queue.isEmpty || order.isTurn
        order.isTurn = false
        if isCohortTurn, let payload = nextCohortPayload(peer, at: now) { return payload }
        if let payload = nextQueuedPayload(peer, at: now) {
            order.isTurn = true
            return payload
        }
        return nextCohortPayload(peer, at: now)
    }

    /// The next PDU of VSIs that wait in the queue.
    private mutating func nextQueuedPayload(_ peer: Peer, at now: Instant) -> [UInt8]? {
        var room = window(peer) - outstanding
        guard !queue.isEmpty, let first = queue.popFirst(holding: heldLanes(room: room)),
            let leader = association(first)
        else {
            return nil
        }
        let (dialect, manager) = (peer.dialect, leader.managerID)
        var length = dialect.vdpOverhead + dialect.encodedLength(of: leader.tlv)
        inFlight.removeAll(keepingCapacity: true)
        inFlight.append(first)
        room -= 1
        if effectivePacing == .batch {
            gather(manager, room: &room, length: &length, peer, at: now)
        }
        var writer = dialect.writer(manager, reserving: length)
        for slot in inFlight {
            guard let association = association(slot) else { continue }
            writer.append(association.tlv, of: association.managerID)
            markSent(slot, association.tlv.command, timers: peer.timers, at: now)
        }
        asked.note(inFlight)
        pace.ask(inFlight.count)
        spacing.payloads &+= 1
        return writer.finish()
    }

    /// Adds more VSIs to a PDU, of the same manager where the dialect wants that: those that wait, then those whose keep-alive is
    /// due soon.
    private mutating func gather(
        _ manager: VSIManagerID, room: inout Int, length: inout Int, _ peer: Peer, at now: Instant
    ) {
        var arrivals = arrivalRoom
        lanes: for lane in TransmitQueue.LaneName.inOrder where lane != .arrivals || arrivals > 0 {
            var (next, left) = (queue.first(of: lane), Self.gatherMax)
            while let slot = next, left > 0 {
                next = queue.next(after: slot)
                left -= 1
                guard let association = association(slot), peer.dialect.canJoin(association.managerID, manager),
                    room > 0 || pace.isSlow && slots[slot].machine.state == .transmitKeepAlive,
                    arrivals > 0 || slots[slot].lane != .arrivals
                else { continue }
                let own = peer.dialect.encodedLength(of: association.tlv)
                guard length + own <= peer.payloadMax else { break lanes }
                queue.remove(slot)
                inFlight.append(slot)
                room -= 1
                length += own
                if slots[slot].lane == .arrivals { arrivals -= 1 }
            }
        }
        gatherKeepAlives(manager, room: &room, length: &length, peer, at: now)
    }

    /// Adds keep-alives that are due soon, so that those of many VSIs leave together.
    ///
    /// Soon is all of the time over which they are spread (``keepAliveShare(_:scatter:)``): a port with few VSIs would send a frame for
    /// some each. A port with many fills its frame with those that are due first. A slow bridge has to answer each, and is
    /// asked no sooner than a sixteenth of the period before.
    private mutating func gatherKeepAlives(
        _ manager: VSIManagerID, room: inout Int, length: inout Int, _ peer: Peer, at now: Instant
    ) {
        let horizon = now + peer.timers.reinitKeepAlive / (pace.isSlow ? 16 : 4)
        while room > 0 || pace.isSlow, let next = deadlines.next, next.deadline <= horizon,
            case .keepAlive = activities[next.member].wait, let terms = carried(next.member),
            peer.dialect.canJoin(terms.managerID, manager)
        {
            let own = peer.dialect.encodedLength(terms.filter, terms.organizational)
            guard length + own <= peer.payloadMax else { break }
            beginKeepAlive(next.member)
            inFlight.append(next.member)
            room -= 1
            length += own
        }
    }

    /// The time of a VSI's keep-alive has come, and it leaves with what is being gathered.
    private mutating func beginKeepAlive(_ slot: Int) {
        guard let command = slots[slot].machine.handle(.keepAliveDue).send else { return }
        setWait(slot, .none)
        setExchange(slot, .queued(command, isRepeated: false))
    }

    private mutating func markSent(_ slot: Int, _ command: VDPCommand, timers: ProtocolTimes, at now: Instant) {
        let isRepeated = activities[slot].exchange.isRecovering
        setExchange(slot, .awaiting(since: now, command, isRepeated ? .repeated : .normal))
        let answerDue = now + (pace.interval ?? Interval(nanoseconds: 0)) * UInt64(unanswered)
        activities[slot].asking.answerDue = answerDue
        if command == .deAssociate { slots[slot].isReleaseUnanswered = true }
        if slots[slot].machine.state == .transmitKeepAlive { statistics.keepAlives &+= 1 }
        if effectivePacing == .lockstep {
            stallDeadline = now + lockstepPatience
        } else if pacing == .lockstep, stallDeadline == nil {
            // What lets it be asked faster now may be over before the answer comes, and then nothing else is asked.
            armStall(at: now)
        }
        if case .response(let until, let repeatAt, let failures) = activities[slot].wait {
            setWait(slot, .response(until: until, repeatAt: repeatAt, failures: failures))
            activities[slot].asking.send(in: spacing.payloads, isRepeated: true)
            traceSent(slot, .askedAgain(command))
        } else {
            traceSent(slot, .asked(command))
            activities[slot].asking.send(in: spacing.payloads, isRepeated: false)
            activities[slot].asking.askedAt = now
            // A bridge that has others to answer first is not silent.
            let expected = answerDue.since(now)
            let delay = timers.responseWaitDelay + expected
            let isKeepAlive = slots[slot].machine.state == .transmitKeepAlive
            let usual = max(timers.responseWaitDelay / 2, expected * 3 / 2)
            let patience =
                if !isKeepAlive { usual } else if pace.isSlow { slowPatience(slot, at: now) } else { keepAlivePatience }
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
        guard let vsi = vsi(slot), case .awaiting(_, let command, _) = vsi.exchange,
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
            if let number = cohorts.inFlight { cohorts[number].round.isAcknowledged = true }
            // Those that were answered before that may be in a cohort by now.
            for slot in inFlight where cohorts.number(of: slot) == nil { activities[slot].asking.isAcknowledged = true }
        }
        inFlight.removeAll(keepingCapacity: true)
        cohorts.inFlight = nil
        payloadsLost = 0
        heldUntil = nil
    }

    /// ECP has given the outstanding PDU up.
    ///
    /// One lost PDU of many VSIs must not cut them all off while there is time, so it is made up anew twice. What the bridge
    /// has granted it holds for toutKeepAlive, however short ECP's times are: a keep-alive is said again until
    /// respWaitDelay is over.
    mutating func payloadFailed(at now: Instant) {
        if let number = cohorts.inFlight { dissolve(number) }
        let slots = inFlight
        inFlight = []
        payloadsLost = min(payloadsLost + 1, 16)
        // Commands that fail do not make keep-alives wait longer than these do themselves.
        if slots.contains(where: { self.slots[$0].machine.state == .transmitKeepAlive }) { holdKeepAlives(at: now) }
        for slot in slots {
            guard let vsi = vsi(slot), case .awaiting(_, _, let patience) = vsi.exchange,
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

extension VDPStation {
    /// The filter that goes with what is carried: VLANs that the bridge filled in are used from then on, as long as the same is
    /// asked for and the bridge has not taken it back.
    @inline(__always) func carriedFilter(_ slot: Int, _ carried: Terms) -> FilterInfo {
        guard let bound = granted(slot), slots[slot].isAskedAnew == false,
            carried.asked == bound.asked
        else { return carried.asked }
        return bound.filter
    }

    /// What waits to be sent of a VSI.
    @inline(__always) func association(_ slot: Int) -> WireDialect.Association? {
        switch activities[slot].exchange {
        case .idle: return nil
        case .queued(let command, _), .awaiting(_, let command, _):
            guard let carried = carried(slot) else { return nil }
            return WireDialect.Association(
                managerID: carried.managerID,
                tlv: carried.tlv(command, of: slots[slot].vsiID, filter: carriedFilter(slot, carried)))
        }
    }
}

extension VDPStation.Record {
    /// The lane of the queue that what it has to say first goes to.
    var lane: TransmitQueue.LaneName {
        switch machine.state {
        case .transmitKeepAlive: .keepAlives
        case .processing(let command) where command != .deAssociate && machine.operCommand == nil: .arrivals
        case .initial, .processing, .waitSystemCommand, .transmitDeassociate: .commands
        }
    }
}

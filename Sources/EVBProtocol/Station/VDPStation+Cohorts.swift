internal import EVBTime
internal import EVBWire

// Of ten thousand VSIs nearly all wait for nothing but their next keep-alive. Those that one PDU keeps alive are one cohort from its answer
// on, if the answer grants the PDU as it stands: the next PDU has the same octets, and an answer with the same octets again confirms all of
// them at once. Everything else, an answer that differs in one octet among it, takes the cohort apart and goes VSI by VSI.

extension VDPStation {
    /// How the keep-alives of a cohort stand.
    struct KeepAliveRound {
        enum Phase {
            /// The next keep-alives are due then.
            case resting(until: Instant)
            /// They are due since then, and wait for ECP.
            case ready(since: Instant)
            /// They were sent, and the answer is awaited.
            case asking
        }

        /// How they were sent: what the VSIs would know of it, each on its own.
        struct Ask {
            let at: Instant
            /// The number of the PDU.
            let payload: UInt64
            let timers: ProtocolTimes
            /// Answers that were awaited before.
            let unanswered: Int
            /// The pace of the bridge then: as measured, and as it is reckoned with.
            let measuredInterval: Interval?
            let answerInterval: Interval
        }

        let manager: VSIManagerID
        /// A quarter of the PDU is free at least: VSIs of another may join.
        let isPartial: Bool
        /// When its VSIs had been asked about, and heard of, before the first round.
        let joined: Asking
        var phase: Phase
        /// Rounds that were answered.
        var answered: UInt32 = 0
        /// The last round; nil before the first.
        var ask: Ask?
        /// ECP has got the PDU of that round across; kept where a trail is.
        var isAcknowledged = false
        /// When the VSIs were asked about in the round that was answered last; nil before the first.
        var heardAt: Instant?
    }

    /// Which cohorts are where in their rounds.
    struct CohortOrder {
        /// Those whose answers are awaited, in the order in which they were asked.
        var asking: [Int] = []
        /// Some of those whose PDUs are partial.
        var partial: [Int] = []
        /// The last PDU was not a cohort's.
        var isTurn = false
        /// Where in a period the first cohort of the port has its place, as a share of 2^32; nil before there was one.
        var offset: UInt32?
        /// Answers in a row that would have made a cohort and say something else than was asked.
        var unlike = 0

        /// Whether it is looked whether an answer makes a cohort: ever more seldom where none does.
        func looks(at payload: UInt64) -> Bool { payload % (1 << UInt64(min(unlike, 6))) == 0 }
    }

    /// Steps of a keep-alive period at which cohorts are due, those of all ports at the same moments. They are fewer than those of VSIs on
    /// their own: to wake up costs evbd as much as a cohort.
    private static let cohortSteps: UInt64 = 32
    /// Cohorts that others look at to fill their PDUs. There are more only where each of many managers has few VSIs.
    private static let partialsMax = 16

    // MARK: One VSI of them

    /// The VSI in a slot as it stands, also where its cohort stands for it; nil for a free one.
    func vsi(_ slot: Int) -> VSI? {
        if let number = cohorts.number(of: slot), let place = cohorts[number].slots.firstIndex(of: Int32(slot)) {
            return individual(place, of: cohorts[number])
        }
        return slots[slot].isFree ? nil : VSI(record: slots[slot], activity: activities[slot])
    }

    /// The same, also where it does not know of a loss yet; nil where that ends it.
    func seenExactly(_ slot: Int) -> VSI? { isUnaware(slot) ? seen(slot) : vsi(slot) }

    /// All VSIs.
    var vsis: [VSI] { slots.indices.compactMap { vsi($0) } }

    /// A VSI of a cohort as it would be on its own.
    func individual(_ place: Int, of cohort: Cohorts<KeepAliveRound>.Cohort) -> VSI {
        var record = slots[Int(cohort.slots[place])]
        let round = cohort.round
        record.keepAlives &+= round.answered
        var asking = round.joined
        if let ask = round.ask {
            let unanswered: UInt8 = if case .asking = round.phase { 1 } else { 0 }
            asking = Asking(
                askedAt: ask.at, heardAt: round.heardAt ?? round.joined.heardAt, answerDue: ask.at, sentIn: ask.payload,
                unanswered: unanswered, isAcknowledged: round.isAcknowledged)
        }
        switch round.phase {
        case .resting(let due), .ready(let due):
            return VSI(record: record, activity: Activity(.idle, .keepAlive(at: due), asking))
        case .asking:
            guard let ask = round.ask, let command = record.machine.handle(.keepAliveDue).send else {
                return VSI(record: record, activity: Activity(.idle, .none, asking))
            }
            asking.answerDue = ask.at + ask.expected(place)
            let exchange = Exchange.awaiting(since: ask.at, command, .normal)
            return VSI(record: record, activity: Activity(exchange, ask.wait(place), asking))
        }
    }

    /// Something else than the next keep-alive happens to a VSI: it is on its own from now on.
    mutating func leaveCohort(_ slot: Int) {
        if let number = cohorts.number(of: slot) { dissolve(number) }
    }

    /// Something happens to all.
    mutating func dissolveCohorts() {
        for number in cohorts.all { dissolve(number) }
    }

    /// Takes a cohort apart: each of its VSIs goes on where the cohort was.
    mutating func dissolve(_ number: Int) {
        if cohorts.inFlight == number {
            cohorts.inFlight = nil
            inFlight = cohorts[number].slots.map { Int($0) }
        }
        let cohort = cohorts.remove(number)
        order.partial.removeAll { $0 == number }
        if case .asking = cohort.round.phase {
            order.asking.removeAll { $0 == number }
            addOutstanding(-cohort.slots.count)
        }
        for (place, slot) in cohort.slots.enumerated() {
            let (slot, vsi) = (Int(slot), individual(place, of: cohort))
            slots[slot] = vsi.record
            activities[slot].asking = vsi.asking
            setExchange(slot, vsi.exchange)
            setWait(slot, vsi.wait)
            // Its time has come already.
            if case .ready = cohort.round.phase, let command = slots[slot].machine.handle(.keepAliveDue).send {
                enqueue(slot, command)
            }
        }
    }

    /// Whether the keep-alive of a VSI waits for ECP with those of its cohort.
    func isReady(_ slot: Int) -> Bool { cohorts.number(of: slot).map { cohorts.ready.contains($0) } ?? false }

    // MARK: Time

    /// Lets time pass for cohorts.
    mutating func advanceCohorts(to now: Instant) {
        while let next = cohorts.deadlines.next, next.deadline <= now {
            guard peer != nil, case .resting(let due) = cohorts[next.member].round.phase else {
                // The answer has not come in time, or the bridge is gone.
                dissolve(next.member)
                continue
            }
            cohorts.setDeadline(next.member, nil)
            cohorts[next.member].round.phase = .ready(since: due)
            cohorts.makeReady(next.member)
        }
    }

    // MARK: What leaves

    /// The PDU of the cohort that has waited longest; nil where it is better sent VSI by VSI, which then wait in the queue, and where there
    /// is none.
    mutating func nextCohortPayload(_ peer: Peer, at now: Instant) -> [UInt8]? {
        guard let number = cohorts.ready.first else { return nil }
        let count = cohorts[number].slots.count
        guard areCohortsUsual, count <= window(peer) - outstanding, !joinsOthers(number, peer, at: now) else {
            dissolve(number)
            return nil
        }
        cohorts.takeReady()
        let ask = KeepAliveRound.Ask(
            at: now, payload: spacing.payloads, timers: peer.timers, unanswered: unanswered,
            measuredInterval: pace.interval, answerInterval: answerInterval)
        cohorts[number].round.ask = ask
        cohorts[number].round.isAcknowledged = false
        cohorts[number].round.phase = .asking
        cohorts.setDeadline(number, ask.wait(0).deadline)
        cohorts.inFlight = number
        order.asking.append(number)
        inFlight.removeAll(keepingCapacity: true)
        addOutstanding(count)
        statistics.keepAlives &+= UInt64(count)
        pace.ask(count)
        spacing.payloads &+= 1
        return cohorts[number].payload
    }

    /// Whether keep-alives need no care: the bridge answers many VSIs at once, loses nothing, and nothing is done to all VSIs.
    private var areCohortsUsual: Bool {
        peer?.dialect == .ratified && pace.answersTogether && pacing == .batch && recovering == 0 && heldUntil == nil
            && sweep == nil && !isDrained && !networks.isOn
    }

    /// Whether a partial PDU can be filled with other keep-alives: those of a partial cohort that has room in it as a whole, which are said
    /// sooner this once and share a PDU from then on, or some that are due soon (``gatherKeepAlives``). All of them are on their own then.
    private mutating func joinsOthers(_ number: Int, _ peer: Peer, at now: Instant) -> Bool {
        guard cohorts[number].round.isPartial else { return false }
        let (horizon, manager) = (now + peer.timers.reinitKeepAlive / 4, cohorts[number].round.manager)
        let room = peer.payloadMax - cohorts[number].payload.count + VDPDU.overhead
        for other in order.partial where other != number && cohorts[other].round.manager == manager {
            let isWhole =
                cohorts[other].payload.count <= room
                && cohorts[number].slots.count + cohorts[other].slots.count <= window(peer) - outstanding
            switch cohorts[other].round.phase {
            case .resting(let due) where isWhole || due <= horizon:
                if isWhole { cohorts[other].round.phase = .ready(since: now) }
            case .ready: break
            case .resting, .asking: continue
            }
            dissolve(other)
            return true
        }
        guard let next = deadlines.next, next.deadline <= horizon, case .keepAlive = activities[next.member].wait,
            let request = carried(next.member)
        else { return false }
        return request.managerID == manager && request.organizational.isEmpty
    }

    // MARK: What arrives

    /// Takes in an answer that grants the PDU of a cohort as it stands.
    ///
    /// - Returns: whether it was one; nothing has changed if not.
    mutating func confirmCohort(_ payload: [UInt8], at now: Instant) -> Bool {
        guard let peer, !networks.isOn else { return false }
        let granted = payload.withUnsafeBytes { answer in
            order.asking.firstIndex { number in
                cohorts[number].payload.withUnsafeBytes { VDPDU.isGrant(answer, of: $0) }
            }
        }
        guard let granted, case let number = order.asking[granted], let ask = cohorts[number].round.ask else {
            return false
        }
        let count = cohorts[number].slots.count
        order.asking.remove(at: granted)
        pace.take(count)
        pace.note(
            BridgePace.Answer(count: count, payload: ask.payload, askedAt: ask.at, isKeepAlive: true),
            ackTimer: peer.timers.ackTimer, at: now)
        lastAnswer = max(lastAnswer, now)
        answering = .answers
        regainTrust(at: now)
        addOutstanding(-count)
        cohorts[number].round.answered &+= 1
        cohorts[number].round.heardAt = ask.at
        rest(number, heardAt: ask.at, peer, at: now)
        armStall(at: now)
        return true
    }

    /// Starts the time of the next keep-alives of a cohort.
    private mutating func rest(_ number: Int, heardAt: Instant, _ peer: Peer, at now: Instant) {
        let due = cohortDue(number, heardAt: heardAt, peer, at: now)
        cohorts[number].round.phase = .resting(until: due)
        cohorts.setDeadline(number, due)
    }

    /// When the next keep-alives of a cohort are due: 65 to 90 % of the period from now, as those of one VSI are.
    ///
    /// Each cohort has a place of its own in a cycle of 80 % of the period, to which it moves within a few rounds. One that is made has its
    /// place in the largest gap that the others leave (by the golden ratio), so that cohorts which were asked for in a burst do not stay a
    /// burst.
    private func cohortDue(_ number: Int, heardAt: Instant, _ peer: Peer, at now: Instant) -> Instant {
        let period = keepAlivePeriod(heardAt: heardAt, peer)
        let (cycle, earlier, later) = (period / 5 * 4, period / 100 * 15, period / 10)
        let place = (order.offset ?? 0) &+ UInt32(truncatingIfNeeded: number) &* 0x9E37_79B9
        let phase = cycle.nanoseconds.multipliedFullWidth(by: UInt64(place) << 32).high
        let middle = now + cycle
        // How long before that the place is for the last time. It is less than a cycle from the beginning of time.
        let past = Interval(nanoseconds: (middle.nanoseconds - phase) % max(cycle.nanoseconds, 1))
        let isPast = past <= cycle / 2
        let due =
            isPast
            ? Instant(nanoseconds: middle.nanoseconds - min(past, earlier).nanoseconds)
            : middle + min(Interval(nanoseconds: cycle.nanoseconds - past.nanoseconds), later)
        let least = now + max(period / 100 * 65, Self.keepAliveMin)
        let step = max(period.nanoseconds / Self.cohortSteps, 1)
        let onStep = Instant(nanoseconds: max(due, least).nanoseconds / step * step)
        return onStep < least ? onStep + Interval(nanoseconds: step) : onStep
    }

    /// The VSIs of which a PDU says something that confirms no cohort are on their own.
    mutating func leaveCohorts(_ associations: [WireDialect.Association]) {
        guard !cohorts.isEmpty else { return }
        for association in associations {
            if let slot = slot(of: association.tlv.vsiID) { leaveCohort(slot) }
        }
    }

    /// Whether a PDU with so many VSIs has no room for one more like them.
    ///
    /// Those of a burst are a cohort at once if it is so. What is less keeps its first keep-alives apart, which fill PDUs as they fall due:
    /// as cohorts of any size they would have to be joined round by round.
    func fillsPDU(_ payload: [UInt8], of count: Int) -> Bool {
        guard let peer, count > 0 else { return false }
        return peer.payloadMax - payload.count < (payload.count - VDPDU.overhead) / count
    }

    /// Makes a cohort of the VSIs that a PDU has answered, if it says of each what the next keep-alive will say.
    mutating func formCohort(_ associations: [WireDialect.Association], _ payload: [UInt8], at now: Instant) {
        guard areCohortsUsual, order.looks(at: spacing.payloads), overtaken.isEmpty, let peer,
            let manager = associations.first?.managerID
        else { return }
        var writer = VDPDU.Writer(manager, reserving: payload.count)
        var members: [Int32] = []
        members.reserveCapacity(associations.count)
        for association in associations {
            guard let slot = slot(of: association.tlv.vsiID), let tlv = restingKeepAlive(slot, manager) else { return }
            writer.append(tlv)
            members.append(Int32(slot))
        }
        let request = writer.finish()
        let isGrant = payload.withUnsafeBytes { answer in
            request.withUnsafeBytes { VDPDU.isGrant(answer, of: $0) }
        }
        order.unlike = isGrant ? 0 : order.unlike + 1
        guard isGrant, request.count <= peer.payloadMax, Set(members).count == members.count,
            let first = members.first.map({ slots[Int($0)].vsiID }),
            let joined = Asking.earliest(members.map { activities[Int($0)].asking })
        else { return }
        let isPartial = request.count < peer.payloadMax / 4 * 3 && !fillsPDU(request, of: members.count)
        for slot in members {
            deadlines.set(Int(slot), nil)
            activities.remove(Int(slot))
        }
        order.offset = order.offset ?? UInt32(truncatingIfNeeded: SplitMix64.mix(first.high ^ first.low))
        let round = KeepAliveRound(manager: manager, isPartial: isPartial, joined: joined, phase: .resting(until: now))
        let number = cohorts.add(members, payload: request, round)
        rest(number, heardAt: joined.heardAt, peer, at: now)
        if isPartial, order.partial.count < Self.partialsMax { order.partial.append(number) }
    }

    /// The TLV that will keep a VSI alive; nil for one that waits for anything else, or of which there is more to say, and for one of another
    /// manager than the answer names: a bridge may fill that in, and what keeps the VSI alive names the VSI's own.
    private func restingKeepAlive(_ slot: Int, _ manager: VSIManagerID) -> VSITLV? {
        guard case .keepAlive = activities[slot].wait, activities[slot].exchange == .idle,
            cohorts.number(of: slot) == nil,
            slots[slot].machine.state == .waitSystemCommand, let command = slots[slot].machine.operCommand,
            slots[slot].interest == .wanted, slots[slot].openRequest == nil, slots[slot].overtakenCommand == nil,
            !slots[slot].isReleaseUnanswered, !slots[slot].isAskedAnew,
            let terms = carried(slot), terms.organizational.isEmpty, terms.managerID == manager
        else { return nil }
        return terms.tlv(command, of: slots[slot].vsiID, filter: carriedFilter(slot, terms))
    }
}

extension VDPStation.KeepAliveRound.Ask {
    /// How long the answer to the VSI at a place can take where the bridge answers at its pace.
    func expected(_ place: Int) -> Interval {
        (measuredInterval ?? Interval(nanoseconds: 0)) * UInt64(unanswered + place + 1)
    }

    /// What the VSI at a place waits for.
    func wait(_ place: Int) -> VDPStation.Wait {
        let patience = VDPStation.keepAlivePatience(
            timers, answerInterval: answerInterval, unanswered: unanswered + place + 1)
        return .response(
            until: at + (timers.responseWaitDelay + expected(place)), repeatAt: at + patience, failures: 0)
    }
}

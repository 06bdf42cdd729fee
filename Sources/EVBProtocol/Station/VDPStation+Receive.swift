internal import EVBTime
internal import EVBWire

extension VDPStation {
    /// Whether the bridge answers by VDP.
    enum Answering: Equatable {
        /// It has been asked nothing of which the time is over.
        case unknown
        case answers
        /// A command has waited in vain, and nothing was answered since that time.
        case silent(since: Instant)
    }

    /// Whether what is to be said of a VSI waits for a PDU.
    func isQueued(_ slot: Int) -> Bool {
        if case .queued = activities[slot].exchange { true } else { false }
    }

    /// Takes in an ECPDU's payload from the bridge.
    mutating func receive(_ payload: [UInt8], at now: Instant) {
        guard let dialect = peer?.dialect else { return }
        if !confirmCohort(payload, at: now) { receiveEach(payload, in: dialect, at: now) }
        reconsiderKeepAlive(at: now)
        refuseArrivals(at: now)
    }

    /// Takes in a payload VSI by VSI.
    private mutating func receiveEach(_ payload: [UInt8], in dialect: WireDialect, at now: Instant) {
        do throws(WireError) {
            let decoded = try dialect.decode(payload)
            statistics.malformed &+= UInt64(decoded.rejected)
            leaveCohorts(decoded.associations)
            let awaited = measurePace(decoded.associations, at: now)
            for association in decoded.associations {
                receive(association.tlv, from: association.managerID, in: dialect, at: now)
            }
            // An answer that is not awaited does not put the next keep-alive off.
            if awaited.count == decoded.associations.count,
                awaited.areKeepAlives || fillsPDU(payload, of: awaited.count)
            {
                formCohort(decoded.associations, payload, at: now)
            }
        } catch {
            statistics.malformed &+= 1
        }
    }

    /// The slots of the two PDUs that were sent last, in the order in which a bridge is likely to answer: that of the PDUs. What comes
    /// in this order is found without a look into a table of tens of thousands.
    struct AskedOrder {
        private var slots: [Int32] = []
        private var next = 0
        /// Where those of the last PDU begin.
        private var latest = 0

        /// The slot that is likely to be answered next, and its place in the order.
        var likely: (slot: Int, place: Int)? { slot(at: next) }
        /// The same where the answers to the PDU before the last one do not come.
        var likelyOfLatest: (slot: Int, place: Int)? { next < latest ? slot(at: latest) : nil }

        private func slot(at place: Int) -> (slot: Int, place: Int)? {
            place < slots.count ? (Int(slots[place]), place) : nil
        }

        mutating func note(_ asked: [Int]) {
            // An answer to the last PDU may still be under way when the next one leaves.
            slots.removeSubrange(..<min(max(next, latest), slots.count))
            (next, latest) = (0, slots.count)
            for slot in asked { slots.append(Int32(slot)) }
        }

        /// The one at a place has been answered.
        mutating func advance(past place: Int) { next = place + 1 }
    }

    /// The slot of a VSI and its place in the order, if its answer is one that is likely to come next.
    @inline(__always) private func likelySlot(of vsiID: VSIID, in order: AskedOrder) -> (slot: Int, place: Int)? {
        if let likely = order.likely, isName(vsiID, of: likely.slot) { return likely }
        if let likely = order.likelyOfLatest, isName(vsiID, of: likely.slot) { return likely }
        return nil
    }

    @inline(__always) private func isName(_ vsiID: VSIID, of slot: Int) -> Bool {
        !slots[slot].isFree && slots[slot].vsiID == vsiID
    }

    /// Measures how fast the bridge answers by what it answers now.
    ///
    /// - Returns: how many of them are awaited, and whether these are keep-alives alone; none in the draft dialect.
    private mutating func measurePace(
        _ associations: [WireDialect.Association], at now: Instant
    ) -> (count: Int, areKeepAlives: Bool) {
        // The times of the draft are fixed.
        guard let peer, peer.dialect == .ratified else { return (0, false) }
        var (answer, isAnswering) = (nil as BridgePace.Answer?, false)
        pace.take(associations.count)
        var likely = asked
        for association in associations where association.tlv.status.contains(.answer) {
            let known = likelySlot(of: association.tlv.vsiID, in: likely)
            if let known { likely.advance(past: known.place) }
            guard let slot = known?.slot ?? slot(of: association.tlv.vsiID) else { continue }
            isAnswering = true
            let asking = activities[slot].asking
            activities[slot].asking.answer()
            guard case .response = activities[slot].wait else { continue }
            let isKeepAlive = slots[slot].machine.state == .transmitKeepAlive
            answer = BridgePace.Answer(
                count: (answer?.count ?? 0) + 1, payload: asking.answeredPDU,
                askedAt: min(answer?.askedAt ?? asking.askedAt, asking.askedAt),
                isKeepAlive: (answer?.isKeepAlive ?? true) && isKeepAlive)
        }
        guard let answer else {
            // It is busy with what it was asked before, and what it is to answer next is no more lost than it was.
            if stallDeadline != nil, isAnswering { armStall(at: now) }
            return (0, false)
        }
        pace.note(answer, ackTimer: peer.timers.ackTimer, at: now)
        if let payload = answer.payload { resendOvertaken(by: payload, at: now) }
        return (answer.count, answer.isKeepAlive)
    }

    private mutating func receive(
        _ tlv: VSITLV, from manager: VSIManagerID, in dialect: WireDialect, at now: Instant
    ) {
        let known = likelySlot(of: tlv.vsiID, in: asked)
        if let known { asked.advance(past: known.place) }
        guard let slot = known?.slot ?? slot(of: tlv.vsiID) else {
            statistics.unknownVSI &+= 1
            return
        }
        guard tlv.status.contains(.answer) else {
            // Only the De-Associate may come unasked.
            guard tlv.command == .deAssociate else {
                statistics.unsolicited &+= 1
                return
            }
            answered(slot, .bridgeDeassociate, at: now)
            return
        }
        lastAnswer = max(lastAnswer, now)
        let state = slots[slot].machine.state
        if tlv.command == .deAssociate {
            // What ends a disagreement says nothing of what was refused; nor does an answer that nobody waits for.
            if state != .transmitDeassociate, state != .initial {
                slots[slot].answer = VSIAnswer(tlv.status, in: dialect)
            }
            receiveReleaseAnswer(slot, state, at: now)
            return
        }
        // What has not been sent cannot have been answered: this is for a command that a newer one has overtaken.
        if isQueued(slot), activities[slot].wait == .none {
            statistics.unsolicited &+= 1
            return
        }
        guard let carried = carried(slot), dialect.matches(carried, tlv, from: manager) else {
            statistics.mismatchedAnswers &+= 1
            return
        }
        if !overtaken.isEmpty, let former = overtaken[slot], former.isGranted(by: tlv.filter),
            !carried.isGranted(by: tlv.filter)
        {
            overtaken[slot] = nil
            statistics.mismatchedAnswers &+= 1
            return
        }
        if state != .initial { slots[slot].answer = VSIAnswer(tlv.status, in: dialect) }
        guard tlv.status.reason == .success else {
            let refusal = Refusal(
                reason: tlv.status.reason, isHard: tlv.status.contains(.hard), isKept: tlv.status.contains(.keep))
            let isKeepAlive = state == .transmitKeepAlive
            answered(slot, .refused(tlv.command, refusal), at: now)
            // The bridge refuses what it is said to hold, and holds something: its VLANs may have been misunderstood.
            if isKeepAlive, slots[slot].machine.state == .waitSystemCommand { slots[slot].isAskedAnew = true }
            return
        }
        if dialect.bridgeChangesCommands, receiveChange(slot, slots[slot], tlv, at: now) { return }
        receiveGrant(slot, state, carried, tlv, at: now)
    }

    private mutating func receiveGrant(
        _ slot: Int, _ state: VDPStationMachine.State, _ carried: Terms, _ tlv: VSITLV, at now: Instant
    ) {
        guard carried.isGranted(by: tlv.filter) else {
            // A grant of an older filter may still be under way when a newer one is asked for.
            if granted(slot)?.isGranted(by: tlv.filter) == true, state != .transmitKeepAlive {
                statistics.mismatchedAnswers &+= 1
            } else {
                answered(slot, .mismatched(tlv.command), at: now)
            }
            return
        }
        // A VID that is another network's already would mix their frames.
        guard !networks.contradict(tlv.filter, of: slot) else {
            return answered(slot, .mismatched(tlv.command), at: now)
        }
        switch state {
        case .processing(tlv.command), .transmitKeepAlive:
            // A keep-alive is granted as what is bound, and changes nothing of that.
            if state != .transmitKeepAlive || granted(slot)?.filter != tlv.filter {
                // Where the bridge has filled nothing in, what is asked for and what holds are the same.
                setGranted(
                    slot, carried.filter == tlv.filter ? carried : Terms(carried.request(tlv.vsiID), filter: tlv.filter)
                )
            }
            if !overtaken.isEmpty { overtaken[slot] = nil }
            slots[slot].isAskedAnew = false
        case .initial, .processing, .waitSystemCommand, .transmitDeassociate: break
        }
        answered(slot, .granted(tlv.command), at: now)
    }

    /// An answer with the type De-Associate: to ours, or the bridge's way of refusing something else.
    private mutating func receiveReleaseAnswer(_ slot: Int, _ state: VDPStationMachine.State, at now: Instant) {
        switch state {
        case .processing(.deAssociate), .transmitDeassociate:
            slots[slot].isReleaseUnanswered = false
            answered(slot, .granted(.deAssociate), at: now)
        case .initial, .processing, .waitSystemCommand, .transmitKeepAlive:
            if slots[slot].isReleaseUnanswered {
                // The answer to a De-Associate that a newer command has overtaken.
                slots[slot].isReleaseUnanswered = false
            } else {
                answered(slot, .bridgeDeassociate, at: now)
            }
        }
    }

    /// Gives what the bridge said to the machine; if it was waited for, the waiting is over.
    mutating func answered(_ slot: Int, _ event: VDPStationMachine.Event, at now: Instant) {
        guard !slots[slot].isFree else { return }
        let before = slots[slot].machine
        var probe = before
        let action = probe.handle(event)
        if probe == before, action == .none {
            statistics.unsolicited &+= 1
            return
        }
        answering = .answers
        noteRecovery(slot, at: now)
        regainTrust(at: now)
        setExchange(slot, .idle)
        // Its deadline is moved once: by what the machine waits for next, or here where it waits for nothing.
        activities[slot].wait = .none
        activities[slot].asking.settle()
        feed(slot, event, at: now)
        if activities[slot].wait == .none { deadlines.set(slot, nil) }
        report(slot)
        armStall(at: now)
    }
}

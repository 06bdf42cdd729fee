internal import EVBTime
internal import EVBWire

// The draft marks no answer as one. What a bridge says of a VSI unasked looks like the answer to a command that was not
// given, and means that the bridge has changed the VSI.

extension VDPStation {
    /// Takes in a grant of another command than the one that is asked for or in force.
    ///
    /// - Returns: whether it was one; any other grant is the caller's.
    mutating func receiveChange(_ slot: Int, _ vsi: Record, _ tlv: VSITLV, at now: Instant) -> Bool {
        let expected: VDPCommand?
        switch vsi.machine.state {
        case .processing(let command): expected = command
        case .waitSystemCommand, .transmitKeepAlive: expected = vsi.machine.operCommand
        case .initial, .transmitDeassociate: expected = nil
        }
        guard let expected, expected != .deAssociate else { return false }
        guard tlv.command != expected else {
            // A bridge answers in order: what was asked before will not be answered any more.
            modify(slot) {
                $0.overtakenCommand = nil
                $0.isReleaseUnanswered = false
            }
            return false
        }
        guard tlv.command != vsi.overtakenCommand else {
            slots[slot].overtakenCommand = nil
            statistics.unsolicited &+= 1
            return true
        }
        // Who asks for an association and gets less has not got it.
        let isLess = tlv.command.rawValue < expected.rawValue
        if case .processing = vsi.machine.state, isLess {
            answered(slot, .mismatched(expected), at: now)
        } else if carried(slot)?.isGranted(by: tlv.filter) == true {
            adopt(slot, tlv, reason: isLess ? .bridgeDeassociated : .success, at: now)
        } else {
            statistics.mismatchedAnswers &+= 1
        }
        return true
    }

    /// The bridge binds a VSI further or less far than it was: that is kept alive, until the manager asks anew.
    private mutating func adopt(_ slot: Int, _ tlv: VSITLV, reason: VSIReason, at now: Instant) {
        guard let carried = carried(slot)?.request(slots[slot].vsiID) else { return }
        setExchange(slot, .idle)
        setWait(slot, .none)
        setGranted(slot, Terms(carried, filter: tlv.filter))
        modify(slot) {
            // As if the command had been given and granted; there is nothing to send.
            _ = $0.machine.handle(.command(tlv.command))
            _ = $0.machine.handle(.granted(tlv.command))
            $0.reason = reason
        }
        trace(slot, .changedByBridge(tlv.command))
        startKeepAlive(slot, at: now)
        endGranted(slot, at: now)
        report(slot)
        armStall(at: now)
    }

    /// The request ends with what its manager wanted.
    mutating func endGranted(_ slot: Int, at now: Instant) {
        if let vsi = vsi(slot), let asked = vsi.openRequest, wanted(slot)?.target == .associated {
            statistics.associationTimes.record(now.since(asked))
        }
        endRequest(slot, .granted)
    }
}

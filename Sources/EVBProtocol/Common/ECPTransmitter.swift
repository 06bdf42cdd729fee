internal import EVBTime
internal import EVBWire

/// ECP's transmit machine (802.1Q 43.3.7): one PDU at a time, sent until it is acknowledged or has been sent 1 + R times.
struct ECPTransmitter {
    private enum State {
        /// WAIT_FOR_REQ: nothing is outstanding.
        case waitForRequest
        /// TRANSMIT_ECPDU: `ecpdu` has been sent `transmissions` times, first at `since`, and waits for its acknowledgement.
        case transmitted(ECPDU, since: Instant, transmissions: Int, deadline: Instant)
    }

    /// What letting time pass calls for.
    enum Action: Equatable {
        case none
        case retransmit(ECPDU)
        /// TX_ERROR: the last transmission has waited in vain.
        case failed
    }

    private var state = State.waitForRequest
    /// The number of the next PDU.
    private(set) var sequence: UInt16

    /// Starts with nothing outstanding.
    ///
    /// - Parameter firstSequence: should differ from what an earlier run used last, or the peer takes the first PDU for a
    ///   repetition.
    init(firstSequence: UInt16) {
        sequence = firstSequence
    }

    /// Whether the next PDU may be sent.
    var isIdle: Bool {
        if case .waitForRequest = state { true } else { false }
    }

    /// Whether the outstanding PDU has been sent once; false where none is outstanding.
    var isFirstTransmission: Bool {
        if case .transmitted(_, _, 1, _) = state { true } else { false }
    }

    /// When the outstanding PDU's ack timer ends.
    var nextDeadline: Instant? {
        if case .transmitted(_, _, _, let deadline) = state { deadline } else { nil }
    }

    /// Begins with a PDU: gives what to send.
    ///
    /// - Precondition: `isIdle`.
    mutating func send(_ payload: [UInt8], subtype: ECPDU.Subtype, timers: ProtocolTimes, at now: Instant) -> ECPDU {
        precondition(isIdle, "ECP has one PDU outstanding at a time")
        let ecpdu = ECPDU(operation: .request, subtype: subtype, sequence: sequence, payload: payload)
        sequence &+= 1
        state = .transmitted(ecpdu, since: now, transmissions: 1, deadline: now + timers.ackTimer)
        return ecpdu
    }

    /// Takes in an acknowledgement.
    ///
    /// - Returns: when the PDU was first sent that it is for; nil for a late or an alien one, which changes nothing.
    mutating func acknowledge(_ ecpdu: ECPDU) -> Instant? {
        guard case .transmitted(let sent, let since, _, _) = state else { return nil }
        guard sent.sequence == ecpdu.sequence, sent.subtype == ecpdu.subtype else { return nil }
        state = .waitForRequest
        return since
    }

    /// Lets time pass. With `isRenumbering` what is sent again has a new number, and its acknowledgement must have that.
    mutating func advance(to now: Instant, timers: ProtocolTimes, renumbering isRenumbering: Bool = false) -> Action {
        guard case .transmitted(var ecpdu, let since, let transmissions, let deadline) = state, deadline <= now else {
            return .none
        }
        guard transmissions <= Int(timers.retries) else {
            state = .waitForRequest
            return .failed
        }
        if isRenumbering {
            ecpdu.sequence = sequence
            sequence &+= 1
        }
        state = .transmitted(
            ecpdu, since: since, transmissions: transmissions + 1, deadline: now + timers.ackTimer)
        return .retransmit(ecpdu)
    }

    /// The ack timer has changed: one that runs ends no later than it would if it began now.
    mutating func shorten(to timers: ProtocolTimes, at now: Instant) {
        guard case .transmitted(let ecpdu, let since, let transmissions, let deadline) = state else { return }
        state = .transmitted(
            ecpdu, since: since, transmissions: transmissions, deadline: min(deadline, now + timers.ackTimer))
    }

    /// The link is down, or the peer is gone: forgets what is outstanding, keeps counting.
    mutating func reset() {
        state = .waitForRequest
    }
}

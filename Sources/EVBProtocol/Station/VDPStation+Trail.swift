public import EVBWire

/// Something that the exchanges about a VSI came to. Keep-alives leave no trail.
public struct VSITrailEntry: Hashable, Sendable {
    public let vsiID: VSIID
    public let step: VSITrailStep
}

/// What there is to tell of a VSI beside its changes of state.
public enum VSITrailStep: Hashable, Sendable {
    /// The command was sent.
    case asked(VDPCommand)
    /// The command was sent once more.
    case askedAgain(VDPCommand)
    case granted(VDPCommand)
    case refused(Refusal)
    /// The bridge did not answer in time; whether its ECP had acknowledged the command.
    case unanswered(isAcknowledged: Bool)
    /// The dialect or the agreed filters of the bridge cannot say it.
    case unaskable
    /// The bridge answered with something else.
    case mismatched
    /// The bridge de-associated it.
    case takenBack
    /// The bridge has bound it further or less far, unasked.
    case changedByBridge(VDPCommand)
    /// The bridge has as many VSIs as it can keep alive.
    case overloaded
    /// The bridge is lost.
    case lost
    /// No bridge was heard in time.
    case noBridge
    case released
    /// The port is taken out of service, and back into it.
    case drained
    case drainEnded
    /// Nothing is known of it any more.
    case forgotten
}

extension VDPStation {
    /// Notes a step, where a trail is wanted.
    mutating func trace(_ slot: Int, _ step: VSITrailStep) {
        guard trail != nil, !slots[slot].isFree else { return }
        trail?.append(VSITrailEntry(vsiID: slots[slot].vsiID, step: step))
    }

    /// Notes that a command leaves, unless it is a keep-alive.
    mutating func traceSent(_ slot: Int, _ step: VSITrailStep) {
        guard trail != nil else { return }
        activities[slot].asking.isAcknowledged = false
        if slots[slot].machine.state != .transmitKeepAlive { trace(slot, step) }
    }

    /// Notes how a command ended.
    mutating func traceEnd(_ slot: Int, _ outcome: VDPStationMachine.Outcome) {
        guard trail != nil, let vsi = vsi(slot) else { return }
        switch outcome {
        case .bound: trace(slot, .granted(vsi.machine.operCommand ?? .associate))
        case .refused(let refusal): trace(slot, .refused(refusal))
        case .mismatched: trace(slot, .mismatched)
        case .bridgeDeassociated: trace(slot, .takenBack)
        case .timedOut: trace(slot, .unanswered(isAcknowledged: vsi.asking.isAcknowledged))
        case .peerLost: trace(slot, .lost)
        case .released: trace(slot, .released)
        }
    }
}

extension StationPort {
    /// Notes from now on what the exchanges about VSIs come to. ``takeTrail()`` has to be called, or it grows.
    public mutating func keepTrail() { vdp.trail = vdp.trail ?? [] }

    /// What has come since the last call.
    public mutating func takeTrail() -> [VSITrailEntry] {
        guard let trail = vdp.trail, !trail.isEmpty else { return [] }
        vdp.trail = []
        return trail
    }
}

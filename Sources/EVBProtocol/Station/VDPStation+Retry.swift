public import EVBTime
public import EVBWire

/// Why a VSI is not asked for again by hand.
public enum VSIRetryError: Error, Hashable, Sendable {
    /// No such VSI is known on the port.
    case unknownVSI
    /// Its manager has taken it back, and the bridge is releasing it.
    case isWithdrawn
    /// The bridge is being asked now.
    case isUnderWay
    /// The bridge holds what its manager wants.
    case isInForce
    /// No EVB bridge is heard; the VSI is asked for as soon as one is.
    case noBridge
    /// The port is out of service; the VSI is asked for when that ends.
    case isDrained
}

/// What happens next to a VSI, if nothing else does before.
public enum VSIOutlook: Hashable, Sendable {
    /// Keep-alives hold it at the bridge.
    case keepsAlive
    /// No EVB bridge is heard; it is asked for as soon as one is.
    case waitsForBridge
    /// The port is out of service; it is asked for when that ends.
    case isDrained
    /// The command waits until the bridge has acknowledged, or answered, what was sent before.
    case waitsToBeSent(VDPCommand)
    /// The command was sent.
    case waitsForAnswer(VDPCommand, until: Instant)
    /// The request that failed is sent again.
    case retries(at: Instant)
    /// The bridge has said that the request will always fail; another request, another bridge or a retry by hand ends that.
    case refusedForGood
    /// Nothing is under way.
    case idle
}

extension VDPStation {
    /// Asks at once for a VSI whose latest request failed, however the bridge has refused it.
    ///
    /// - Throws: when there is nothing to ask for again; nothing has changed then.
    mutating func retry(_ vsiID: VSIID, at now: Instant) throws(VSIRetryError) {
        guard let slot = slot(of: vsiID), let vsi = seenExactly(slot) else { throw .unknownVSI }
        guard vsi.interest != .withdrawn else { throw .isWithdrawn }
        guard !isDrained else { throw .isDrained }
        guard vsi.machine.state == .initial else {
            if vsi.machine.operCommand == wanted(slot)?.target.command, case .idle = vsi.exchange {
                throw .isInForce
            }
            throw .isUnderWay
        }
        guard peer != nil else { throw .noBridge }
        modify(slot) {
            $0.interest = .wanted
            $0.openRequest = now
        }
        failures.remove(slot)
        setWait(slot, .none)
        begin(slot, at: now)
        report(slot)
    }

    /// What happens next to a VSI; nil if there is none.
    func outlook(_ vsiID: VSIID) -> VSIOutlook? {
        guard let vsi = slot(of: vsiID).flatMap({ seenExactly($0) }) else { return nil }
        if isDrained, vsi.machine.state == .initial { return .isDrained }
        if peer == nil { return .waitsForBridge }
        switch (vsi.wait, vsi.exchange) {
        case (.retry(let at), _): return .retries(at: at)
        case (.response(let until, _, _), .awaiting(_, let command, _)):
            return .waitsForAnswer(command, until: until)
        case (_, .queued(let command, _)): return .waitsToBeSent(command)
        default: break
        }
        if vsi.machine.operCommand != nil { return .keepsAlive }
        return vsi.interest == .refusedForGood ? .refusedForGood : .idle
    }
}

extension StationPort {
    /// Asks at once for a VSI that was refused, also for good, or whose next try is due later. How it ends comes as an effect.
    ///
    /// - Throws: when there is nothing to ask for again; nothing has changed then.
    public mutating func retry(_ vsiID: VSIID, at now: Instant) throws(VSIRetryError) -> [StationEffect] {
        try vdp.retry(vsiID, at: now)
        return finish(at: now)
    }

    /// What happens next to a VSI; nil if there is none.
    public func outlook(_ vsiID: VSIID) -> VSIOutlook? { vdp.outlook(vsiID) }
}

public import EVBTime
internal import EVBWire

// A port that is taken out of service for a while, such as for maintenance of the bridge: what the bridge holds is given back in
// order, and everything stays wanted.

extension VDPStation {
    /// Releases all VSIs at the bridge, and asks for none until the drain ends.
    mutating func drain(at now: Instant) {
        guard !isDrained else { return }
        finishSweep(at: now)
        dissolveCohorts()
        isDrained = true
        for slot in slots.indices {
            guard let vsi = vsi(slot), vsi.interest != .withdrawn else { continue }
            modify(slot) { $0.reason = .drained }
            trace(slot, .drained)
            if vsi.machine.state == .initial {
                settle(slot, at: now)
            } else {
                feed(slot, .command(.deAssociate), at: now)
            }
            report(slot)
        }
    }

    /// Why nothing is bound while no bridge is asked.
    var awayReason: VSIReason { isDrained ? .drained : .bridgeLost }

    /// Asks for all that is wanted, also for what the bridge had refused before.
    mutating func endDrain(at now: Instant) {
        guard isDrained else { return }
        finishSweep(at: now)
        isDrained = false
        for slot in slots.indices {
            guard let vsi = vsi(slot), vsi.interest != .withdrawn else { continue }
            trace(slot, .drainEnded)
            askAgain(slot, at: now)
        }
    }
}

extension StationPort {
    /// Whether the port is out of service.
    public var isDrained: Bool { vdp.isDrained }

    /// Takes the port out of service: the bridge is asked to release all VSIs, which stay wanted. LLDP goes on.
    public mutating func drain(at now: Instant) -> [StationEffect] {
        vdp.drain(at: now)
        takeUpBridge(at: now)
        return finish(at: now)
    }

    /// Takes the port back into service: all VSIs are asked for.
    public mutating func endDrain(at now: Instant) -> [StationEffect] {
        vdp.endDrain(at: now)
        takeUpBridge(at: now)
        return finish(at: now)
    }
}

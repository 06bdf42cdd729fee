internal import EVBTime

/// How full a port's tables and queues are, for the simulation that checks their bounds.
package struct PortLoad: Equatable, Sendable {
    /// VSIs that are known.
    package var vsis: Int
    /// Places for VSIs, free ones among them.
    package var places: Int
    /// VSIs with something to say.
    package var queued: Int
    /// Deadlines of VSIs that are armed.
    package var deadlines: Int
    /// LLDP neighbours that are remembered.
    package var neighbours: Int
    /// Whether the counters that are kept along agree with what they count.
    package var isConsistent: Bool
}

extension StationPort {
    /// How full the station's tables are.
    package var load: PortLoad {
        let vsis = vdp.vsis
        let waiting = vsis.count { vsi in
            if case .queued = vsi.exchange { true } else { false }
        }
        return PortLoad(
            vsis: vdp.index.count, places: vdp.slots.count, queued: vdp.queue.count,
            deadlines: vdp.deadlines.count + vdp.cohorts.deadlines.count,
            neighbours: link.agent.neighbours.count,
            isConsistent: vdp.outstanding == vsis.count { $0.exchange.isOutstanding }
                && vdp.recovering == vsis.count { $0.exchange.isRecovering }
                && vdp.entryCount == vdp.slots.indices.reduce(0) { $0 + vdp.filterEntries($1) }
                && vdp.queue.count == waiting
                && vdp.slots.indices.allSatisfy { vdp.slots[$0].isFree || vdp.slot(of: vdp.slots[$0].vsiID) == $0 }
                && vsis.count == vdp.index.count
                && vdp.slots.count == vdp.index.count + vdp.freeSlots.count)
    }
}

extension BridgePort {
    /// How full the bridge's tables are.
    package var load: PortLoad {
        let vsis = vdp.vsis
        return PortLoad(
            vsis: vdp.index.count, places: vdp.slots.count, queued: vdp.queue.count,
            deadlines: vdp.deadlines.count + vdp.cohorts.deadlines.count,
            neighbours: link.agent.neighbours.count,
            isConsistent: vdp.livingCount == vsis.count { $0.machine.state != .initial }
                && vdp.lostCount == vsis.count { vdp.isLost($0) && $0.machine.state != .initial }
                && vdp.entryCount == vdp.slots.indices.reduce(0) { $0 + vdp.filterEntries($1) }
                && vdp.slots.indices.allSatisfy { vdp.slots[$0].isFree || vdp.slot(of: vdp.slots[$0].vsiID) == $0 }
                && vdp.slotOfTicket.count == vsis.count { $0.ticket != nil }
                && vdp.queue.count
                    == vdp.slots.indices.count { vdp.messages[$0] != nil && !vdp.isLost(vdp.slots[$0]) }
                && vsis.count == vdp.index.count
                && vdp.slots.count == vdp.index.count + vdp.freeSlots.count)
    }
}

internal import EVBTime
internal import EVBWire

extension VDPBridge {
    /// What the VSIs of the port take.
    var use: ResourceUse { ResourceUse(vsis: livingCount, filterEntries: entryCount) }

    /// Counts the filter entries of a VSI again.
    mutating func countEntries(_ slot: Int) {
        if networks.isOn { networks.set(slot, bound[slot]?.grant.filter) }
        let (count, former) = (filterEntries(slot), slots[slot].countedEntries)
        guard count != former else { return }
        entryCount += count - former
        slots[slot].countedEntries = count
    }

    /// The limit that a request would exceed. What a VSI has taken already it may keep and ask for again.
    ///
    /// VSIs of a station that is gone make room first.
    mutating func limit(exceededBy request: BridgeRequest, of slot: Int, at now: Instant) -> ResourceLimit? {
        if isReleasing, exceededLimit(request, slot) != nil { goOn(at: now) }
        return exceededLimit(request, slot)
    }

    private func exceededLimit(_ request: BridgeRequest, _ slot: Int) -> ResourceLimit? {
        if slots[slot].machine.state == .initial {
            if livingCount >= vsisMax { return .vsisPerPort }
            if livingCount >= room.vsis { return .vsis }
        }
        return hasRoom(for: request.filter, of: slot) ? nil : .filterEntries
    }

    private func hasRoom(for filter: FilterInfo, of slot: Int) -> Bool {
        let (count, counted) = (filter.entries.count, slots[slot].countedEntries)
        return count <= counted || entryCount - counted + count <= room.filterEntries
    }

    /// Refuses what there is no room for. The station may ask again when others have gone; what the VSI holds stays.
    mutating func refuse(_ request: BridgeRequest, _ slot: Int, for limit: ResourceLimit, at now: Instant) {
        note(limit)
        guard slots[slot].machine.state == .initial else {
            return feed(slot, .invalid(request.command, .insufficientResources, isHard: false), at: now)
        }
        statistics.commandsFailed &+= 1
        let refusal = Refusal(reason: .insufficientResources, isHard: false, isKept: false)
        setMessage(slot, Message(tlv: request.answer(refusal.status, filter: request.filter)))
    }

    /// Refuses a grant that there is no room for: with the VLANs of its type a filter may have more entries than were asked for.
    mutating func judge(_ ticket: DecisionTicket, _ decision: BridgeDecision) -> BridgeDecision {
        guard case .grant(let filter) = decision, let slot = slotOfTicket[ticket], !isLost(slots[slot])
        else { return decision }
        if networks.contradict(filter, of: slot) {
            return .refuse(Refusal(reason: .invalidFilter, isHard: false, isKept: true))
        }
        guard !hasRoom(for: filter, of: slot) else { return decision }
        if let round, isReleasing {
            goOn(at: round.workedAt)
            if hasRoom(for: filter, of: slot) { return decision }
        }
        note(.filterEntries)
        return .refuse(Refusal(reason: .insufficientResources, isHard: false, isKept: true))
    }

    /// Counts a refusal, and tells of the first.
    private mutating func note(_ limit: ResourceLimit) {
        switch limit {
        case .vsisPerPort: statistics.tableFull &+= 1
        case .vsis: statistics.allTablesFull &+= 1
        case .filterEntries: statistics.filtersFull &+= 1
        }
        if toldLimits.insert(limit).inserted { effects.append(.notice(.limitReached(limit))) }
    }
}

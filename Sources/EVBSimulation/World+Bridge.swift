internal import EVBProtocol
internal import EVBTime
internal import EVBWire

extension World {
    mutating func carryOut(_ effect: BridgeEffect, _ index: Int) throws(Ledger.Breach) {
        if case .transmit(let frame) = effect {
            note(.sent(byBridge: true, frame), index)
            try pairs[index].bridgeMonitor.sent(frame)
            let isCareless = !isQuiet && swarm.faults.contains(.falseKeep)
            transmit(isCareless ? withFalseKeep(frame, index) : frame, index, toBridge: false)
            return
        }
        note(.bridge(effect), index)
        switch effect {
        case .decide(let ticket, let request):
            guard pairs[index].openTickets.insert(ticket).inserted else {
                throw Ledger.Breach(rule: "a ticket names one decision", detail: "ticket \(ticket.number)")
            }
            let longest = isQuiet ? Interval.milliseconds(10) : swarm.decisionMax
            let delay = Interval(nanoseconds: random.chance(300) ? 0 : random.next() % longest.nanoseconds)
            events.add(
                .decision(station: index, ticket, request, epoch: pairs[index].bridgeEpoch), at: now + delay)
        case .cancel(let ticket):
            guard pairs[index].openTickets.remove(ticket) != nil else {
                throw Ledger.Breach(
                    rule: "every decision is asked for and ends once", detail: "ticket \(ticket.number)")
            }
        case .vsi(let event):
            try checkStandstill("\(event)")
            try pairs[index].ledger.bridgeSays(event, at: now)
            // A station that stays and has no VDP any more, by a stray LLDPDU, ends what was outstanding too.
            if case .released(_, .stationLost) = event { pairs[index].bridgeMonitor.misled() }
        case .station(.lost): pairs[index].bridgeMonitor.reset()
        case .timers(let timers): pairs[index].bridgeMonitor.retriesChanged(to: timers.retries)
        case .transmit, .station, .reflectiveRelay, .notice: break
        }
    }

    /// The frame as a careless bridge would send it. The draft has no Keep to be careless with.
    private func withFalseKeep(_ frame: Frame, _ index: Int) -> Frame {
        guard case .ecp(var ecpdu) = frame.payload, ecpdu.operation == .request,
            var pdu = try? VDPDU.decode(ecpdu.payload).pdu
        else { return frame }
        for place in pdu.associations.indices {
            let tlv = pdu.associations[place]
            // A station that has something bound is not lied to: it could not know better before the next keep-alive.
            let reported = pairs[index].ledger.lines[tlv.vsiID]?.reported ?? .deassociated
            guard reported == .deassociated || reported == .pending else { continue }
            if tlv.status.contains(.answer), tlv.status.reason != .success {
                pdu.associations[place].status.insert(.keep)
            }
        }
        ecpdu.payload = pdu.encoded()
        return Frame(destination: frame.destination, source: frame.source, payload: .ecp(ecpdu))
    }

    /// The bridge's owner has made up its mind.
    mutating func decide(
        _ index: Int, _ ticket: DecisionTicket, _ request: BridgeRequest, epoch: Int
    ) throws(Ledger.Breach) {
        guard epoch == pairs[index].bridgeEpoch, pairs[index].isBridgeRunning else { return }
        current = index
        let decision = makeDecision(on: request, index)
        note(.decision(ticket, decision), index)
        // An owner may not have noticed that nobody waits any more; the port then must not either.
        let isAwaited = pairs[index].openTickets.remove(ticket) != nil
        if isAwaited, case .refuse(let refusal) = decision, refusal.isHard {
            pairs[index].ledger.bridgeRefusedForGood(request.vsiID)
        }
        try bridgeDoes(index) { [now] in $0.decided(ticket, decision, at: now) }
    }

    private mutating func makeDecision(on request: BridgeRequest, _ index: Int) -> BridgeDecision {
        guard isQuiet || !random.chance(swarm.refuse) else {
            let reasons: [VDPReason] = [
                .invalidFormat, .insufficientResources, .managerUnreachable, .otherFailure, .invalidFilter,
                VDPReason(rawValue: 9),
            ]
            let reason = random.pick(reasons) ?? .otherFailure
            return .refuse(Refusal(reason: reason, isHard: random.chance(200), isKept: random.flag()))
        }
        return .grant(filled(request.filter, index))
    }

    /// The filter with VLANs in the place of null VIDs; one null VID may become several entries.
    private mutating func filled(_ filter: FilterInfo, _ index: Int) -> FilterInfo {
        guard filter.asksForVID else { return filter }
        let vlan = pairs[index].typeVLAN
        var entries: [FilterEntry] = []
        for entry in filter.entries {
            var entry = entry
            if entry.vid == 0 {
                entry.vid = vlan
                entry.pcp = 3
                if vlan % 3 == 0, filter.entries.count == 1 {
                    var second = entry
                    second.vid = vlan + 1
                    entries.append(second)
                }
            }
            if !entries.contains(entry) { entries.append(entry) }
        }
        return (try? FilterInfo(checking: entries)) ?? filter
    }

    // MARK: Death and return

    /// The bridge dies with all its ports, and comes back with no memory.
    mutating func rebootBridge() throws(Ledger.Breach) {
        let length = Interval.milliseconds(UInt64(random.flag() ? random.within(1...3000) : random.within(1...200_000)))
        let showsLinks = random.flag()
        for index in pairs.indices where pairs[index].isBridgeRunning {
            current = index
            if showsLinks { try flap(index) }
            try killBridge(index, returningAfter: length)
        }
    }

    mutating func killBridge(_ index: Int, returningAfter length: Interval) throws(Ledger.Breach) {
        note(.note("bridge dies"), index)
        pairs[index].isBridgeRunning = false
        pairs[index].bridgeEpoch += 1
        pairs[index].openTickets = []
        pairs[index].bridgeMonitor.restart()
        try arm(2 * index + 1, nil)
        try pairs[index].ledger.bridgeDied(at: now)
        events.add(.bridgeStarted(station: index), at: now + length)
    }

    mutating func startBridge(_ index: Int) throws(Ledger.Breach) {
        guard !pairs[index].isBridgeRunning else { return }
        current = index
        note(.note("bridge starts"), index)
        if random.flag() { pairs[index].typeVLAN = UInt16(random.within(2...4000)) }
        let settings = pairs[index].bridgeSettings
        pairs[index].bridge = bridgePort(index, settings)
        pairs[index].bridgeMonitor = ECPMonitor(retries: settings.evb.timers.retries)
        pairs[index].isBridgeRunning = true
        bridgeIsBack(index)
        if pairs[index].isLinkUp { try bridgeDoes(index) { [now] in $0.setLink(up: true, at: now) } }
    }
}

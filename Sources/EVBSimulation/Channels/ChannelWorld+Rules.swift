internal import EVBProtocol
internal import EVBTime
internal import EVBWire

extension ChannelWorld {
    /// The channels that both sides together bear, by what they are configured with.
    var eligible: [SCID] {
        let capacity = min(stationSettings.capacity, bridgeSettings.capacity)
        return Array(stationSettings.wanted.keys.sorted().prefix(capacity - 1))
    }

    var poolSize: Int { Set(bridgeSettings.svids.ranges.joined()).count }

    /// There may be fewer SVIDs than channels that have, or had, one.
    var isPoolShort: Bool { poolSize < 2 * options.channels }

    var sentCount: UInt64 { station.uplink.statistics.lldpSent &+ bridge.uplink.statistics.lldpSent }

    // MARK: At each event

    /// Whom an uplink has followed in an event: a liar's word excuses much of what comes of it.
    mutating func watchPeer<Machine, Port>(
        of side: Side<Machine, Port>, _ role: CDCPTLV.Role
    ) throws(Ledger.Breach) {
        let other = role == .station ? Self.bridgeIdentity.address : Self.stationIdentity.address
        let peer = side.uplink.peer?.address
        if peer != side.peer {
            side.peer = peer
            note(.peer(role, peer))
        }
        if let peer, peer != other, now > watch.lastDisturbance + ChannelSwarm.aftermath {
            throw Ledger.Breach(
                rule: "a second neighbour takes no channel of a side that hears its own",
                detail: "\(role) speaks with \(peer)")
        }
        switch peer {
        case nil: watch.disturbed(at: now)
        case other: break
        default: watch.misled(at: now)
        }
    }

    /// What must hold of an uplink after each of its events.
    func checkUplink<Machine, Port>(
        _ side: Side<Machine, Port>, _ role: CDCPTLV.Role
    ) throws(Ledger.Breach) {
        let channels = side.uplink.machine.channels
        guard channels == side.told else {
            throw Ledger.Breach(
                rule: "changes of channels are told without a gap", detail: "\(role): \(channels), told \(side.told)")
        }
        guard Set(channels.values).count == channels.count else {
            throw Ledger.Breach(rule: "no two channels of a side share an SVID", detail: "\(role): \(channels)")
        }
        guard channels.allSatisfy({ $0.key > .default && $0.value.isAssignable }) else {
            throw Ledger.Breach(rule: "a channel has a number of its own", detail: "\(role): \(channels)")
        }
        let capacity = role == .station ? stationSettings.capacity : bridgeSettings.capacity
        guard channels.count < capacity else {
            throw Ledger.Breach(
                rule: "a side has no more channels than it bears", detail: "\(role): \(channels.count) of \(capacity)")
        }
        if role == .bridge, let wrong = channels.first(where: { !bridgeSettings.svids.contains($0.value) }) {
            throw Ledger.Breach(rule: "a bridge gives what is in its pool", detail: "\(wrong)")
        }
        for memory in [station.uplink.machine.last, bridge.uplink.machine.held]
        where Set(memory.values).count != memory.count {
            throw Ledger.Breach(rule: "an SVID is remembered for one channel", detail: "\(memory)")
        }
        guard side.uplink.neighbourCount <= 8, bridge.uplink.machine.held.count <= CDCPTLV.channelsMax,
            station.uplink.machine.last.count <= CDCPTLV.channelsMax
        else { throw Ledger.Breach(rule: "memory is bounded", detail: "\(role)") }
    }

    /// Whether a change of a channel may be.
    mutating func judge(_ event: SChannelEvent, of role: CDCPTLV.Role) throws(Ledger.Breach) {
        try checkStandstill("\(role): \(event)")
        let told = role == .station ? station.told : bridge.told
        let isTold: Bool
        switch event.change {
        case .up(let svid):
            isTold = told[event.scid] == nil
            try judge(svid, of: event.scid, role)
        case .moved(let former, let svid):
            isTold = told[event.scid] == former && svid != former
            try checkCalm(event, of: role)
            try judge(svid, of: event.scid, role)
        case .down:
            isTold = told[event.scid] != nil
            try checkCalm(event, of: role)
        }
        guard isTold else {
            throw Ledger.Breach(
                rule: "changes of channels are told without a gap",
                detail: "\(role): \(event), was \(String(describing: told[event.scid]))")
        }
    }

    private func checkCalm(_ event: SChannelEvent, of role: CDCPTLV.Role) throws(Ledger.Breach) {
        guard watch.isCalm(event.scid, at: now) else { return }
        throw Ledger.Breach(
            rule: "a channel that nothing happened to stays up, with its SVID", detail: "\(role): \(event)")
    }

    private mutating func judge(_ svid: SVID, of scid: SCID, _ role: CDCPTLV.Role) throws(Ledger.Breach) {
        if role == .bridge {
            if isPoolShort {
                watch.release { $0 != scid && $1 == svid || $0 == scid }
            } else if let agreed = watch.agreed[scid], agreed.svid != svid, !isAskedElse(scid, agreed.svid) {
                throw Ledger.Breach(
                    rule: "a channel gets the SVID again that it had, as long as a side remembers it",
                    detail: "channel \(scid): \(svid), \(agreed)")
            }
        }
        watch.learned(scid, svid, by: role)
    }

    /// Whether another SVID is asked for for a channel, or this one for another channel: by the operator, or by a station that has
    /// not heard of the last change.
    private func isAskedElse(_ scid: SCID, _ svid: SVID) -> Bool {
        func isElse(_ pairs: [SCID: SVID]) -> Bool {
            pairs.contains { $0.key == scid ? ![svid, .unassigned].contains($0.value) : $0.value == svid }
        }
        return isElse(stationSettings.wanted)
            || watch.agreed[scid]?.station == false && isElse(station.uplink.machine.last)
    }

    /// What is left in a channel that is down on a side, or has just lost its former SVID.
    func checkDown(_ scid: SCID, _ role: CDCPTLV.Role) throws(Ledger.Breach) {
        let rule = "no VSI is associated in a channel that is down"
        switch role {
        case .station:
            if let vsi = station.ports[scid]?.vsis.first(where: { $0.operCommand != nil || $0.state == .associated }) {
                throw Ledger.Breach(
                    rule: rule, detail: "channel \(scid): station has \(Trace.name(vsi.request.vsiID)) \(vsi.state)")
            }
        case .bridge:
            if let vsi = bridge.ports[scid]?.vsis.first {
                throw Ledger.Breach(rule: rule, detail: "channel \(scid): bridge has \(Trace.name(vsi.vsiID))")
            }
        }
    }

    func checkStandstill(_ change: @autoclosure () -> String) throws(Ledger.Breach) {
        guard isStill else { return }
        throw Ledger.Breach(rule: "long after the last fault nothing changes", detail: change())
    }

    // MARK: From time to time

    /// Looks at what must hold at any time, and clears away what a bridge has no use for.
    mutating func inspect() throws(Ledger.Breach) {
        for scid in station.ports.keys.sorted() where station.told[scid] == nil { try checkDown(scid, .station) }
        for (scid, port) in bridge.ports.sorted(by: { $0.key < $1.key }) where bridge.told[scid] == nil {
            try checkDown(scid, .bridge)
            guard !port.isReleasing else { continue }
            bridge.ports[scid] = nil
            deadlines.set(2 * Int(scid.rawValue) + 1, nil)
        }
        try checkAlone()
    }

    /// Keeps in mind since when a side has had a channel that the other has not, or by another SVID.
    mutating func watchAlone() {
        var since: [ChannelWatch.Alone: Instant] = [:]
        for (role, own, others) in [
            (CDCPTLV.Role.station, station.told, bridge.told), (.bridge, bridge.told, station.told),
        ] {
            for (scid, svid) in own where others[scid] != svid {
                let alone = ChannelWatch.Alone(role: role, scid: scid, svid: svid)
                since[alone] = watch.aloneSince[alone] ?? now
            }
        }
        watch.aloneSince = since
    }

    /// Such a channel ends when the other side's word has aged.
    private func checkAlone() throws(Ledger.Breach) {
        for (alone, start) in watch.aloneSince.sorted(by: { $0.key.scid < $1.key.scid }) {
            // What the bridge says may be lost for long while it hears the station.
            if alone.role == .bridge, swarm.loss > 10 { continue }
            // A lie is believed for as long as it says, and a station that follows no bridge may still be heard.
            let excuse = alone.role == .station ? watch.lastMisled : watch.lastDisturbance
            guard now.since(start) > swarm.ageing, now.since(excuse) > ChannelSwarm.aftermath else { continue }
            throw Ledger.Breach(
                rule: "no side has a channel alone for longer than LLDP's word holds",
                detail: "\(alone.role): channel \(alone.scid) with \(alone.svid) since \(Trace.text(start))")
        }
    }

    /// Long after the last fault: all has come right.
    mutating func checkOutcome() throws(Ledger.Breach) {
        try inspect()
        let (own, others) = (station.told, bridge.told)
        guard own == others else {
            throw Ledger.Breach(
                rule: "after the last fault both sides agree on the pairs", detail: "station \(own), bridge \(others)")
        }
        let (eligible, room) = (eligible, poolSize)
        guard own.count == min(eligible.count, room), own.keys.allSatisfy(eligible.contains) else {
            throw Ledger.Breach(
                rule: "after the last fault as many channels are up as can be",
                detail: "\(own), asked for \(eligible), pool of \(room)")
        }
        try checkFaults()
        for (scid, requests) in wanted.sorted(by: { $0.key < $1.key }) {
            guard own[scid] != nil else {
                try checkDown(scid, .station)
                continue
            }
            try checkVSIs(Set(requests.keys), scid)
        }
    }

    private func checkVSIs(_ wanted: Set<VSIID>, _ scid: SCID) throws(Ledger.Breach) {
        let onStation = Set(station.ports[scid]?.vsis.filter { $0.state == .associated }.map(\.request.vsiID) ?? [])
        let onBridge = Set(
            bridge.ports[scid]?.vsis.filter { $0.grant?.command == .associate }.map(\.vsiID) ?? [])
        guard onStation == wanted, onBridge == wanted else {
            throw Ledger.Breach(
                rule: "after the last fault every VSI wanted in a channel that is up is associated, and no other",
                detail: "channel \(scid): wanted \(wanted.map(Trace.name)), station \(onStation.map(Trace.name)),"
                    + " bridge \(onBridge.map(Trace.name))")
        }
    }

    /// What is wrong is what is left of it: too little capacity or too small a pool, and a liar that has said it stays for long.
    private func checkFaults() throws(Ledger.Breach) {
        let wanted = stationSettings.wanted.count + 1
        var (ofStation, ofBridge): (Set<CDCPFault.Kind>, Set<CDCPFault.Kind>) = ([], [])
        if wanted > min(stationSettings.capacity, bridgeSettings.capacity) { ofStation.insert(.beyondCapacity) }
        if eligible.isEmpty { ofBridge.insert(.onlyDefault) }
        if eligible.count > poolSize { ofBridge.insert(.noSVID) }
        let seen = (Set(station.uplink.faults.map(\.kind)), Set(bridge.uplink.faults.map(\.kind)))
        let isAlone = (station.uplink.neighbourCount < 2, bridge.uplink.neighbourCount < 2)
        guard ofStation == seen.0 || !isAlone.0 && ofStation.isSubset(of: seen.0),
            ofBridge == seen.1 || !isAlone.1 && ofBridge.isSubset(of: seen.1)
        else {
            throw Ledger.Breach(
                rule: "after the last fault just what is wrong is reported",
                detail: "station \(station.uplink.faults), bridge \(bridge.uplink.faults)")
        }
    }

    /// Nothing to say any more: LLDPDUs come every 30 s.
    func checkSilence() throws(Ledger.Breach) {
        let sent = sentCount &- watch.sentBefore
        let most = 2 * (ChannelSwarm.standstill.nanoseconds / Interval.seconds(30).nanoseconds + 1)
        guard sent <= most else {
            throw Ledger.Breach(
                rule: "long after the last fault LLDPDUs come every 30 s", detail: "\(sent), at most \(most)")
        }
    }
}

internal import EVBProtocol
internal import EVBTime
internal import EVBWire

extension ChannelWorld {
    /// What may happen to an uplink.
    private enum Action {
        case request, withdraw, retract, cut, flap, stationEnds, bridgeEnds, liar, spoof, addChannel, dropChannel, ask
        case pool, stationCapacity, bridgeCapacity
    }

    /// Lets something happen.
    mutating func stir() throws(Ledger.Breach) {
        func weight(_ fault: ChannelFault, _ weight: Int) -> Int { swarm.faults.contains(fault) ? weight : 0 }
        let action = random.weighted([
            (Action.request, 15), (.withdraw, weight(.withdraw, 8)), (.retract, weight(.retract, 8)),
            (.cut, weight(.cut, 6)), (.flap, weight(.flap, 5)), (.stationEnds, weight(.stationRestart, 5)),
            (.bridgeEnds, weight(.bridgeRestart, 5)), (.liar, weight(.liar, 8)), (.spoof, weight(.spoof, 4)),
            (.addChannel, weight(.configure, 12)), (.dropChannel, weight(.configure, 8)), (.ask, weight(.configure, 4)),
            (.pool, weight(.pool, 6)), (.stationCapacity, weight(.capacity, 5)),
            (.bridgeCapacity, weight(.capacity, 5)),
        ])
        switch action {
        case .request, nil:
            if let scid = random.pick(stationSettings.wanted.keys.sorted()) { try requestSomething(scid) }
        case .withdraw: try withdrawSomething()
        case .retract: try retractSomething()
        case .cut: cut()
        case .flap: try flap()
        case .stationEnds: try restart(.station)
        case .bridgeEnds: try restart(.bridge)
        case .liar: lie(to: random.flag() ? .station : .bridge, times: random.within(1...90))
        case .spoof: try spoof(random.flag() ? .station : .bridge)
        case .addChannel: try addChannel()
        case .dropChannel: try dropChannel()
        case .ask: try ask()
        case .pool: try changePool()
        case .stationCapacity:
            try configureStation { settings, random, most in settings.capacity = random.capacity(most) }
        case .bridgeCapacity:
            try configureBridge { settings, random, most in settings.capacity = random.capacity(most) }
        }
    }

    private mutating func retractSomething() throws(Ledger.Breach) {
        guard let scid = random.pick(bridge.told.keys.sorted()),
            let vsiID = random.pick(bridge.ports[scid]?.vsis.map(\.vsiID).sorted { $0.low < $1.low } ?? [])
        else { return }
        note(.port(scid, .about("an operator takes back", vsiID)))
        try bridgePort(scid) { [now] in $0.deassociate(vsiID, at: now) }
    }

    // MARK: The link

    private mutating func cut() {
        guard !isCut else { return }
        note(.note("link cut"))
        watch.disturbed(at: now)
        isCut = true
        let length = random.flag() ? random.within(10...5000) : random.within(5000...200_000)
        events.add(.linkUncut, at: now + .milliseconds(UInt64(length)))
    }

    private mutating func flap() throws(Ledger.Breach) {
        guard isLinkUp else { return }
        note(.note("link down"))
        watch.disturbed(at: now)
        isLinkUp = false
        linkEpoch += 1
        try stationDoes { [now] in $0.setLink(up: false, at: now) }
        try bridgeDoes { [now] in $0.setLink(up: false, at: now) }
        events.add(.linkRestored, at: now + .milliseconds(UInt64(random.within(1...20_000))))
    }

    mutating func restoreLink() throws(Ledger.Breach) {
        guard !isLinkUp else { return }
        note(.note("link up"))
        watch.disturbed(at: now)
        isLinkUp = true
        try stationDoes { [now] in $0.setLink(up: true, at: now) }
        try bridgeDoes { [now] in $0.setLink(up: true, at: now) }
    }

    /// Three LLDPDUs one after the other that are lost are half a minute and more without a word.
    mutating func countLoss(from role: CDCPTLV.Role, isLost: Bool) {
        let lost: Int
        if role == .station {
            station.lost = isLost ? station.lost + 1 : 0
            lost = station.lost
        } else {
            bridge.lost = isLost ? bridge.lost + 1 : 0
            lost = bridge.lost
        }
        if lost >= 3 { watch.disturbed(at: now) }
    }

    private mutating func restart(_ role: CDCPTLV.Role) throws(Ledger.Breach) {
        let isShown = random.flag()
        if isShown { try flap() }
        let remembers = !swarm.faults.contains(.forget) || random.flag()
        try end(role, afterGoodBye: random.flag(), remembers: remembers)
        let length = random.flag() ? random.within(1...3000) : random.within(1...200_000)
        events.add(.started(role), at: now + .milliseconds(UInt64(length)))
    }

    // MARK: Settings

    private mutating func addChannel() throws(Ledger.Breach) {
        let missing = scids.filter { stationSettings.wanted[$0] == nil }
        guard let scid = random.pick(missing) else { return }
        note(.about("a channel is added:", scid))
        // The bridge may not have heard that the channel was dropped: it is up at once then.
        if station.isRunning { try addStationPort(scid) }
        try configureStation { settings, _, _ in settings.wanted[scid] = .unassigned }
        try requestSomething(scid)
    }

    private mutating func dropChannel() throws(Ledger.Breach) {
        guard let scid = random.pick(stationSettings.wanted.keys.sorted()) else { return }
        note(.about("a channel is dropped:", scid))
        wanted[scid] = nil
        watch.touch(scid, at: now)
        try configureStation { settings, _, _ in settings.wanted[scid] = nil }
        station.ports[scid] = nil
        deadlines.set(2 * Int(scid.rawValue), nil)
    }

    /// The operator asks for an SVID, for another's now and then, or leaves it to the bridge again.
    private mutating func ask() throws(Ledger.Breach) {
        guard let scid = random.pick(stationSettings.wanted.keys.sorted()) else { return }
        let theirs = random.pick(bridge.told.values.sorted()) ?? SVID(100)
        let wish = random.pick([SVID.unassigned, theirs, SVID(UInt16(random.within(100...150)))]) ?? .unassigned
        try configureStation { settings, _, _ in settings.wanted[scid] = wish }
    }

    private mutating func changePool() throws(Ledger.Breach) {
        let pool = randomPool()
        for (scid, svid) in bridge.told where !pool.contains(svid) { watch.touch(scid, at: now) }
        watch.release { !pool.contains($1) }
        try configureBridge { settings, _, _ in settings.svids = pool }
    }

    private mutating func configureStation(
        _ change: (inout CDCPStation.Configuration, inout SplitMix64, Int) -> Void
    ) throws(Ledger.Breach) {
        let before = Set(eligible)
        change(&stationSettings, &random, options.channels)
        note(.station(stationSettings))
        for scid in before.symmetricDifference(eligible) { watch.touch(scid, at: now) }
        let settings = stationSettings
        try stationDoes { [now] in $0.reconfigure(settings, at: now) }
    }

    private mutating func configureBridge(
        _ change: (inout CDCPBridge.Configuration, inout SplitMix64, Int) -> Void
    ) throws(Ledger.Breach) {
        let before = Set(eligible)
        change(&bridgeSettings, &random, options.channels)
        note(.bridge(bridgeSettings))
        for scid in before.symmetricDifference(eligible) { watch.touch(scid, at: now) }
        let settings = bridgeSettings
        try bridgeDoes { [now] in $0.reconfigure(settings, at: now) }
    }

    /// From now on nothing goes wrong: what is down comes back, and what is configured stays.
    mutating func beCalm() throws(Ledger.Breach) {
        note(.note("from now on nothing goes wrong"))
        isQuiet = true
        isCut = false
        watch.disturbed(at: now)
        try start(.station)
        try start(.bridge)
        try restoreLink()
    }
}

extension SplitMix64 {
    /// A number of channels that a side bears, mostly the most there may be.
    fileprivate mutating func capacity(_ channels: Int) -> Int { flag() ? 167 : within(1...channels + 1) }
}

internal import EVBProtocol
internal import EVBTime
internal import EVBWire

extension World {
    /// What may happen to a station or its link.
    private enum Action {
        case request, repeatRequest, change, withdraw, retract, cut, flap, stationCrash, bridgeReboot, stationLeaves
        case bridgeLeaves, configureStation, configureBridge, changeDialect
        case replaceBridge, falseBridge, changeAddress
    }

    /// Lets something happen.
    mutating func stir(_ index: Int) throws(Ledger.Breach) {
        func weight(_ fault: Fault, _ weight: Int) -> Int { swarm.faults.contains(fault) ? weight : 0 }
        let action = random.weighted([
            (Action.request, 20), (.repeatRequest, 8), (.change, weight(.change, 15)),
            (.withdraw, weight(.withdraw, 15)), (.retract, weight(.retract, 10)), (.cut, weight(.cut, 8)),
            (.flap, weight(.flap, 5)), (.stationCrash, weight(.stationCrash, 5)),
            (.bridgeReboot, weight(.bridgeReboot, 4)), (.stationLeaves, weight(.shutdown, 2)),
            (.bridgeLeaves, weight(.shutdown, 2)), (.configureStation, weight(.configure, 6)),
            (.configureBridge, weight(.configure, 6)), (.changeDialect, weight(.dialect, 6)),
            (.replaceBridge, weight(.replaceBridge, 4)), (.falseBridge, weight(.falseBridge, 10)),
            (.changeAddress, weight(.changeAddress, 5)),
        ])
        switch action {
        case .request, nil: try requestSomething(index)
        case .repeatRequest:
            if let request = random.pick(repeatable(index)) { try give(request, index) }
        case .change: try changeSomething(index)
        case .withdraw: try withdrawSomething(index)
        case .retract:
            let ids = pairs[index].bridge.vsis.map(\.vsiID).sorted { $0.low < $1.low }
            guard let vsiID = random.pick(ids) else { return }
            note(.about("an operator takes back", vsiID), index)
            try bridgeDoes(index) { [now] in $0.deassociate(vsiID, at: now) }
        case .cut: cut(index)
        case .flap: try flap(index)
        case .stationCrash: try killStation(index, afterGoodBye: false)
        case .stationLeaves: try killStation(index, afterGoodBye: true)
        case .bridgeReboot: try rebootBridge()
        case .bridgeLeaves: try bridgeLeaves(index)
        case .configureStation: try configureStation(index)
        case .configureBridge: try configureBridge(index)
        case .changeDialect: try changeDialect(index)
        case .replaceBridge: try replaceBridge(index)
        case .falseBridge: announceFalseBridge(index, times: random.within(1...90))
        case .changeAddress: try changeAddress(index)
        }
    }

    // MARK: Managers

    private func sorted(_ wanted: [VSIID: VSIRequest]) -> [VSIRequest] {
        wanted.values.sorted { $0.vsiID.low < $1.vsiID.low }
    }

    /// A manager wants a VSI, a new one or one that is wanted already.
    mutating func requestSomething(_ index: Int) throws(Ledger.Breach) {
        let vsiID = vsiID(index, random.below(options.vsis))
        guard !isAskedOnce(vsiID) || pairs[index].wanted[vsiID] == nil else { return }
        let targets: [VSIRequest.Target] = [.preAssociated, .preAssociatedWithReservation, .associated, .associated]
        let request = VSIRequest(
            vsiID: vsiID, target: random.pick(targets) ?? .associated,
            managerID: VSIManagerID(short: UInt8(random.below(2)), placement: .first),
            typeID: UInt32(random.within(1...9)), typeVersion: 1, filter: randomFilter(vsiID),
            hint: random.chance(200) ? .migrating : .none,
            organizational: random.chance(100) ? [OrganizationalInformation(oui: 0x00000C, octets: [0xF1, 1, 2])] : [],
            persistence: random.chance(200) && !isAskedOnce(vsiID) ? .once : .untilWithdrawn)
        try give(request, index)
    }

    /// The name of a station's VSI. The draft knows UUIDs alone, and one in five has another name.
    private func vsiID(_ index: Int, _ number: Int) -> VSIID {
        VSIID(format: number % 5 == 4 ? .local : .uuid, high: 0, low: UInt64(index) << 16 | UInt64(number))
    }

    private mutating func randomFilter(_ vsiID: VSIID) -> FilterInfo {
        let hasMAC = random.chance(700)
        let hasGroup = random.chance(150)
        let count = hasMAC ? 1 + random.below(3) : 1
        let isNull = random.chance(300)
        let entries = (0..<count).map { number in
            FilterEntry(
                vid: isNull ? 0 : UInt16(random.within(2...4094)), pcp: random.flag() ? UInt8(random.below(8)) : nil,
                macAddress: hasMAC ? MACAddress(truncating: 0x0200_0000_0000 | vsiID.low << 8 | UInt64(number)) : nil,
                groupID: hasGroup ? UInt32(number + 1) : nil)
        }
        guard let filter = try? FilterInfo(checking: entries) else { return randomFilter(vsiID) }
        return filter
    }

    private mutating func changeSomething(_ index: Int) throws(Ledger.Breach) {
        guard var request = random.pick(repeatable(index)) else { return }
        switch random.below(4) {
        case 0: request.target = .associated
        case 1: request.typeID = UInt32(random.within(1...9))
        case 2: request.hint = random.flag() ? .suspended : .none
        default: request.filter = randomFilter(request.vsiID)
        }
        try give(request, index)
    }

    /// Puts a manager's request before the station.
    mutating func give(_ request: VSIRequest, _ index: Int) throws(Ledger.Breach) {
        guard pairs[index].isStationRunning else { return }
        note(.request(request), index)
        guard let effects = try? pairs[index].station.request(request, at: now) else { return }
        pairs[index].wanted[request.vsiID] = request
        try follow(effects, of: request.vsiID, index)
    }

    private mutating func withdrawSomething(_ index: Int) throws(Ledger.Breach) {
        guard pairs[index].isStationRunning, let request = random.pick(sorted(pairs[index].wanted)) else { return }
        note(.about("withdrawn:", request.vsiID), index)
        pairs[index].wanted[request.vsiID] = nil
        guard let effects = try? pairs[index].station.withdraw(request.vsiID, at: now) else { return }
        try follow(effects, of: request.vsiID, index)
    }

    /// Carries out what follows from a request: first comes the end of the one before it, if that was still open.
    private mutating func follow(_ effects: [StationEffect], of vsiID: VSIID, _ index: Int) throws(Ledger.Breach) {
        var rest = effects[...]
        if pairs[index].ledger.lines[vsiID]?.isOpen == true {
            let end = rest.firstIndex { effect in
                if case .vsi(.ended(vsiID, .superseded)) = effect { true } else { false }
            }
            if let end {
                for effect in rest[...end] { try carryOut(effect, index) }
                rest = rest[(end + 1)...]
            }
        }
        try pairs[index].ledger.requestTaken(vsiID, at: now)
        for effect in rest { try carryOut(effect, index) }
        try armStation(index)
    }

    // MARK: The station's life

    private mutating func killStation(_ index: Int, afterGoodBye: Bool) throws(Ledger.Breach) {
        guard pairs[index].isStationRunning else { return }
        if afterGoodBye { try stationDoes(index) { $0.shutdown() } }
        note(.note("station dies"), index)
        pairs[index].isStationRunning = false
        pairs[index].stationMonitor.restart()
        try armStation(index)
        try pairs[index].ledger.stationDied(at: now)
        if !swarm.storeIsKept { pairs[index].wanted = [:] }
        let length = random.flag() ? random.within(1...3000) : random.within(1...300_000)
        events.add(.stationStarted(station: index), at: now + .milliseconds(UInt64(length)))
    }

    mutating func startStation(_ index: Int) throws(Ledger.Breach) {
        guard !pairs[index].isStationRunning else { return }
        current = index
        note(.note("station starts"), index)
        let settings = pairs[index].stationSettings
        pairs[index].station = makeStation(settings)
        pairs[index].stationMonitor = ECPMonitor(retries: settings.evb.timers.retries)
        pairs[index].isStationRunning = true
        if pairs[index].isLinkUp { try stationDoes(index) { [now] in $0.setLink(up: true, at: now) } }
        for request in sorted(pairs[index].wanted) { try give(request, index) }
    }

    private mutating func bridgeLeaves(_ index: Int) throws(Ledger.Breach) {
        guard pairs[index].isBridgeRunning else { return }
        try bridgeDoes(index) { [now] in $0.shutdown(at: now) }
        try killBridge(index, returningAfter: .milliseconds(UInt64(random.within(1...60_000))))
    }

    // MARK: Settings

    private mutating func configureStation(_ index: Int) throws(Ledger.Breach) {
        let former = pairs[index].stationSettings
        pairs[index].stationSettings = stationSettings(index)
        (pairs[index].stationSettings.dialect, pairs[index].stationSettings.address) = (former.dialect, former.address)
        pairs[index].stationSettings.evb.isManual = random.chance(50)
        try applyStationSettings(index)
    }

    private mutating func configureBridge(_ index: Int) throws(Ledger.Breach) {
        let former = pairs[index].bridgeSettings
        pairs[index].bridgeSettings = bridgeSettings(index)
        (pairs[index].bridgeSettings.dialect, pairs[index].bridgeSettings.address) = (former.dialect, former.address)
        pairs[index].bridgeSettings.chassis = former.chassis
        pairs[index].bridgeSettings.evb.isManual = random.chance(50)
        try applyBridgeSettings(index)
    }

    /// One side is told to speak something else, which the other may not be allowed to.
    private mutating func changeDialect(_ index: Int) throws(Ledger.Breach) {
        let choice = random.pick([DialectChoice.automatic, .ratified, .draft]) ?? .automatic
        if random.flag() {
            pairs[index].stationSettings.dialect = choice
            try applyStationSettings(index)
        } else {
            pairs[index].bridgeSettings.dialect = choice
            try applyBridgeSettings(index)
        }
    }

    private mutating func applyStationSettings(_ index: Int) throws(Ledger.Breach) {
        let settings = pairs[index].stationSettings
        note(.configured(byBridge: false, settings.evb.timers, settings.dialect), index)
        try stationDoes(index) { [now] in $0.reconfigure(settings, at: now) }
    }

    private mutating func applyBridgeSettings(_ index: Int) throws(Ledger.Breach) {
        let settings = pairs[index].bridgeSettings
        note(.configured(byBridge: true, settings.evb.timers, settings.dialect), index)
        try bridgeDoes(index) { [now] in $0.reconfigure(settings, at: now) }
    }

    /// From now on nothing goes wrong: what is down comes back, and both sides are configured down to the least.
    mutating func beCalm() throws(Ledger.Breach) {
        isQuiet = true
        for index in pairs.indices {
            current = index
            note(.note("from now on nothing goes wrong"), index)
            if pairs[index].isCut {
                pairs[index].isCut = false
                bridgeIsBack(index)
            }
            try startStation(index)
            try startBridge(index)
            try restoreLink(index)
            pairs[index].stationSettings.evb.timers = swarm.least
            pairs[index].stationSettings.evb.isManual = false
            pairs[index].bridgeSettings.evb.timers = swarm.least
            pairs[index].bridgeSettings.evb.isManual = options.slowBridge == .keepsOwn
            pairs[index].bridgeSettings.vsisMax = 1 << 14
            if pairs[index].dialect == nil { pairs[index].bridgeSettings.dialect = .automatic }
            try applyStationSettings(index)
            try applyBridgeSettings(index)
        }
    }
}

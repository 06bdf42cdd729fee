internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// Stations and a bridge on a virtual clock.
///
/// Every station has a link of its own to a port of the bridge. Both sides are the daemon's own code, ``StationPort`` and
/// ``BridgePort``; between them go encoded frames. All that happens follows from one seed.
///
/// Files: this one has the clock and the two sides, `World+Links.swift` what happens to frames, `World+Turmoil.swift` what
/// goes wrong, `World+Bridge.swift` who decides, `World+Rules.swift` what must hold.
struct World {
    /// One link with what is on both of its ends. A class, because as a value it would be copied for many a look at it.
    final class Pair {
        var station: StationPort
        var isStationRunning = true
        var stationMonitor: ECPMonitor
        var stationSettings: StationPortConfiguration
        /// What the station's managers want, as the daemon's store has it.
        var wanted: [VSIID: VSIRequest] = [:]

        var bridge: BridgePort
        var isBridgeRunning = true
        var bridgeMonitor: ECPMonitor
        var bridgeSettings: BridgePortConfiguration
        /// Counts the bridge's lives.
        var bridgeEpoch = 0
        var openTickets: Set<DecisionTicket> = []
        /// The VLAN that null VIDs become.
        var typeVLAN: UInt16 = 100

        /// Since when the bridge has been there without a break.
        var bridgeSoundSince = Instant(nanoseconds: 0)
        /// The address of the bridge that the station has followed last.
        var followed: MACAddress?
        var isLinkUp = true
        var isCut = false
        /// Counts how often the link went down.
        var linkEpoch = 0
        /// When the last frame in its order arrives, at the bridge and at the station.
        var lastArrivals = (Instant(nanoseconds: 0), Instant(nanoseconds: 0))
        /// When an LLDPDU last arrived, at the bridge and at the station.
        var lastLLDP = (Instant(nanoseconds: 0), Instant(nanoseconds: 0))
        var ledger: Ledger
        var trace = Trace()
        /// How often a side had to be advanced at one moment without time going on.
        var roundsAtOnce = 0
        var lastAdvance = Instant(nanoseconds: 0)

        init(
            station: StationPort, stationMonitor: ECPMonitor, stationSettings: StationPortConfiguration,
            bridge: BridgePort,
            bridgeMonitor: ECPMonitor, bridgeSettings: BridgePortConfiguration, ledger: Ledger
        ) {
            self.station = station
            self.stationMonitor = stationMonitor
            self.stationSettings = stationSettings
            self.bridge = bridge
            self.bridgeMonitor = bridgeMonitor
            self.bridgeSettings = bridgeSettings
            self.ledger = ledger
        }
    }

    let options: SimulationOptions
    let swarm: Swarm
    var random: SplitMix64
    var now = Instant(nanoseconds: 0)
    var pairs: [Pair] = []
    var events = EventQueue<Event>()
    var deadlines = DeadlineHeap()
    var eventCount: UInt64 = 0
    /// Nothing goes wrong any more.
    var isQuiet = false
    /// All has come right.
    var isStill = false
    var isOver = false
    /// The link that is worked at, for a violation's report.
    var current = 0
    /// Takes each line of the trace as it comes, where somebody wants to see them all.
    var listener: ((String) -> Void)?

    init(options: SimulationOptions, listener: ((String) -> Void)? = nil) {
        self.options = options
        self.listener = listener
        random = SplitMix64(seed: options.seed)
        swarm = Swarm(options: options, random: &random)
    }

    /// Runs to the end, or to the first violation.
    mutating func run() -> SimulationReport {
        var violation: Violation?
        do {
            try begin()
            while !isOver { try step() }
        } catch {
            violation = Violation(
                rule: error.rule, detail: error.detail, seed: options.seed, time: now, station: current,
                trace: pairs[current].trace.lines)
        }
        return SimulationReport(
            seed: options.seed, stationTime: now.since(Instant(nanoseconds: 0)) * UInt64(options.stations),
            events: eventCount, associations: pairs.reduce(0) { $0 &+ $1.ledger.associations }, violation: violation)
    }

    /// A station's port that has several turns of what is done to all VSIs.
    mutating func makeStation(_ settings: StationPortConfiguration) -> StationPort {
        var port = StationPort(configuration: settings, firstSequence: sequence())
        port.sweptAtOnce = 1 + options.vsis / 8
        return port
    }

    private mutating func begin() throws(Ledger.Breach) {
        for index in 0..<options.stations {
            var station = stationSettings(index)
            var bridge = bridgeSettings(index)
            (station.dialect, bridge.dialect) = initialDialects()
            pairs.append(
                Pair(
                    station: makeStation(station),
                    stationMonitor: ECPMonitor(retries: station.evb.timers.retries), stationSettings: station,
                    bridge: bridgePort(index, bridge),
                    bridgeMonitor: ECPMonitor(retries: bridge.evb.timers.retries), bridgeSettings: bridge,
                    ledger: Ledger(swarm: swarm, vsis: options.vsis)))
        }
        for index in pairs.indices {
            current = index
            try stationDoes(index) { [now] in $0.setLink(up: true, at: now) }
            try bridgeDoes(index) { [now] in $0.setLink(up: true, at: now) }
            for _ in 0..<1 + random.below(options.vsis) { try requestSomething(index) }
            events.add(.turmoil(station: index), at: now + pauseLength())
        }
        events.add(.inspection, at: now + .seconds(30))
        events.add(.quiet, at: now + options.turmoil)
        events.add(.mended, at: now + options.turmoil + swarm.mending(vsis: options.vsis))
        let settled = now + options.turmoil + swarm.settling(vsis: options.vsis)
        events.add(.standstill, at: settled)
        events.add(.end, at: settled + swarm.standstill)
    }

    /// The next event or deadline, whichever is first.
    private mutating func step() throws(Ledger.Breach) {
        eventCount &+= 1
        if let time = events.nextTime, deadlines.next.map({ time <= $0.deadline }) ?? true {
            now = max(now, time)
            if let event = events.popFirst() { try handle(event) }
        } else if let due = deadlines.next {
            now = max(now, due.deadline)
            try advance(due.member)
        } else {
            isOver = true
        }
    }

    private mutating func handle(_ event: Event) throws(Ledger.Breach) {
        switch event {
        case .frame(let index, let toBridge, let octets, let epoch, let isCorrupt):
            try arrive(index, toBridge: toBridge, octets, epoch: epoch, isCorrupt: isCorrupt)
        case .decision(let index, let ticket, let request, let epoch):
            try decide(index, ticket, request, epoch: epoch)
        case .turmoil(let index):
            guard !isQuiet else { return }
            current = index
            try stir(index)
            events.add(.turmoil(station: index), at: now + pauseLength())
        case .linkRestored(let index): try restoreLink(index)
        case .linkUncut(let index):
            pairs[index].isCut = false
            bridgeIsBack(index)
        case .falseBridge(let index, let times): announceFalseBridge(index, times: times)
        case .stationStarted(let index): try startStation(index)
        case .bridgeStarted(let index): try startBridge(index)
        case .bridgeReboot: try rebootBridge()
        case .inspection:
            try inspect()
            events.add(.inspection, at: now + .seconds(30))
        case .quiet: try beCalm()
        case .mended: try checkMended()
        case .standstill:
            try checkOutcome()
            isStill = true
        case .end:
            try checkOutcome()
            isOver = true
        }
    }

    // MARK: The two sides

    private mutating func advance(_ member: Int) throws(Ledger.Breach) {
        let index = member / 2
        current = index
        pairs[index].roundsAtOnce = pairs[index].lastAdvance == now ? pairs[index].roundsAtOnce + 1 : 0
        pairs[index].lastAdvance = now
        guard pairs[index].roundsAtOnce < 64 else {
            throw Ledger.Breach(rule: "time goes on", detail: "a deadline stays where it is")
        }
        if member % 2 == 0 {
            try stationDoes(index) { [now] in $0.advance(to: now) }
        } else {
            try bridgeDoes(index) { [now] in $0.advance(to: now) }
        }
    }

    /// Has the station do something, carries out what follows, and looks at its next deadline.
    mutating func stationDoes(_ index: Int, _ action: (inout StationPort) -> [StationEffect]) throws(Ledger.Breach) {
        guard pairs[index].isStationRunning else { return }
        let (effects, deadline) = Self.driven(&pairs[index].station, action)
        for effect in effects { try carryOut(effect, index) }
        try arm(2 * index, deadline)
    }

    /// A port that deals with one to three VSIs in a call where something concerns them all, so that much happens in between.
    mutating func bridgePort(_ index: Int, _ settings: BridgePortConfiguration) -> BridgePort {
        var port = BridgePort(configuration: settings, firstSequence: sequence())
        port.placesPerCall = 1 + index % 3
        port.isSlow = options.slowBridge != nil
        return port
    }

    mutating func armStation(_ index: Int) throws(Ledger.Breach) {
        try arm(2 * index, pairs[index].isStationRunning ? pairs[index].station.nextDeadline : nil)
    }

    /// Has the bridge's port do something, carries out what follows, and looks at its next deadline.
    mutating func bridgeDoes(_ index: Int, _ action: (inout BridgePort) -> [BridgeEffect]) throws(Ledger.Breach) {
        guard pairs[index].isBridgeRunning else { return }
        let (effects, deadline) = Self.driven(&pairs[index].bridge, action)
        for effect in effects {
            try carryOut(effect, index)
            if case .station(.lost) = effect, !pairs[index].bridge.vsis.isEmpty {
                throw Ledger.Breach(
                    rule: "a bridge that has lost its station holds nothing", detail: "\(pairs[index].bridge.vsis)")
            }
        }
        try arm(2 * index + 1, deadline)
    }

    /// Asks for the next deadline while the port is held for writing: read from the array, all of it would be copied first.
    private static func driven(
        _ port: inout StationPort, _ action: (inout StationPort) -> [StationEffect]
    ) -> ([StationEffect], Instant?) {
        (action(&port), port.nextDeadline)
    }

    private static func driven(
        _ port: inout BridgePort, _ action: (inout BridgePort) -> [BridgeEffect]
    ) -> ([BridgeEffect], Instant?) {
        (action(&port), port.nextDeadline)
    }

    mutating func arm(_ member: Int, _ deadline: Instant?) throws(Ledger.Breach) {
        if let deadline, deadline < now {
            throw Ledger.Breach(
                rule: "nextDeadline is never in the past",
                detail: "\(Trace.text(deadline)) on the \(member % 2 == 0 ? "station" : "bridge")")
        }
        deadlines.set(member, deadline)
    }

    mutating func carryOut(_ effect: StationEffect, _ index: Int) throws(Ledger.Breach) {
        if case .transmit(let frame) = effect {
            note(.sent(byBridge: false, frame), index)
            try pairs[index].stationMonitor.sent(frame)
            transmit(frame, index, toBridge: true)
            return
        }
        note(.station(effect), index)
        switch effect {
        case .vsi(let event):
            try checkStandstill("\(event)")
            try pairs[index].ledger.stationSays(event, at: now)
            remember(event, index)
        case .peer(.found(let peer)): pairs[index].followed = peer.address
        case .peer(.lost(let loss)):
            pairs[index].stationMonitor.reset()
            if loss == .replaced { try checkReplaced(index) }
        case .timers(let timers): pairs[index].stationMonitor.retriesChanged(to: timers.retries)
        case .transmit, .peer, .reflectiveRelay, .notice: break
        }
    }

    /// Keeps the daemon's store as the daemon would.
    private mutating func remember(_ event: StationVSIEvent, _ index: Int) {
        switch event {
        case .forgotten(let vsiID): pairs[index].wanted[vsiID] = nil
        case .ended(let vsiID, .refused(let refusal)) where refusal.isKept:
            if pairs[index].wanted[vsiID] != nil {
                pairs[index].wanted[vsiID] = pairs[index].station.vsi(vsiID)?.request
            }
        case .ended, .changed: break
        }
    }

    mutating func note(_ entry: Trace.Entry, _ index: Int) {
        pairs[index].trace.add(entry, at: now)
        if let listener { listener("\(Trace.text(now))  \(index)  \(Trace.text(entry))") }
    }

    // MARK: Settings

    mutating func sequence() -> UInt16 { UInt16(truncatingIfNeeded: random.next()) }

    func pauseRange() -> UInt64 { max(swarm.pause.nanoseconds * 2, 1) }

    mutating func pauseLength() -> Interval { Interval(nanoseconds: random.next() % pauseRange()) }

    mutating func randomTimers() -> OperationalTimers {
        let (least, most) = (swarm.least, swarm.most)
        func within(_ low: UInt8, _ high: UInt8) -> UInt8 { UInt8(random.within(Int(low)...Int(high))) }
        return OperationalTimers(
            retries: within(least.retries, most.retries),
            rte: within(least.retransmissionExponent, most.retransmissionExponent),
            rwd: within(least.resourceWaitDelayExponent, most.resourceWaitDelayExponent),
            rka: within(least.reinitKeepAliveExponent, most.reinitKeepAliveExponent))
    }

    /// What a station and its bridge are told to speak; it is always something that both can.
    private mutating func initialDialects() -> (station: DialectChoice, bridge: DialectChoice) {
        guard swarm.hasDraft else { return (.automatic, .automatic) }
        let choices: [(DialectChoice, DialectChoice)] = [
            (.automatic, .draft), (.draft, .automatic), (.draft, .draft), (.automatic, .automatic),
        ]
        return random.pick(choices) ?? (.automatic, .automatic)
    }

    mutating func stationSettings(_ index: Int) -> StationPortConfiguration {
        StationPortConfiguration(
            address: MACAddress(truncating: 0x0200_0000_0000 + UInt64(index)), interfaceName: "eth\(index)",
            mtu: random.chance(200) ? 576 : 1500,
            evb: EVBStationNegotiation.Configuration(
                timers: randomTimers(), requestsReflectiveRelay: random.chance(800), groupIDs: random.chance(800)))
    }

    mutating func bridgeSettings(_ index: Int) -> BridgePortConfiguration {
        BridgePortConfiguration(
            address: MACAddress(truncating: 0x0655_AA33_CC00 + UInt64(index)), interfaceName: "swp\(index)",
            mtu: random.chance(200) ? 576 : 1500,
            evb: EVBBridgeNegotiation.Configuration(
                timers: randomTimers(), offersReflectiveRelay: random.chance(800), groupIDs: random.chance(800),
                isManual: options.slowBridge == .keepsOwn),
            vsisMax: swarm.vsisMax)
    }
}

internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// An uplink between a station and a bridge on a virtual clock, and what runs in its S-channels.
///
/// Both sides are the daemon's own code: ``CDCPUplink``, and in each channel a ``StationPort`` and a ``BridgePort``. A frame of a
/// channel has an SVID, and reaches the channel that has this SVID on the other side when it arrives.
///
/// Files: this one has the clock, `ChannelWorld+Sides.swift` the two sides, `ChannelWorld+Turmoil.swift` and
/// `ChannelWorld+Liars.swift` what goes wrong, `ChannelWorld+Rules.swift` what must hold.
struct ChannelWorld {
    enum Event {
        /// A frame arrives. `epoch` is the link's at its sending.
        case frame(to: CDCPTLV.Role, SVID, octets: [UInt8], epoch: Int)
        /// The bridge decides on a VSI of a channel. `life` is that of the port.
        case decision(SCID, DecisionTicket, FilterInfo, life: Int)
        case turmoil
        case linkRestored
        case linkUncut
        case started(CDCPTLV.Role)
        /// A false neighbour speaks to this side, and so many times in all.
        case liar(to: CDCPTLV.Role, times: Int)
        case inspection
        /// Nothing goes wrong any more.
        case quiet
        /// All has come right, and is to stay so.
        case standstill
        case end
    }

    /// One side of the uplink. A class, because as a value it would be copied for many a look at it.
    final class Side<Machine: CDCPMachine, Port> {
        var uplink: CDCPUplink<Machine>
        var isRunning = true
        /// The channels that are up, as the effects say.
        var told: [SCID: SVID] = [:]
        var ports: [SCID: Port] = [:]
        /// Counts the lives of ports, for decisions that outlive them.
        var life = 0
        /// The neighbour that is spoken with.
        var peer: MACAddress?
        /// Uplink frames of this side that were lost one after the other.
        var lost = 0

        init(_ uplink: CDCPUplink<Machine>) { self.uplink = uplink }
    }

    let options: ChannelOptions
    let swarm: ChannelSwarm
    var random: SplitMix64
    var now = Instant(nanoseconds: 0)
    var events = EventQueue<Event>()
    var deadlines = DeadlineHeap()
    var eventCount: UInt64 = 0
    let station: Side<CDCPStation, StationPort>
    let bridge: Side<CDCPBridge, BridgePort>
    var stationSettings = CDCPStation.Configuration(wanted: [:])
    var bridgeSettings = CDCPBridge.Configuration(svids: SVIDPool([]))
    /// What is stored on either side.
    var stationMemory: [SCID: SVID] = [:]
    var bridgeMemory: (held: [SCID: SVID], station: LLDPIdentifier?) = ([:], nil)
    /// What the managers of each channel want.
    var wanted: [SCID: [VSIID: VSIRequest]] = [:]

    var isLinkUp = true
    var isCut = false
    var linkEpoch = 0
    /// When the last frame in its order arrives, at the bridge and at the station.
    var lastArrivals = (Instant(nanoseconds: 0), Instant(nanoseconds: 0))
    /// Nothing goes wrong any more.
    var isQuiet = false
    /// All has come right.
    var isStill = false
    var isOver = false
    var watch = ChannelWatch()
    var trace = ChannelTrace()
    let listener: ((String) -> Void)?
    var channelsUp: UInt64 = 0
    var moves: UInt64 = 0
    var associations: UInt64 = 0
    /// How often a deadline was due without time going on.
    var roundsAtOnce = 0
    var lastAdvance = Instant(nanoseconds: 0)

    init(options: ChannelOptions, listener: ((String) -> Void)?) {
        self.options = options
        self.listener = listener
        random = SplitMix64(seed: options.seed)
        swarm = ChannelSwarm(options: options, random: &random)
        station = Side(CDCPUplink(machine: CDCPStation(configuration: stationSettings), of: Self.stationIdentity))
        bridge = Side(CDCPUplink(machine: CDCPBridge(configuration: bridgeSettings), of: Self.bridgeIdentity.ofBridge))
    }

    static let stationIdentity = identity(0x0200_0000_0000, "eth0")
    static let bridgeIdentity = identity(0x0655_AA33_CC00, "swp0")

    private static func identity(_ address: UInt64, _ name: String) -> CDCPUplink<CDCPStation>.Identity {
        let address = MACAddress(truncating: address)
        return .init(address: address, chassis: address, interfaceName: name)
    }

    // MARK: The run

    /// Runs to the end, or to the first violation.
    mutating func run() -> ChannelReport {
        var violation: Violation?
        do {
            try begin()
            while !isOver { try step() }
        } catch {
            violation = Violation(
                rule: error.rule, detail: error.detail, seed: options.seed, time: now, station: 0, trace: trace.lines)
        }
        return ChannelReport(
            seed: options.seed, time: now.since(Instant(nanoseconds: 0)), events: eventCount, channelsUp: channelsUp,
            moves: moves, associations: associations, violation: violation)
    }

    private mutating func begin() throws(Ledger.Breach) {
        bridgeSettings = CDCPBridge.Configuration(svids: randomPool())
        for scid in scids where random.flag() { stationSettings.wanted[scid] = .unassigned }
        (station.isRunning, bridge.isRunning) = (false, false)
        try start(.station)
        try start(.bridge)
        for scid in stationSettings.wanted.keys.sorted() { try requestSomething(scid) }
        events.add(.turmoil, at: now + pauseLength())
        events.add(.inspection, at: now + .seconds(30))
        events.add(.quiet, at: now + options.turmoil)
        let settled = now + options.turmoil + ChannelSwarm.settling
        events.add(.standstill, at: settled)
        events.add(.end, at: settled + ChannelSwarm.standstill)
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
        case .frame(let role, let svid, let octets, let epoch): try arrive(to: role, svid, octets, epoch: epoch)
        case .decision(let scid, let ticket, let filter, let life):
            guard life == bridge.life else { return }
            note(.port(scid, .decision(ticket, .grant(filter))))
            try bridgePort(scid) { [now] in $0.decided(ticket, .grant(filter), at: now) }
        case .turmoil:
            guard !isQuiet else { return }
            try stir()
            events.add(.turmoil, at: now + pauseLength())
        case .linkRestored: try restoreLink()
        case .linkUncut:
            guard isCut else { return }
            isCut = false
            watch.disturbed(at: now)
        case .started(let role): try start(role)
        case .liar(let role, let times): lie(to: role, times: times)
        case .inspection:
            try inspect()
            events.add(.inspection, at: now + .seconds(30))
        case .quiet: try beCalm()
        case .standstill:
            try checkOutcome()
            isStill = true
            watch.sentBefore = sentCount
        case .end:
            try checkOutcome()
            try checkSilence()
            isOver = true
        }
    }

    /// Members of the heap of deadlines: 0 and 1 are the uplinks, 2 n and 2 n + 1 the ports of channel n.
    private mutating func advance(_ member: Int) throws(Ledger.Breach) {
        roundsAtOnce = lastAdvance == now ? roundsAtOnce + 1 : 0
        lastAdvance = now
        guard roundsAtOnce < 1000 else {
            throw Ledger.Breach(rule: "time goes on", detail: "a deadline stays where it is")
        }
        let scid = SCID(UInt16(member / 2))
        switch member {
        case 0: try stationDoes { [now] in $0.advance(to: now) }
        case 1: try bridgeDoes { [now] in $0.advance(to: now) }
        case _ where member % 2 == 0: try stationPort(scid) { [now] in $0.advance(to: now) }
        default: try bridgePort(scid) { [now] in $0.advance(to: now) }
        }
    }

    mutating func arm(_ member: Int, _ deadline: Instant?) throws(Ledger.Breach) {
        if let deadline, deadline < now {
            throw Ledger.Breach(
                rule: "nextDeadline is never in the past", detail: "\(Trace.text(deadline)) of member \(member)")
        }
        deadlines.set(member, deadline)
    }

    mutating func note(_ entry: ChannelTrace.Entry) {
        trace.add(entry, at: now)
        if let listener { listener(ChannelTrace.line(now, entry)) }
    }

    // MARK: The cable

    /// Puts a frame on the link, where it meets its fate. The default channel's SVID stands for frames without a tag.
    mutating func transmit(_ frame: Frame, _ svid: SVID, from role: CDCPTLV.Role) {
        note(.sent(role, svid, frame))
        guard isLinkUp, !isCut, isQuiet || !random.chance(swarm.loss) else {
            note(.lost(role, svid))
            if svid == .default { countLoss(from: role, isLost: true) }
            return
        }
        if svid == .default { countLoss(from: role, isLost: false) }
        let octets = frame.encoded()
        carry(octets, svid, from: role)
        if !isQuiet, random.chance(swarm.duplicate) { carry(octets, svid, from: role) }
    }

    private mutating func carry(_ octets: [UInt8], _ svid: SVID, from role: CDCPTLV.Role) {
        let longest = isQuiet ? Interval.milliseconds(1) : swarm.delayMax
        var arrival = now + Interval(nanoseconds: 1000 + random.next() % (longest.nanoseconds - 1000))
        if isQuiet || !random.chance(swarm.reorder) {
            arrival = max(arrival, role == .station ? lastArrivals.0 : lastArrivals.1)
            if role == .station { lastArrivals.0 = arrival } else { lastArrivals.1 = arrival }
        }
        events.add(.frame(to: role.peer, svid, octets: octets, epoch: linkEpoch), at: arrival)
    }

    private mutating func arrive(
        to role: CDCPTLV.Role, _ svid: SVID, _ octets: [UInt8], epoch: Int
    ) throws(Ledger.Breach) {
        guard isLinkUp, epoch == linkEpoch else { return }
        guard let frame = try? Frame(decoding: octets) else { return }
        let told = role == .station ? station.told : bridge.told
        let scid = svid == .default ? nil : told.first { $0.value == svid }?.key
        note(.arrived(role, svid, scid, frame))
        switch (role, svid == .default) {
        case (.station, true): try stationDoes { [now] in $0.take(frame, at: now) }
        case (.bridge, true): try bridgeDoes { [now] in $0.take(frame, at: now) }
        case (.station, false): if let scid { try stationPort(scid) { [now] in $0.receive(frame, at: now) } }
        case (.bridge, false): if let scid { try bridgePort(scid) { [now] in $0.receive(frame, at: now) } }
        }
    }

    // MARK: Numbers

    /// The channels that the station may want.
    var scids: [SCID] { (0..<options.channels).map { SCID(UInt16(2 + $0)) } }

    mutating func pauseLength() -> Interval { Interval(nanoseconds: random.next() % (swarm.pause.nanoseconds * 2)) }

    /// A pool of the bridge's: most have numbers for all channels twice, some are short.
    mutating func randomPool() -> SVIDPool {
        let low = UInt16(100 + 10 * random.below(4))
        let count = random.chance(800) ? 2 * options.channels + random.below(20) : 1 + random.below(options.channels)
        return SVIDPool([low...low + UInt16(count) - 1])
    }
}

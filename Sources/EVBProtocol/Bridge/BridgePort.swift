public import EVBTime
public import EVBWire

/// An EVB bridge's station-facing port: the LLDP agent, the EVB negotiation, ECP and VDP of one interface, joined.
///
/// It is the other side of ``StationPort`` and is driven in the same way: frames, decisions and the time go in, and every call gives
/// the effects that follow, in order. After each call ``nextDeadline`` tells when ``advance(to:)`` is wanted.
///
/// Files: this one joins the parts; `BridgePort+Receive.swift` takes frames in, `BridgePort+Station.swift` follows the
/// station.
public struct BridgePort {
    /// How long a station that is there may not be heard: as long as an LLDPDU holds that says nothing special.
    public static let stationSilenceMax = Interval.seconds(UInt64(LLDPAgent.timeToLive))

    @Separate var link: PeerLink<BridgeRole>
    @Separate var vdp: VDPBridge
    /// What was published last, so that only changes are.
    var publishedReflection = false
    /// Until when a slow port sends no other PDU.
    private var pacedUntil: Instant?

    /// A port whose link is down.
    ///
    /// - Parameters:
    ///   - configuration: its settings.
    ///   - firstSequence: the number of the first ECPDU, different from those that an earlier run used last.
    public init(configuration: BridgePortConfiguration, firstSequence: UInt16) {
        link = PeerLink(configuration: configuration, firstSequence: firstSequence, vdp: BridgeVDPStatistics())
        vdp = VDPBridge(vsisMax: configuration.vsisMax)
        vdp.networks.isOn = configuration.evb.isNVO3
    }

    // MARK: What goes in

    /// The link came up or went down. When it goes down, all VSIs are released.
    public mutating func setLink(up: Bool, at now: Instant) -> [BridgeEffect] {
        guard up != link.isUp else { return [] }
        followLink(up: up, at: now)
        return finish(at: now)
    }

    /// Changes the settings of a running port. VSIs stay, also where there are more than a new limit allows, unless the
    /// dialect of their station may not be spoken any more.
    public mutating func reconfigure(_ configuration: BridgePortConfiguration, at now: Instant) -> [BridgeEffect] {
        // A station at the new address is to hear this side soon.
        if configuration.addresses != self.configuration.addresses
            || configuration.address != self.configuration.address
        {
            link.agent.localChange(at: now)
        }
        link.configuration = configuration
        let isNewDialect = configuration.dialect != link.negotiation.choice
        link.negotiation.reconfigure(configuration)
        vdp.networks.isOn = configuration.evb.isNVO3
        vdp.vsisMax = configuration.vsisMax
        if isNewDialect { selectPeer(otherwise: .dialectChanged, at: now) }
        applyNegotiation(at: now)
        return finish(at: now)
    }

    /// Takes the decision that a `decide` effect asked for. One that comes too late, after a `cancel`, changes nothing.
    public mutating func decided(
        _ ticket: DecisionTicket, _ decision: BridgeDecision, at now: Instant
    ) -> [BridgeEffect] {
        vdp.decided(ticket, decision, at: now)
        return finish(at: now)
    }

    /// What the VSIs of the port may take, given what those of other ports take. VSIs stay, also where they take more.
    public var room: ResourceRoom {
        get { vdp.room }
        set { vdp.room = newValue }
    }

    /// What the VSIs of the port take.
    public var use: ResourceUse { vdp.use }

    /// A decision as it can be carried out: a grant that there is no room for becomes a refusal, which is counted.
    public mutating func judge(_ ticket: DecisionTicket, _ decision: BridgeDecision) -> BridgeDecision {
        vdp.judge(ticket, decision)
    }

    /// Whether a decision is still waited for: it has been neither made nor cancelled.
    public func awaits(_ ticket: DecisionTicket) -> Bool {
        vdp.slotOfTicket[ticket].map { !vdp.isLost(vdp.slots[$0]) } ?? false
    }

    /// Takes a VSI back: the station is told by a De-Associate that it did not ask for.
    ///
    /// - Returns: the effects; none when nothing is known of the VSI.
    public mutating func deassociate(_ vsiID: VSIID, at now: Instant) -> [BridgeEffect] {
        _ = vdp.deassociate(vsiID, at: now)
        return finish(at: now)
    }

    /// Forgets a VSI that is associated on another port of the bridge now. The station is not told: in a migration it
    /// de-associates the VSI itself. What it asks for the VSI in place of that is to be decided as a new request.
    ///
    /// - Returns: the effects; none when nothing is known of the VSI.
    public mutating func moved(_ vsiID: VSIID, at now: Instant) -> [BridgeEffect] {
        vdp.moved(vsiID, at: now)
        return finish(at: now)
    }

    /// Lets time pass, up to `now`.
    public mutating func advance(to now: Instant) -> [BridgeEffect] {
        advanceLink(to: now)
        vdp.advance(to: now)
        return finish(at: now)
    }

    /// The way to the station has changed on this side without a change of the link, such as the active member of a bond.
    public mutating func pathChanged(at now: Instant) -> [BridgeEffect] {
        followPath(at: now)
        return finish(at: now)
    }

    /// Says good-bye by LLDP: the station is to forget what it was granted. All VSIs are released, and nothing is reflected
    /// any more. The port is then as if its link were down.
    ///
    /// Of many VSIs some are released by ``advance(to:)``, while ``isReleasing``.
    public mutating func shutdown(at now: Instant) -> [BridgeEffect] {
        guard link.isUp else { return [] }
        link.transmitLLDP(vsis: nil, timeToLive: 0)
        return setLink(up: false, at: now)
    }

    /// Whether VSIs of a station that is gone have still to be released: ``nextDeadline`` is past then. They are not shown, and
    /// nothing holds for them.
    public var isReleasing: Bool { vdp.isReleasing }

    /// Places for VSIs that are gone through in one call where something concerns them all; for the simulation.
    package var placesPerCall: Int {
        get { vdp.placesPerCall }
        set { vdp.placesPerCall = newValue }
    }

    /// Whether the port answers one VSI in a PDU, and sends a PDU for each ack timer, as lldpad's bridge does; for the simulation.
    package var isSlow: Bool {
        get { vdp.isSlow }
        set { vdp.isSlow = newValue }
    }

    /// Whether something about the link or the neighbours may be other than when this was last asked, VSIs aside.
    public mutating func takeNews() -> Bool {
        defer { link.hasNews = false }
        return link.hasNews
    }

    /// Takes back the memory of effects that were carried out, for those of later calls.
    public mutating func reuse(_ carriedOut: inout [BridgeEffect]) { link.reuse(&carriedOut) }

    /// When ``advance(to:)`` is wanted next.
    public var nextDeadline: Instant? {
        let sending = link.transmitter.isIdle && !vdp.queue.isEmpty ? pacedUntil : nil
        return Instant.earliest(Instant.earliest(link.nextDeadline, vdp.nextDeadline), sending)
    }

    // MARK: What can be seen

    public var configuration: BridgePortConfiguration { link.configuration }

    /// The station that is spoken with. It stays so until it is lost, also when others are heard.
    public var station: EVBPeer? { link.peer }

    /// All addresses from which the station's ECP is taken; none while there is no station.
    public var peerAddresses: [MACAddress] { link.peerAddresses }

    /// The VSI of that name.
    public func vsi(_ vsiID: VSIID) -> BridgeVSISnapshot? {
        vdp.slot(of: vsiID).flatMap { vdp.snapshot($0) }
    }

    /// All VSIs of which something holds or is decided, in no certain order.
    public var vsis: [BridgeVSISnapshot] {
        vdp.slots.indices.compactMap { vdp.snapshot($0) }
    }

    /// The names of all VSIs of which something holds or is decided, in no certain order.
    public var vsiIDs: [VSIID] {
        vdp.slots.indices.compactMap { vdp.isShown(at: $0) ? vdp.slots[$0].vsiID : nil }
    }

    /// How many VSIs there are of which something holds or is decided.
    package var vsiCount: Int { vdp.presentCount }

    /// Places of VSIs: each VSI keeps its own, and some are free.
    public var placeCount: Int { vdp.slots.count }

    /// Looks at what has been granted to each VSI of which something holds or is decided, in those of `places` that there are;
    /// nil for nothing yet. VSIs are not copied for that: there may be very many.
    package func forEachGrant(in places: Range<Int>, _ body: (VDPCommand?) -> Void) {
        for place in places.clamped(to: vdp.slots.indices) where vdp.isShown(at: place) {
            body(vdp.bound[place]?.grant.command)
        }
    }

    /// A frame could not be sent. As if it were lost on the wire; but it is not counted as sent.
    public mutating func unsent(_ frame: Frame) { link.unsent(frame) }

    /// The number of the next ECPDU.
    public var nextSequence: UInt16 { link.transmitter.sequence }

    /// How the port stands, in brief.
    public var brief: BridgePortBrief {
        _link.look {
            BridgePortBrief(
                isLinkUp: $0.isUp, station: $0.peer, dialect: $0.negotiation.dialect,
                timers: $0.negotiation.operational, reflectsFrames: $0.negotiation.reflectsFrames)
        }
    }

    /// Everything about the port but its VSIs.
    public var snapshot: BridgePortSnapshot {
        let negotiation = link.negotiation
        var counted = link.statistics
        counted.vdp = vdp.statistics
        return BridgePortSnapshot(
            isLinkUp: link.isUp, station: station, neighbour: link.neighbour,
            secondSpeaker: link.secondSpeaker, neighbours: link.neighbours, notices: link.notices,
            refusedLimits: vdp.toldLimits, delivery: PeerDelivery(link.delivery, .unknown),
            dialect: negotiation.dialect,
            localTLVs: negotiation.outgoing(vsis: vdp.presentCount), localTLV: negotiation.ratified.outgoing,
            timers: negotiation.operational, times: negotiation.times,
            keepAliveTimeout: negotiation.keepAliveTimeout, usesGroupIDs: negotiation.usesGroupIDs,
            reflectsFrames: negotiation.reflectsFrames, vsiCount: vdp.presentCount, statistics: counted)
    }

    // MARK: What comes out

    /// Sends what VDP has ready if ECP can take it, and hands the effects over.
    mutating func finish(at now: Instant) -> [BridgeEffect] {
        beginProbe(at: now)
        takeEffects()
        if let pacedUntil, pacedUntil <= now { self.pacedUntil = nil }
        if link.isUp, station != nil, link.transmitter.isIdle, !link.probe.isAsking, pacedUntil == nil,
            let payload = vdp.nextPayload()
        {
            link.send(payload, at: now)
            if vdp.isSlow { pacedUntil = now + link.negotiation.times.ackTimer }
        }
        defer { link.effects = [] }
        return link.effects
    }

    /// What VDP has found goes behind what was found before it.
    mutating func takeEffects() {
        link.effects += vdp.effects
        vdp.effects.removeAll(keepingCapacity: vdp.effects.capacity <= VDPBridge.effectsKept)
    }
}

public import EVBTime
public import EVBWire

/// An EVB station's uplink port: the LLDP agent, the EVB negotiation, ECP and VDP of one interface, joined.
///
/// It is driven from outside and knows no socket and no clock: frames, requests and the time go in, and every call gives
/// the effects that follow, in order. After each call ``nextDeadline`` tells when ``advance(to:)`` is wanted.
///
/// Files: this one joins the parts; `StationPort+Receive.swift` takes frames in.
public struct StationPort {
    @Separate var link: PeerLink<StationRole>
    @Separate var vdp = VDPStation()
    /// What was published last, so that only changes are.
    private var publishedRelay = ReflectiveRelayStatus.unknown
    /// Whether the bridge answered by VDP, as of the last turn.
    private var shownAnswering = VDPStation.Answering.unknown

    /// A port whose link is down.
    ///
    /// - Parameters:
    ///   - configuration: its settings.
    ///   - firstSequence: the number of the first ECPDU, different from those that an earlier run used last.
    public init(configuration: StationPortConfiguration, firstSequence: UInt16) {
        link = PeerLink(configuration: configuration, firstSequence: firstSequence, vdp: StationVDPStatistics())
        vdp.bridgeWait = link.negotiation.operational.responseWaitDelay
        vdp.vsisMax = configuration.vsisMax
        vdp.networks.isOn = configuration.evb.isNVO3
    }

    // MARK: What goes in

    /// The link came up or went down.
    public mutating func setLink(up: Bool, at now: Instant) -> [StationEffect] {
        guard up != link.isUp else { return [] }
        followLink(up: up, at: now)
        return finish(at: now)
    }

    /// Changes the settings of a running port. VSIs stay.
    public mutating func reconfigure(_ configuration: StationPortConfiguration, at now: Instant) -> [StationEffect] {
        let isNewToBridge =
            configuration.evb.isTransmitted != self.configuration.evb.isTransmitted
            || configuration.chassis != self.configuration.chassis
            || configuration.address != self.configuration.address
            || configuration.interfaceName != self.configuration.interfaceName
            || configuration.addresses != self.configuration.addresses
        link.configuration = configuration
        vdp.vsisMax = configuration.vsisMax
        if isNewToBridge { link.agent.localChange(at: now) }
        let isNewDialect = configuration.dialect != link.negotiation.choice
        link.negotiation.reconfigure(configuration)
        vdp.networks.isOn = configuration.evb.isNVO3
        selectPeer(otherwise: isNewDialect ? .dialectChanged : .disabled, at: now)
        applyNegotiation(at: now)
        return finish(at: now)
    }

    /// Takes what a manager wants for a VSI. How it ends comes as an effect, of this call or of a later one.
    ///
    /// - Parameters:
    ///   - request: what is wanted.
    ///   - isResumed: whether the bridge had granted it to a former life of this station: it is then asked for until a bridge
    ///     has answered, also where it is wanted only once.
    ///   - isSent: whether what there is to say of it leaves at once, if it can. Otherwise it leaves with the next call, such as
    ///     ``flush(at:)``, together with what there is to say of others.
    ///   - now: the time.
    /// - Returns: what follows.
    /// - Throws: when the request cannot be taken; nothing has changed then.
    public mutating func request(
        _ request: VSIRequest, isResumed: Bool = false, isSent: Bool = true, at now: Instant
    ) throws(VSIRequestError) -> [StationEffect] {
        try checkFrame(request)
        try vdp.request(request, isResumed: isResumed, at: now)
        return finish(isSent: isSent, at: now)
    }

    /// Takes what an earlier run of this station was asked for, one of many: what else follows comes with the next call, such as ``flush(at:)``.
    ///
    /// - Parameters:
    ///   - request: what is wanted.
    ///   - isGranted: as `isResumed` in ``request(_:isResumed:isSent:at:)``.
    ///   - now: the time.
    /// - Returns: that it waits for the bridge now, where that is all that follows.
    /// - Throws: as that does.
    package mutating func resume(
        _ request: VSIRequest, isGranted: Bool, at now: Instant
    ) throws(VSIRequestError) -> VSIChange? {
        try checkFrame(request)
        return try vdp.resume(request, isGranted: isGranted, at: now)
    }

    /// Whether a request can be taken, as things are now.
    ///
    /// - Throws: what ``request(_:isResumed:at:)`` would throw.
    public func check(_ request: VSIRequest) throws(VSIRequestError) {
        try checkFrame(request)
        try _vdp.look { (vdp) throws(VSIRequestError) in try vdp.check(request) }
    }

    /// Whether the bridge can be told of a request, whatever dialect it may come to speak.
    private func checkFrame(_ request: VSIRequest) throws(VSIRequestError) {
        if configuration.evb.isNVO3, let group = request.filter.groupBeyondNetworks {
            throw .groupBeyondNetworks(group)
        }
        let tlv = request.tlv(request.target.command, filter: request.filter)
        for dialect in configuration.dialect.allowed {
            let length = dialect.vdpOverhead + dialect.encodedLength(of: tlv)
            let most = configuration.payloadMax(dialect)
            guard length <= most else { throw .tooLong(length, most: most) }
        }
    }

    /// Takes back what a manager wanted: the VSI is de-associated. That it is comes as an effect.
    ///
    /// - Parameters:
    ///   - vsiID: the VSI.
    ///   - isSent: as in ``request(_:isResumed:isSent:at:)``.
    ///   - now: the time.
    /// - Returns: what follows.
    /// - Throws: `unknownVSI` when there is no such VSI.
    public mutating func withdraw(
        _ vsiID: VSIID, isSent: Bool = true, at now: Instant
    ) throws(VSIRequestError) -> [StationEffect] {
        try vdp.withdraw(vsiID, at: now)
        return finish(isSent: isSent, at: now)
    }

    /// Sends what requests have left to be sent.
    public mutating func flush(at now: Instant) -> [StationEffect] { finish(at: now) }

    /// Lets time pass, up to `now`.
    public mutating func advance(to now: Instant) -> [StationEffect] {
        advanceLink(to: now)
        vdp.advance(to: now)
        takeUpBridge(at: now)
        return finish(at: now)
    }

    /// A bridge that was heard while VSIs were still told of the loss of another had to wait.
    mutating func takeUpBridge(at now: Instant) { if vdp.peer == nil, !vdp.isLosing { applyPeer(at: now) } }

    /// Lets a VSI that does not know yet that the bridge is lost learn of it before its turn.
    ///
    /// - Returns: what follows; nothing where it knows.
    package mutating func catchUp(_ vsiID: VSIID, at now: Instant) -> [StationEffect] {
        guard let slot = vdp.slot(of: vsiID), vdp.isUnaware(slot) else { return [] }
        vdp.catchUp(slot, at: now)
        return finish(isSent: false, at: now)
    }

    /// A frame could not be sent. As if it were lost on the wire; but it is not counted as sent.
    public mutating func unsent(_ frame: Frame) { link.unsent(frame) }

    /// Says good-bye by LLDP: what the bridge knows of this station is to be forgotten. VSIs are left as they are.
    public mutating func shutdown() -> [StationEffect] {
        guard link.isUp else { return [] }
        link.transmitLLDP(vsis: nil, timeToLive: 0)
        link.agent.stop()
        defer { link.effects = [] }
        return link.effects
    }

    /// What the port's owner follows after each call that may have changed the port. Takes the trail.
    public mutating func endTurn() -> StationTurn {
        let hasNews = link.hasNews || vdp.answering != shownAnswering
        link.hasNews = false
        shownAnswering = vdp.answering
        return StationTurn(
            hasNews: hasNews, trail: takeTrail(), use: vdp.use, peerAddresses: link.peerAddresses,
            nextSequence: nextSequence,
            nextDeadline: nextDeadline)
    }

    /// Takes back the memory of effects that were carried out, for those of later calls.
    public mutating func reuse(_ carriedOut: inout [StationEffect]) { link.reuse(&carriedOut) }

    /// When ``advance(to:)`` is wanted next.
    public var nextDeadline: Instant? {
        Instant.earliest(_link.look { $0.nextDeadline }, _vdp.look { $0.nextDeadline })
    }

    /// The way to the bridge has changed on this side without a change of the link, such as the active member of a bond.
    public mutating func pathChanged(at now: Instant) -> [StationEffect] {
        followPath(at: now)
        return finish(at: now)
    }

    /// VSIs that learn at once that a bridge has come or gone; the others learn it in calls of ``advance(to:)`` that are due at once.
    package var sweptAtOnce: Int {
        get { vdp.sweptAtOnce }
        set { vdp.sweptAtOnce = max(newValue, 1) }
    }

    /// Whether some VSIs have yet to learn that the bridge is lost.
    package var isLosing: Bool { vdp.isLosing }

    // MARK: What can be seen

    public var configuration: StationPortConfiguration { link.configuration }

    /// The bridge that is spoken with. It stays so until it is lost, also when others are heard.
    public var peer: EVBPeer? { link.peer }

    /// All addresses from which the bridge's ECP is taken; none while there is no bridge.
    public var peerAddresses: [MACAddress] { link.peerAddresses }

    /// The VSI of that name.
    public func vsi(_ vsiID: VSIID) -> StationVSISnapshot? {
        _vdp.look { $0.snapshot(of: vsiID) }
    }

    /// How the VSI of that name stands.
    public func standing(of vsiID: VSIID) -> StationVSIStanding? { _vdp.look { $0.standing(of: vsiID) } }

    /// When a request of a VSI that failed is made again; nil where none is to be.
    package func retryTime(of vsiID: VSIID) -> Instant? {
        _vdp.look { vdp in
            guard let slot = vdp.slot(of: vsiID), case .retry(let at) = vdp.activities[slot].wait else { return nil }
            return at
        }
    }

    /// To which group address ECP is sent.
    public var ecpAddress: MACAddress { configuration.addresses.ecp(link.negotiation.dialect) }

    /// Whether what is to be said of a VSI waits to be sent, or to be acknowledged.
    public func isUnsent(_ vsiID: VSIID) -> Bool {
        vdp.slot(of: vsiID).map { vdp.isQueued($0) || vdp.isReady($0) } ?? false
    }
    public func isUnacknowledged(_ vsiID: VSIID) -> Bool {
        guard let slot = vdp.slot(of: vsiID) else { return false }
        if let number = vdp.cohorts.number(of: slot) { return vdp.cohorts.inFlight == number }
        return vdp.inFlight.contains(slot)
    }

    /// All VSIs, in no certain order.
    public var vsis: [StationVSISnapshot] {
        _vdp.look { vdp in vdp.slots.indices.compactMap { vdp.snapshot($0) } }
    }

    /// What the VSIs of the port may take, given what those of other ports take. VSIs stay, also where they take more.
    public var room: ResourceRoom {
        get { vdp.room }
        set { vdp.room = newValue }
    }

    /// What the VSIs of the port take.
    public var use: ResourceUse { vdp.use }

    /// The names of all VSIs, in no certain order.
    public var vsiIDs: [VSIID] { vdp.slots.lazy.filter { !$0.isFree }.map(\.vsiID) }

    /// How many VSIs there are.
    package var vsiCount: Int { vdp.index.count }

    /// Makes room for so many VSIs at once.
    package mutating func reserveCapacity(_ count: Int) { vdp.reserveCapacity(count) }

    /// Places of VSIs: each VSI keeps its own, and some are free.
    public var placeCount: Int { vdp.slots.count }

    /// Looks at the states of the VSIs in some places, of those of `places` that there are. VSIs are not copied for that: there may
    /// be very many.
    package func forEachState(in places: Range<Int>, _ body: (VSIState) -> Void) {
        for place in places.clamped(to: vdp.slots.indices) where !vdp.slots[place].isFree {
            if vdp.isUnaware(place) {
                if let vsi = vdp.seen(place) { body(vsi.state) }
            } else {
                body(vdp.slots[place].state)
            }
        }
    }

    /// The number of the next ECPDU.
    public var nextSequence: UInt16 { link.transmitter.sequence }

    /// How the port stands, in brief.
    public var brief: StationPortBrief {
        _link.look {
            StationPortBrief(
                isLinkUp: $0.isUp, peer: $0.peer, dialect: $0.negotiation.dialect, timers: $0.negotiation.operational,
                reflectiveRelay: $0.negotiation.reflectiveRelay,
                isRelayRefused: $0.notices.contains(.reflectiveRelayRefused))
        }
    }

    /// Everything about the port but its VSIs.
    public var snapshot: StationPortSnapshot {
        let negotiation = link.negotiation
        var counted = link.statistics
        counted.vdp = vdp.statistics
        return StationPortSnapshot(
            isLinkUp: link.isUp, peer: peer, neighbour: link.neighbour, neighbourCount: link.agent.neighbours.count,
            secondSpeaker: link.secondSpeaker, neighbours: link.neighbours, notices: link.notices,
            delivery: PeerDelivery(link.delivery, vdp.answering),
            dialect: negotiation.dialect, localTLV: negotiation.spoken(vsis: announcedVSIs),
            timers: negotiation.operational, times: negotiation.times, usesGroupIDs: negotiation.usesGroupIDs,
            reflectiveRelay: negotiation.reflectiveRelay, hasDraftNeighbour: link.notices.contains(.draftNeighbour),
            statistics: counted)
    }

    // MARK: What comes out

    /// Sends what VDP has ready if ECP can take it, and hands the effects over.
    mutating func finish(isSent: Bool = true, at now: Instant) -> [StationEffect] {
        vdp.endHold(at: now)
        beginProbe(at: now)
        let needed = vdp.offer.exponent ?? 0
        if link.negotiation.ratified.neededKeepAlive != needed {
            link.negotiation.adjustRatified { $0.neededKeepAlive = needed }
            applyNegotiation(at: now)
        }
        if isSent, link.isUp, peer != nil, link.sentDialect == link.negotiation.dialect, link.transmitter.isIdle,
            !link.probe.isAsking,
            let payload = vdp.nextPayload(at: now)
        {
            link.send(payload, at: now)
        }
        for event in vdp.events { link.effects.append(.vsi(event)) }
        vdp.events.removeAll(keepingCapacity: true)
        defer { link.effects = [] }
        return link.effects
    }
}

/// A station's side of ``PeerLink``.
enum StationRole: EVBRole {
    typealias Negotiation = EVBStationNegotiation
    typealias VDP = StationVDPStatistics
    typealias Effect = StationEffect

    static func showsThisSide(_ tlv: DialectTLV) -> Bool { tlv.showsStation }
}

// MARK: The bridge

extension StationPort: PeerLinkPort {
    var isEVBOn: Bool { configuration.evb.isTransmitted }
    var takesECP: Bool { true }
    var announcedVSIs: Int { vdp.index.count }

    /// Whether the bridge reflects frames on this link, asked or not.
    package var isReflecting: Bool { peer?.advertised.reflects ?? false }

    var ownNotices: Set<StationNotice> {
        guard let peer else { return [] }
        let asked = configuration.evb.requestsReflectiveRelay
        var own: Set<StationNotice> = []
        if peer.advertised.reflects, !asked { own.insert(.reflectsUnasked) }
        if vdp.offer.isHoldingBack { own.insert(.bridgeOverloaded) }
        if peer.advertised.refusesReflection, asked { own.insert(.reflectiveRelayRefused) }
        return own
    }

    mutating func follow(_ current: EVBPeer, at now: Instant) {
        let isForgotten = isForgotten(by: current)
        link.hear(current, at: now)
        applyNegotiation(at: now)
        guard isForgotten else { return }
        // The bridge is to hear this side soon, as it listens to no stranger.
        link.agent.localChange(at: now)
        vdp.bridgeForgot(at: now)
    }

    /// Whether the bridge in use had heard this station and now, by its TLV, has not.
    private func isForgotten(by bridge: EVBPeer) -> Bool {
        let isTraced = link.negotiation.spoken(vsis: 0).showsStation
        return isTraced && peer?.advertised.showsStation == true && !bridge.advertised.showsStation
    }

    mutating func answerNeighbour(at now: Instant) { vdp.neighbourHeard(at: now) }

    mutating func endVDP(at now: Instant) { applyNegotiation(at: now) }

    mutating func applyNegotiation(at now: Instant) {
        vdp.offer.configured = link.negotiation.configuration.timers.reinitKeepAliveExponent
        applyPeer(at: now)
        vdp.bridgeWait = link.negotiation.configuration.timers.responseWaitDelay
        link.publishNegotiation(at: now)
        if link.negotiation.reflectiveRelay != publishedRelay {
            publishedRelay = link.negotiation.reflectiveRelay
            link.effects.append(.reflectiveRelay(publishedRelay))
        }
    }

    /// The bridge as VDP's peer; nil while VDP is not agreed with it.
    private var vdpPeer: VDPStation.Peer? {
        let negotiation = link.negotiation
        guard peer != nil, negotiation.isVDPAgreed else { return nil }
        let canOffer = negotiation.dialect == .ratified && !negotiation.configuration.isManual
        return VDPStation.Peer(
            timers: negotiation.times, usesGroupIDs: negotiation.usesGroupIDs,
            payloadMax: configuration.payloadMax(negotiation.dialect), dialect: negotiation.dialect,
            shownKeepAlive: canOffer ? negotiation.ratified.remote?.reinitKeepAlive.exponent : nil)
    }

    private mutating func applyPeer(at now: Instant) {
        switch (vdp.peer, vdpPeer) {
        case (nil, nil): break
        case (nil, let found?): if !vdp.isLosing { vdp.peerAppeared(found, at: now) }
        case (_?, let changed?): vdp.peerChanged(changed, at: now)
        case (_?, nil):
            link.transmitter.reset()
            vdp.peerLost(at: now)
        }
    }
}

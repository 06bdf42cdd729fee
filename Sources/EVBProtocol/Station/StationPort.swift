public import EVBTime
public import EVBWire

/// An EVB station's uplink port: the LLDP agent, the EVB negotiation, ECP and VDP of one interface, joined.
///
/// It is driven from outside and knows no socket and no clock: frames, requests and the time go in, and every call gives
/// the effects that follow, in order. After each call ``nextDeadline`` tells when ``advance(to:)`` is wanted.
///
/// Files: this one joins the parts; `StationPort+Receive.swift` takes frames in.
public struct StationPort {
    public private(set) var configuration: StationPortConfiguration
    var isLinkUp = false
    var agent = LLDPAgent()
    var negotiation: StationDialectNegotiation
    var transmitter: ECPTransmitter
    var receiver = ECPReceiver()
    var vdp = VDPStation()
    /// The bridge that is spoken with; it stays so until it is lost, whoever else is heard.
    public internal(set) var peer: EVBPeer?
    var statistics = StationPortStatistics()
    var notices: Set<StationNotice> = []
    /// Where ECP frames have come from that are not the bridge's.
    var foreignECP: MACAddress?
    /// The first address that is not ECP's and to which ECP came since the link is up.
    var misaddressedECP: MACAddress?
    var effects: [StationEffect] = []

    /// What was last told, so that only changes are.
    private var toldTLV: DialectTLV
    private var toldTimers: OperationalTimers
    private var toldRelay = ReflectiveRelayStatus.unknown
    /// The dialect of the last LLDPDU. A bridge that has not been told that its dialect is spoken would not listen.
    private var toldDialect = WireDialect.ratified

    /// A port whose link is down.
    ///
    /// - Parameters:
    ///   - configuration: its settings.
    ///   - firstSequence: the number of the first ECPDU, different from those that an earlier run used last.
    public init(configuration: StationPortConfiguration, firstSequence: UInt16) {
        self.configuration = configuration
        negotiation = StationDialectNegotiation(configuration: configuration)
        transmitter = ECPTransmitter(firstSequence: firstSequence)
        toldTLV = negotiation.outgoing(vsis: 0)
        toldTimers = negotiation.operational
        vdp.bridgeWait = toldTimers.responseWaitDelay
        vdp.vsisMax = configuration.vsisMax
    }

    // MARK: What goes in

    /// The link came up or went down.
    public mutating func setLink(up: Bool, at now: Instant) -> [StationEffect] {
        guard up != isLinkUp else { return [] }
        isLinkUp = up
        if up {
            agent.start(at: now)
        } else {
            agent.stop()
            losePeer(.linkDown, at: now)
            notices = []
            misaddressedECP = nil
        }
        return finish(at: now)
    }

    /// Changes the settings of a running port. VSIs stay.
    public mutating func reconfigure(_ configuration: StationPortConfiguration, at now: Instant) -> [StationEffect] {
        let isNewToBridge =
            configuration.evb.isTransmitted != self.configuration.evb.isTransmitted
            || configuration.address != self.configuration.address
            || configuration.interfaceName != self.configuration.interfaceName
            || configuration.addresses != self.configuration.addresses
        self.configuration = configuration
        vdp.vsisMax = configuration.vsisMax
        if isNewToBridge { agent.localChange(at: now) }
        negotiation.configuration = configuration.evb
        let isNewDialect = configuration.dialect != negotiation.choice
        negotiation.choice = configuration.dialect
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
    ///   - now: the time.
    /// - Returns: what follows.
    /// - Throws: when the request cannot be taken; nothing has changed then.
    public mutating func request(
        _ request: VSIRequest, isResumed: Bool = false, at now: Instant
    ) throws(VSIRequestError) -> [StationEffect] {
        try check(request)
        try vdp.request(request, isResumed: isResumed, at: now)
        return finish(at: now)
    }

    /// Whether a request can be taken, as things are now.
    ///
    /// - Throws: what ``request(_:isResumed:at:)`` would throw.
    public func check(_ request: VSIRequest) throws(VSIRequestError) {
        let tlv = request.tlv(request.target.command, filter: request.filter)
        // The bridge may come to speak another dialect than now.
        for dialect in configuration.dialect.allowed {
            let length = dialect.vdpOverhead + dialect.encodedLength(of: tlv)
            let most = configuration.payloadMax(dialect)
            guard length <= most else { throw .tooLong(length, most: most) }
        }
        try vdp.check(request)
    }

    /// Takes back what a manager wanted: the VSI is de-associated. That it is comes as an effect.
    ///
    /// - Throws: `unknownVSI` when there is no such VSI.
    public mutating func withdraw(_ vsiID: VSIID, at now: Instant) throws(VSIRequestError) -> [StationEffect] {
        try vdp.withdraw(vsiID, at: now)
        return finish(at: now)
    }

    /// Lets time pass, up to `now`.
    public mutating func advance(to now: Instant) -> [StationEffect] {
        let due = agent.advance(to: now)
        statistics.lldpAgeouts &+= UInt64(due.agedCount)
        if due.aged { selectPeer(otherwise: .aged, at: now) }
        if due.transmit { transmitLLDP() }
        switch transmitter.advance(
            to: now, timers: negotiation.times, renumbering: negotiation.dialect.renumbersRetransmissions)
        {
        case .none: break
        case .retransmit(let ecpdu):
            statistics.ecpTxRetries &+= 1
            transmit(ecpdu)
        case .failed:
            statistics.ecpTxFailures &+= 1
            vdp.payloadFailed(at: now)
        }
        vdp.advance(to: now)
        return finish(at: now)
    }

    /// Says good-bye by LLDP: what the bridge knows of this station is to be forgotten. VSIs are left as they are.
    public mutating func shutdown() -> [StationEffect] {
        guard isLinkUp else { return [] }
        transmitLLDP(timeToLive: 0)
        agent.stop()
        defer { effects = [] }
        return effects
    }

    /// When ``advance(to:)`` is wanted next.
    public var nextDeadline: Instant? {
        Instant.earliest(agent.nextDeadline, Instant.earliest(transmitter.nextDeadline, vdp.nextDeadline))
    }

    // MARK: What can be seen

    /// The VSI of that name.
    public func vsi(_ vsiID: VSIID) -> StationVSISnapshot? {
        vdp.slotOf[vsiID].flatMap { vdp.slots[$0] }?.snapshot
    }

    /// All VSIs, in no certain order.
    public var vsis: [StationVSISnapshot] {
        vdp.slots.compactMap { $0?.snapshot }
    }

    /// What the VSIs of the port may take, given what those of other ports take. VSIs stay, also where they take more.
    public var room: ResourceRoom {
        get { vdp.room }
        set { vdp.room = newValue }
    }

    /// What the VSIs of the port take.
    public var use: ResourceUse { vdp.use }

    /// The names of all VSIs, in no certain order.
    public var vsiIDs: [VSIID] { vdp.slots.compactMap { $0?.request.vsiID } }

    /// The states of all VSIs, in no certain order.
    public var vsiStates: some Sequence<VSIState> { vdp.slots.lazy.compactMap { $0?.state } }

    /// The number of the next ECPDU.
    public var nextSequence: UInt16 { transmitter.sequence }

    /// Everything about the port but its VSIs.
    public var snapshot: StationPortSnapshot {
        let inUse = agent.neighbours.first {
            $0.lldpdu.chassisID == peer?.chassisID && $0.lldpdu.portID == peer?.portID
        }
        let neighbour = inUse ?? agent.neighbours.first
        var counted = statistics
        counted.vdp = vdp.statistics
        return StationPortSnapshot(
            isLinkUp: isLinkUp, peer: peer,
            neighbour: neighbour.map { NeighbourSnapshot(lldpdu: $0.lldpdu, heard: $0.lastHeard) },
            neighbourCount: agent.neighbours.count,
            dialect: negotiation.dialect, localTLV: negotiation.outgoing(vsis: vdp.slotOf.count),
            timers: negotiation.operational, times: negotiation.times, usesGroupIDs: negotiation.usesGroupIDs,
            reflectiveRelay: negotiation.reflectiveRelay, hasDraftNeighbour: notices.contains(.draftNeighbour),
            statistics: counted)
    }

    // MARK: The bridge

    /// Looks again at who is heard: keeps the bridge in use while it is one, else takes the first that is.
    mutating func selectPeer(otherwise loss: PeerLoss, at now: Instant) {
        // The latest first, for one address that goes by several names: the bridge was renamed, or a stray frame came.
        let heard = agent.neighbours.sorted { $0.lastHeard > $1.lastHeard }.compactMap(bridge)
        let bridges = configuration.evb.isTransmitted ? heard : []
        let sameName = bridges.first { $0.chassisID == peer?.chassisID && $0.portID == peer?.portID }
        let inUse = bridges.first { $0.address == peer?.address } ?? sameName
        if let current = inUse, !agent.isOutlived(current, by: { bridge($0) != nil }, at: now) {
            if current.advertised.dialect != peer?.advertised.dialect {
                losePeer(.dialectChanged, at: now)
                findPeer(current, at: now)
            } else if current != peer {
                let isForgotten = isForgotten(by: current)
                peer = current
                negotiation.hear(current.advertised)
                applyNegotiation(at: now)
                if isForgotten {
                    // It is to hear this side soon, as it listens to no stranger.
                    agent.localChange(at: now)
                    vdp.bridgeForgot(at: now)
                }
            }
        } else {
            losePeer(inUse == nil ? loss : .aged, at: now)
            if let first = bridges.first { findPeer(first, at: now) }
        }
        updateNotices(bridges: bridges.count)
    }

    /// Whether the bridge in use had heard this station and now, by its TLV, has not.
    private func isForgotten(by bridge: EVBPeer) -> Bool {
        let isTraced = negotiation.outgoing(vsis: 0).showsStation
        return isTraced && peer?.advertised.showsStation == true && !bridge.advertised.showsStation
    }

    /// A neighbour as an EVB bridge, if it is one in a dialect that may be spoken.
    private func bridge(_ neighbour: LLDPAgent.Neighbour) -> EVBPeer? {
        negotiation.offer(of: neighbour.lldpdu).map {
            EVBPeer(
                chassisID: neighbour.lldpdu.chassisID, portID: neighbour.lldpdu.portID, address: neighbour.source,
                advertised: $0)
        }
    }

    private mutating func findPeer(_ found: EVBPeer, at now: Instant) {
        peer = found
        negotiation.hear(found.advertised)
        receiver.reset()
        foreignECP = nil
        effects.append(.peer(.found(found)))
        applyNegotiation(at: now)
    }

    private mutating func losePeer(_ loss: PeerLoss, at now: Instant) {
        guard peer != nil else { return }
        peer = nil
        negotiation.forget()
        receiver.reset()
        effects.append(.peer(.lost(loss)))
        applyNegotiation(at: now)
    }

    /// The bridge as VDP's peer; nil while VDP is not agreed with it.
    private var vdpPeer: VDPStation.Peer? {
        guard peer != nil, negotiation.isVDPAgreed else { return nil }
        return VDPStation.Peer(
            timers: negotiation.times, usesGroupIDs: negotiation.usesGroupIDs,
            payloadMax: configuration.payloadMax(negotiation.dialect), dialect: negotiation.dialect)
    }

    /// Tells VDP whom it speaks with, if anybody.
    private mutating func applyPeer(at now: Instant) {
        switch (vdp.peer, vdpPeer) {
        case (nil, nil): break
        case (nil, let found?): vdp.peerAppeared(found, at: now)
        case (_?, let changed?): vdp.peerChanged(changed, at: now)
        case (_?, nil):
            transmitter.reset()
            vdp.peerLost(at: now)
        }
    }

    /// Tells whom it concerns what the negotiation has come to.
    private mutating func applyNegotiation(at now: Instant) {
        applyPeer(at: now)
        vdp.bridgeWait = negotiation.configuration.timers.responseWaitDelay
        // How many VSIs there are is told when the next LLDPDU leaves, and is no reason to send one.
        let outgoing = negotiation.outgoing(vsis: 0)
        if outgoing != toldTLV {
            toldTLV = outgoing
            agent.localChange(at: now)
        }
        if negotiation.operational != toldTimers {
            toldTimers = negotiation.operational
            transmitter.shorten(to: negotiation.times, at: now)
            effects.append(.timers(toldTimers))
        }
        if negotiation.reflectiveRelay != toldRelay {
            toldRelay = negotiation.reflectiveRelay
            effects.append(.reflectiveRelay(toldRelay))
        }
    }

    /// Works out what is not as it should be, and tells what has begun to be so.
    private mutating func updateNotices(bridges: Int) {
        var current: Set<StationNotice> = []
        if bridges > 1 { current.insert(.severalBridges(bridges)) }
        if let peer {
            let asked = configuration.evb.requestsReflectiveRelay
            if peer.advertised.reflects, !asked { current.insert(.reflectsUnasked) }
            if peer.advertised.refusesReflection, asked { current.insert(.reflectiveRelayRefused) }
            if let foreignECP { current.insert(.foreignECP(foreignECP)) }
        }
        if let misaddressedECP { current.insert(.misaddressedECP(misaddressedECP)) }
        for neighbour in agent.neighbours where bridge(neighbour) == nil {
            if let notice = negotiation.obstacle(in: neighbour.lldpdu) { current.insert(notice) }
        }
        let begun = current.subtracting(notices)
        effects += agent.neighbours.isEmpty ? [] : begun.map { .notice($0) }
        notices = current
    }

    // MARK: What comes out

    /// Sends what VDP has ready if ECP can take it, and hands the effects over.
    mutating func finish(at now: Instant) -> [StationEffect] {
        vdp.endHold(at: now)
        if isLinkUp, peer != nil, toldDialect == negotiation.dialect, transmitter.isIdle,
            let payload = vdp.nextPayload(at: now)
        {
            statistics.ecpTxFrames &+= 1
            transmit(transmitter.send(payload, subtype: .vdp, timers: negotiation.times, at: now))
        }
        let events = vdp.events
        vdp.events = []
        effects += events.map { .vsi($0) }
        defer { effects = [] }
        return effects
    }

    mutating func transmit(_ ecpdu: ECPDU) {
        let dialect = negotiation.dialect
        effects.append(
            .transmit(
                Frame(
                    destination: configuration.addresses.ecp(dialect), source: configuration.address,
                    payload: dialect.payload(ecpdu))))
    }

    private mutating func transmitLLDP(timeToLive: UInt16 = LLDPAgent.timeToLive) {
        statistics.lldpSent &+= 1
        let isSaid = timeToLive > 0 && configuration.evb.isTransmitted
        toldDialect = negotiation.dialect
        let tlv = negotiation.outgoing(vsis: vdp.slotOf.count)
        let lldpdu = LLDPDU(
            chassisID: .chassis(configuration.address),
            portID: LLDPIdentifier(
                subtype: LLDPIdentifier.portInterfaceName, octets: Array(configuration.interfaceName.utf8)),
            timeToLive: timeToLive, optional: isSaid ? [tlv.optionalTLV] : [])
        effects.append(
            .transmit(
                Frame(
                    destination: configuration.addresses.lldp, source: configuration.address, payload: .lldp(lldpdu))))
    }
}

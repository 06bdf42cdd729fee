internal import EVBTime
internal import EVBWire

/// What distinguishes the two roles in ``PeerLink``.
protocol EVBRole {
    associatedtype Negotiation: RatifiedNegotiation
    associatedtype VDP: Hashable, Sendable
    associatedtype Effect: PeerLinkEffect
    /// Whether a peer's EVB TLV shows that the peer has heard this side.
    static func showsThisSide(_ tlv: DialectTLV) -> Bool
}

/// The effects that ports of both roles have.
protocol PeerLinkEffect {
    associatedtype Notice: PeerLinkNotice
    static func transmit(_ frame: Frame) -> Self
    static func peer(_ change: PeerChange) -> Self
    static func timers(_ timers: OperationalTimers) -> Self
    static func notice(_ notice: Notice) -> Self
}

/// The notices that ports of both roles have.
protocol PeerLinkNotice: Hashable {
    static func severalPeers(_ count: Int) -> Self
    static func secondSpeaker(_ speaker: SecondSpeaker) -> Self
    static func unusableTLV(_ error: WireError) -> Self
    static func foreignECP(_ source: MACAddress) -> Self
    static func misaddressedECP(_ destination: MACAddress) -> Self
    static var sameSide: Self { get }
    static var draftNeighbour: Self { get }
    static var ratifiedNeighbour: Self { get }
}

extension NeighbourSnapshot {
    fileprivate init(_ neighbour: LLDPAgent.Neighbour) {
        self.init(source: neighbour.source, lldpdu: neighbour.lldpdu, heard: neighbour.lastHeard)
    }
}

/// ECP frames that the port drops for an address in them.
private struct UselessECP {
    /// How long after the last of them they are over.
    private static let memory = Interval.seconds(120)

    let address: MACAddress
    var lastHeard: Instant

    func isOver(at now: Instant) -> Bool { now.since(lastHeard) > Self.memory }
}

/// Whether the peer acknowledges what is sent to it by ECP.
enum ECPDelivery: Equatable {
    /// Nothing has been sent that waits no more.
    case unknown
    case acknowledged
    /// ECP has given up what it sent, and nothing was acknowledged since.
    case unacknowledged(since: Instant)
}

/// A port's link to its peer, the same for both roles: LLDP, the negotiation, ECP, and what is wrong with the neighbours.
///
/// It sends and counts. ``PeerLinkPort`` decides who the peer is; VDP is the port's.
struct PeerLink<Role: EVBRole> {
    typealias Configuration = EVBPortConfiguration<Role.Negotiation.Configuration>
    typealias Notice = Role.Effect.Notice

    var configuration: Configuration
    var isUp = false { didSet { if isUp != oldValue { hasNews = true } } }
    /// Something about the link or the neighbours may be other than when it was last looked at.
    var hasNews = true
    var agent = LLDPAgent()
    var negotiation: DialectNegotiation<Role.Negotiation>
    var transmitter: ECPTransmitter
    var receiver = ECPReceiver()
    /// The peer that is spoken with. It stays so until it is lost, also when others are heard.
    private(set) var peer: EVBPeer?
    /// All addresses from which ECP is the peer's; none while there is no peer.
    var peerAddresses: [MACAddress] = []
    /// Whether the peer is still there.
    var probe = PeerProbe(at: Instant(nanoseconds: 0))
    /// The ECPDU that is outstanding is the probe's, and not VDP's.
    var isProbeOutstanding = false
    /// Another neighbour goes by the peer's very name, and the peer is there as well.
    var isNameContested = false
    /// From when on the peer can be expected to know this side.
    var isKnownFrom: Instant {
        let isKnown = ecpHeard != nil || peer.map { Role.showsThisSide($0.advertised) } ?? false
        return isKnown ? strangerSince : strangerSince + PeerProbe.acquaintance
    }
    /// When the peer was found, or has shown that it had forgotten this side.
    private var strangerSince = Instant(nanoseconds: 0)
    /// When the peer last spoke by ECP, unless it has shown since that it has forgotten this side.
    var ecpHeard: Instant?
    var statistics: PortStatistics<Role.VDP>
    private(set) var notices: Set<Notice> = []
    /// The source of ECP frames that is not the peer's.
    private var foreignECP: UselessECP?
    /// The address that is not ECP's and to which ECP comes.
    private var misaddressedECP: UselessECP?
    /// Whether the peer acknowledges what is sent to it.
    var delivery = ECPDelivery.unknown { didSet { if delivery != oldValue { hasNews = true } } }
    var effects: [Role.Effect] = []
    /// Effects for which memory is kept.
    private static var effectsKept: Int { 16 }

    /// What was published last, so that only changes are.
    private var publishedTLVs: [DialectTLV]
    private var publishedTimers: OperationalTimers
    /// The dialect of the last LLDPDU. A peer that has not heard that its dialect is spoken would not listen.
    private(set) var sentDialect = WireDialect.ratified

    init(configuration: Configuration, firstSequence: UInt16, vdp: Role.VDP) {
        self.configuration = configuration
        negotiation = DialectNegotiation(configuration: configuration)
        transmitter = ECPTransmitter(firstSequence: firstSequence)
        statistics = PortStatistics(vdp: vdp)
        publishedTLVs = negotiation.outgoing(vsis: 0)
        publishedTimers = negotiation.operational
    }

    /// When the LLDP agent or ECP has something to do.
    var nextDeadline: Instant? {
        let probed = peer == nil || !negotiation.isVDPAgreed ? nil : probe.deadline(known: isKnownFrom)
        return Instant.earliest(Instant.earliest(agent.nextDeadline, transmitter.nextDeadline), probed)
    }

    /// The LLDP neighbour to show: the peer, or else the first of all, EVB or not.
    var neighbour: NeighbourSnapshot? {
        let own = agent.neighbours.first { peer != nil && $0.isSame(as: peer) && $0.source == peer?.address }
        let shown = own ?? agent.neighbours.first { peer != nil && $0.isSame(as: peer) } ?? agent.neighbours.first
        return shown.map { NeighbourSnapshot($0) }
    }

    /// All LLDP neighbours that are remembered.
    var neighbours: [NeighbourSnapshot] { agent.neighbours.map { NeighbourSnapshot($0) } }

    // MARK: The peer

    /// The neighbours that are peers in a dialect that may be spoken, the latest first: of one address that goes by several
    /// names, the peer was renamed, or a stray frame came.
    var candidates: [EVBPeer] {
        agent.neighbours.sorted { $0.lastHeard > $1.lastHeard }.compactMap(candidate)
    }

    func candidate(_ neighbour: LLDPAgent.Neighbour) -> EVBPeer? {
        negotiation.offer(of: neighbour.lldpdu).map {
            EVBPeer(
                chassisID: neighbour.lldpdu.chassisID, portID: neighbour.lldpdu.portID, address: neighbour.source,
                advertised: $0)
        }
    }

    /// Speaks with this peer from now on.
    mutating func find(_ found: EVBPeer, at now: Instant) {
        hear(found, at: now)
        probe = PeerProbe(at: now)
        isNameContested = false
        strangerSince = now
        ecpHeard = nil
        receiver.reset()
        foreignECP = nil
        delivery = .unknown
        effects.append(.peer(.found(found)))
    }

    /// Takes in what the peer says of itself now.
    mutating func hear(_ current: EVBPeer, at now: Instant) {
        let wasShown = peer.map { Role.showsThisSide($0.advertised) } ?? false
        if wasShown, !Role.showsThisSide(current.advertised) {
            strangerSince = now
            ecpHeard = nil
        }
        peer = current
        negotiation.hear(current.advertised)
    }

    mutating func forgetPeer(_ loss: PeerLoss) {
        peer = nil
        probe = PeerProbe(at: Instant(nanoseconds: 0))
        isNameContested = false
        peerAddresses = []
        delivery = .unknown
        negotiation.forget()
        receiver.reset()
        effects.append(.peer(.lost(loss)))
    }

    /// Publishes what the negotiation has come to: to the peer by LLDP, and the timers as an effect.
    mutating func publishNegotiation(at now: Instant) {
        // The number of VSIs goes with the next LLDPDU, and is no reason to send one.
        hasNews = true
        let outgoing = negotiation.outgoing(vsis: 0)
        if outgoing != publishedTLVs {
            publishedTLVs = outgoing
            agent.localChange(at: now)
        }
        if negotiation.operational != publishedTimers {
            publishedTimers = negotiation.operational
            transmitter.shorten(to: ecpTimes, at: now)
            effects.append(.timers(publishedTimers))
        }
    }

    // MARK: Notices

    /// A program that speaks LLDP under the peer's name.
    var secondSpeaker: SecondSpeaker? {
        agent.neighbours.first { $0.isSame(as: peer) && $0.company.other != nil }?.company.other.map(SecondSpeaker.init)
    }

    /// Works out what is not as it should be, and gives notice of what has begun to be so.
    mutating func updateNotices(peers: Int, besides own: Set<Notice>, at now: Instant) {
        updatePeerAddresses()
        if foreignECP?.isOver(at: now) == true { foreignECP = nil }
        if misaddressedECP?.isOver(at: now) == true { misaddressedECP = nil }
        var current = own
        if peers > 1 { current.insert(.severalPeers(peers)) }
        if let foreignECP, peer != nil { current.insert(.foreignECP(foreignECP.address)) }
        if let secondSpeaker { current.insert(.secondSpeaker(secondSpeaker)) }
        if let misaddressedECP { current.insert(.misaddressedECP(misaddressedECP.address)) }
        for neighbour in agent.neighbours where candidate(neighbour) == nil {
            switch negotiation.obstacle(in: neighbour.lldpdu) {
            case .unusableTLV(let defect): current.insert(.unusableTLV(defect))
            case .sameSide: current.insert(.sameSide)
            case .draftAlone: current.insert(.draftNeighbour)
            case .ratifiedAlone: current.insert(.ratifiedNeighbour)
            case nil: break
            }
        }
        guard current != notices else { return }
        hasNews = true
        effects += current.subtracting(notices).map { .notice($0) }
        notices = current
    }

    /// The link is down: what was wrong with the neighbours is over.
    mutating func endNotices() {
        hasNews = true
        notices = []
        misaddressedECP = nil
    }

    private mutating func notice(_ notice: Notice) {
        if notices.insert(notice).inserted { effects.append(.notice(notice)) }
    }

    // MARK: Frames that are of no use

    /// Counts a frame that could not be read. One to another address is not the peer's.
    mutating func countUnreadable(_ header: FrameHeader?) {
        guard let header, header.source != configuration.address else { return }
        guard configuration.addresses.includes(header, own: configuration.address) else {
            statistics.countMisaddressed(header.etherType)
            return
        }
        if header.etherType == EtherType.lldp {
            statistics.lldpDiscarded &+= 1
        } else {
            statistics.ecpRxDiscarded &+= 1
        }
    }

    /// Drops a frame that was sent to another address; there is a notice of the first ECP frame of them.
    mutating func refuseMisaddressed(_ header: FrameHeader, at now: Instant) {
        statistics.countMisaddressed(header.etherType)
        // LLDP to other addresses is the business of other agents.
        guard header.etherType != EtherType.lldp else { return }
        misaddressedECP?.lastHeard = now
        guard misaddressedECP == nil else { return }
        misaddressedECP = UselessECP(address: header.destination, lastHeard: now)
        notice(.misaddressedECP(header.destination))
    }

    /// Drops an ECP frame that is not the peer's; there is a notice of the first.
    mutating func refuseForeign(_ source: MACAddress, at now: Instant) {
        statistics.ecpRxOtherSource &+= 1
        foreignECP?.lastHeard = now
        guard foreignECP == nil else { return }
        foreignECP = UselessECP(address: source, lastHeard: now)
        notice(.foreignECP(source))
    }

    /// Counts an LLDPDU whose EVB TLV is defective.
    ///
    /// - Returns: whether the LLDPDU is to be dropped: what the peer said before holds until its time is over, so that one
    ///   bad frame does not end its VSIs.
    mutating func countDefect(in lldpdu: LLDPDU, from source: MACAddress) -> Bool {
        guard let defect = lldpdu.evbDefect ?? lldpdu.draftEVBDefect else { return false }
        statistics.evbTLVsDiscarded &+= 1
        notice(.unusableTLV(defect))
        return negotiation.dialect.defect(in: lldpdu) != nil && source == peer?.address && lldpdu.timeToLive > 0
    }

    // MARK: What comes out

    /// A frame of this port's could not be sent; it is not counted as sent.
    mutating func unsent(_ frame: Frame) {
        switch frame.payload {
        case .lldp: statistics.lldpSent &-= 1
        case .ecp(let ecpdu) where ecpdu.operation == .request: unsentRequest()
        case .draftECP(let ecpdu) where ECPDU(draft: ecpdu).operation == .request: unsentRequest()
        case .ecp, .draftECP: break
        }
    }

    private mutating func unsentRequest() {
        if transmitter.isFirstTransmission { statistics.ecpTxFrames &-= 1 } else { statistics.ecpTxRetries &-= 1 }
    }

    /// Sends a VDPDU by ECP.
    ///
    /// - Precondition: `transmitter.isIdle`.
    mutating func send(_ payload: [UInt8], at now: Instant) {
        statistics.ecpTxFrames &+= 1
        isProbeOutstanding = false
        transmit(transmitter.send(payload, subtype: .vdp, timers: ecpTimes, at: now))
    }

    /// Takes in an acknowledgement.
    ///
    /// - Returns: whether it is for a VDPDU.
    mutating func takeAcknowledgement(_ ecpdu: ECPDU, at now: Instant) -> Bool {
        guard let sentAt = transmitter.acknowledge(ecpdu) else {
            statistics.ecpRxStrayAcks &+= 1
            return false
        }
        delivery = .acknowledged
        defer { isProbeOutstanding = false }
        guard !isProbeOutstanding else { return false }
        statistics.ecpRoundTrips.record(now.since(sentAt))
        return true
    }

    /// Takes back the memory of effects that were carried out. That of very many is not kept.
    mutating func reuse(_ carriedOut: inout [Role.Effect]) {
        guard effects.capacity == 0, carriedOut.capacity <= Self.effectsKept else { return }
        carriedOut.removeAll(keepingCapacity: true)
        swap(&carriedOut, &effects)
    }

    mutating func transmit(_ ecpdu: ECPDU) {
        let dialect = negotiation.dialect
        effects.append(
            .transmit(
                Frame(
                    destination: configuration.addresses.ecp(dialect), source: configuration.address,
                    payload: dialect.payload(ecpdu))))
    }

    /// Sends an LLDPDU, with the EVB TLVs for this many VSIs; nil for none.
    mutating func transmitLLDP(vsis: Int?, timeToLive: UInt16 = LLDPAgent.timeToLive) {
        statistics.lldpSent &+= 1
        sentDialect = negotiation.dialect
        let tlvs = timeToLive > 0 ? vsis.map(negotiation.outgoing) ?? [] : []
        let lldpdu = LLDPDU(
            chassisID: .chassis(configuration.chassis), portID: .local(configuration.interfaceName),
            timeToLive: timeToLive, optional: tlvs.map(\.optionalTLV))
        effects.append(
            .transmit(
                Frame(
                    destination: configuration.addresses.lldp, source: configuration.address, payload: .lldp(lldpdu))))
    }
}

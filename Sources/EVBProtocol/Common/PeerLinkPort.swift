internal import EVBTime
internal import EVBWire

/// A port of either role as the owner of its ``PeerLink``: who the peer is, and what becomes of the frames that arrive.
///
/// VDP differs between the roles; what a port does with it are the requirements here.
protocol PeerLinkPort {
    associatedtype Role: EVBRole
    var link: PeerLink<Role> { get set }

    /// Whether the port takes part in EVB: it announces itself and looks for a peer.
    var isEVBOn: Bool { get }
    /// Whether ECP requests and acknowledgements of the peer are taken.
    var takesECP: Bool { get }
    /// VSIs to be announced.
    var announcedVSIs: Int { get }
    /// Notices that only this role has.
    var ownNotices: Set<Role.Effect.Notice> { get }

    /// The peer says something else of itself than before.
    mutating func follow(_ current: EVBPeer, at now: Instant)
    /// An LLDPDU was received that does not say good-bye.
    mutating func answerNeighbour(at now: Instant)
    /// The peer has been forgotten. Another one may be found at once.
    mutating func endVDP(at now: Instant)
    /// Carries what the negotiation has come to out into VDP, and publishes it.
    mutating func applyNegotiation(at now: Instant)

    /// ECP has got a VDPDU across.
    mutating func payloadAcknowledged()
    /// ECP has given a VDPDU up.
    mutating func payloadFailed(at now: Instant)
    /// A request by ECP from the peer, in the dialect that is spoken.
    mutating func receiveRequest(_ ecpdu: ECPDU, at now: Instant)
}

extension PeerLinkPort {
    // MARK: Who the peer is

    /// Looks again at the neighbours: keeps the peer while it is one, else takes the best that is.
    mutating func selectPeer(otherwise loss: PeerLoss, at now: Instant) {
        let (link, peer) = (link, link.peer)
        let candidates = isEVBOn ? link.candidates : []
        let own = peer == nil ? [] : candidates.filter(link.isPeers)
        let inUse = link.current(of: own, at: now)
        if let current = inUse, let peer, !link.isOutlived(peer, at: now) {
            if current.advertised.dialect != peer.advertised.dialect {
                // It has lost its peer of the former dialect itself, and takes what was granted for gone.
                self.link.forgetPeer(.dialectChanged)
                endVDP(at: now)
                findPeer(current, at: now)
            } else if current != peer {
                follow(current, at: now)
            }
        } else {
            let rest = candidates.filter { !own.contains($0) }
            // What is outlived is not found again, however long it said that its word holds.
            if inUse != nil, let peer { self.link.agent.forget { $0.source == peer.address || $0.isSame(as: peer) } }
            losePeer(inUse == nil ? loss : .aged, at: now)
            if let first = self.link.best(of: rest) { findPeer(first, at: now) }
        }
        self.link.updateNotices(peers: self.link.peerCount(of: candidates), besides: ownNotices, at: now)
    }

    private mutating func findPeer(_ found: EVBPeer, at now: Instant) {
        link.find(found, at: now)
        applyNegotiation(at: now)
    }

    private mutating func losePeer(_ loss: PeerLoss, at now: Instant) {
        guard link.peer != nil else { return }
        link.forgetPeer(loss)
        endVDP(at: now)
        applyNegotiation(at: now)
    }

    /// The network link came up or went down.
    mutating func followLink(up: Bool, at now: Instant) {
        link.isUp = up
        if up {
            link.agent.start(at: now)
        } else {
            link.agent.stop()
            losePeer(.linkDown, at: now)
            link.endNotices()
        }
    }

    // MARK: Time

    /// Lets time pass for LLDP and ECP.
    mutating func advanceLink(to now: Instant) {
        advanceProbe(to: now)
        link.keepAnsweringPeer(at: now)
        let due = link.agent.advance(to: now)
        if due.aged { link.hasNews = true }
        link.statistics.lldpAgeouts &+= UInt64(due.agedCount)
        if due.aged { selectPeer(otherwise: .aged, at: now) }
        if due.transmit { transmitLLDP() }
        let renumbers = link.negotiation.dialect.renumbersRetransmissions
        switch link.transmitter.advance(to: now, timers: link.ecpTimes, renumbering: renumbers) {
        case .none: break
        case .retransmit(let ecpdu):
            link.statistics.ecpTxRetries &+= 1
            link.transmit(ecpdu)
        case .failed:
            link.statistics.ecpTxFailures &+= 1
            ecpFailed(at: now)
        }
    }

    /// ECP has given up what was outstanding.
    private mutating func ecpFailed(at now: Instant) {
        if case .unacknowledged = link.delivery {} else { link.delivery = .unacknowledged(since: now) }
        let isVDP = !link.isProbeOutstanding
        link.isProbeOutstanding = false
        if link.probe.isAsking {
            link.probe.failed(isVDP: isVDP)
            link.sendProbe(at: now)
        } else if isVDP {
            payloadFailed(at: now)
        }
    }

    mutating func transmitLLDP() { link.transmitLLDP(vsis: isEVBOn ? announcedVSIs : nil) }

    // MARK: Frames

    /// Takes in a frame from the wire.
    mutating func take(_ frame: Frame, at now: Instant) {
        guard link.configuration.addresses.includes(frame.header, own: link.configuration.address) else {
            link.refuseMisaddressed(frame.header, at: now)
            return
        }
        switch frame.payload {
        case .lldp(let lldpdu): take(lldpdu, from: frame.source, at: now)
        case .ecp(let ecpdu): take(ecpdu, in: .ratified, from: frame.source, at: now)
        case .draftECP(let ecpdu): take(ECPDU(draft: ecpdu), in: .draft, from: frame.source, at: now)
        }
    }

    private mutating func take(_ lldpdu: LLDPDU, from source: MACAddress, at now: Instant) {
        link.statistics.lldpReceived &+= 1
        link.statistics.countTLVs(of: lldpdu)
        guard !link.countDefect(in: lldpdu, from: source) else { return }
        let hearing =
            link.agent.isFull ? link.candidates.filter { Role.showsThisSide($0.advertised) }.map(\.address) : []
        let peer = link.peer
        func isPeer(_ neighbour: LLDPAgent.Neighbour) -> Bool {
            neighbour.isSame(as: peer) && neighbour.source == peer?.address
        }
        let reception = link.agent.receive(lldpdu, from: source, keeping: isPeer, sparing: hearing, at: now)
        // What is said once more is no news.
        if reception != .ignored, reception != .refreshed { link.hasNews = true }
        switch reception {
        case .ignored: break
        case .added, .updated, .refreshed:
            selectPeer(otherwise: .withdrawn, at: now)
            answerNeighbour(at: now)
            if lldpdu.chassisID == link.peer?.chassisID { heardPeer(from: source, at: now) }
            doubtPeer(because: lldpdu, from: source, at: now)
        case .secondSpeakers: selectPeer(otherwise: .withdrawn, at: now)
        case .withdrawn: selectPeer(otherwise: .shutdown, at: now)
        }
    }

    private mutating func take(_ ecpdu: ECPDU, in dialect: WireDialect, from source: MACAddress, at now: Instant) {
        // A sender that has not said by LLDP that it is an EVB peer, in this dialect, has nothing to say about VSIs.
        guard let peer = link.peer, dialect == link.negotiation.dialect, takesECP, ecpdu.subtype == .vdp else {
            link.statistics.ecpRxDiscarded &+= 1
            return
        }
        guard link.takesECP(from: source, with: peer) else {
            link.refuseForeign(source, at: now)
            return
        }
        link.ecpHeard = now
        switch ecpdu.operation {
        case .acknowledgement: if link.takeAcknowledgement(ecpdu, at: now) { payloadAcknowledged() }
        case .request:
            link.statistics.ecpRxFrames &+= 1
            receiveRequest(ecpdu, at: now)
        }
        heardPeer(from: source, at: now)
    }
}

internal import EVBTime
internal import EVBWire

// Another neighbour offers to be the peer. The peer is asked whether it is still there (``PeerProbe``); the other takes its place
// only when no answer comes. VDP rests meanwhile.

extension PeerLinkPort {
    /// A neighbour has been heard by LLDP: if it offers to be the peer and is not, the peer is asked.
    mutating func doubtPeer(because lldpdu: LLDPDU, from source: MACAddress, at now: Instant) {
        guard isEVBOn, let peer = link.peer, source != peer.address,
            link.negotiation.offer(of: lldpdu) != nil
        else { return }
        if lldpdu.chassisID != peer.chassisID {
            link.probe.want(.peer)
        } else if lldpdu.portID == peer.portID {
            link.probe.want(.address)
        }
        beginProbe(at: now)
    }

    /// The way to the peer has changed on this side, such as the active member of a bond: the neighbour there is to hear this side.
    mutating func followPath(at now: Instant) {
        guard link.isUp else { return }
        link.agent.localChange(at: now)
        link.probe.pathChanged(at: now)
        beginProbe(at: now)
    }

    /// Asks the peer, if it is to be asked and may be.
    mutating func beginProbe(at now: Instant) {
        // Without VDP nothing is acknowledged. Each frame comes by here, and hardly ever is anything wanted.
        guard link.probe.isWanted, link.negotiation.isVDPAgreed, link.probe.begin(at: now, known: link.isKnownFrom)
        else { return }
        link.transmitter.shorten(to: link.ecpTimes, at: now)
        link.agent.answer(at: now)
        if link.transmitter.isIdle { link.sendProbe(at: now) }
    }

    /// A frame of the peer's has come: it is there.
    mutating func heardPeer(from source: MACAddress, at now: Instant) {
        guard link.probe.isAsking, let answer = link.probe.heard(isFromAddress: source == link.peer?.address, at: now)
        else { return }
        if answer.subject == .address {
            link.isNameContested = true
            link.updatePeerAddresses()
        }
        if answer.hasFailedPayload { payloadFailed(at: now) }
    }

    /// Lets time pass for the probe.
    mutating func advanceProbe(to now: Instant) {
        beginProbe(at: now)
        guard link.probe.isAsking, let answer = link.probe.unanswered(at: now), let peer = link.peer else { return }
        switch answer.subject {
        case .address:
            // It has taken another address; nothing that holds ends.
            link.isNameContested = false
            if answer.hasFailedPayload { payloadFailed(at: now) }
            link.agent.forget { $0.isSame(as: peer) && $0.source == peer.address }
        case .peer:
            guard link.candidates.contains(where: { !link.isPeers($0) }) else {
                if answer.hasFailedPayload { payloadFailed(at: now) }
                return
            }
            link.agent.forget { $0.lldpdu.chassisID == peer.chassisID || $0.source == peer.address }
        }
        selectPeer(otherwise: .replaced, at: now)
    }
}

extension PeerLink {
    /// ECP's times: it is in a hurry while the peer is asked.
    var ecpTimes: ProtocolTimes {
        var times = negotiation.times
        if probe.isAsking { times.ackTimer = PeerProbe.interval }
        return times
    }

    /// Asks the peer once more.
    ///
    /// - Precondition: `transmitter.isIdle`.
    mutating func sendProbe(at now: Instant) {
        send(PeerProbe.payload(negotiation.dialect), at: now)
        isProbeOutstanding = true
    }

    // MARK: Who belongs to the peer

    /// Whether a neighbour is the peer, or another port of its chassis: the members of a LAG speak each for itself.
    func isPeers(_ candidate: EVBPeer) -> Bool {
        candidate.chassisID == peer?.chassisID || candidate.address == peer?.address
    }

    /// The candidate to become the peer: one that hears this side, or else the latest.
    func best(of candidates: [EVBPeer]) -> EVBPeer? {
        candidates.first { Role.showsThisSide($0.advertised) } ?? candidates.first
    }

    /// Whether nothing of the peer's chassis has been heard for long, while another that will do is.
    func isOutlived(_ peer: EVBPeer, at now: Instant) -> Bool {
        if let ecpHeard, !agent.isSilent(ecpHeard, at: now) { return false }
        return agent.areOutlived(
            { $0.source == peer.address || $0.lldpdu.chassisID == peer.chassisID },
            by: { neighbour in candidate(neighbour).map { !isPeers($0) } ?? false }, at: now)
    }

    /// A peer whose LLDPDUs get lost, and that answers by ECP, does not give way to another neighbour when its information ages:
    /// that holds as long again.
    mutating func keepAnsweringPeer(at now: Instant) {
        guard agent.neighbours.contains(where: { $0.expiry <= now }), let peer, let ecpHeard,
            !agent.isSilent(ecpHeard, at: now), candidates.contains(where: { !isPeers($0) })
        else { return }
        agent.extend { $0.isSame(as: peer) && $0.source == peer.address }
    }

    /// The neighbour to follow of those that belong to the peer, the latest first.
    func current(of own: [EVBPeer], at now: Instant) -> EVBPeer? {
        let known = own.first { $0.address == peer?.address }
        let named = own.first { $0.chassisID == peer?.chassisID && $0.portID == peer?.portID }
        guard let inUse = known ?? named ?? own.first else { return nil }
        // Another with the very name of the peer is not followed: see `advanceProbe`.
        let others = own.filter { $0 != inUse && ($0.chassisID, $0.portID) != (inUse.chassisID, inUse.portID) }
        let hearing = others.first { Role.showsThisSide($0.advertised) }
        if let hearing, !Role.showsThisSide(inUse.advertised) { return hearing }
        guard let last = agent.lastHeard(where: { $0.source == inUse.address }), agent.isSilent(last, at: now) else {
            return inUse
        }
        return others.first { other in
            agent.lastHeard { $0.source == other.address }.map { now.since($0) <= LLDPAgent.transmitInterval } ?? false
        } ?? inUse
    }

    /// How many peers are heard: all ports of a chassis are one.
    func peerCount(of candidates: [EVBPeer]) -> Int {
        let others = Set(candidates.lazy.filter { !isPeers($0) }.map(\.chassisID))
        return others.count + (others.count < candidates.count && peer != nil ? 1 : 0) + (isNameContested ? 1 : 0)
    }

    /// Other neighbours of the peer's chassis, whose ECP counts as the peer's.
    private var relatives: [LLDPAgent.Neighbour] {
        guard let peer else { return [] }
        return agent.neighbours.filter { neighbour in
            neighbour.lldpdu.chassisID == peer.chassisID && neighbour.source != peer.address
                && !(isNameContested && neighbour.isSame(as: peer))
                && candidate(neighbour)?.advertised.dialect == negotiation.dialect
        }
    }

    /// Whether ECP from an address is the peer's.
    func takesECP(from source: MACAddress, with peer: EVBPeer) -> Bool {
        configuration.ecpSource.takes(source, with: peer)
            || relatives.contains { $0.source == source || $0.lldpdu.portID == .port(source) }
    }

    /// Works out from which addresses ECP is the peer's. Each frame asks for them; they change with LLDP alone.
    mutating func updatePeerAddresses() {
        var addresses = peer?.addresses ?? []
        for neighbour in relatives where !addresses.contains(neighbour.source) { addresses.append(neighbour.source) }
        if addresses != peerAddresses { peerAddresses = addresses }
    }
}

package import EVBTime
package import EVBWire

/// CDCP on an uplink access port: an LLDP agent on the nearest non-TPMR bridge address, and one side's machine (802.1Q 42.4).
///
/// The channels other than the default one exist while one neighbour offers them (schState). Of several neighbours the first
/// stays the one that is spoken with while it is there; the others are reported.
package struct CDCPUplink<Machine: CDCPMachine>: Sendable {
    /// Who speaks.
    package struct Identity: Hashable, Sendable {
        /// The interface's own address: the source of its frames.
        package var address: MACAddress
        /// The name as a chassis; it stays when the address changes.
        package var chassis: MACAddress
        /// The name as a port.
        package var interfaceName: String

        /// Joins the names.
        package init(address: MACAddress, chassis: MACAddress, interfaceName: String) {
            self.address = address
            self.chassis = chassis
            self.interfaceName = interfaceName
        }
    }

    /// What is to be done outside.
    package enum Effect: Equatable, Sendable {
        case transmit(Frame)
        case channel(SChannelEvent)
        /// Something is wrong that was not so before.
        case fault(CDCPFault)
    }

    /// The neighbour that is spoken with.
    package struct Peer: Hashable, Sendable {
        package let chassisID: LLDPIdentifier
        package let portID: LLDPIdentifier
        package let address: MACAddress
    }

    package var identity: Identity
    package internal(set) var machine: Machine
    package internal(set) var peer: Peer?
    package internal(set) var statistics = CDCPStatistics()
    /// What is wrong now, one of a kind.
    package internal(set) var faults: [CDCPFault] = []
    var agent = LLDPAgent()
    var published: CDCPTLV
    var effects: [Effect] = []

    /// Neighbours that are remembered, with CDCP or without.
    package var neighbourCount: Int { agent.neighbours.count }
}

/// What an uplink has sent, heard and found wrong.
package struct CDCPStatistics: Hashable, Sendable {
    package internal(set) var lldpSent: UInt64 = 0
    package internal(set) var lldpReceived: UInt64 = 0
    package internal(set) var lldpAgeouts: UInt64 = 0
    /// LLDPDUs to other addresses than CDCP's.
    package internal(set) var lldpRxOtherDestination: UInt64 = 0
    /// How often each fault was found, by LLDPDU.
    package internal(set) var faults: [CDCPFault.Kind: UInt64] = [:]

    mutating func count(_ kind: CDCPFault.Kind) { faults[kind, default: 0] &+= 1 }
}

extension CDCPUplink {
    typealias Neighbour = LLDPAgent.Neighbour

    /// An uplink whose link is down.
    package init(machine: Machine, of identity: Identity) {
        self.identity = identity
        self.machine = machine
        published = machine.outgoing
    }

    // MARK: Events

    /// The network link came up or went down.
    package mutating func setLink(up: Bool, at now: Instant) -> [Effect] {
        if up {
            agent.start(at: now)
        } else {
            agent.stop()
            losePeer(.linkDown)
            faults = []
        }
        return finish(at: now)
    }

    /// The operator has configured something else.
    package mutating func reconfigure(_ configuration: Machine.Configuration, at now: Instant) -> [Effect] {
        perform(machine.reconfigure(configuration))
        updateFaults()
        return finish(at: now)
    }

    /// Takes in a frame from the wire.
    package mutating func take(_ frame: Frame, at now: Instant) -> [Effect] {
        guard case .lldp(let lldpdu) = frame.payload, frame.destination == .nearestNonTPMRBridge else {
            statistics.lldpRxOtherDestination &+= 1
            return []
        }
        statistics.lldpReceived &+= 1
        let peer = peer
        if let fault = broken(lldpdu) {
            statistics.count(fault.kind)
            report(fault)
            // What the peer said before holds until its time is over: one bad frame ends no channel.
            if lldpdu.timeToLive > 0, peer?.sent(lldpdu, from: frame.source) ?? false { return finish(at: now) }
        }
        let last = agent.lastHeard { peer?.isSame(as: $0) ?? false }
        switch agent.receive(lldpdu, from: frame.source, keeping: { peer?.isSame(as: $0) ?? false }, at: now) {
        case .ignored, .secondSpeakers: break
        case .added, .updated, .refreshed:
            select(otherwise: .withdrawn, at: now)
            answer(frame, before: last, at: now)
            countFaults(of: lldpdu, from: frame.source)
        case .withdrawn: select(otherwise: .shutdown, at: now)
        }
        return finish(at: now)
    }

    /// The next moment at which ``advance(to:)`` has something to do.
    package var nextDeadline: Instant? { agent.nextDeadline }

    /// Lets time pass.
    package mutating func advance(to now: Instant) -> [Effect] {
        let due = agent.advance(to: now)
        statistics.lldpAgeouts &+= UInt64(due.agedCount)
        if due.aged { select(otherwise: .aged, at: now) }
        if due.transmit { transmit(timeToLive: LLDPAgent.timeToLive) }
        return finish(at: now)
    }

    /// The last LLDPDU of an uplink that is given up.
    package mutating func leave(at now: Instant) -> [Effect] {
        losePeer(.disabled)
        transmit(timeToLive: 0)
        agent.stop()
        published = machine.outgoing
        return finish(at: now)
    }

    // MARK: Who is spoken with

    private mutating func select(otherwise loss: PeerLoss, at now: Instant) {
        if let peer, agent.areOutlived(peer.isSame, by: { !peer.isSame(as: $0) && offersChannels($0) }, at: now) {
            agent.forget(where: peer.isSame)
            losePeer(.aged)
        }
        let candidates = agent.neighbours.filter(offersChannels)
        if let peer, !candidates.contains(where: peer.isSame) { losePeer(loss) }
        // Which of several is the one at the other end of the cable cannot be told, but it is none that has fallen silent.
        let speaking =
            candidates.count > 1 ? candidates.filter { !agent.isSilent($0.lastHeard, at: now) } : candidates
        if peer == nil, speaking.count == 1 { peer = Peer(speaking[0]) }
        if let peer, let neighbour = candidates.first(where: peer.isSame) {
            hear(neighbour)
        }
        updateFaults()
    }

    /// Answers the peer at once, if it seems to have forgotten this side.
    private mutating func answer(_ frame: Frame, before last: Instant?, at now: Instant) {
        guard peer?.address == frame.source else { return }
        let events = effects.compactMap { if case .channel(let event) = $0 { event } else { nil } }
        if Machine.answers(events, after: last.map(now.since)) { agent.answer(at: now) }
    }

    private func offersChannels(_ neighbour: Neighbour) -> Bool { (try? reading(of: neighbour.lldpdu)) != nil }

    private mutating func hear(_ neighbour: Neighbour) {
        guard let reading = try? reading(of: neighbour.lldpdu) else { return }
        perform(machine.hear(reading, from: neighbour.lldpdu.chassisID))
    }

    private mutating func losePeer(_ loss: PeerLoss) {
        guard peer != nil else { return }
        peer = nil
        perform(machine.end(loss))
    }

    /// What a neighbour says by CDCP; nil where it says nothing.
    private func reading(of lldpdu: LLDPDU) throws(CDCPReading.Refusal) -> CDCPReading? {
        if let defect = lldpdu.cdcpDefect { throw .broken(.unusableTLV(defect)) }
        guard let tlv = lldpdu.cdcpTLVs.first else { return nil }
        return try CDCPReading(tlv, of: Machine.role.peer)
    }

    /// What keeps an LLDPDU from being read at all.
    private func broken(_ lldpdu: LLDPDU) -> CDCPFault? {
        do throws(CDCPReading.Refusal) {
            _ = try reading(of: lldpdu)
            return nil
        } catch {
            if case .broken(let fault) = error { return fault }
            return nil
        }
    }

    // MARK: What is wrong

    private mutating func updateFaults() {
        var current = machine.faults
        var offering = 0
        for neighbour in agent.neighbours {
            do throws(CDCPReading.Refusal) {
                if try reading(of: neighbour.lldpdu) != nil { offering += 1 }
            } catch {
                current.append(error.fault)
            }
        }
        if offering > 1 { current.append(.severalNeighbours(offering)) }
        var kinds: Set<CDCPFault.Kind> = []
        current = current.filter { kinds.insert($0.kind).inserted }
        let known = Set(faults.map(\.kind))
        effects += current.filter { !known.contains($0.kind) }.map(Effect.fault)
        faults = current
    }

    /// Counts what an LLDPDU shows to be wrong, but for what keeps it from being read: that has been counted.
    private mutating func countFaults(of lldpdu: LLDPDU, from source: MACAddress) {
        do throws(CDCPReading.Refusal) {
            guard let reading = try reading(of: lldpdu) else { return }
            if faults.contains(where: { $0.kind == .severalNeighbours }) { statistics.count(.severalNeighbours) }
            guard peer?.sent(lldpdu, from: source) ?? false else { return }
            for fault in machine.faults { statistics.count(fault.kind) }
            // No fault that is shown: a bridge that has just begun gives nothing yet.
            let isGivenNone = Machine.role == .station && reading.channels.isEmpty && machine.outgoing.pairs.count > 1
            if isGivenNone { statistics.count(.onlyDefault) }
        } catch {
            if case .declined(let fault) = error { statistics.count(fault.kind) }
        }
    }

    /// Tells of a fault that no neighbour's last word shows.
    private mutating func report(_ fault: CDCPFault) {
        guard !faults.contains(where: { $0.kind == fault.kind }) else { return }
        faults.append(fault)
        effects.append(.fault(fault))
    }

    // MARK: What comes out

    private mutating func perform(_ events: [SChannelEvent]) { effects += events.map(Effect.channel) }

    private mutating func transmit(timeToLive: UInt16) {
        statistics.lldpSent &+= 1
        let lldpdu = LLDPDU(
            chassisID: .chassis(identity.chassis), portID: .local(identity.interfaceName), timeToLive: timeToLive,
            optional: timeToLive > 0 ? [.cdcp(machine.outgoing)] : [])
        effects.append(
            .transmit(Frame(destination: .nearestNonTPMRBridge, source: identity.address, payload: .lldp(lldpdu))))
    }

    private mutating func finish(at now: Instant) -> [Effect] {
        if machine.outgoing != published {
            published = machine.outgoing
            agent.localChange(at: now)
        }
        defer { effects = [] }
        return effects
    }
}

extension CDCPUplink.Peer {
    init(_ neighbour: LLDPAgent.Neighbour) {
        chassisID = neighbour.lldpdu.chassisID
        portID = neighbour.lldpdu.portID
        address = neighbour.source
    }

    func isSame(as neighbour: LLDPAgent.Neighbour) -> Bool { sent(neighbour.lldpdu, from: neighbour.source) }

    func sent(_ lldpdu: LLDPDU, from source: MACAddress) -> Bool {
        chassisID == lldpdu.chassisID && portID == lldpdu.portID && address == source
    }
}

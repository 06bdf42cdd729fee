public import EVBTime
public import EVBWire

extension StationPort {
    /// Takes in a frame from the wire.
    public mutating func receive(_ frame: Frame, at now: Instant) -> [StationEffect] {
        // Our own frame, given back by a reflective relay or a loop, is nobody's word but ours.
        guard isLinkUp, frame.source != configuration.address else { return [] }
        guard configuration.addresses.includes(frame.header) else {
            refuseMisaddressed(frame.header)
            return finish(at: now)
        }
        switch frame.payload {
        case .lldp(let lldpdu): receive(lldpdu, from: frame.source, at: now)
        case .ecp(let ecpdu): receive(ecpdu, in: .ratified, from: frame.source, at: now)
        case .draftECP(let ecpdu): receive(ECPDU(draft: ecpdu), in: .draft, from: frame.source, at: now)
        }
        return finish(at: now)
    }

    /// Counts a frame that could not be read; one to another address is not the neighbour's.
    ///
    /// - Parameters:
    ///   - error: why the frame could not be read.
    ///   - header: the frame's header; nil where the frame is too short to have one.
    public mutating func countUnreadable(_ error: WireError, _ header: FrameHeader?) {
        guard let header, header.source != configuration.address else { return }
        guard configuration.addresses.includes(header) else {
            statistics.countMisaddressed(header.etherType)
            return
        }
        if header.etherType == EtherType.lldp {
            statistics.lldpDiscarded &+= 1
        } else {
            statistics.ecpRxDiscarded &+= 1
        }
    }

    /// Drops a frame that was sent to another address; the first ECP frame of them is told of.
    private mutating func refuseMisaddressed(_ header: FrameHeader) {
        statistics.countMisaddressed(header.etherType)
        // LLDP to other addresses is the business of other agents.
        guard header.etherType != EtherType.lldp, misaddressedECP == nil else { return }
        misaddressedECP = header.destination
        notices.insert(.misaddressedECP(header.destination))
        effects.append(.notice(.misaddressedECP(header.destination)))
    }

    private mutating func receive(_ lldpdu: LLDPDU, from source: MACAddress, at now: Instant) {
        statistics.lldpReceived &+= 1
        statistics.countTLVs(of: lldpdu)
        if let defect = lldpdu.evbDefect ?? lldpdu.draftEVBDefect {
            statistics.evbTLVsDiscarded &+= 1
            if notices.insert(.unusableTLV(defect)).inserted { effects.append(.notice(.unusableTLV(defect))) }
            // What the bridge said before holds until its time is over: one bad frame does not take its VSIs down.
            let isSpoken = negotiation.dialect.defect(in: lldpdu) != nil
            if isSpoken, source == peer?.address, lldpdu.timeToLive > 0 { return }
        }
        switch agent.receive(lldpdu, from: source, keeping: peer, at: now) {
        case .ignored: break
        case .added, .updated, .refreshed: selectPeer(otherwise: .withdrawn, at: now)
        case .withdrawn: selectPeer(otherwise: .shutdown, at: now)
        }
    }

    private mutating func receive(
        _ ecpdu: ECPDU, in dialect: WireDialect, from source: MACAddress, at now: Instant
    ) {
        // Who has not said by LLDP that it is an EVB bridge, in this dialect, has nothing to say about VSIs.
        guard let peer, dialect == negotiation.dialect, ecpdu.subtype == .vdp else {
            statistics.ecpRxDiscarded &+= 1
            return
        }
        guard configuration.ecpSource.takes(source, with: peer) else {
            refuseForeign(source)
            return
        }
        switch ecpdu.operation {
        case .acknowledgement:
            if transmitter.acknowledge(ecpdu) {
                vdp.payloadAcknowledged()
            } else {
                statistics.ecpRxStrayAcks &+= 1
            }
        case .request:
            statistics.ecpRxFrames &+= 1
            transmit(dialect.acknowledgement(of: ecpdu))
            if receiver.isNew(ecpdu, timers: negotiation.times, at: now) {
                vdp.receive(ecpdu.payload, at: now)
            } else {
                statistics.ecpRxDuplicates &+= 1
            }
        }
    }

    /// Leaves an ECP frame that is not the bridge's; the first of them is told of.
    private mutating func refuseForeign(_ source: MACAddress) {
        statistics.ecpRxOtherSource &+= 1
        guard foreignECP == nil else { return }
        foreignECP = source
        notices.insert(.foreignECP(source))
        effects.append(.notice(.foreignECP(source)))
    }
}

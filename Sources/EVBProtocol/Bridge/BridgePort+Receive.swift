public import EVBWire

extension BridgePort {
    /// Takes in a frame from the wire.
    public mutating func receive(_ frame: Frame, at now: Instant) -> [BridgeEffect] {
        // Our own frame, given back by a loop, is nobody's word but ours.
        guard isLinkUp, frame.source != configuration.address else { return [] }
        switch frame.payload {
        case .lldp(let lldpdu):
            if frame.destination == .nearestCustomerBridge { receive(lldpdu, from: frame.source, at: now) }
        case .ecp(let ecpdu): receive(ecpdu, from: frame.source, at: now)
        case .draftECP: statistics.ecpRxDiscarded &+= 1
        }
        return finish(at: now)
    }

    /// Counts a frame that could not be read, unless it was another LLDP agent's.
    public mutating func countUnreadable(_ error: WireError, to destination: MACAddress? = .nearestCustomerBridge) {
        switch error {
        case .truncated(.ecpHeader), .unknownValue(.ecpHeader, _): statistics.ecpRxDiscarded &+= 1
        case .otherProtocol, .truncated(.ethernetHeader): break
        default: statistics.lldpDiscarded &+= destination == .nearestCustomerBridge ? 1 : 0
        }
    }

    private mutating func receive(_ lldpdu: LLDPDU, from source: MACAddress, at now: Instant) {
        statistics.lldpReceived &+= 1
        let malformed = lldpdu.optional.count { if case .malformed = $0 { true } else { false } }
        if malformed > 0 || lldpdu.evbTLVs.count > 1 { statistics.evbTLVsDiscarded &+= 1 }
        switch agent.receive(lldpdu, from: source, keeping: station, at: now) {
        case .ignored: break
        case .added, .updated, .refreshed: selectStation(otherwise: .withdrawn, at: now)
        case .withdrawn: selectStation(otherwise: .shutdown, at: now)
        }
    }

    private mutating func receive(_ ecpdu: ECPDU, from source: MACAddress, at now: Instant) {
        // Who has not said by LLDP that it is an EVB station has nothing to ask.
        guard let station, ecpdu.subtype == .vdp else {
            statistics.ecpRxDiscarded &+= 1
            return
        }
        if source != station.address { statistics.ecpRxOtherSource &+= 1 }
        switch ecpdu.operation {
        case .acknowledgement:
            if transmitter.acknowledge(ecpdu) {
                vdp.pduAcknowledged()
            } else {
                statistics.ecpRxStrayAcks &+= 1
            }
        case .request: receiveRequest(ecpdu, at: now)
        }
    }

    private mutating func receiveRequest(_ ecpdu: ECPDU, at now: Instant) {
        statistics.ecpRxFrames &+= 1
        var informed = receiver
        guard informed.isNew(ecpdu, timers: negotiation.operational.times, at: now) else {
            statistics.ecpRxDuplicates &+= 1
            transmit(ecpdu.acknowledgement)
            return
        }
        guard let decoded = try? VDPDU.decode(ecpdu.payload) else {
            // It has arrived, and will not get better by being sent again.
            receiver = informed
            vdp.statistics.malformed &+= 1
            transmit(ecpdu.acknowledgement)
            return
        }
        guard vdp.canTake(decoded) else {
            statistics.ecpRxRefused &+= 1
            return
        }
        receiver = informed
        transmit(ecpdu.acknowledgement)
        vdp.receive(decoded, at: now)
    }
}

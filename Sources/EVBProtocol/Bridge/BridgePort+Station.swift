internal import EVBWire

extension BridgePort {
    /// Looks again at who is heard: keeps the station in use while it is one, else takes the first that is.
    mutating func selectStation(otherwise loss: StationLoss, at now: Instant) {
        // The latest first, for one address that goes by several names: the station was renamed, or a stray frame was heard.
        let stations = agent.neighbours.sorted { $0.lastHeard > $1.lastHeard }.compactMap(Self.station)
        let sameName = stations.first { $0.chassisID == station?.chassisID && $0.portID == station?.portID }
        if let current = stations.first(where: { $0.address == station?.address }) ?? sameName {
            if current != station {
                station = current
                if let tlv = current.tlv { negotiation.hear(tlv) }
                applyNegotiation(at: now)
            }
        } else {
            loseStation(loss, at: now)
            if let first = stations.first { findStation(first, at: now) }
        }
        updateNotices(stations: stations.count)
    }

    /// A neighbour as an EVB station, if it is one: exactly one EVB TLV, in station mode.
    private static func station(_ neighbour: LLDPAgent.Neighbour) -> EVBPeer? {
        let tlvs = neighbour.lldpdu.evbTLVs
        guard tlvs.count == 1, let tlv = tlvs.first, tlv.mode == .station else { return nil }
        return EVBPeer(
            chassisID: neighbour.lldpdu.chassisID, portID: neighbour.lldpdu.portID, address: neighbour.source,
            advertised: .ratified(tlv))
    }

    private mutating func findStation(_ found: EVBPeer, at now: Instant) {
        station = found
        if let tlv = found.tlv { negotiation.hear(tlv) }
        receiver.reset()
        effects.append(.station(.found(found)))
        applyNegotiation(at: now)
    }

    mutating func loseStation(_ loss: StationLoss, at now: Instant) {
        guard station != nil else { return }
        station = nil
        negotiation.forget()
        transmitter.reset()
        receiver.reset()
        effects.append(.station(.lost(loss)))
        vdp.stationLost(at: now)
        takeEffects()
        applyNegotiation(at: now)
    }

    /// Tells whom it concerns what the negotiation has come to.
    mutating func applyNegotiation(at now: Instant) {
        if station != nil {
            vdp.stationChanged(
                VDPBridge.Station(
                    timers: negotiation.operational, keepAliveTimeout: negotiation.patience.keepAliveTimeout,
                    usesGroupIDs: negotiation.usesGroupIDs, offersGroupIDs: negotiation.configuration.groupIDs,
                    payloadMax: configuration.payloadMax),
                at: now)
        }
        if negotiation.outgoing != toldTLV {
            toldTLV = negotiation.outgoing
            agent.localChange(at: now)
        }
        if negotiation.operational != toldTimers {
            toldTimers = negotiation.operational
            transmitter.shorten(to: toldTimers.times, at: now)
            effects.append(.timers(toldTimers))
        }
        if negotiation.reflectsFrames != toldReflection {
            toldReflection = negotiation.reflectsFrames
            effects.append(.reflectiveRelay(toldReflection))
        }
    }

    /// Works out what is not as it should be, and tells what has begun to be so.
    private mutating func updateNotices(stations: Int) {
        var current: Set<BridgeNotice> = []
        if stations > 1 { current.insert(.severalStations(stations)) }
        for neighbour in agent.neighbours where Self.station(neighbour) == nil {
            if let notice = Self.notice(on: neighbour) { current.insert(notice) }
        }
        let begun = current.subtracting(notices)
        effects += begun.map { .notice($0) }
        notices = current
    }

    private static func notice(on neighbour: LLDPAgent.Neighbour) -> BridgeNotice? {
        let tlvs = neighbour.lldpdu.evbTLVs
        if tlvs.count > 1 { return .unusableTLV(nil) }
        if tlvs.first?.mode == .bridge { return .bridgeNeighbour }
        for case .malformed(_, let error) in neighbour.lldpdu.optional {
            return .unusableTLV(error)
        }
        return neighbour.lldpdu.carriesDraftEVB ? .draftNeighbour : nil
    }
}

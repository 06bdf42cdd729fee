internal import EVBTime
internal import EVBWire

extension BridgePort {
    /// Looks again at who is heard: keeps the station in use while it is one, else takes the first that is.
    mutating func selectStation(otherwise loss: StationLoss, at now: Instant) {
        // The latest first, for one address that goes by several names: the station was renamed, or a stray frame was heard.
        let stations = agent.neighbours.sorted { $0.lastHeard > $1.lastHeard }.compactMap(station)
        let sameName = stations.first { $0.chassisID == station?.chassisID && $0.portID == station?.portID }
        let inUse = stations.first { $0.address == station?.address } ?? sameName
        if let current = inUse, !agent.isOutlived(current, by: { station($0) != nil }, at: now) {
            if current.advertised.dialect != station?.advertised.dialect {
                // It has lost the bridge of its former dialect itself, and takes what that had granted for gone.
                releaseStation(.dialectChanged, at: now)
                findStation(current, at: now)
            } else if current != station {
                station = current
                negotiation.hear(current.advertised)
                applyNegotiation(at: now)
            }
        } else {
            loseStation(inUse == nil ? loss : .aged, at: now)
            if let first = stations.first { findStation(first, at: now) }
        }
        updateNotices(stations: stations.count)
    }

    /// A station that has begun anew, and says what it said before, changes nothing here. It would wait for the next LLDPDU
    /// for up to half a minute, and its VSIs would age out meanwhile.
    mutating func answerStation(at now: Instant) {
        guard let station, !station.advertised.showsBridge, !negotiation.ratified.outgoing.bridgeStatus.isEmpty else {
            return
        }
        agent.answer(at: now)
    }

    /// A neighbour as an EVB station, if it is one in a dialect that may be spoken.
    private func station(_ neighbour: LLDPAgent.Neighbour) -> EVBPeer? {
        negotiation.offer(of: neighbour.lldpdu).map {
            EVBPeer(
                chassisID: neighbour.lldpdu.chassisID, portID: neighbour.lldpdu.portID, address: neighbour.source,
                advertised: $0)
        }
    }

    private mutating func findStation(_ found: EVBPeer, at now: Instant) {
        station = found
        negotiation.hear(found.advertised)
        receiver.reset()
        foreignECP = nil
        effects.append(.station(.found(found)))
        applyNegotiation(at: now)
    }

    mutating func loseStation(_ loss: StationLoss, at now: Instant) {
        guard station != nil else { return }
        releaseStation(loss, at: now)
        applyNegotiation(at: now)
    }

    /// Forgets the station and releases its VSIs. What the negotiation comes to is the caller's to tell.
    private mutating func releaseStation(_ loss: StationLoss, at now: Instant) {
        station = nil
        negotiation.forget()
        receiver.reset()
        effects.append(.station(.lost(loss)))
        stopVDP(at: now)
    }

    private mutating func stopVDP(at now: Instant) {
        transmitter.reset()
        vdp.stationLost(at: now)
        takeEffects()
    }

    /// Tells whom it concerns what the negotiation has come to.
    mutating func applyNegotiation(at now: Instant) {
        if station != nil, negotiation.isVDPAgreed {
            vdp.stationChanged(
                VDPBridge.Station(
                    times: negotiation.times, keepAliveTimeout: negotiation.keepAliveTimeout,
                    usesGroupIDs: negotiation.usesGroupIDs, offersGroupIDs: negotiation.configuration.groupIDs,
                    payloadMax: configuration.payloadMax(negotiation.dialect), dialect: negotiation.dialect),
                at: now)
        } else if vdp.station != nil {
            stopVDP(at: now)
        }
        // How many VSIs there are is told when the next LLDPDU leaves, and is no reason to send one.
        let outgoing = negotiation.outgoing(vsis: 0)
        if outgoing != toldTLVs {
            toldTLVs = outgoing
            agent.localChange(at: now)
        }
        if negotiation.operational != toldTimers {
            toldTimers = negotiation.operational
            transmitter.shorten(to: negotiation.times, at: now)
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
        if let foreignECP, station != nil { current.insert(.foreignECP(foreignECP)) }
        if let misaddressedECP { current.insert(.misaddressedECP(misaddressedECP)) }
        for neighbour in agent.neighbours where station(neighbour) == nil {
            if let notice = negotiation.obstacle(in: neighbour.lldpdu) { current.insert(notice) }
        }
        let begun = current.subtracting(notices)
        effects += begun.map { .notice($0) }
        notices = current
    }
}

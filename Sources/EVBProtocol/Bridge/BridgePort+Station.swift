internal import EVBTime
internal import EVBWire

/// A bridge's side of ``PeerLink``.
enum BridgeRole: EVBRole {
    typealias Negotiation = EVBBridgeNegotiation
    typealias VDP = BridgeVDPStatistics
    typealias Effect = BridgeEffect

    static func showsThisSide(_ tlv: DialectTLV) -> Bool { tlv.showsBridge }
}

extension BridgePort: PeerLinkPort {
    var isEVBOn: Bool { true }
    /// A station without VDP has nothing to ask.
    var takesECP: Bool { link.negotiation.isVDPAgreed }
    var announcedVSIs: Int { vdp.presentCount }
    var ownNotices: Set<BridgeNotice> { [] }

    mutating func follow(_ current: EVBPeer, at now: Instant) {
        link.hear(current, at: now)
        applyNegotiation(at: now)
    }

    /// A station that has begun again, and says what it said before, changes nothing here. It would wait for the next LLDPDU
    /// for up to half a minute, and its VSIs would age out meanwhile.
    mutating func answerNeighbour(at now: Instant) {
        guard let station, !station.advertised.showsBridge, !link.negotiation.ratified.outgoing.bridgeStatus.isEmpty
        else { return }
        link.agent.answer(at: now)
    }

    /// Releases the station's VSIs.
    mutating func endVDP(at now: Instant) {
        link.transmitter.reset()
        vdp.stationLost(at: now)
        takeEffects()
    }

    mutating func applyNegotiation(at now: Instant) {
        let negotiation = link.negotiation
        if station != nil, negotiation.isVDPAgreed {
            vdp.stationChanged(
                VDPBridge.Station(
                    times: negotiation.times, keepAliveTimeout: negotiation.keepAliveTimeout,
                    usesGroupIDs: negotiation.usesGroupIDs, offersGroupIDs: negotiation.configuration.groupIDs,
                    payloadMax: configuration.payloadMax(negotiation.dialect), dialect: negotiation.dialect),
                at: now)
        } else if vdp.station != nil {
            endVDP(at: now)
        }
        link.publishNegotiation(at: now)
        if negotiation.reflectsFrames != publishedReflection {
            publishedReflection = negotiation.reflectsFrames
            link.effects.append(.reflectiveRelay(publishedReflection))
        }
    }
}

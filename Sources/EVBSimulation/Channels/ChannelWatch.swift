internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// What an observer of both sides remembers: what has happened that may bring channels down, and which SVIDs have to stay.
struct ChannelWatch {
    /// An SVID that a channel has to get again, as long as a side remembers it.
    struct Agreement {
        let svid: SVID
        /// Who remembers it.
        var station: Bool
        var bridge: Bool
    }

    /// When something last happened that may bring any channel down, on either side.
    private(set) var lastDisturbance = Instant(nanoseconds: 0)
    /// When something was last believed that no true neighbour has said.
    private(set) var lastMisled = Instant(nanoseconds: 0)
    /// When something last happened to one channel.
    private(set) var touched: [SCID: Instant] = [:]
    private(set) var agreed: [SCID: Agreement] = [:]
    /// Since when a side has had a channel alone.
    var aloneSince: [Alone: Instant] = [:]
    /// LLDPDUs that both uplinks had sent when all had come right.
    var sentBefore: UInt64 = 0

    struct Alone: Hashable {
        let role: CDCPTLV.Role
        let scid: SCID
        let svid: SVID
    }

    mutating func disturbed(at now: Instant) { lastDisturbance = now }

    /// What became of a channel lies with the channel itself; its SVID need not stay.
    mutating func touch(_ scid: SCID, at now: Instant) {
        touched[scid] = now
        agreed[scid] = nil
    }

    /// Something is believed that no true neighbour has said.
    mutating func misled(at now: Instant) {
        disturbed(at: now)
        lastMisled = now
        agreed = [:]
    }

    /// Whether a channel has been left alone for long.
    func isCalm(_ scid: SCID, at now: Instant) -> Bool {
        let last = max(lastDisturbance, touched[scid] ?? Instant(nanoseconds: 0))
        return now > last + ChannelSwarm.aftermath
    }

    mutating func forget(by role: CDCPTLV.Role) {
        for scid in agreed.keys {
            if role == .station { agreed[scid]?.station = false } else { agreed[scid]?.bridge = false }
        }
        agreed = agreed.filter { $0.value.station || $0.value.bridge }
    }

    /// The agreements that do not hold any more, for the pool or for what is asked for.
    mutating func release(where isMeant: (SCID, SVID) -> Bool) {
        agreed = agreed.filter { !isMeant($0.key, $0.value.svid) }
    }

    mutating func learned(_ scid: SCID, _ svid: SVID, by role: CDCPTLV.Role) {
        switch role {
        case .station:
            let isAgreed = agreed[scid]?.svid == svid
            agreed[scid]?.station = isAgreed
        case .bridge:
            let isKnown = agreed[scid].map { $0.svid == svid && $0.station } ?? false
            agreed[scid] = Agreement(svid: svid, station: isKnown, bridge: true)
        }
    }
}

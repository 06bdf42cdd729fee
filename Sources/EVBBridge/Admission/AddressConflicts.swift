internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// The VSIs of one port that ask for addresses of others, the latest of them, as long as they ask. Values only.
struct AddressConflicts {
    /// VSIs that are kept; the one that has asked longest ago makes room.
    static let countMax = 16
    /// How long a VSI is kept that does not ask again: evbd's station waits five minutes at most.
    static let silenceMax = Interval.seconds(330)

    /// A VSI that asks in vain.
    struct Entry: Equatable {
        package let vsiID: VSIID
        package let mac: MACAddress
        /// 0 is the VLAN of untagged frames.
        package let vid: UInt16
        package let holder: AddressLedger.Holder
        let askedAt: Instant
    }

    private var entries: [VSIID: Entry] = [:]

    /// A VSI was refused because of an address; what is not another VSI's is no conflict.
    mutating func refused(_ vsiID: VSIID, because obstacle: AddressLedger.Obstacle, at now: Instant) {
        guard case .held(let mac, let vid, let holder) = obstacle else { return settled(vsiID) }
        if entries[vsiID] == nil, entries.count >= Self.countMax,
            let oldest = entries.values.min(by: { $0.askedAt < $1.askedAt })
        {
            entries[oldest.vsiID] = nil
        }
        entries[vsiID] = Entry(vsiID: vsiID, mac: mac, vid: vid, holder: holder, askedAt: now)
    }

    /// A VSI got what it asks for, or does not ask any more.
    mutating func settled(_ vsiID: VSIID) {
        if !entries.isEmpty { entries[vsiID] = nil }
    }

    /// Those that still ask, the latest first.
    func current(at now: Instant) -> [Entry] {
        entries.values.filter { now.since($0.askedAt) <= Self.silenceMax }.sorted { $1.askedAt < $0.askedAt }
    }
}

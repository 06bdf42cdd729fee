internal import EVBWire
internal import Netlink

// What an earlier run of evbd has left of the links of VSIs. A VSI that is granted again finds its link by itself; this is
// about those that are not.

extension EdgeRelay {
    /// The bridge does not go on with a VSI of the run before: its traffic stops, if there is a link.
    func cutFormer(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?) {
        // It is cut once it comes back.
        if isElsewhere(vsiID) { return cut(vsiID) }
        guard isThere(vsiID, demand, vid: vid) else { return }
        raise(vsiID, demand, vid: vid) { _ in }
        cut(vsiID)
    }

    /// A VSI was given up, and the run before ended before its link was gone: it goes now, if evbd has made it.
    func discard(_ vsiID: VSIID, _ demand: Demand?, vid: UInt16?, then: @escaping () -> Void) {
        guard let demand, isThere(vsiID, demand, vid: vid) else { return then() }
        if case .find = demand { return then() }
        raise(vsiID, demand, vid: vid) { _ in }
        remove(vsiID) { _ in then() }
    }

    /// Whether a VSI's link is in another network namespace, as far as is known.
    func isElsewhere(_ vsiID: VSIID) -> Bool { entries[vsiID]?.isElsewhere ?? false }

    /// The link of a VSI was in another network namespace when the run before ended. It is out of reach, and none is made in
    /// its place, unless it has come back meanwhile.
    func resumeElsewhere(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?) {
        guard !isThere(vsiID, demand, vid: vid) else { return }
        var entry = Entry(demand: demand)
        (entry.vid, entry.wish, entry.isElsewhere) = (vid, .up, true)
        entries[vsiID] = entry
        register(vsiID, demand)
    }

    private func isThere(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?) -> Bool {
        if let entry = entries[vsiID] { return !entry.isElsewhere }
        var entry = Entry(demand: demand)
        entry.vid = vid
        return switch demand {
        case .make(let specification): own(vsiID, entry, specification) != nil
        case .find: candidate(for: vsiID, entry) != nil
        case .function: true
        }
    }
}

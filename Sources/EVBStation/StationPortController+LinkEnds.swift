internal import EVBLog
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBTime
package import EVBWire
internal import EdgeRelays
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink

// libvirt deletes the link of a machine that ends. If libvirt cannot say so to evbd (evbd was down, or libvirtd is stopped
// or hangs), the link's end is all that tells of it. Clients of the control socket take back themselves what they want no
// more: the links of containers come and go while their VSI stays.

extension StationPortController {
    /// How long a VSI stays wanted whose link is gone.
    static let linkPatience = Interval.seconds(30)
    private static let linkInterval = Interval.seconds(2)
    /// VSIs that are looked at in one turn; where there are more, the pauses are longer.
    private static let looksPerTurn = 256

    /// Looks for the link of a VSI of libvirt's now, and for those of all at intervals from now on.
    func watchGuestLinks(_ vsiID: VSIID? = nil) {
        if let vsiID { look(vsiID) }
        if linkRound.isEmpty { linkTimer?.set(now + Self.linkInterval) }
    }

    /// One turn of a round over all VSIs.
    func lookAtGuestLinks() {
        if linkRound.isEmpty {
            linkRound = vsis.compactMap { vsiID, managed in
                if case .libvirt = managed.owner { vsiID } else { nil }
            }
            // The next request wakes it again.
            guard !linkRound.isEmpty else { return }
        }
        let turn = linkRound.suffix(Self.looksPerTurn)
        linkRound.removeLast(turn.count)
        for vsiID in turn { look(vsiID) }
        let pause = linkRound.isEmpty ? Self.linkInterval : .milliseconds(100)
        linkTimer?.set(now + pause)
    }

    private func look(_ vsiID: VSIID) {
        // Without the port there is no place for a link.
        guard let managed = vsis[vsiID], case .libvirt = managed.owner, relay.hasPort else { return }
        guard !hasGuestLink(vsiID), !relay.isElsewhere(vsiID) else {
            if managed.guestLink != .present { change(vsiID) { $0.guestLink = .present } }
            noteSight(vsiID)
            return
        }
        switch managed.guestLink {
        case .neverSeen: break
        case .present: change(vsiID) { [now] in $0.guestLink = .gone(since: now) }
        case .gone(let since): if now.since(since) >= Self.linkPatience { giveBack(vsiID) }
        }
    }

    private func giveBack(_ vsiID: VSIID) {
        guard port.vsi(vsiID)?.isWithdrawn == false else { return }
        let text =
            "its link has been gone for \(Self.linkPatience.nanoseconds / 1_000_000_000) s and libvirt has not taken it back; "
            + "de-associating it"
        log(.warning, "VSI: \(text)", logFacts(vsiID), alert: .vsiLost)
        onNews?(PortNews(kind: .notice, vsiID: vsiID, message: "VSI \(vsiID): \(text)"))
        change(vsiID) { $0.isGivenBack = true }
        try? withdraw(vsiID, because: "evbd: \(text)", waiter: nil)
    }

    package func hasGuestLink(_ vsiID: VSIID) -> Bool {
        if relay.adoptedLink(of: vsiID) != nil { return true }
        return port.vsi(vsiID).map { hasGuestLink($0.request.filter) } ?? false
    }

    func hasGuestLink(_ filter: FilterInfo) -> Bool {
        filter.entries.contains { $0.macAddress.map { relay.hasGuestLink(of: $0) } ?? false }
    }

    /// Whether a stored VSI is of a machine that is not there: libvirt had asked for it, the bridge had not granted it, and
    /// libvirt, which heard nothing from the evbd before, has deleted the link as it does after a failure.
    func isLeftOver(_ vsi: StoredVSI) -> Bool {
        guard case .libvirt = vsi.owner, !vsi.isGranted, vsi.adopted == nil else { return false }
        return !hasGuestLink(vsi.request.filter)
    }

    /// Notes whether a VSI of libvirt has never had a link that evbd could see.
    func noteSight(_ vsiID: VSIID) {
        if let managed = vsis[vsiID], managed.guestLink == .neverSeen, case .libvirt = managed.owner {
            neverSeen.insert(vsiID)
        } else if !neverSeen.isEmpty {
            neverSeen.remove(vsiID)
        }
    }

    package func vsisWithoutLink(limit: Int) -> [VSIID] {
        guard !neverSeen.isEmpty else { return [] }
        let bound = neverSeen.lazy.filter { [port] vsiID in
            guard let state = port.vsi(vsiID)?.state else { return false }
            return state != .deassociated && state != .pending
        }
        return Array(bound.prefix(limit))
    }
}

internal import EVBPorts
internal import EVBProtocol
internal import EVBSettings
internal import EVBWire
internal import EdgeRelays
internal import EventLoop

// Tells the network where a machine is now. QEMU does that itself after a migration, but its frames are over in less than a second,
// before a late grant, and there are none when an association comes back.

extension StationPortController {
    /// A VSI is associated and its link is up.
    func announce(_ vsiID: VSIID) {
        guard configuration.announces else { return }
        // Its link may come, or come up, later.
        guard relay.path(of: vsiID) != nil else { return change(vsiID) { $0.isUnannounced = true } }
        announcements.begin(vsiID, at: now)
        scheduleAnnouncements()
    }

    /// A link has changed: one of a VSI that could not be announced may be up.
    func announceIfUp(_ link: String) {
        guard let vsiID = relay.holder(of: link), vsis[vsiID]?.isUnannounced == true,
            relay.path(of: vsiID) != nil
        else { return }
        change(vsiID) { $0.isUnannounced = false }
        if port.standing(of: vsiID)?.state == .associated { announce(vsiID) }
    }

    /// Forgets what there was to announce of a VSI.
    func endAnnouncement(_ vsiID: VSIID) {
        announcements.end(vsiID)
    }

    func advanceAnnouncements() {
        announcements.advance(to: now) { sendAnnouncement($0) }
        scheduleAnnouncements()
    }

    private func scheduleAnnouncements() {
        let deadline = announcements.nextDeadline(at: now)
        announcementTimer?.set(deadline)
        if deadline == nil { transport.endSendingElsewhere() }
    }

    /// - Returns: How many frames were sent; nil ends the announcement.
    private func sendAnnouncement(_ vsiID: VSIID) -> Int? {
        guard configuration.announces, let vsi = port.vsi(vsiID), vsi.state == .associated else { return nil }
        guard let path = relay.path(of: vsiID) else {
            // Its link is down: libvirt's is, while its machine is paused.
            change(vsiID) { $0.isUnannounced = true }
            return nil
        }
        var seen: Set<FilterEntry> = []
        var count = 0
        for entry in vsi.filter.entries {
            guard let address = entry.macAddress,
                seen.insert(FilterEntry(vid: entry.vid, macAddress: address)).inserted,
                let vid = path.tag(of: entry.vid)
            else { continue }
            transport.send(
                octets: Announcement.octets(of: address, vid: vid, pcp: entry.pcp ?? 0), through: path.index)
            count += 1
        }
        return count == 0 ? nil : count
    }
}

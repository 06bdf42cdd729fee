internal import EVBLog
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBWire
internal import EdgeRelays
internal import Logging

extension StationPortController {
    /// Goes on with what an earlier run of evbd was asked for. Links and traffic stay as they are until the bridge has spoken.
    func restore() {
        let parts = store.take(port: name)
        let count = parts.reduce(0) { $0 + $1.count }
        // Limits are for what is asked for from now on: what was granted before this run stays.
        let settings = port.configuration
        var unlimited = settings
        unlimited.vsisMax = .max
        perform(port.reconfigure(unlimited, at: now))
        defer { perform(port.reconfigure(settings, at: now)) }
        vsis.reserveCapacity(count)
        port.reserveCapacity(count)
        relay.gate.reserveCapacity(count)
        for part in parts { restore(part) }
        // That all of them wait for the bridge is no news, and is left out of these.
        let news = port.flush(at: now)
        if !news.isEmpty { perform(news) }
        watchGuestLinks()
        guard count > 0 else { return }
        transport.changes.begin("evbd started", expecting: vsis.count, isReturn: true)
        logger.notice("VSIs of the run before are wanted again", metadata: ["count": "\(vsis.count)"])
    }

    private func restore(_ stored: [StoredVSI]) {
        let began = now
        var others: Set<VSIID> = []
        for vsi in stored {
            let vsiID = vsi.request.vsiID
            if vsi.link != nil { relay.links.resumed.insert(vsiID) }
            if let adopted = vsi.adopted { relay.links.adopted[vsiID] = adopted }
            guard !vsi.isWithdrawn else {
                others.insert(vsiID)
                // Its manager was told that it is given up; the bridge will miss its keep-alives.
                relay.discard(vsiID, vsi.link, vid: vsi.request.filter.onlyVID) { [weak self] in
                    self?.unkeepEnded(vsiID)
                }
                continue
            }
            guard !isLeftOver(vsi) else {
                others.insert(vsiID)
                unkeep(vsiID)
                continue
            }
            do throws(VSIRequestError) {
                var request = vsi.request
                // An earlier evbd gave up what libvirt wanted at its first failure.
                if case .libvirt = vsi.owner { request.persistence = .untilWithdrawn }
                if let change = try port.resume(request, isGranted: vsi.isGranted, at: began) { count(change) }
                var managed = ManagedVSI(link: vsi.link, owner: vsi.owner)
                managed.label = vsi.label
                managed.requester = sharedRequester(.earlier(vsi.owner))
                managed.phase = .restored
                if vsi.adopted != nil || hasGuestLink(request.filter), !vsi.isLinkElsewhere {
                    managed.guestLink = .present
                }
                managed.isStoredAsGranted = vsi.isGranted
                vsis[vsiID] = managed
                if case .libvirt = vsi.owner { noteSight(vsiID) }
                if let link = vsi.link, vsi.isLinkElsewhere || vsi.isGranted {
                    relay.resume(
                        vsiID, link, vid: vsi.request.filter.onlyVID, isElsewhere: vsi.isLinkElsewhere)
                }
                restoreGate(vsi)
                if case .tap = vsi.owner, !vsi.isGranted { closeGuestLink(vsiID) }
            } catch {
                others.insert(vsiID)
                logger.alert(.vsiLost).warning(
                    "a stored VSI is not asked for", metadata: Self.logFacts(vsi).with(["error": "\(error)"]))
                unkeep(vsiID)
            }
        }
        noteRestored(stored, but: others)
    }
}

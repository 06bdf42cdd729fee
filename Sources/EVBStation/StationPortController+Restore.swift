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
        let stored = store.take(port: name)
        // Limits are for what is asked for from now on: what was granted before this run stays.
        let settings = port.configuration
        var unlimited = settings
        unlimited.vsisMax = .max
        perform(port.reconfigure(unlimited, at: now))
        defer { perform(port.reconfigure(settings, at: now)) }
        vsis.reserveCapacity(stored.count)
        port.reserveCapacity(stored.count)
        relay.gate.reserveCapacity(stored.count)
        let began = now
        for vsi in stored {
            let vsiID = vsi.request.vsiID
            if vsi.link != nil { relay.links.resumed.insert(vsiID) }
            if let adopted = vsi.adopted { relay.links.adopted[vsiID] = adopted }
            guard !vsi.isWithdrawn else {
                // Its manager was told that it is given up; the bridge will miss its keep-alives.
                relay.discard(vsiID, vsi.link, vid: vsi.request.filter.onlyVID) { [weak self] in
                    self?.unkeepEnded(vsiID)
                }
                continue
            }
            guard !isLeftOver(vsi) else {
                unkeep(vsiID)
                continue
            }
            do throws(VSIRequestError) {
                var request = vsi.request
                // An earlier evbd gave up what libvirt wanted at its first failure.
                if case .libvirt = vsi.owner { request.persistence = .untilWithdrawn }
                try port.resume(request, isGranted: vsi.isGranted, at: began)
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
                noteRestored(vsiID, request, vsi.owner)
            } catch {
                logger.alert(.vsiLost).warning(
                    "a stored VSI is not asked for", metadata: Self.logFacts(vsi).with(["error": "\(error)"]))
                unkeep(vsiID)
            }
        }
        // That all of them wait for the bridge is no news; what is to be done for that is done.
        let news = port.flush(at: now).filter { effect in
            guard case .vsi(.changed(let change)) = effect, change.to == .pending else { return true }
            count(change)
            return false
        }
        if !news.isEmpty { perform(news) }
        watchGuestLinks()
        guard !stored.isEmpty else { return }
        transport.changes.begin("evbd started", expecting: vsis.count, isReturn: true)
        logger.notice("VSIs of the run before are wanted again", metadata: ["count": "\(vsis.count)"])
    }
}

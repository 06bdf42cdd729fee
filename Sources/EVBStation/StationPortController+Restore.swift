internal import EVBLog
internal import EVBModel
internal import EVBPorts
internal import EVBProtocol
internal import EVBWire
internal import EdgeRelays
internal import EventLoop
internal import Logging

extension StationPortController {
    /// VSIs of an earlier run that this one does not go on with yet.
    struct Restoration {
        var left: ArraySlice<StoredVSI>
        let count: Int
        /// How many of those that are left are wanted.
        var wantedCount: Int
        /// The port's configuration. Limits are for what is asked for from now on: what was granted before this run stays.
        let settings: StationPortConfiguration
    }

    /// Takes what an earlier run of evbd was asked for. Links and traffic stay as they are until the bridge has spoken.
    func beginRestoration() {
        let stored = store.take(port: name)
        restoration = Restoration(
            left: stored[...], count: stored.count, wantedCount: stored.count { !$0.isWithdrawn },
            settings: port.configuration)
        var unlimited = port.configuration
        unlimited.vsisMax = .max
        perform(port.reconfigure(unlimited, at: now))
        vsis.reserveCapacity(stored.count)
        port.reserveCapacity(stored.count)
        relay.gate.reserveCapacity(stored.count)
    }

    /// Goes on with some of the VSIs of an earlier run, with one at least.
    ///
    /// - Parameter end: by the loop's clock.
    /// - Returns: whether that was all.
    package func restore(until end: UInt64) -> Bool {
        while restoreNext() {
            if transport.surroundings.loop.now() >= end { return false }
        }
        return true
    }

    /// Goes on with all of them.
    package func finishRestoration() { while restoreNext() {} }

    private func restoreNext() -> Bool {
        guard let vsi = restoration?.left.popFirst() else {
            endRestoration()
            return false
        }
        if !vsi.isWithdrawn { restoration?.wantedCount -= 1 }
        restore(vsi)
        return true
    }

    /// The port goes to work.
    private func endRestoration() {
        guard let ended = restoration else { return }
        restoration = nil
        perform(port.reconfigure(ended.settings, at: now))
        watchGuestLinks()
        if ended.count > 0 {
            transport.changes.begin("evbd started", expecting: vsis.count, isReturn: true)
            logger.notice("VSIs of the run before are wanted again", metadata: ["count": "\(vsis.count)"])
        }
        // Before the gate: it opens at once what it does not know of.
        relay.guests.portChanged()
        closeFormerLinks()
        relay.portChanged()
        follow()
        watch.changed()
        onRestored?()
    }

    private func restore(_ vsi: StoredVSI) {
        let vsiID = vsi.request.vsiID
        if vsi.link != nil { relay.links.resumed.insert(vsiID) }
        if let adopted = vsi.adopted { relay.links.adopted[vsiID] = adopted }
        guard !vsi.isWithdrawn else {
            // Its manager was told that it is given up; the bridge will miss its keep-alives.
            return relay.discard(vsiID, vsi.link, vid: vsi.request.filter.onlyVID) { [weak self] in
                self?.unkeepEnded(vsiID)
            }
        }
        guard !isLeftOver(vsi) else { return unkeep(vsiID) }
        do throws(VSIRequestError) {
            var request = vsi.request
            // An earlier evbd gave up what libvirt wanted at its first failure.
            if case .libvirt = vsi.owner { request.persistence = .untilWithdrawn }
            let effects = try port.request(request, isResumed: vsi.isGranted, at: now)
            resume(vsi)
            note(vsiID, .restored, detail: request.words + ", for " + vsi.owner.words)
            // That all of them wait for the bridge is no news; what is to be done for that is done.
            let news = effects.filter { effect in
                guard case .vsi(.changed(let change)) = effect, change.to == .pending else { return true }
                count(change)
                return false
            }
            if !news.isEmpty { perform(news) }
        } catch {
            logger.alert(.vsiLost).warning(
                "a stored VSI is not asked for", metadata: Self.logFacts(vsi).with(["error": "\(error)"]))
            unkeep(vsiID)
        }
    }

    /// Goes on with what the daemon keeps of a VSI, and with its link and its addresses.
    private func resume(_ vsi: StoredVSI) {
        let vsiID = vsi.request.vsiID
        var managed = ManagedVSI(link: vsi.link, owner: vsi.owner)
        managed.label = vsi.label
        managed.requester = sharedRequester(.earlier(vsi.owner))
        managed.phase = .restored
        if vsi.adopted != nil || hasGuestLink(vsi.request.filter), !vsi.isLinkElsewhere { managed.guestLink = .present }
        managed.isStoredAsGranted = vsi.isGranted
        vsis[vsiID] = managed
        if case .libvirt = vsi.owner { noteSight(vsiID) }
        if let link = vsi.link, vsi.isLinkElsewhere || vsi.isGranted {
            relay.resume(vsiID, link, vid: vsi.request.filter.onlyVID, isElsewhere: vsi.isLinkElsewhere)
        }
        restoreGate(vsi)
        if case .tap = vsi.owner, !vsi.isGranted { closeGuestLink(vsiID) }
    }
}

internal import EVBLog
internal import EVBModel
internal import EVBPorts
package import EVBProtocol
internal import EVBSettings
internal import EVBTime
internal import EVBWire
internal import EdgeRelays
internal import EventLoop
internal import Logging
internal import Netlink

extension StationPortController {
    /// Carries one effect out.
    package func carryOut(_ effect: StationEffect) {
        switch effect {
        case .transmit(let frame): transport.send(frame)
        case .vsi(.changed(let change)): changed(change)
        case .vsi(.ended(let vsiID, let outcome)): ended(vsiID, outcome)
        case .vsi(.forgotten(let vsiID)): forgotten(vsiID)
        case .peer(let change): tell(change)
        case .reflectiveRelay(let status): tell(status)
        case .timers(let timers):
            log(
                .info, "timers agreed",
                [
                    "R": "\(timers.retries)", "RTE": "\(timers.retransmissionExponent)",
                    "RWD": "\(timers.resourceWaitDelayExponent)", "RKA": "\(timers.reinitKeepAliveExponent)",
                ])
        case .notice(let notice):
            watch.settle()
            if notice == .reflectsUnasked { reportReflection() }
            if notice == .reflectiveRelayRefused { tellRelay() }
        }
    }

    /// Requests that come together leave together: what they have to say is sent at the end of the turn.
    func flushLater() {
        guard !isFlushDue else { return }
        isFlushDue = true
        transport.surroundings.loop.laterSlice { [weak self] in
            guard let self else { return }
            isFlushDue = false
            perform(port.flush(at: now))
        }
    }

    // MARK: VSIs

    private func changed(_ change: VSIChange) {
        let vsi = port.vsi(change.vsiID)
        refreshGate(change.vsiID, vsi)
        noteFailure(change.vsiID, vsi)
        checkTag(change.vsiID)
        let wasAssociated = change.from == .associated
        if wasAssociated, change.to != .associated {
            noteCut(change.vsiID)
            // One that is withdrawn was cut then; the protocol may know it no more.
            if vsi.map({ !$0.isWithdrawn }) ?? relay.wantsUp(change.vsiID) { relay.cut(change.vsiID) }
        }
        // Granted, and lost again before its link was there: no other end of the request comes.
        if wasAssociated, change.to != .associated, vsis[change.vsiID]?.phase.isOpeningLink == true {
            let reason = change.reason
            finish(
                change.vsiID,
                .outcome(reason == .bridgeLost ? .noBridge : reason == .timeout ? .timedOut : .bridgeDeassociated))
        }
        // A request under way brings the link up when it ends; without one, an association came back by itself.
        if change.to == .associated, vsis[change.vsiID]?.phase.bringsLinkUp != true { raise(change.vsiID) {} }
        logChange(change)
        onNews?(
            PortNews(
                kind: .vsi, vsiID: change.vsiID, from: change.from.rawValue, to: change.to.rawValue,
                reason: change.reason?.rawValue
            ) {
                "VSI \(change.vsiID) is \(change.to.rawValue)" + (change.reason.map { ", \($0.rawValue)" } ?? "")
            })
        tellLibvirt(change)
    }

    /// libvirt hears of what happens to a VSI while no request for it is open. That the bridge as a whole is away is nothing
    /// that asking again would mend.
    private func tellLibvirt(_ change: VSIChange) {
        guard let managed = vsis[change.vsiID], case .libvirt = managed.owner, managed.phase.waiter == nil else {
            return
        }
        switch change.to {
        case .pending: break
        case .deassociated:
            guard let reason = change.reason, reason != .bridgeLost, reason != .drained else { return }
            closeGuestLink(change.vsiID)
            onLost?(change.vsiID)
        case .preassociated, .preassociatedWithReservation, .associated: onRegained?(change.vsiID)
        }
    }

    /// A request has ended at the bridge; its manager hears it when the link is as it should be.
    private func ended(_ vsiID: VSIID, _ outcome: RequestOutcome) {
        let waiter = vsis[vsiID]?.phase.held ?? ManagedVSI.Phase.Waiter(nil)
        settleRestored(vsiID, outcome)
        let vsi = port.vsi(vsiID)
        refreshGate(vsiID, vsi)
        noteFailure(vsiID, vsi)
        // With Keep the bridge holds what it held before, and that is what is wanted now.
        if case .refused(let refusal) = outcome, refusal.isKept { keep(vsiID) }
        tellOfType(vsiID, outcome)
        if outcome == .granted, vsis[vsiID]?.isStoredAsGranted == false {
            change(vsiID) { $0.isStoredAsGranted = true }
            mark(vsiID, isGranted: true, isWithdrawn: false)
        }
        if outcome != .granted, outcome != .superseded { closeGuestLink(vsiID) }
        let state = vsi?.state
        switch outcome {
        case .granted where state == .associated:
            change(vsiID) { $0.phase = .openingLink(waiter) }
            raise(vsiID) { [weak self] in self?.finish(vsiID, .outcome(.granted)) }
        case .released where waiter.isThere:
            // `forgotten` follows, and the waiter hears when the link is gone too.
            break
        // The bridge took it back in the same PDU.
        case .granted where state == .deassociated || state == nil:
            finish(vsiID, .outcome(.bridgeDeassociated))
        default: finish(vsiID, .outcome(outcome))
        }
    }

    /// The type that a bound VSI has before a request for another one; nil where the request changes no type.
    func formerType(_ request: EVBProtocol.VSIRequest, _ former: ManagedVSI?) -> String? {
        guard let bound = port.vsi(request.vsiID), bound.operCommand != nil else { return nil }
        // A request that was not granted yet may have asked for another type in between.
        if let earlier = former?.formerType { return earlier }
        let isSame =
            bound.request.typeID == request.typeID && bound.request.typeVersion == request.typeVersion
            && bound.request.managerID == request.managerID
        return isSame ? nil : Self.type(bound.request)
    }

    private static func type(_ request: EVBProtocol.VSIRequest) -> String {
        let manager = request.managerID == .unspecified ? "" : " of manager \(request.managerID)"
        return "\(request.typeID) v\(request.typeVersion)\(manager)"
    }

    /// A granted change of the type is no change of the state, and news all the same.
    private func tellOfType(_ vsiID: VSIID, _ outcome: RequestOutcome) {
        guard let former = vsis[vsiID]?.formerType else { return }
        change(vsiID) { $0.formerType = nil }
        guard outcome == .granted, let vsi = port.vsi(vsiID), case let type = Self.type(vsi.request), type != former
        else { return }
        log(.notice, "VSI has another type", ["vsi": "\(vsiID)", "from": "\(former)", "to": "\(type)"])
        onNews?(
            PortNews(
                kind: .vsi, vsiID: vsiID, from: vsi.state.rawValue, to: vsi.state.rawValue,
                message: "VSI \(vsiID) has type \(type), before it had \(former)"))
    }

    /// What the run before had left passing is cut where the bridge does not go on with it.
    private func settleRestored(_ vsiID: VSIID, _ outcome: RequestOutcome) {
        guard outcome != .superseded else { return }
        guard outcome == .granted else { return cutFormer(vsiID) }
        change(vsiID) { if $0.phase.isRestored { $0.phase = .settled } }
    }

    /// The relay learns of a link that the run before has left, and cuts it: without that it would not be the relay's to delete.
    func cutFormer(_ vsiID: VSIID) {
        guard let managed = vsis[vsiID], managed.phase.isRestored else { return }
        change(vsiID) { $0.phase = .settled }
        guard let filter = port.vsi(vsiID)?.filter else { return }
        relay.cutFormer(vsiID, demand(managed, filter), vid: filter.onlyVID)
    }

    /// A machine's link that libvirt has made, or that is associated without a manager, is down while its VSI is not associated: from now on the relay knows the link, and
    /// sets it down again when libvirt, which knows nothing of that, sets it up as the machine goes on.
    func closeGuestLink(_ vsiID: VSIID) {
        guard let managed = vsis[vsiID], let vsi = port.vsi(vsiID), !vsi.isWithdrawn, vsi.state != .associated else {
            return
        }
        switch managed.owner {
        case .control, .probe: return
        // It may not be there yet.
        case .tap: return relay.lower(vsiID, demand(managed, vsi.filter), vid: vsi.filter.onlyVID)
        case .libvirt: break
        }
        relay.cutFormer(vsiID, demand(managed, vsi.filter), vid: vsi.filter.onlyVID)
    }

    private func demand(_ managed: ManagedVSI, _ filter: FilterInfo) -> EdgeRelay.Demand {
        managed.link ?? .find(name: nil, addresses: filter.entries.compactMap(\.macAddress))
    }

    private func finish(_ vsiID: VSIID, _ ending: RequestEnding) {
        var waiters: [RequestWaiter] = []
        change(vsiID) { waiters = $0.end() }
        end(waiters, ending)
    }

    /// Brings the link of an associated VSI up, then goes on.
    ///
    /// A VSI whose link cannot be made is given back to the bridge: it would hold resources there for nothing. It stays wanted
    /// where that is not its link's fault: the interface has just gone, and may come back, or evbd is stopping.
    private func raise(_ vsiID: VSIID, triesLeft: Int = 3, then: @escaping () -> Void) {
        guard let managed = vsis[vsiID], let filter = port.vsi(vsiID)?.filter else { return then() }
        let (demand, turn, owner) = (demand(managed, filter), managed.turn, managed.owner)
        relay.raise(vsiID, demand, vid: filter.onlyVID) { [weak self] result in
            // What has come since, another request or a loss, has ended this one already.
            guard let self, vsis[vsiID]?.turn == turn, port.standing(of: vsiID)?.state == .associated else {
                return
            }
            guard case .failure(let error) = result else {
                change(vsiID) { $0.working = nil }
                let link = relay.link(of: vsiID)
                if let link { reportWarnings(vsiID, link) }
                checkTag(vsiID)
                if let link { note(vsiID, .linkUp, detail: link.name) }
                if owner != .probe { announce(vsiID) }
                return then()
            }
            if error.kind == .cancelled { return }
            if error.kind == .notFound, triesLeft > 0 {
                // The news that the interface is gone, if that is why, are on their way, and it loses the VSI by them.
                return transport.surroundings.loop.later { [weak self] in
                    guard let self, vsis[vsiID]?.turn == turn, port.standing(of: vsiID)?.state == .associated
                    else { return }
                    raise(vsiID, triesLeft: triesLeft - 1, then: then)
                }
            }
            log(
                .warning, "the link of a VSI cannot be had",
                logFacts(vsiID).with(["reason": "\(error)"]), alert: .vsiLinkFailed)
            let isWaitedFor = vsis[vsiID]?.phase.waiter != nil
            finish(vsiID, .linkFailed(link: demand.name ?? "", cause: "\(error)"))
            onNews?(PortNews(kind: .notice, vsiID: vsiID, message: "\(error)"))
            note(vsiID, .linkFailed, detail: "\(error)")
            // The guest filter drops its frames, and evbd goes on trying to open it: what was associated before stays wanted.
            if error.kind == .busy, !isWaitedFor { return }
            guard !goBack(vsiID) else { return }
            try? withdraw(vsiID, because: "evbd, as its link cannot be had", waiter: nil)
        }
    }

    /// Asks again for what worked before a request whose link cannot be had.
    ///
    /// - Returns: Whether there was such a thing.
    private func goBack(_ vsiID: VSIID) -> Bool {
        guard let working = vsis[vsiID]?.working else { return false }
        change(vsiID) { $0.link = working.link }
        do throws(RequestRefusal) {
            try request(
                working.request, link: nil, label: nil, owner: working.owner,
                because: "evbd, which goes back to what worked", waiter: nil)
        } catch {
            return false
        }
        // If that fails too there is nothing to go back to.
        change(vsiID) { $0.working = nil }
        log(.notice, "VSI goes on with what it had", logFacts(vsiID))
        return true
    }

    /// The bridge does not answer, and will not be waited for: links, rules and files of the VSIs go.
    package func abandonAll() {
        for vsiID in Array(vsis.keys) { forgotten(vsiID) }
    }

    private func forgotten(_ vsiID: VSIID) {
        unlogged.finish(vsiID)
        guard let managed = vsis.removeValue(forKey: vsiID) else { return }
        // Nearly always there is nothing to forget: what is empty is not looked through.
        if !failing.isEmpty { failing[vsiID] = nil }
        if !misplaced.isEmpty { misplaced[vsiID] = nil }
        if !neverSeen.isEmpty { neverSeen.remove(vsiID) }
        endAnnouncement(vsiID)
        let addresses = relay.gate.addresses(of: vsiID)
        relay.remove(vsiID) { [weak self] result in
            // What evbd has no time for any more is the next run's to finish, by the file.
            if case .failure(let error) = result, error.kind == .cancelled {
                self?.end(managed.allWaiters, .linkFailed(link: managed.link?.name ?? "", cause: "\(error)"))
                return
            }
            // Not before its link is gone; and not if it was asked for again meanwhile.
            if let self, vsis[vsiID] == nil {
                var isDeleted = false
                if case .success = result { isDeleted = true }
                relay.forgetAddresses(vsiID, addresses, isLinkDeleted: isDeleted)
                unkeepEnded(vsiID)
            }
            switch result {
            case .success: self?.end(managed.allWaiters, .outcome(.released))
            case .failure(let error):
                self?.end(managed.allWaiters, .linkFailed(link: managed.link?.name ?? "", cause: "\(error)"))
            }
            self?.onForgotten?(vsiID, managed)
        }
    }

    // MARK: The bridge

    private func tell(_ change: PeerChange) {
        let news: PortNews
        switch change {
        case .found(let peer):
            bridgeFoundAt = now
            bridgeLoss = nil
            let chassis = peer.chassisID.text(isChassis: true)
            transport.changes.begin("EVB bridge found", expecting: vsis.count, isReturn: true)
            log(
                .notice, "EVB bridge found",
                ["chassis": "\(chassis)", "bridge port": "\(peer.portID.text(isChassis: false))"])
            news = PortNews(kind: .peer, to: chassis, message: "EVB bridge \(chassis) is heard")
        case .lost(let loss):
            let reason = loss.text(of: .bridge)
            bridgeLoss = loss == .linkDown ? nil : reason
            // Of a port that is drained that is what was to be expected.
            log(
                drain == nil ? .warning : .notice, "EVB bridge lost", ["reason": "\(reason)"],
                alert: drain == nil ? .peerLost : nil)
            news = PortNews(kind: .peer, reason: reason, message: "the EVB bridge is lost: \(reason)")
        }
        onNews?(news)
    }

    private func tell(_ status: EVBWire.ReflectiveRelayStatus) {
        applyRelay()
        tellRelay()
        if status == .on { reportReflection() }
    }

    /// Says what the bridge makes of reflective relay, where that is another thing than before.
    private func tellRelay() {
        let grant = relayGrant
        guard grant != toldGrant else { return }
        toldGrant = grant
        log(.notice, "reflective relay \(grant.rawValue)")
        onNews?(PortNews(kind: .reflectiveRelay, to: grant.rawValue, message: "reflective relay is \(grant.rawValue)"))
    }

    /// What reflective relay is to managers.
    ///
    /// A bridge that does not reflect before it has heard this station has refused nothing: its first TLV cannot answer a request
    /// that has not arrived. One that never shows that it has heard the request is believed after a while.
    var relayGrant: EVBModel.ReflectiveRelayStatus.Grant { relayGrant(port.brief) }

    func relayGrant(_ brief: StationPortBrief) -> EVBModel.ReflectiveRelayStatus.Grant {
        let isRequested = configuration.edgeRelay == .vepa
        switch brief.reflectiveRelay {
        case .on: return .granted
        case .reserved, .unknown: return isRequested ? .unknown : .notRequested
        case .off:
            guard isRequested else { return .notRequested }
            let cannot = brief.peer?.tlv.map { !$0.bridgeStatus.contains(.reflectiveRelayCapable) } ?? true
            let isLate = bridgeFoundAt.map { now.since($0) > Self.relayPatience } ?? true
            return brief.isRelayRefused || cannot || isLate ? .refused : .unknown
        }
    }
}

extension FilterInfo {
    /// The VLAN that all frames belong to, if there is one and it is one.
    var onlyVID: UInt16? {
        guard let vid = entries.first?.vid, (1...4094).contains(vid), entries.allSatisfy({ $0.vid == vid }) else {
            return nil
        }
        return vid
    }
}

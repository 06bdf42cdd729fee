internal import EVBLog
package import EVBModel
package import EVBPorts
package import EVBProtocol
package import EVBSettings
package import EVBTime
package import EVBWire
package import EdgeRelays
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import OpenVSwitch

/// Runs one port of a station: gives frames, requests and time to its protocol, and carries out what comes of it.
///
/// Files: this one joins protocol, interface and timer; `+Restore` goes on with what an earlier run was asked for, `+Effects` carries effects out, `+Demands` reads what a manager wants of a
/// link, `+Gate` says which addresses may send, `+LinkEnds` gives back VSIs whose links are gone, `StatusReports` and
/// `ManagedObjects` show the port.
package final class StationPortController: StationPortControl {
    package let transport: PortTransport
    package let name: String
    package private(set) var configuration: PortSettings { didSet { statusText.drop() } }
    package internal(set) var port: StationPort { didSet { statusText.drop() } }
    var statusText = StatusText()
    package let relay: EdgeRelay
    package var vsis = DenseDictionary<VSIID, ManagedVSI>()
    private var lastTurn: UInt32 = 0
    private var lastRequester: SharedRequester?
    let store: VSIStore
    private var sequences: SequenceReserve
    /// Called with everything that is news.
    package var onNews: ((PortNews) -> Void)?
    package var timeOfNews: UInt64? { queue.workAddedAt }
    /// Called when nothing is known of a VSI any more.
    package var onForgotten: ((VSIID, ManagedVSI) -> Void)?
    /// Called when a VSI of libvirt's is not bound any more, or not again, and no request for it is open. evbd goes on asking.
    package var onLost: ((VSIID) -> Void)?
    /// Called when a VSI of libvirt's is bound although no request for it was open.
    package var onRegained: ((VSIID) -> Void)?
    package var onTrail: (([VSITrailEntry], Instant) -> Void)?

    /// How long a bridge has to show that it has heard the request for reflective relay.
    static let relayPatience = Interval.seconds(3)

    /// What is wrong on the port.
    let watch: ProblemWatch
    /// VSIs that are wanted and that the bridge does not have.
    var failing: [VSIID: VSIFailure] = [:]
    /// Associated VSIs whose taps have another VLAN than was granted, and that in words.
    var misplaced: [VSIID: String] = [:]
    /// How the bridge was lost that was heard last on this link; nil while one is heard, or none has been.
    var bridgeLoss: String?
    /// The loss that VSIs have still to learn of, some in each turn.
    private var loss: PeerLoss?
    /// When the bridge that is spoken with was found.
    var bridgeFoundAt: Instant? { didSet { statusText.drop() } }
    /// What was last said of reflective relay.
    var toldGrant: EVBModel.ReflectiveRelayStatus.Grant?
    /// The bond that the last warning named.
    private var toldBond: String?
    /// What requests have to say is sent before the loop sleeps.
    var isFlushDue = false
    private var timer: Timers.Timer?
    var announcementTimer: Timers.Timer?
    /// That the port is out of service.
    package internal(set) var drain: PortDrain? { didSet { statusText.drop() } }
    var drainTimer: Timers.Timer?
    let drainFile: DrainFile
    var announcements = AnnouncementSchedule()
    /// Wakes the look at the links of libvirt's VSIs.
    var linkTimer: Timers.Timer?
    /// VSIs of libvirt that have never had a link which evbd could see.
    var neverSeen: Set<VSIID> = []
    /// VSIs by the states that were told last. Those that are deassociated are the others.
    var stateCounts = VSICounts() { didSet { statusText.drop() } }
    /// VSIs that this round has still to look at.
    var linkRound: [VSIID] = []
    /// VSIs that are being looked at since the bridge reflects; nil while none are.
    var reflectionRound: ReflectionRound?
    /// What the pool was told last that the port's VSIs take.
    private var shownUse = ResourceUse()
    /// Effects that are to be carried out.
    private lazy var queue = transport.workQueue(
        by: { (effect: StationEffect) in if case .vsi(let event) = effect { event.vsiID } else { nil } },
        { [weak self] in self?.carryOut($0) })
    /// Changes that are to be logged once the managers that wait for them are answered.
    lazy var unlogged = KeyedWorkQueue<VSIID, VSIChange>(loop: transport.surroundings.loop, key: { $0.vsiID }) {
        [weak self] in self?.logGrant($0, isAsked: true)
    }

    /// Sets a port up. Its interface may come later.
    package init(
        _ configuration: PortSettings, _ surroundings: PortSurroundings, store: VSIStore, guestFilter: GuestFilter
    ) {
        self.configuration = configuration
        name = configuration.interface
        transport = PortTransport(configuration, surroundings)
        watch = ProblemWatch(transport)
        self.store = store
        sequences = store.sequences(port: name)
        drainFile = DrainFile(path: "\(surroundings.runtimeDirectory)/\(name).drain", logger: transport.logger)
        port = StationPort(
            configuration: Self.settings(
                configuration, link: transport.link, chassis: transport.chassis(of: transport.link),
                vsisMax: surroundings.resources.limits.vsisPerPort),
            firstSequence: sequences.first)
        relay = EdgeRelay(
            programmer: surroundings.programmer, table: surroundings.table, timers: surroundings.timers,
            filter: guestFilter, portName: name, policy: RelayPolicy(configuration, isReflected: false),
            isPort: surroundings.isPort, openVSwitch: surroundings.openVSwitch, logger: transport.logger)
        relay.gate.onMark = { [weak self] in self?.transport.setMark($0) }
        relay.onTrouble = { [weak self] in
            self?.note($0, .note, detail: $1)
            self?.onNews?(PortNews(kind: .notice, vsiID: $0, message: $1))
        }
        port.keepTrail()
        relay.onDeparture = { [weak self] in self?.keep($0) }
        relay.onClosed = { [weak self] in self?.unkeepEnded($0) }
        relay.onUnclosed = { [weak self] in self?.watch.changed() }
        relay.facts = { [weak self] in self?.logFacts($0) ?? ["vsi": "\($0)"] }
        relay.isKnown = { [weak self] in self?.vsis[$0] != nil }
        transport.onFrame = { [weak self] frame in
            guard let self else { return }
            perform(port.receive(frame, at: now))
        }
        transport.onUnreadable = { [weak self] in self?.port.countUnreadable($0, $1) }
        transport.onRetry = { [weak self] in self?.follow() }
        transport.onTrouble = { [weak self] in self?.onNews?(PortNews(kind: .notice, message: $0)) }
        timer = surroundings.timers.timer { [weak self] in self?.advance() }
        announcementTimer = surroundings.timers.timer { [weak self] in self?.advanceAnnouncements() }
        linkTimer = surroundings.timers.timer { [weak self] in self?.lookAtGuestLinks() }
        startWatch()
        drainTimer = surroundings.timers.timer { [weak self] in self?.endDrain("evbd, as its time is over") }
        restoreDrain()
        restore()
        // Before the gate: it opens at once what it does not know of.
        relay.guests.portChanged()
        closeFormerLinks()
        relay.portChanged()
        follow()
    }

    private static func settings(
        _ configuration: PortSettings, link: Link?, chassis: MACAddress?, vsisMax: Int
    ) -> StationPortConfiguration {
        let timers = OperationalTimers(
            retries: UInt8(clamping: configuration.ecp.retries), rte: UInt8(clamping: configuration.ecp.rte),
            rwd: UInt8(clamping: configuration.vdp.rwd), rka: UInt8(clamping: configuration.vdp.rka))
        return StationPortConfiguration(
            address: MACAddress(truncating: link?.address?.value ?? 0), chassis: chassis,
            interfaceName: configuration.interface,
            mtu: Int(link?.mtu ?? 1500),
            evb: EVBStationNegotiation.Configuration(
                timers: timers, requestsReflectiveRelay: configuration.edgeRelay == .vepa,
                groupIDs: configuration.groupIDs, isManual: configuration.evb.manual,
                isTransmitted: configuration.evb.transmit, isNVO3: configuration.nvo3),
            vsisMax: vsisMax, dialect: DialectChoice(configuration.dialect),
            ecpSource: ECPSource(configuration.ecp.source), addresses: GroupAddresses(configuration))
    }

    private func settings(_ link: Link?) -> StationPortConfiguration {
        Self.settings(
            configuration, link: link, chassis: transport.chassis(of: link), vsisMax: resources.limits.vsisPerPort)
    }

    private var resources: ResourcePool { transport.surroundings.resources }

    /// Where this port puts manager IDs of one octet.
    package var managerIDPlacement: VSIManagerID.Placement {
        configuration.managerIDPlacement == .first ? .first : .last
    }

    package var hasBridge: Bool { port.snapshot.peer != nil && drain == nil }

    package var restoredForLibvirt: [(request: EVBProtocol.VSIRequest, eventPort: UInt32, isGranted: Bool)] {
        // In their places: those of other owners, mostly all, are not copied.
        vsis.keys.indices.compactMap { place in
            guard case .libvirt(let eventPort) = vsis[index: place].owner, vsis[index: place].phase.isRestored,
                let vsi = port.vsi(vsis.keys[place])
            else {
                return nil
            }
            return (vsi.request, eventPort, vsis[index: place].isStoredAsGranted)
        }
    }

    /// The links follow what is configured and what the bridge grants.
    func applyRelay() {
        relay.apply(RelayPolicy(configuration, isReflected: port.snapshot.reflectiveRelay == .on))
    }

    /// Changes the settings of the port while it runs; its VSIs stay.
    package func reconfigure(_ configuration: PortSettings) {
        self.configuration = configuration
        transport.reconfigure(configuration)
        // At once; what the bridge makes of it comes as an effect.
        applyRelay()
        followSwitchNeed()
        perform(port.reconfigure(settings(transport.link), at: now))
    }

    // MARK: What goes in

    /// Something about the port's interface, or about a link, has changed.
    package func linkChanged(_ changed: String) {
        if changed == name {
            watch.changed()
            relay.portChanged()
            follow()
        } else {
            if changed == EdgeRelay.userspaceLink { followSwitchNeed() }
            relay.linkChanged(changed)
            announceIfUp(changed)
        }
        guard transport.takesOtherWay(changed) else { return }
        log(.notice, "frames take another way through the bond; asking who is there")
        perform(port.pathChanged(at: now))
    }

    package func namespaceEnded() { relay.namespaceEnded() }

    package func peerChanged() {
        perform(port.setLink(up: false, at: now))
        follow()
    }

    package func request(
        _ request: EVBProtocol.VSIRequest, link spec: LinkRequest?, label: String?, owner: RequestOwner,
        because reason: String?,
        waiter: RequestWaiter?
    ) throws(RequestRefusal) {
        // libvirt makes the link just before it asks, and the news of it may not have been read.
        if case .libvirt = owner, !hasGuestLink(request.filter) { relay.readNews() }
        let link = try spec.map { spec throws(RequestRefusal) in try demand(spec, for: request) }
        settle(request.vsiID)
        let former = vsis[request.vsiID]
        let effects: [StationEffect]
        port.room = resources.room(for: name)
        port.room.filterEntries -= relay.gate.keptCount
        do throws(VSIRequestError) {
            try port.check(request)
        } catch {
            throw .unfit(error)
        }
        var managed = ManagedVSI(link: link ?? former?.link, owner: owner)
        managed.label = (label ?? former?.label).flatMap { $0.isEmpty ? nil : $0 }
        let requester = sharedRequester(Requester.current)
        managed.requester = requester ?? former?.requester
        managed.phase = .asking(ManagedVSI.Phase.Waiter(waiter))
        managed.formerType = formerType(request, former)
        lastTurn &+= 1
        managed.turn = lastTurn
        // A VSI that changes is still one that the bridge has granted before.
        managed.isStoredAsGranted = former?.isStoredAsGranted ?? false
        managed.reported = former?.reported ?? []
        if let former, let working = port.vsi(request.vsiID), working.state == .associated {
            managed.working =
                former.working
                ?? ManagedVSI.Working(
                    request: working.request, link: former.link, owner: former.owner)
        }
        do throws(SystemError) {
            if owner != .probe {
                try store.keep(
                    StoredVSI(
                        port: name, request: request, link: managed.link, owner: owner,
                        isGranted: managed.isStoredAsGranted, isWithdrawn: false,
                        isLinkElsewhere: relay.isElsewhere(request.vsiID),
                        adopted: relay.adoptedLink(of: request.vsiID), label: managed.label))
            }
        } catch {
            throw .unstored(error)
        }
        do throws(VSIRequestError) {
            effects = try port.request(request, isSent: false, at: now)
        } catch {
            throw .unfit(error)
        }
        // What the former request had waiting ends here, before the new one waits.
        if let former { end(former.allWaiters, .outcome(.superseded)) }
        managed.guestLink = former?.guestLink ?? .neverSeen
        managed.isUnannounced = former?.isUnannounced ?? false
        vsis[request.vsiID] = managed
        noteSight(request.vsiID)
        watchGuestLinks(request.vsiID)
        refreshGate(request.vsiID)
        if case .tap = owner { closeGuestLink(request.vsiID) }
        // Before what is noted for the history, which the bridge need not wait for.
        flushLater()
        let asker = reason ?? requester?.words ?? owner.words
        note(request.vsiID, .requested, detail: request.words(of: asker))
        perform(effects.filter { $0 != .vsi(.ended(request.vsiID, .superseded)) }, isForLater: true)
    }

    /// Changes what is kept of a VSI, if it is known, in its place.
    func change(_ vsiID: VSIID, _ body: (inout ManagedVSI) -> Void) {
        guard let place = vsis.index(forKey: vsiID) else { return }
        body(&vsis[index: place])
    }

    func sharedRequester(_ requester: Requester?) -> SharedRequester? {
        SharedRequester.shared(requester, last: &lastRequester)
    }

    package func withdraw(_ vsiID: VSIID, because reason: String?, waiter: RequestWaiter?) throws(VSIRequestError) {
        settle(vsiID)
        // First: one that is not bound is known no more afterwards, and its file goes with its link, which takes a while.
        mark(vsiID, isGranted: vsis[vsiID]?.isStoredAsGranted ?? false, isWithdrawn: true)
        cutFormer(vsiID)
        let effects = try port.withdraw(vsiID, isSent: false, at: now)
        let former = vsis[vsiID]?.allWaiters ?? []
        lastTurn &+= 1
        let (turn, requester) = (lastTurn, sharedRequester(Requester.current))
        change(vsiID) { $0.begin(turn, by: requester, waiter) }
        end(former, .outcome(.superseded))
        // Traffic stops now, whatever the bridge says later.
        refreshGate(vsiID)
        flushLater()
        note(vsiID, .withdrawn, detail: reason ?? requester?.words)
        noteCut(vsiID)
        relay.cut(vsiID)
        perform(effects.filter { $0 != .vsi(.ended(vsiID, .superseded)) })
    }

    /// The bridge is asked to release what it holds.
    func beginDrain() { perform(port.drain(at: now)) }

    /// All is asked for.
    func finishDrain() { perform(port.endDrain(at: now)) }

    package func outlook(_ vsiID: VSIID) -> VSIOutlook? { port.outlook(vsiID) }

    package func retry(_ vsiID: VSIID, waiter: RequestWaiter?) throws(VSIRetryError) {
        settle(vsiID)
        let effects = try port.retry(vsiID, at: now)
        end([vsis[vsiID]?.retryWaiter].compactMap(\.self), .outcome(.superseded))
        lastTurn &+= 1
        let turn = lastTurn
        change(vsiID) { managed in
            managed.turn = turn
            managed.retryWaiter = waiter
        }
        log(.notice, "VSI is asked for again, as an operator wants", logFacts(vsiID))
        note(vsiID, .retried, detail: Requester.current?.words)
        perform(effects)
    }

    package func end(_ waiters: [RequestWaiter], _ ending: RequestEnding) {
        for waiter in waiters { waiter(ending) }
    }

    /// Withdraws all VSIs.
    package func releaseAll() {
        for vsi in port.vsis { try? withdraw(vsi.request.vsiID, because: "evbd, which gives the port up", waiter: nil) }
    }

    package var isReleased: Bool { vsis.isEmpty && relay.isEmpty }

    /// Stores what is wanted of a VSI now, or that it is wanted no more.
    package func keep(_ vsiID: VSIID, isWithdrawn: Bool = false) {
        guard let managed = vsis[vsiID], managed.owner != .probe, let snapshot = port.vsi(vsiID) else { return }
        store.keepEventually(
            StoredVSI(
                port: name, request: snapshot.request, link: managed.link, owner: managed.owner,
                isGranted: managed.isStoredAsGranted, isWithdrawn: isWithdrawn || snapshot.isWithdrawn,
                isLinkElsewhere: relay.isElsewhere(vsiID), adopted: relay.adoptedLink(of: vsiID),
                label: managed.label))
    }

    /// Stores that a VSI is granted, or withdrawn. It is else as it was stored last.
    func mark(_ vsiID: VSIID, isGranted: Bool, isWithdrawn: Bool) {
        let isWithdrawn = isWithdrawn || port.standing(of: vsiID)?.isWithdrawn ?? false
        let isMarked = store.mark(vsiID, port: name, isGranted: isGranted, isWithdrawn: isWithdrawn)
        if !isMarked { keep(vsiID, isWithdrawn: isWithdrawn) }
    }

    /// A VSI that was given up is stored no more. What is still to be closed would be the next run's to close.
    func unkeepEnded(_ vsiID: VSIID) {
        if vsis[vsiID] == nil, !relay.isUnclosed(vsiID) { unkeep(vsiID) }
    }

    /// Stores nothing of a VSI any more.
    func unkeep(_ vsiID: VSIID) { store.remove(vsiID, port: name) }

    /// Stops listening. VSIs and links are left as they are, for the next run to go on with.
    ///
    /// Without VSIs that are wanted the station says good-bye by LLDP, and the bridge gives up what it may still hold. With them
    /// it must not: the bridge would give all of them up.
    package func stop() {
        queue.finish()
        unlogged.finish()
        transport.changes.finish()
        if port.vsis.allSatisfy(\.isWithdrawn) {
            for case .transmit(let frame) in port.shutdown() { transport.send(frame) }
        }
        timer = nil
        announcementTimer = nil
        drainTimer = nil
        linkTimer = nil
        relay.portCloses()
        transport.surroundings.openVSwitch?.set(nil, of: name)
        watch.close()
        transport.close()
        shownUse = ResourceUse()
        resources.set(shownUse, of: name)
    }

    /// evbd has the port no longer: its rules go.
    package func leave() {
        drainFile.remove()
        relay.portLeaves()
        stop()
    }

    private func advance() { perform(port.advance(to: now)) }

    /// Carries out what waits for a VSI, before something new is asked of it.
    private func settle(_ vsiID: VSIID) {
        // Nothing waits for one that is not known.
        guard vsis[vsiID] != nil else { return }
        // What its loss leads to is no matter of the next request: one that was given up is forgotten before.
        if port.isLosing { perform(port.catchUp(vsiID, at: now)) }
        queue.finish(vsiID)
        unlogged.finish(vsiID)
    }

    /// Carries effects out, and waits for the next moment that the protocol wants.
    ///
    /// - Parameters:
    ///   - given: the effects. Frames are sent at once in any case.
    ///   - isForLater: whether the others are put off until the turn has done all else, such as asking the bridge.
    package func perform(_ given: consuming [StationEffect], isForLater: Bool = false) {
        var effects = given
        let turn = port.endTurn()
        var use = turn.use
        use.filterEntries += relay.gate.keptCount
        if use != shownUse {
            shownUse = use
            resources.set(use, of: name)
        }
        // The neighbour waits for frames no longer than it must, whatever else there is to do.
        for effect in effects {
            switch effect {
            case .transmit(let frame): transport.send(frame)
            case .vsi(.changed(let change)): count(change)
            default: break
            }
        }
        loss = effects.loss ?? loss
        if !turn.trail.isEmpty {
            note(turn.trail, loss: loss)
            onTrail?(turn.trail, now)
        }
        if !port.isLosing { loss = nil }
        effects.removeAll { if case .transmit = $0 { true } else { false } }
        if !effects.isEmpty { queue.append(contentsOf: effects, isForLater: isForLater) }
        transport.setNeighbour(turn.peerAddresses)
        sequences.advanced(to: turn.nextSequence)
        timer?.set(turn.nextDeadline)
        // Keep-alives come and go, and nothing is wrong for that.
        if turn.hasNews || !effects.isEmpty { watch.changed() }
        port.reuse(&effects)
    }

    /// Keeps count of the states.
    func count(_ change: VSIChange) {
        stateCounts.add(EVBModel.VSIState(change.from), -1)
        stateCounts.add(EVBModel.VSIState(change.to))
    }

    // MARK: The interface

    /// Warns once that no links can be made on a member of a bond.
    private func tellOfBond(_ bond: String?) {
        defer { toldBond = bond }
        guard let bond, bond != toldBond else { return }
        let text = HostLinks.refusal(name, in: bond)
        log(.warning, text)
        onNews?(PortNews(kind: .notice, message: text))
    }

    private func follow() {
        guard case .present(let link, let isUp, let isAnother) = transport.follow() else {
            perform(port.setLink(up: false, at: now))
            return
        }
        followSwitchNeed()
        tellOfBond(relay.bond(of: link))
        // Another interface of the same name: what was on the other end, and the links above, went with the old one.
        if isAnother { perform(port.setLink(up: false, at: now)) }
        let settings = settings(link)
        if settings != port.configuration { perform(port.reconfigure(settings, at: now)) }
        if isUp != port.snapshot.isLinkUp { announceLink(isUp: isUp, isExpected: drain != nil) }
        if !isUp { bridgeLoss = nil }
        perform(port.setLink(up: isUp, at: now))
    }
}

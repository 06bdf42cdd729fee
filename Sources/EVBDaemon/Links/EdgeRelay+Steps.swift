internal import Dataplane
internal import EVBSettings
internal import EVBWire
internal import LinuxSystem
internal import Logging
internal import Netlink

// What is wanted of a link against what it is, and the steps from one to the other.

extension EdgeRelay {
    /// Takes the next step towards what is wanted, or tells those who wait that all is done.
    func step(_ vsiID: VSIID) {
        guard let entry = entries[vsiID], !entry.isBusy else { return }
        guard let link = entry.link, !entry.isElsewhere else {
            if entry.isElsewhere { return stepElsewhere(vsiID, entry) }
            if entry.wish == .up { acquire(vsiID, entry) } else { finish(vsiID, .success(())) }
            return
        }
        if entry.wish == .absent {
            if entry.isMade { return run(vsiID, .delete(index: link.index)) }
            gate.handBack(vsiID, link: link.index)
            forgetLink(vsiID)
            return finish(vsiID, .success(()))
        }
        guard let command = nextStep(entry, link) else {
            if entry.wish == .up, link.isUp { entries[vsiID]?.wasRaised = true }
            return finishWhenOpen(vsiID, entry)
        }
        if case .keepHostOff = command, !isHostOff { return keepHostOff(vsiID) }
        if case .setUp(_, true) = command {
            guard guests.isSecured(link) else { return secure(vsiID, link) }
            guard gate.isOpen(vsiID) else { return open(vsiID) }
        }
        run(vsiID, command)
    }

    /// A link in another network namespace is out of reach, but for what the port's gate lets pass.
    private func stepElsewhere(_ vsiID: VSIID, _ entry: Entry) {
        guard entry.wish == .absent else { return finishWhenOpen(vsiID, entry) }
        forgetLink(vsiID)
        finish(vsiID, .success(()))
    }

    /// All is done about a link. An associated VSI's addresses pass before its manager hears of that.
    private func finishWhenOpen(_ vsiID: VSIID, _ entry: Entry) {
        if entry.wish == .up, !entry.waiting.isEmpty, !gate.isOpen(vsiID) { return open(vsiID) }
        finish(vsiID, entry.fault.map { .failure($0) } ?? .success(()))
    }

    /// Whether a link is as it should be, so that nothing is to be done about it.
    func isSettled(_ entry: Entry, _ link: Link) -> Bool { nextStep(entry, link) == nil }

    /// Whether a link is up that must not be.
    func isToBeClosed(_ entry: Entry, _ link: Link) -> Bool { link.isUp && shouldBeUp(entry, link) == false }

    private func nextStep(_ entry: Entry, _ link: Link) -> LinkCommand? {
        // Traffic is cut first and let through last. Closing is not subject to the limit of corrections.
        if isToBeClosed(entry, link) { return .setUp(index: link.index, false) }
        guard entry.fault == nil, entry.corrections >= 0 else { return nil }
        if let mode = wantedMode(entry, link), link.macvlanMode != mode {
            return .setMacvlanMode(index: link.index, mode)
        }
        if case .make(let specification) = entry.demand {
            if let mtu = specification.mtu, link.mtu != mtu { return .setMTU(index: link.index, mtu) }
            if entry.isMade, link.group != MacvlanSpec.group { return .keepHostOff(index: link.index) }
        }
        if !link.isUp, shouldBeUp(entry, link) == true { return .setUp(index: link.index, true) }
        return nil
    }

    /// nil leaves it as it is.
    private func shouldBeUp(_ entry: Entry, _ link: Link) -> Bool? {
        if entry.fault != nil { return false }
        let isWanted = entry.wish == .up
        if isWanted, policy.isHeld, follows(entry, link) { return false }
        switch policy.gate {
        case .down:
            guard isWanted else { return false }
            // An adopted link comes up with its association, and after each cut. Who made it may want it down meanwhile:
            // libvirt does, while its machine is paused or has not arrived yet.
            return entry.isMade || entry.isCut || !entry.wasRaised ? true : nil
        case .none: return isWanted && (entry.isCut || entry.isMade && !entry.wasRaised) ? true : nil
        }
    }

    /// Whether a link is in the mode of the edge relay, whichever that is.
    ///
    /// Of those that somebody else has made these are the ones in mode vepa or bridge, for which of both it is to be is
    /// for the edge relay to say; the other modes have another purpose.
    private func follows(_ entry: Entry, _ link: Link) -> Bool {
        switch entry.demand {
        case .make(let specification): specification.mode == nil
        case .find, .function: link.macvlanMode.map { $0 == .vepa || $0 == .bridge } ?? true
        }
    }

    private func wantedMode(_ entry: Entry, _ link: Link) -> MacvlanMode? {
        guard link.macvlanMode != nil else { return nil }
        if follows(entry, link) { return policy.mode }
        if case .make(let specification) = entry.demand { return specification.mode }
        return nil
    }

    // MARK: Coming by a link

    private func acquire(_ vsiID: VSIID, _ entry: Entry) {
        switch entry.demand {
        case .make(let specification): make(vsiID, entry, specification)
        case .find:
            guard let link = candidate(for: vsiID, entry) else { return finishWhenOpen(vsiID, entry) }
            logger.notice(
                "the link of a VSI is adopted",
                metadata: ["vsi": "\(vsiID)", "link": "\(link.name)", "kind": "\(link.kind ?? "-")"])
            setLink(vsiID, link)
            step(vsiID)
        case .function: finish(vsiID, .success(()))
        }
    }

    private func make(_ vsiID: VSIID, _ entry: Entry, _ specification: Specification) {
        let operation = "create \(specification.kind.rawValue) \(specification.name) on \(portName)"
        guard let port = table[portName] else {
            return finish(
                vsiID, .failure(NetlinkError(operation: operation, kind: .notFound, reason: "the port is gone")))
        }
        var parentIndex = port.index
        if let vid = entry.vid {
            guard let device = entry.parentIndex ?? vlanDevice(vid, on: port)?.index else {
                return isHostOff ? makeVLAN(vsiID, vid, port) : keepHostOff(vsiID)
            }
            parentIndex = device
        }
        let former = own(vsiID, entry, specification)
        guard isHostOff || former != nil else { return keepHostOff(vsiID) }
        // It is the port itself where the kernel has no such devices.
        if let vid = entry.vid, parentIndex != port.index {
            entries[vsiID]?.usedVLAN = vid
            vlanUsers[vid, default: 0] += 1
        }
        entries[vsiID]?.parentIndex = nil
        entries[vsiID]?.isMade = true
        if let link = former {
            setLink(vsiID, link)
            if link.alias == Self.alias(vsiID), matches(link, specification, parentIndex: parentIndex) {
                return step(vsiID)
            }
            logger.notice(
                "the link of a VSI is made anew, for it is not what is asked for now",
                metadata: ["vsi": "\(vsiID)", "link": "\(link.name)"])
            entries[vsiID]?.discarded = link.index
            return run(vsiID, .delete(index: link.index))
        }
        run(
            vsiID,
            .create(
                MacvlanSpec(
                    name: specification.name, kind: specification.kind, mode: specification.mode ?? policy.mode,
                    parentIndex: parentIndex, address: HardwareAddress(specification.address.rawValue),
                    mtu: specification.mtu, alias: Self.alias(vsiID),
                    sources: specification.sources.map { HardwareAddress($0.rawValue) }, up: false)))
    }

    private func makeVLAN(_ vsiID: VSIID, _ vid: UInt16, _ port: Link) {
        let device = VLANDevice(
            name: vlanName(vid, on: port), parentIndex: port.index, vid: vid, alias: Self.vlanAlias)
        submit(vsiID, .ensureVLAN(device)) { relay, result in
            switch result {
            case .success(let link): relay.entries[vsiID]?.parentIndex = link?.index
            case .failure(let error) where error.kind == .notSupported:
                relay.entries[vsiID]?.parentIndex = port.index
                guard !relay.hasToldOfVLANs else { break }
                relay.hasToldOfVLANs = true
                relay.trouble(
                    vsiID,
                    "this kernel has no VLAN devices, so its machine has to tag its frames with VLAN \(vid) itself: load "
                        + "the module 8021q, and de-associate and associate it to have that done for it")
            case .failure(let error):
                guard relay.entries[vsiID]?.wish == .up else { break }
                return relay.fail(vsiID, error)
            }
            relay.step(vsiID)
        }
    }

    // MARK: The guest filter

    /// Waits for the guest filter's rules of a link.
    private func secure(_ vsiID: VSIID, _ link: Link) {
        wait(vsiID) { [guests] then in
            guests.secure(link) { [weak self] problem in
                if let problem { self?.tellUnguarded(vsiID, link, problem) }
                then()
            }
        }
    }

    /// Waits until the port's gate lets the addresses of an associated VSI pass.
    private func open(_ vsiID: VSIID) {
        wait(vsiID) { [gate] then in gate.whenOpen(vsiID, then: then) }
    }

    /// Waits, once, until nftables keeps the host's IP off the links that are about to be made, or cannot.
    private func keepHostOff(_ vsiID: VSIID) {
        wait(vsiID) { [filter] then in
            filter.keepHostOff { [weak self] _ in
                self?.isHostOff = true
                then()
            }
        }
    }

    /// Takes the next step about a VSI's link when something else is done.
    private func wait(_ vsiID: VSIID, for start: (@escaping () -> Void) -> Void) {
        entries[vsiID]?.isBusy = true
        start { [weak self] in
            guard let self, entries[vsiID] != nil else { return }
            entries[vsiID]?.isBusy = false
            guard entries[vsiID]?.hasNews == true else { return step(vsiID) }
            entries[vsiID]?.hasNews = false
            step(vsiID)
            look(vsiID)
        }
    }

    /// The machine's frames pass nevertheless: a host without nftables would be without machines.
    private func tellUnguarded(_ vsiID: VSIID, _ link: Link, _ problem: String) {
        let text =
            "the machine behind \(link.name) can speak LLDP and ECP to the switch, and so de-associate its neighbours, "
            + "for the guest filter cannot be set up: \(problem)"
        guard !hasToldOfFilter else {
            return logger.warning("\(text)", metadata: ["vsi": "\(vsiID)"])
        }
        hasToldOfFilter = true
        trouble(
            vsiID,
            text + "; it needs nftables with the egress hook of the family netdev (Linux 5.16), "
                + "and guest-filter: false does without")
    }

    // MARK: Commands

    private func run(_ vsiID: VSIID, _ command: LinkCommand) {
        submit(vsiID, command) { relay, result in relay.completed(vsiID, command, result) }
    }

    /// Gives a command to the worker; until it is done nothing else is done about the VSI's link.
    func submit(
        _ vsiID: VSIID, _ command: LinkCommand,
        then: @escaping (EdgeRelay, Result<Link?, NetlinkError>) -> Void
    ) {
        entries[vsiID]?.isBusy = true
        let isTaken = programmer.submit(command, of: portName) { [weak self] result in
            guard let self, entries[vsiID] != nil else { return }
            entries[vsiID]?.isBusy = false
            then(self, result)
            // What was told meanwhile may be newer than the result.
            guard let entry = entries[vsiID], entry.hasNews, !entry.isBusy else { return }
            entries[vsiID]?.hasNews = false
            look(vsiID)
        }
        guard !isTaken else { return }
        entries[vsiID]?.isBusy = false
        finish(
            vsiID,
            .failure(
                NetlinkError(
                    operation: "change the link of VSI \(vsiID)", kind: .cancelled, reason: "evbd is stopping")))
    }

    private func completed(_ vsiID: VSIID, _ command: LinkCommand, _ result: Result<Link?, NetlinkError>) {
        switch result {
        case .success(let link):
            if case .setUp(_, let isUp) = command {
                entries[vsiID]?.isCut = !isUp
                if isUp {
                    entries[vsiID]?.wasRaised = true
                    entries[vsiID]?.missing = nil
                }
            }
            if case .create = command { resumed.remove(vsiID) }
            if let link { setLink(vsiID, link) } else { gone(vsiID) }
            step(vsiID)
        case .failure(let error):
            failed(vsiID, command, error)
        }
    }

    private func failed(_ vsiID: VSIID, _ command: LinkCommand, _ error: NetlinkError) {
        let wish = entries[vsiID]?.wish
        if case .create = command {
            forgetMaking(vsiID)
            // Never made, which is what is wanted by now.
            if wish != .up {
                gone(vsiID)
                return step(vsiID)
            }
            return fail(vsiID, error)
        }
        if error.kind == .notFound {
            // Deleted meanwhile: as wanted, or by somebody else.
            if wish == .up { return vanished(vsiID) }
            gone(vsiID)
            return step(vsiID)
        }
        if case .setUp(let twin, true) = command, error.kind == .busy, let missing = entries[vsiID]?.missing {
            return foundElsewhere(vsiID, missing, twin: twin)
        }
        if case .setMacvlanMode = command {
            // In another mode its frames could go where they should not.
            entries[vsiID]?.fault = error
            trouble(vsiID, "its link is kept down, for its mode cannot be set: \(error)")
            return step(vsiID)
        }
        fail(vsiID, error)
    }

    private func fail(_ vsiID: VSIID, _ error: NetlinkError) {
        logger.error("a link cannot be changed", metadata: ["vsi": "\(vsiID)", "error": "\(error)"])
        let isHeard = entries[vsiID]?.waiting.isEmpty == false
        if !isHeard, entries[vsiID]?.wish == .up {
            trouble(vsiID, "\(error); de-associate it and associate it again when that is put right")
        }
        finish(vsiID, .failure(error))
    }

    private func forgetMaking(_ vsiID: VSIID) {
        guard entries[vsiID]?.link == nil else { return }
        if let vid = entries[vsiID]?.usedVLAN { leaveVLAN(vid) }
        entries[vsiID]?.usedVLAN = nil
        entries[vsiID]?.isMade = false
    }

    /// The link is gone. Who waited for that has it, also where another is wanted by now.
    func gone(_ vsiID: VSIID) {
        if let link = entries[vsiID]?.link { entries[vsiID]?.discarded = link.index }
        forgetLink(vsiID)
        guard let entry = entries[vsiID], entry.wish != .absent else { return }
        entries[vsiID]?.waitingForEnd = []
        for waiting in entry.waitingForEnd { waiting(.success(())) }
    }

    func finish(_ vsiID: VSIID, _ result: Result<Void, NetlinkError>) {
        guard let entry = entries[vsiID] else { return }
        entries[vsiID]?.waiting = []
        entries[vsiID]?.waitingForEnd = []
        var isOver = entry.link == nil && entry.wish == .absent
        // A link that cannot be made is asked for anew by the next association.
        if case .failure = result, entry.link == nil { isOver = true }
        if isOver {
            unregister(vsiID)
            entries[vsiID] = nil
            resumed.remove(vsiID)
        }
        for waiting in entry.waiting + entry.waitingForEnd { waiting(result) }
    }
}

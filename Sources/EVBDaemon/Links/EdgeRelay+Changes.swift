internal import Dataplane
internal import EVBWire
internal import LinuxSystem
internal import Logging
internal import Netlink

// What somebody else does to the links of VSIs: makes, changes, renames, moves and deletes them.

extension EdgeRelay {
    /// A link has changed, or is gone.
    func linkChanged(_ name: String) {
        guests.linkChanged(name)
        gate.linkChanged(name)
        // What the port is in may run another protocol now.
        if let link = table[name], guests.isAround(link) { gate.follow() }
        lookForUnseen(after: name)
        var concerned: [VSIID] = []
        if let vsiID = vsiOfName[name] { concerned.append(vsiID) }
        if let link = table[name] {
            if let address = link.address { concerned += seekers[address] ?? [] }
            if let alias = link.alias, alias.hasPrefix(Self.aliasPrefix),
                let vsiID = VSIID(String(alias.dropFirst(Self.aliasPrefix.count)))
            {
                concerned.append(vsiID)
                discardReturned(vsiID, link)
            }
        }
        for vsiID in Set(concerned) { look(vsiID) }
    }

    func look(_ vsiID: VSIID) {
        guard let entry = entries[vsiID] else { return }
        guard !entry.isBusy else {
            entries[vsiID]?.hasNews = true
            return
        }
        if entry.isElsewhere { return lookForReturn(vsiID, entry) }
        guard let link = entry.link else { return lookForOne(vsiID, entry) }
        guard let current = table[link.index] else {
            if table.isElsewhere(link.index) { return departed(vsiID, link) }
            return verify(vsiID)
        }
        guard current != link else { return }
        // The table may be behind what the worker has told, so what it says is a reason to look and no more.
        if current.name == link.name, isSettled(entry, current) { setLink(vsiID, current) } else { verify(vsiID) }
    }

    private func lookForOne(_ vsiID: VSIID, _ entry: Entry) {
        guard entry.wish == .up, case .find = entry.demand, candidate(for: vsiID, entry) != nil else { return }
        step(vsiID)
    }

    /// Asks the kernel, after all that was done before, and puts right what is not as it should be.
    private func verify(_ vsiID: VSIID) {
        guard let link = entries[vsiID]?.link else { return }
        submit(vsiID, .look(index: link.index)) { relay, result in
            guard let entry = relay.entries[vsiID] else { return }
            guard case .success(let current) = result else { return relay.step(vsiID) }
            guard let current else {
                if relay.table.isElsewhere(link.index) { return relay.departed(vsiID, link) }
                if entry.isMade { relay.entries[vsiID]?.missing = link }
                return entry.wish == .up ? relay.vanished(vsiID) : relay.goneUnwanted(vsiID)
            }
            relay.noteRename(vsiID, from: link.name, to: current.name)
            relay.setLink(vsiID, current)
            if relay.isSettled(entry, current) || entry.wish == .absent { return relay.step(vsiID) }
            relay.correct(vsiID, current)
        }
    }

    private func goneUnwanted(_ vsiID: VSIID) {
        gone(vsiID)
        step(vsiID)
    }

    private func noteRename(_ vsiID: VSIID, from old: String, to new: String) {
        guard old != new else { return }
        trouble(
            vsiID,
            "somebody has renamed its link \(old) to \(new); evbd goes on with it, and at its end deletes it as \(new)")
        entries[vsiID]?.corrections = Self.correctionsMax
    }

    private func correct(_ vsiID: VSIID, _ link: Link) {
        guard let entry = entries[vsiID] else { return }
        if isToBeClosed(entry, link) { return close(vsiID, entry, link) }
        guard entry.corrections > 0 else {
            if entry.corrections == 0 {
                trouble(
                    vsiID,
                    "another process keeps changing its link \(link.name), and evbd leaves it so: find out which, "
                        + "or set gate: none")
            }
            entries[vsiID]?.corrections = -1
            return finish(vsiID, .success(()))
        }
        entries[vsiID]?.corrections = entry.corrections - 1
        logger.notice(
            "another process has changed the link of a VSI; correcting it",
            metadata: [
                "vsi": "\(vsiID)", "link": "\(link.name)", "up": "\(link.isUp)",
                "mode": "\(link.macvlanMode.map { "\($0)" } ?? "-")",
            ])
        step(vsiID)
    }

    /// Sets a link down again, however often another process sets it up: its VSI may not send. Only the log is limited.
    private func close(_ vsiID: VSIID, _ entry: Entry, _ link: Link) {
        if entry.closingReports > 0 {
            logger.notice(
                "another process has set up the link of a VSI that may not send; setting it down",
                metadata: ["vsi": "\(vsiID)", "link": "\(link.name)"])
        } else if entry.closingReports == 0 {
            trouble(
                vsiID,
                "another process keeps setting up its link \(link.name), and evbd sets it down each time, "
                    + "from now on without a word: find out which, or set gate: none")
        }
        entries[vsiID]?.closingReports = max(entry.closingReports - 1, -1)
        step(vsiID)
    }

    /// The link is gone though it is wanted.
    func vanished(_ vsiID: VSIID) {
        guard let entry = entries[vsiID], let link = entry.link else { return step(vsiID) }
        let isMade = entry.isMade
        gone(vsiID)
        guard isMade else {
            // libvirt has taken it away, or its maker is making it anew.
            logger.notice("the adopted link of a VSI is gone", metadata: ["vsi": "\(vsiID)", "link": "\(link.name)"])
            return step(vsiID)
        }
        guard table[portName] != nil else {
            logger.notice(
                "the link of a VSI went with its port", metadata: ["vsi": "\(vsiID)", "link": "\(link.name)"])
            return finish(vsiID, .success(()))
        }
        guard entry.corrections > 0 else {
            trouble(
                vsiID,
                "somebody keeps deleting its link \(link.name), and it is not made again: find out who, "
                    + "then associate the VSI again")
            return finish(vsiID, .success(()))
        }
        entries[vsiID]?.corrections = entry.corrections - 1
        trouble(
            vsiID,
            "somebody has deleted its link \(link.name); it is made anew, and whoever had it open has to open it again")
        step(vsiID)
    }

    // MARK: Other network namespaces

    private func departed(_ vsiID: VSIID, _ link: Link) {
        logger.notice(
            "the link of a VSI is in another network namespace; there, up and down and mode are not evbd's",
            metadata: ["vsi": "\(vsiID)", "link": "\(link.name)"])
        entries[vsiID]?.isElsewhere = true
        onDeparture?(vsiID)
        step(vsiID)
    }

    /// Where news were lost, a link that was moved looks like one that was deleted. The kernel lets no two links on a port be up
    /// with one address: if that is in the way of the one that was made in its place, it is somewhere else.
    func foundElsewhere(_ vsiID: VSIID, _ missing: Link, twin: Int32) {
        submit(vsiID, .delete(index: twin)) { relay, _ in
            relay.entries[vsiID]?.discarded = twin
            relay.entries[vsiID]?.missing = nil
            relay.setLink(vsiID, missing)
            relay.departed(vsiID, missing)
        }
    }

    private func lookForReturn(_ vsiID: VSIID, _ entry: Entry) {
        guard let current = returned(vsiID, entry) else { return }
        logger.notice(
            "the link of a VSI is back", metadata: ["vsi": "\(vsiID)", "link": "\(current.name)"])
        if case .make = entry.demand, !entry.isMade {
            entries[vsiID]?.isMade = true
            if let vid = entry.vid, current.parentIndex != table[portName]?.index {
                entries[vsiID]?.usedVLAN = vid
                vlanUsers[vid, default: 0] += 1
            }
        }
        setLink(vsiID, current)
        onDeparture?(vsiID)
        step(vsiID)
    }

    /// The link of a VSI that was in another network namespace, if the host sees it again: it may have another index and
    /// another name. Of one that was there already when evbd began nothing is known but what was asked for.
    private func returned(_ vsiID: VSIID, _ entry: Entry) -> Link? {
        switch entry.demand {
        case .make(let specification):
            let named = [entry.link?.name, specification.name].compactMap { $0.flatMap { table[$0] } }
            let address = HardwareAddress(specification.address.rawValue)
            return (named + table.links(of: address)).first {
                $0.alias == Self.alias(vsiID) && $0.index != entry.discarded
            }
        case .find: return candidate(for: vsiID, entry)
        case .function: return nil
        }
    }

    /// Whether a link is on the port or on a VLAN's device there, which is no port of evbd itself.
    private func isOnPort(_ link: Link) -> Bool {
        guard let port = table[portName], let parent = link.parentIndex else { return false }
        if parent == port.index { return true }
        guard let device = table[parent], device.kind == "vlan" else { return false }
        return device.parentIndex == port.index && !isPort(device.name)
    }

    /// A link that evbd has made comes back from another network namespace, and its VSI was given up meanwhile: it goes.
    private func discardReturned(_ vsiID: VSIID, _ link: Link) {
        guard entries[vsiID] == nil, !isWanted(vsiID), link.macvlanMode != nil, isOnPort(link) else { return }
        logger.notice(
            "a link that evbd has made is back, and its VSI was given up; deleting it",
            metadata: ["vsi": "\(vsiID)", "link": "\(link.name)"])
        _ = programmer.submit(.delete(index: link.index), of: portName) { [logger] result in
            if case .failure(let error) = result, error.kind != .notFound {
                logger.warning("a link cannot be deleted", metadata: ["error": "\(error)"])
            }
        }
    }
}

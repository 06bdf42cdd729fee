internal import Dataplane
internal import EVBLog
package import EVBWire
package import EdgeRelayMachine
internal import LinuxSystem
internal import Logging
internal import Netlink

// The kernel's news on their way to the machine, and what the machine says on its way to the log and to managers.

extension EdgeRelay {
    /// A link has changed, or is gone.
    package func linkChanged(_ name: String) {
        guests.linkChanged(name)
        gate.linkChanged(name)
        let link = table[name]
        // What the port is in may run another protocol now.
        if let link, guests.isAround(link) {
            gate.follow()
            perform(machine.observe(.port, self))
        }
        lookForUnseen(after: name)
        let owner = link?.alias.flatMap { alias in
            alias.hasPrefix(Self.aliasPrefix) ? VSIID(String(alias.dropFirst(Self.aliasPrefix.count))) : nil
        }
        perform(
            machine.observe(
                .link(
                    name: name, address: link?.address.map { MACAddress(truncating: $0.value) }, owner: owner,
                    link.map(value)), self))
    }

    /// A network namespace has ended, and with it the links that were in it.
    package func namespaceEnded() { perform(machine.observe(.namespaceEnd, self)) }

    /// A link that evbd has made comes back from another network namespace, and its VSI was given up meanwhile: it goes.
    package func discard(_ vsiID: VSIID, _ link: KernelLink) {
        guard let current = table[link.index], current.macvlanMode != nil, isOnPort(current) else { return }
        // Of a VSI that was given up no more is known than what its link has.
        var facts: Logger.Metadata = ["vsi": "\(vsiID)", "link": "\(link.name)"]
        if let address = current.address { facts["mac"] = .array(["\(address)"]) }
        logger.notice("a link that evbd has made is back, and its VSI was given up; deleting it", metadata: facts)
        submit(.delete(index: link.index)) { relay, result in
            if case .failure(let error) = result, error.kind != .notFound {
                relay.logger.alert(.vsiLinkFailed).warning(
                    "a link cannot be deleted", metadata: facts.with(["error": "\(error)"]))
            }
        }
    }

    /// Whether a link is on the port or on a VLAN's device there, which is no port of evbd itself.
    private func isOnPort(_ link: Link) -> Bool {
        guard let port = table[portName], let parent = link.parentIndex else { return false }
        if parent == port.index { return true }
        guard let device = table[parent], device.kind == "vlan" else { return false }
        return device.parentIndex == port.index && !isPort(device.name)
    }

    // MARK: Reports

    package func tell(_ vsiID: VSIID, _ report: LinkReport) {
        switch report {
        case .adopted(let link):
            guard machine.slots[vsiID]?.desired.spec?.origin == .found else { return }
            notice(vsiID, link.name, "the link of a VSI is adopted")
        case .replaced(let name):
            notice(vsiID, name, "the link of a VSI is not the one that is wanted now; replacing it")
        case .departed(let name):
            notice(
                vsiID, name,
                "the link of a VSI is in another network namespace; there, up and down and mode are not evbd's")
        case .returned(let link): notice(vsiID, link.name, "the link of a VSI is back")
        case .outOfReach:
            trouble(vsiID, "its link is in another network namespace, where evbd cannot set it down: set it down there")
        case .renamed(let old, let new):
            trouble(
                vsiID,
                "another process renamed its link \(old) to \(new); evbd keeps it under that name and deletes it with the VSI"
            )
        case .corrected(let link):
            logger.notice(
                "another process has changed the link of a VSI; correcting it",
                metadata: facts(vsiID).with([
                    "link": "\(link.name)", "up": "\(link.isUp)", "mode": "\(link.mode.map { "\($0)" } ?? "-")",
                ]))
        case .adoptedIsGone(let name): notice(vsiID, name, "the adopted link of a VSI is gone")
        case .wentWithPort(let name): notice(vsiID, name, "the link of a VSI went with its port")
        case .failed(let failure):
            logger.alert(.vsiLinkFailed).error(
                "a link cannot be changed",
                metadata: facts(vsiID).with(["error": "\(failure.text)"]))
            if !isWaitedFor(vsiID), machine.slots[vsiID]?.desired.isUp ?? true {
                trouble(
                    vsiID,
                    "\(failure.text); de-associate it and associate it again when that is put right")
            }
        case .adjustmentFailed(let failure):
            logger.alert(.vsiLinkFailed).error(
                "a virtual function cannot be set", metadata: facts(vsiID).with(["error": "\(failure.text)"]))
        case .modeRefused(let failure):
            trouble(vsiID, "its link is kept down, for its mode cannot be set: \(failure.text)")
        case .closedAgain, .keepsBeingOpened, .keepsBeingChanged, .deleted, .keepsBeingDeleted:
            tellOfOthers(vsiID, report)
        }
    }

    /// What other processes do again and again.
    private func tellOfOthers(_ vsiID: VSIID, _ report: LinkReport) {
        switch report {
        case .closedAgain(let link):
            notice(
                vsiID, link.name,
                "another process has set up the link of a VSI that may not send; setting it down")
        case .keepsBeingOpened(let name):
            trouble(
                vsiID,
                "another process keeps setting up its link \(name), and evbd sets it down each time, "
                    + "from now on without a word: find out which, or set gate: none")
        case .keepsBeingChanged(let name):
            trouble(
                vsiID,
                "another process keeps changing its link \(name), and evbd leaves it so: find out which, "
                    + "or set gate: none")
        case .deleted(let name):
            trouble(
                vsiID,
                "another process deleted its link \(name); recreating it. Programs that had it open must reopen it")
        case .keepsBeingDeleted(let name):
            trouble(
                vsiID,
                "another process keeps deleting its link \(name), so evbd does not recreate it: find out which, "
                    + "then associate the VSI again")
        default: break
        }
    }

    private func notice(_ vsiID: VSIID, _ name: String, _ text: String) {
        logger.notice("\(text)", metadata: facts(vsiID).with(["link": "\(name)"]))
    }
}

internal import Dataplane
internal import EVBLog
package import EVBWire
package import EdgeRelayMachine
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import OVSDB

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
            tellAllOfPort()
        }
        lookForUnseen(after: name)
        let owner = link?.alias.flatMap { alias in
            alias.hasPrefix(Self.aliasPrefix) ? VSIID(String(alias.dropFirst(Self.aliasPrefix.count))) : nil
        }
        // A tap of an Open vSwitch is looked for by its machine's address, which is in the tap's row.
        let address = taps?.row(of: name)?.attachedMAC ?? link?.address.map { MACAddress(truncating: $0.value) }
        perform(
            machine.observe(
                .link(
                    name: name, address: address, owner: owner,
                    link.map(links.value)), self))
    }

    /// A network namespace has ended, and with it the links that were in it.
    package func namespaceEnded() { perform(machine.observe(.namespaceEnd, self)) }

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
                "a virtual function cannot be set\(isUnclosed(vsiID) ? "; evbd tries again until it passes nothing" : "")",
                metadata: facts(vsiID).with(["error": "\(failure.text)"]))
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

internal import Dataplane
package import EVBWire
package import LinuxSystem
internal import Logging
internal import Netlink

// Addresses that stay closed without a VSI. One rule: an address that a VSI has had, or that an earlier run of evbd had
// closed, stays closed as long as a link on the port has it, and a link that had it as its VSI's keeps it until it is gone.
// Links in other network namespaces have what the port's own forwarding table has.

extension EdgeRelay {
    /// Says which addresses of a VSI may send now. Those that are not its any more stay closed while a link has them.
    ///
    /// - Parameters:
    ///   - vsiID: The VSI.
    ///   - open: Those that may.
    ///   - closed: Those of the VSI that may not.
    ///   - isUrgent: Whether its machine may be about to send: the change does not wait for others.
    package func setAddresses(
        _ vsiID: VSIID, open: AddressSet, closed: AddressSet, isUrgent: Bool = false
    ) {
        let (former, claim) = (gate.claim(of: vsiID), ClosedAddresses.Claim(open: open, closed: closed))
        // As mostly: a VSI says it at each of its changes.
        guard former != claim else { return }
        if let former { stayClosed(former.all.subtracting(claim.all)) }
        let isUrgent = isUrgent || former.map { !$0.open.isSubset(of: open) } ?? false
        gate.set(vsiID, open: open, closed: closed, isUrgent: isUrgent)
    }

    /// The same of a VSI that is restored, and that has said nothing before.
    package func restoreAddresses(_ vsiID: VSIID, open: AddressSet, closed: AddressSet, isUrgent: Bool) {
        gate.set(vsiID, open: open, closed: closed, isUrgent: isUrgent)
    }

    /// A VSI is given up. Its addresses stay closed while a link has them.
    ///
    /// - Parameters:
    ///   - vsiID: The VSI.
    ///   - addresses: The addresses that it had, some of which its link may keep closed by now.
    ///   - isLinkDeleted: Whether the link that evbd made for it is deleted, of which the table may have no news yet.
    package func forgetAddresses(_ vsiID: VSIID, _ addresses: AddressSet, isLinkDeleted: Bool) {
        stayClosed(addresses, exceptAtLinkOf: isLinkDeleted ? vsiID : nil)
        gate.forget(vsiID)
    }

    /// Keeps addresses closed while a link has them.
    package func stayClosed(_ addresses: AddressSet, exceptAtLinkOf vsiID: VSIID? = nil) {
        var unseenOnes: AddressSet = []
        for address in addresses {
            var links = guestLinks(of: address)
            if !links.isEmpty, let vsiID {
                let alias = Self.alias(vsiID)
                links.removeAll { $0.alias == alias }
            }
            for link in links { gate.keepClosed(AddressSet(address), link: link.index) }
            if links.isEmpty { unseenOnes = unseenOnes.union(AddressSet(address)) }
        }
        guard !unseenOnes.isEmpty else { return }
        gate.keepClosedUnseen(unseenOnes, after: unseen.lastRead)
        unseen.look()
    }

    // MARK: Links that the host does not see

    /// Reads that a link may be without its address for, while it is being set up in another network namespace.
    private static let readsOfPatience: UInt64 = 2

    /// Takes part in what the port's own forwarding table tells.
    func followUnseen() {
        unseen.isKnown = { [weak gate, table] address in
            guard let gate, gate.isRaised else { return true }
            if gate.closed.isOfVSI(address) || gate.closed.exempt.contains(address) { return true }
            // A bridge has its port take frames for the machines behind taps.
            return Self.hardwareAddresses(MACAddress(truncating: address.value)).contains { table.hasLink(of: $0) }
        }
        unseen.onRead = { [weak self] in self?.tableRead($0, $1) }
        guests.onDeparted = { [weak gate, weak unseen] index in
            guard let gate, let unseen else { return }
            gate.linkDeparted(index, after: unseen.lastRead &+ Self.readsOfPatience)
            unseen.look()
        }
    }

    /// A link has changed, or is gone: it may be one that the host did not see.
    func lookForUnseen(after name: String) {
        guard gate.closed.hasUnseen, table[name].map(guests.isGuest) ?? true else { return }
        unseen.look()
    }

    /// The port's table was read. What is not there is at no link that the host does not see; a link may have come back.
    private func tableRead(_ number: UInt64, _ present: Set<HardwareAddress>) {
        for address in gate.closed.unseen(goneBy: number, present) {
            for link in guestLinks(of: address) { gate.keepClosed(AddressSet(address), link: link.index) }
        }
        gate.tableRead(number, present)
    }

    /// Keeps the gate of a port that is evbd's no longer while links that it keeps out may be there.
    func linger() {
        let (filter, portName) = (filter, portName)
        var hasLogged = false
        filter.lingering[portName] = self
        unseen.onRead = { [weak self] number, addresses in
            guard let self else { return }
            tableRead(number, addresses)
            guard gate.closed.hasUnseen else {
                gate.lower()
                filter.lingering[portName] = nil
                return
            }
            if !hasLogged {
                logger.warning(
                    """
                    addresses of VSIs are still on this port, at links that the host does not see; its guest filter stays \
                    until they are gone or evbd is restarted
                    """,
                    metadata: ["count": "\(gate.closed.keptCount)"])
            }
            hasLogged = true
        }
        unseen.isKnown = { _ in true }
        unseen.look()
    }
}

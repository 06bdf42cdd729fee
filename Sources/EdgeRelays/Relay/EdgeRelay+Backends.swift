internal import Dataplane
package import EVBWire
internal import EdgeRelayMachine
internal import LinuxSystem
package import Netlink

// Which backend has a VSI's link.

extension EdgeRelay {
    /// The backend of links of that origin.
    func backend(of origin: LinkSpec.Origin) -> any LinkBackend { backends.first { $0.serves(origin) } ?? links }

    /// Begins an operation.
    func begin(_ vsiID: VSIID, _ operation: LinkOperation) {
        let origin = machine.slots[vsiID]?.origin ?? .created
        backend(of: origin).begin(vsiID, operation) { [weak self] result in
            guard let self else { return }
            perform(machine.finished(vsiID, operation, result, self))
        }
    }

    /// Why a link cannot be had as asked for, seen before the bridge is asked, and what to do about it.
    package func conflict(_ demand: Demand, for vsiID: VSIID) -> String? {
        let spec = LinkSpec(demand)
        return backend(of: spec.origin).conflict(
            spec, of: vsiID, in: machine.slots[vsiID],
            holder: spec.name.flatMap { machine.holder(of: $0) }.flatMap { machine.isLingering($0) ? nil : $0 })
    }

    // MARK: Links of the host

    /// The Linux bridge that the port is in.
    package var bridge: Link? { links.bridge }

    /// Whether a machine on this port has a link with an address, or the tap's form of it.
    package func hasGuestLink(of address: MACAddress) -> Bool { links.hasGuestLink(of: address) }

    /// VSIs whose machines have to tag their frames themselves, as the kernel has no VLAN devices.
    package var untagged: Set<VSIID> { links.untagged }

    /// The name of the bond or team that a port is a member of; nil where it is in none.
    package func bond(of port: Link) -> String? { links.bond(of: port) }

    /// Takes the kernel's news that wait.
    package func readNews() { table.catchUp() }

    /// The links of machines on this port that have an address, or the tap's form of it.
    func guestLinks(of address: HardwareAddress) -> [Link] {
        let forms = [address, Self.tapForm(of: address)].filter(table.hasLink)
        return forms.isEmpty ? [] : forms.flatMap(table.links(of:)).filter(guests.isGuest)
    }
}

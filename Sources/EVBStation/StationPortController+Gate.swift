internal import EVBPorts
internal import EVBProtocol
internal import EVBWire
internal import EdgeRelays
internal import LinuxSystem
internal import Netlink

// Which addresses of VSIs the port's gate lets pass.

extension StationPortController {
    /// Tells the gate which addresses of a VSI may send now: those that the bridge has granted, and no others.
    func refreshGate(_ vsiID: VSIID) { refreshGate(vsiID, port.vsi(vsiID)) }

    /// The same where it is known what the protocol has of the VSI now.
    func refreshGate(_ vsiID: VSIID, _ vsi: StationVSISnapshot?) {
        // What is left of a VSI that is given up stays closed until its link is gone.
        guard let vsi, let managed = vsis[vsiID] else { return }
        let granted = Self.addresses(vsi.filter)
        let asked = Self.addresses(vsi.request.filter).union(granted)
        // After a restart traffic goes on as it was until the bridge has spoken.
        let isAsBefore = managed.phase.isRestored && managed.isStoredAsGranted && !relay.gate.wasClosed(granted)
        let isOpen = !vsi.isWithdrawn && (vsi.state == .associated || isAsBefore)
        // Its machine is just being started, and nothing keeps it from sending.
        let isNewTap = if case .tap = managed.owner { !isOpen } else { false }
        relay.setAddresses(
            vsiID, open: isOpen ? granted : [], closed: isOpen ? asked.subtracting(granted) : asked, isUrgent: isNewTap)
    }

    /// Does for a VSI that is restored, and of which the bridge has said nothing yet, what ``refreshGate(_:)`` does for any.
    func restoreGate(_ vsi: StoredVSI) {
        let addresses = Self.addresses(vsi.request.filter)
        let isOpen = vsi.isGranted && !relay.gate.wasClosed(addresses)
        var isNewTap = false
        if case .tap = vsi.owner, !isOpen { isNewTap = true }
        relay.restoreAddresses(
            vsi.request.vsiID, open: isOpen ? addresses : [], closed: isOpen ? [] : addresses, isUrgent: isNewTap)
    }

    /// Addresses that an earlier evbd had closed and that no VSI has stay closed while a link has them.
    func closeFormerLinks() {
        let former = relay.gate.formerlyClosed
        guard !former.isEmpty else { return }
        let known = vsis.keys.compactMap { port.vsi($0) }.reduce(into: Set<HardwareAddress>()) { known, vsi in
            known.formUnion(Self.addresses(vsi.request.filter).union(Self.addresses(vsi.filter)))
        }
        relay.stayClosed(AddressSet(former.subtracting(known)))
    }

    private static func addresses(_ filter: FilterInfo) -> AddressSet {
        // As nearly all are.
        if let only = filter.entries.only {
            return only.macAddress.map { AddressSet(HardwareAddress($0.rawValue)) } ?? []
        }
        return AddressSet(
            Set(filter.entries.lazy.compactMap(\.macAddress).map { HardwareAddress($0.rawValue) }))
    }
}

internal import Dataplane
package import EVBWire
package import EdgeRelayMachine
internal import LinuxSystem
internal import Logging
package import Netlink

// Which link is a VSI's, and what is in the way of making one.

extension HostLinks {
    package func conflict(_ spec: LinkSpec, of vsiID: VSIID, in slot: LinkSlot?, holder: VSIID?) -> String? {
        guard let name = spec.name else { return nil }
        switch spec.origin {
        case .created: return conflict(name, spec, vsiID, slot, holder)
        case .found: return switchConflict(name, spec) ?? conflict(name, vsiID, holder)
        case .assigned: return nil
        }
    }

    private func conflict(
        _ name: String, _ spec: LinkSpec, _ vsiID: VSIID, _ slot: LinkSlot?, _ holder: VSIID?
    ) -> String? {
        if let actual = slot?.actual, actual.ownership?.isAssigned == true, let function = actual.name {
            return "the VSI already has \(function): de-associate it first to change that"
        }
        if let holder, holder != vsiID {
            return "the link \(name) belongs to VSI \(holder): choose another name"
        }
        if let conflict = switchConflict(name, spec) { return conflict }
        if let bridge {
            return
                "\(portName) is in the bridge \(bridge.name), so the kernel makes no \(spec.kind ?? "link") on "
                + "it: name a tap that is in the bridge, or leave the link out"
        }
        if let slot, slot.isCreated, slot.desired != .absent, slot.desired.spec != spec {
            return "the VSI already has the link \(slot.actual.name ?? name): de-associate it first to "
                + "change the link"
        }
        // While it is being made the table may have it without its alias.
        guard slot?.actual.link == nil, slot?.isCreated != true, let link = table[name] else {
            return nil
        }
        if link.alias == EdgeRelay.alias(vsiID) { return nil }
        return "the link \(name) already exists, and evbd did not make it: choose another name, or "
            + "delete it"
    }

    private func conflict(_ name: String, _ vsiID: VSIID, _ holder: VSIID?) -> String? {
        if let holder, holder != vsiID {
            return "the link \(name) belongs to VSI \(holder): choose another"
        }
        guard let link = table[name] else {
            return "there is no link \(name), and none can be made: \(portName) is in the bridge \(bridge?.name ?? "")"
        }
        guard let bridge, link.masterIndex == bridge.index, link.name != portName else {
            return "\(name) is not in the bridge of \(portName): put it there, or leave the link out"
        }
        return nil
    }

    /// The Linux bridge that the port is in.
    package var bridge: Link? {
        guard let master = table[portName]?.masterIndex, let bridge = table[master], bridge.kind == "bridge" else {
            return nil
        }
        return bridge
    }

    /// Whether a link is where one of a machine on this port can be: on the port, on the VLAN's device on the port, or
    /// in the port's bridge.
    func isPlacedForGuest(_ link: Link, _ vid: UInt16?) -> Bool {
        guard let port = table[portName], link.index != port.index else { return false }
        // Of another VSI, or left from an earlier run.
        if link.alias?.hasPrefix(EdgeRelay.aliasPrefix) == true { return false }
        if let bridge, link.masterIndex == bridge.index { return true }
        if isInSwitch(link) { return true }
        guard link.macvlanMode != nil, let parent = link.parentIndex else { return false }
        if parent == port.index { return true }
        guard let device = table[parent], let own = vid ?? device.vlanID else { return false }
        return VLANDevice(name: "", parentIndex: port.index, vid: own, alias: "").isServed(by: device)
    }

    /// Whether a machine on this port has a link with an address, or the tap's form of it.
    package func hasGuestLink(of address: MACAddress) -> Bool {
        let own = HardwareAddress(address.rawValue)
        return hasGuestLink(of: own) || hasGuestLink(of: EdgeRelay.tapForm(of: own))
    }

    private func hasGuestLink(of form: HardwareAddress) -> Bool {
        // Mostly no link has it.
        table.hasLink(of: form) && table.links(of: form).contains { isPlacedForGuest($0, nil) }
    }

    // MARK: What the machine asks

    /// None of these may ask the machine, which is changing meanwhile.
    package func value(_ link: Link) -> KernelLink {
        KernelLink(
            index: link.index, name: link.name, kind: link.kind, mode: link.macvlanMode.map { RelayMode($0) },
            mtu: link.mtu, lowerMTU: link.parentIndex.flatMap { table[$0]?.mtu }, isUp: link.isUp,
            isKeptFromHost: link.group == MacvlanSpec.group)
    }

    /// Whose a link is that evbd has made: the device of a VLAN is used by it.
    package func ownership(of link: Link, _ vlan: UInt16?) -> Ownership {
        guard let parent = link.parentIndex, parent != table[portName]?.index else { return .created(vlan: nil) }
        return .created(vlan: vlan ?? table[parent]?.vlanID)
    }

    package func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        if spec.origin == .created { return own(vsiID, spec, vlan, except: discarded) }
        let isUsable = { (link: Link) in link.index != discarded && self.isPlacedForGuest(link, vlan) }
        if let name = spec.name {
            return table[name].flatMap { isUsable($0) ? LinkCandidate(value($0), .adopted) : nil }
        }
        // Its guest may have changed its address.
        if let former = adopted[vsiID], let link = table[former.index], link.name == former.name, isUsable(link) {
            return LinkCandidate(value(link), .adopted)
        }
        var found: LinkCandidate?
        spec.addresses.forEach { address in
            let form = HardwareAddress(address.rawValue)
            guard table.hasLink(of: form), found == nil else { return }
            let link = table.links(of: form).first { isUsable($0) && holder($0.name) ?? vsiID == vsiID }
            found = link.map { LinkCandidate(value($0), .adopted) }
        }
        return found
    }

    /// The link that evbd has made for a VSI.
    private func own(_ vsiID: VSIID, _ spec: LinkSpec, _ vlan: UInt16?, except discarded: Int32?) -> LinkCandidate? {
        let all = table.links(alias: EdgeRelay.alias(vsiID)).filter { $0.index != discarded }
        if let marked = all.first {
            return LinkCandidate(
                value(marked), ownership(of: marked, vlan), isFitting: matches(marked, spec, vlan),
                twins: all.dropFirst().map(value))
        }
        guard resumed.contains(vsiID), let name = spec.name, let link = table[name] else { return nil }
        let isHalfMade =
            link.alias == nil && !link.isUp && link.kind == spec.kind
            && link.address == spec.addresses.first.map { HardwareAddress($0.rawValue) } && link.index != discarded
        return isHalfMade ? LinkCandidate(value(link), ownership(of: link, vlan), isFitting: false) : nil
    }

    /// Whether a link can become what is asked for while it is there.
    private func matches(_ link: Link, _ spec: LinkSpec, _ vlan: UInt16?) -> Bool {
        guard let port = table[portName], link.kind == spec.kind, let parent = link.parentIndex else { return false }
        // It is the port itself where the kernel had no VLAN devices, and has none still.
        let isPlaced =
            vlan.map { vlan in
                if parent == port.index { return !VLANDevice.areKnown }
                let device = VLANDevice(name: "", parentIndex: port.index, vid: vlan, alias: "")
                return table[parent].map { device.isServed(by: $0) } ?? false
            } ?? (parent == port.index)
        // In passthru the kernel gives a link the address of the port.
        let isItsAddress =
            spec.mode == .passthru || link.address == spec.addresses.first.map { HardwareAddress($0.rawValue) }
        guard isPlaced, isItsAddress else { return false }
        // The kernel changes a mode to and from neither of these, and which sources a link lets in cannot be seen here.
        let fixed: [RelayMode] = [.passthru, .source]
        if let mode = link.macvlanMode.map({ RelayMode($0) }), fixed.contains(mode) {
            return mode == .passthru && spec.mode == mode
        }
        return spec.mode.map { !fixed.contains($0) } ?? true
    }
}

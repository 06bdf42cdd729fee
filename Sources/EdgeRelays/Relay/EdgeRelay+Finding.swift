internal import Dataplane
package import EVBWire
package import EdgeRelayMachine
internal import LinuxSystem
internal import Logging
package import Netlink

// Which link is a VSI's, and what is in the way of making one.

extension EdgeRelay {
    /// Why a link cannot be had as asked for, seen before the bridge is asked, and what to do about it.
    package func conflict(_ demand: Demand, for vsiID: VSIID) -> String? {
        switch demand {
        case .make(let specification): conflict(specification, for: vsiID)
        case .find(let name?, _): conflict(name, for: vsiID)
        case .find(nil, _): nil
        case .function(let function):
            if let actual = machine.slots[vsiID]?.actual, actual.ownership?.isAssigned == false, let name = actual.name
            {
                "the VSI already has the link \(name): de-associate it first to change that"
            } else {
                functions.conflict(
                    LinkSpec(demand), of: vsiID, in: machine.slots[vsiID], holder: machine.holder(of: function.name))
            }
        }
    }

    private func conflict(_ specification: Specification, for vsiID: VSIID) -> String? {
        if let actual = machine.slots[vsiID]?.actual, actual.ownership?.isAssigned == true, let function = actual.name {
            return "the VSI already has \(function): de-associate it first to change that"
        }
        if let other = machine.holder(of: specification.name), other != vsiID {
            return "the link \(specification.name) belongs to VSI \(other): choose another name"
        }
        if let bridge {
            return
                "\(portName) is in the bridge \(bridge.name), so the kernel makes no \(specification.kind.rawValue) on "
                + "it: name a tap that is in the bridge, or leave the link out"
        }
        let slot = machine.slots[vsiID]
        if let slot, slot.isCreated, slot.desired != .absent, slot.desired.spec != LinkSpec(.make(specification)) {
            return "the VSI already has the link \(slot.actual.name ?? specification.name): de-associate it first to "
                + "change the link"
        }
        // While it is being made the table may have it without its alias.
        guard slot?.actual.link == nil, slot?.isCreated != true, let link = table[specification.name] else {
            return nil
        }
        if link.alias == Self.alias(vsiID) { return nil }
        return "the link \(specification.name) already exists, and evbd did not make it: choose another name, or "
            + "delete it"
    }

    private func conflict(_ name: String, for vsiID: VSIID) -> String? {
        if let other = machine.holder(of: name), other != vsiID {
            return "the link \(name) belongs to VSI \(other): choose another"
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

    /// The Linux bridge or Open vSwitch that the port is in.
    package var hostSwitch: Link? {
        guard let master = table[portName]?.masterIndex.flatMap({ table[$0] }) else { return nil }
        return ["bridge", "openvswitch"].contains(master.kind) ? master : nil
    }

    /// Whether a link is where one of a machine on this port can be: on the port, on the VLAN's device on the port, or
    /// in the port's bridge.
    private func isPlacedForGuest(_ link: Link, _ vid: UInt16?) -> Bool {
        guard let port = table[portName], link.index != port.index else { return false }
        // Of another VSI, or left from an earlier run.
        if link.alias?.hasPrefix(Self.aliasPrefix) == true { return false }
        if let bridge, link.masterIndex == bridge.index { return true }
        guard link.macvlanMode != nil, let parent = link.parentIndex else { return false }
        if parent == port.index { return true }
        guard let device = table[parent], let own = vid ?? device.vlanID else { return false }
        return VLANDevice(name: "", parentIndex: port.index, vid: own, alias: "").isServed(by: device)
    }

    /// Whether a machine on this port has a link with an address, or the tap's form of it.
    package func hasGuestLink(of address: MACAddress) -> Bool {
        Self.hardwareAddresses(address).contains { form in
            table.links(of: form).contains { isPlacedForGuest($0, nil) }
        }
    }

    /// Takes the kernel's news that wait.
    package func readNews() { table.catchUp() }

    /// The links of machines on this port that have an address, or the tap's form of it.
    func guestLinks(of address: HardwareAddress) -> [Link] {
        Self.hardwareAddresses(MACAddress(truncating: address.value)).flatMap(table.links(of:)).filter(guests.isGuest)
    }

    // MARK: VLANs

    /// The device of a VLAN on the port, as far as the table has it.
    func vlanDevice(_ vid: UInt16, on port: Link) -> Link? {
        let device = VLANDevice(name: "", parentIndex: port.index, vid: vid, alias: "")
        let isUsable = { (link: Link) in device.isServed(by: link) && !self.discardedVLANs.contains(link.index) }
        if let named = table["\(portName).\(vid)"], isUsable(named) { return named }
        return machine.isVLANUsed(vid) ? table.first(where: isUsable) : nil
    }

    /// The name for a device that evbd makes.
    func vlanName(_ vid: UInt16, on port: Link) -> String {
        let name = "\(portName).\(vid)"
        let isFree = table[name].map { discardedVLANs.contains($0.index) } ?? true
        if name.utf8.count <= MacvlanSpec.nameLengthMax, isFree { return name }
        return "evb\(port.index).\(vid)"
    }

    /// No link that evbd made is on that VLAN's device any more: the device goes, if evbd has made it.
    func leaveVLAN(_ vid: UInt16) {
        guard !machine.isVLANUsed(vid), let port = table[portName] else { return }
        let wanted = VLANDevice(name: "", parentIndex: port.index, vid: vid, alias: "")
        let device = table.first { wanted.isServed(by: $0) && !discardedVLANs.contains($0.index) }
        guard let device, device.alias == Self.vlanAlias else { return }
        // Somebody's link may sit on it too.
        let other = table.first {
            $0.parentIndex == device.index && $0.alias?.hasPrefix(Self.aliasPrefix) != true
        }
        guard other == nil else { return }
        discardedVLANs = discardedVLANs.filter { table[$0] != nil }
        discardedVLANs.insert(device.index)
        submit(.delete(index: device.index)) { relay, result in
            if case .failure(let error) = result, error.kind != .notFound {
                relay.logger.warning("a VLAN device cannot be deleted", metadata: ["error": "\(error)"])
            }
        }
    }

    /// The port's MTU has been raised: the devices that evbd has made follow, and then the links on them.
    func raiseVLANs() {
        guard let port = table[portName] else { return }
        for device in table.all(where: {
            $0.parentIndex == port.index && $0.alias == Self.vlanAlias && $0.mtu < port.mtu
        }) {
            submit(.setMTU(index: device.index, port.mtu)) { relay, result in
                if case .failure(let error) = result {
                    relay.logger.notice("a VLAN device does not follow its port", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

// MARK: What the machine asks

/// None of these may ask the machine, which is changing meanwhile.
extension EdgeRelay: LinkView {
    package var hasPort: Bool { table[portName] != nil }

    package func value(_ link: Link) -> KernelLink {
        KernelLink(
            index: link.index, name: link.name, kind: link.kind, mode: link.macvlanMode.map { RelayMode($0) },
            mtu: link.mtu, lowerMTU: link.parentIndex.flatMap { table[$0]?.mtu }, isUp: link.isUp,
            isKeptFromHost: link.group == MacvlanSpec.group)
    }

    package func link(at index: Int32) -> KernelLink? { table[index].map(value) }

    package func hasLeft(_ index: Int32) -> Bool { table[index] == nil && table.isElsewhere(index) }

    package func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState {
        if let link {
            // One that the table does not have yet has no rules yet either.
            guard let known = table[link.index], guests.isSecured(known) else { return .missing }
        }
        return gate.isOpen(vsiID) ? .open : .closed
    }

    package func isWanted(_ vsiID: VSIID) -> Bool { isKnown(vsiID) }

    /// Whose a link is that evbd has made: the device of a VLAN is used by it.
    package func ownership(of link: Link, _ vlan: UInt16?) -> Ownership {
        guard let parent = link.parentIndex, parent != table[portName]?.index else { return .created(vlan: nil) }
        return .created(vlan: vlan ?? table[parent]?.vlanID)
    }

    package func candidate(
        for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
    ) -> LinkCandidate? {
        if functions.serves(spec.origin) {
            return functions.candidate(for: vsiID, spec, vlan: vlan, except: discarded, holder: holder)
        }
        if spec.origin == .created { return own(vsiID, spec, vlan, except: discarded) }
        let isUsable = { (link: Link) in link.index != discarded && self.isPlacedForGuest(link, vlan) }
        if let name = spec.name {
            return table[name].flatMap { isUsable($0) ? LinkCandidate(value($0), .adopted) : nil }
        }
        // Its guest may have changed its address.
        if let former = adopted[vsiID], let link = table[former.index], link.name == former.name, isUsable(link) {
            return LinkCandidate(value(link), .adopted)
        }
        for address in spec.addresses {
            let found = table.links(of: HardwareAddress(address.rawValue)).first { link in
                isUsable(link) && holder(link.name) ?? vsiID == vsiID
            }
            if let found { return LinkCandidate(value(found), .adopted) }
        }
        return nil
    }

    /// The link that evbd has made for a VSI.
    private func own(_ vsiID: VSIID, _ spec: LinkSpec, _ vlan: UInt16?, except discarded: Int32?) -> LinkCandidate? {
        let all = table.links(alias: Self.alias(vsiID)).filter { $0.index != discarded }
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

internal import Dataplane
internal import EVBWire
internal import LinuxSystem
internal import Logging
internal import Netlink

// Which link is a VSI's, and what is in the way of making one.

extension EdgeRelay {
    /// Why a link cannot be had as asked for, seen before the bridge is asked, and what to do about it.
    func conflict(_ demand: Demand, for vsiID: VSIID) -> String? {
        switch demand {
        case .make(let specification): conflict(specification, for: vsiID)
        case .find(let name?, _): conflict(name, for: vsiID)
        case .find(nil, _): nil
        case .function(let function):
            if let link = entries[vsiID]?.link {
                "the VSI has the link \(link.name) already: de-associate it first to change that"
            } else {
                functions.conflict(function, for: vsiID)
            }
        }
    }

    private func conflict(_ specification: Specification, for vsiID: VSIID) -> String? {
        if let function = functions.name(of: vsiID) {
            return "the VSI has \(function) already: de-associate it first to change that"
        }
        if let other = vsiOfName[specification.name], other != vsiID {
            return "the link \(specification.name) belongs to VSI \(other): choose another name"
        }
        if let bridge {
            return
                "\(portName) is in the bridge \(bridge.name), so that no \(specification.kind.rawValue) can be made on "
                + "it: name a tap that is in the bridge, or leave the link out"
        }
        if let own = entries[vsiID], own.isMade || own.isBusy, own.wish != .absent,
            own.demand != .make(specification)
        {
            return "the VSI has the link \(own.link?.name ?? specification.name) already: de-associate it first to "
                + "change the link"
        }
        // While it is being made the table may have it without its alias.
        guard entries[vsiID]?.link == nil, entries[vsiID]?.isMade != true, let link = table[specification.name] else {
            return nil
        }
        if link.alias == Self.alias(vsiID) { return nil }
        return "there is a link \(specification.name) already, which evbd did not make: choose another name, or "
            + "delete it"
    }

    private func conflict(_ name: String, for vsiID: VSIID) -> String? {
        if let other = vsiOfName[name], other != vsiID {
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
    var bridge: Link? {
        guard let master = table[portName]?.masterIndex, let bridge = table[master], bridge.kind == "bridge" else {
            return nil
        }
        return bridge
    }

    /// The link that somebody else has made for a VSI.
    func candidate(for vsiID: VSIID, _ entry: Entry) -> Link? {
        guard case .find(let name, let addresses) = entry.demand else { return nil }
        if let name {
            guard let link = table[name], link.index != entry.discarded, isPlacedForGuest(link, entry.vid) else {
                return nil
            }
            return link
        }
        for address in addresses.flatMap(Self.hardwareAddresses) {
            let found = table.links(of: address).first { link in
                isPlacedForGuest(link, entry.vid) && link.index != entry.discarded
                    && vsiOfName[link.name] ?? vsiID == vsiID
            }
            if let found { return found }
        }
        return nil
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

    /// The link that an earlier evbd has made for a VSI.
    func own(_ vsiID: VSIID, _ entry: Entry, _ specification: Specification) -> Link? {
        let named = table[specification.name].map { [$0] } ?? []
        let address = HardwareAddress(specification.address.rawValue)
        let marked = (named + table.links(of: address)).first {
            $0.alias == Self.alias(vsiID) && $0.index != entry.discarded
        }
        guard marked == nil, resumed.contains(vsiID) else { return marked }
        return named.first {
            $0.alias == nil && !$0.isUp && $0.kind == specification.kind.rawValue && $0.address == address
                && $0.index != entry.discarded
        }
    }

    /// Whether a link can become what is asked for while it is there.
    func matches(_ link: Link, _ specification: Specification, parentIndex: Int32) -> Bool {
        // In passthru the kernel gives a link the address of the port.
        let isItsAddress =
            specification.mode == .passthru || link.address == HardwareAddress(specification.address.rawValue)
        guard link.kind == specification.kind.rawValue, link.parentIndex == parentIndex, isItsAddress else {
            return false
        }
        // The kernel changes a mode to and from neither of these, and which sources a link lets in cannot be seen here.
        let fixed: [MacvlanMode] = [.passthru, .source]
        if let mode = link.macvlanMode, fixed.contains(mode) { return mode == .passthru && specification.mode == mode }
        return specification.mode.map { !fixed.contains($0) } ?? true
    }

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
        return vlanUsers[vid] == nil ? nil : table.first(where: isUsable)
    }

    /// The name for a device that evbd makes.
    func vlanName(_ vid: UInt16, on port: Link) -> String {
        let name = "\(portName).\(vid)"
        let isFree = table[name].map { discardedVLANs.contains($0.index) } ?? true
        if name.utf8.count <= MacvlanSpec.nameLengthMax, isFree { return name }
        return "evb\(port.index).\(vid)"
    }

    /// A link that evbd made is on that VLAN's device no more; with the last one goes the device, if evbd has made it.
    func leaveVLAN(_ vid: UInt16) {
        let users = (vlanUsers[vid] ?? 1) - 1
        guard users == 0, let port = table[portName] else {
            vlanUsers[vid] = users > 0 ? users : nil
            return
        }
        let device = vlanDevice(vid, on: port)
        vlanUsers[vid] = nil
        guard let device, device.alias == Self.vlanAlias else { return }
        // Somebody's link may sit on it too.
        let other = table.first {
            $0.parentIndex == device.index && $0.alias?.hasPrefix(Self.aliasPrefix) != true
        }
        guard other == nil else { return }
        discardedVLANs = discardedVLANs.filter { table[$0] != nil }
        discardedVLANs.insert(device.index)
        _ = programmer.submit(.delete(index: device.index), of: portName) { [logger] result in
            if case .failure(let error) = result, error.kind != .notFound {
                logger.warning("a VLAN device cannot be deleted", metadata: ["error": "\(error)"])
            }
        }
    }
}

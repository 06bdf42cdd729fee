internal import Dataplane
internal import LinuxSystem
internal import Logging
internal import Netlink

// The VLAN devices that links are made on.

extension HostLinks {
    /// The device of a VLAN on the port, as far as the table has it.
    func vlanDevice(_ vid: UInt16, on port: Link) -> Link? {
        let device = VLANDevice(name: "", parentIndex: port.index, vid: vid, alias: "")
        let isUsable = { (link: Link) in device.isServed(by: link) && !self.discardedVLANs.contains(link.index) }
        if let named = table["\(portName).\(vid)"], isUsable(named) { return named }
        return isVLANUsed(vid) ? table.first(where: isUsable) : nil
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
        guard !isVLANUsed(vid), let port = table[portName] else { return }
        let wanted = VLANDevice(name: "", parentIndex: port.index, vid: vid, alias: "")
        let device = table.first { wanted.isServed(by: $0) && !discardedVLANs.contains($0.index) }
        guard let device, device.alias == EdgeRelay.vlanAlias else { return }
        // Another program's link may be on it too.
        let other = table.first {
            $0.parentIndex == device.index && $0.alias?.hasPrefix(EdgeRelay.aliasPrefix) != true
        }
        guard other == nil else { return }
        discardedVLANs = discardedVLANs.filter { table[$0] != nil }
        discardedVLANs.insert(device.index)
        submit(.delete(index: device.index)) { links, result in
            if case .failure(let error) = result, error.kind != .notFound {
                links.logger.warning("a VLAN device cannot be deleted", metadata: ["error": "\(error)"])
            }
        }
    }

    /// The port's MTU has been raised: the devices that evbd has made follow, and then the links on them.
    func raiseVLANs() {
        guard let port = table[portName] else { return }
        for device in table.all(where: {
            $0.parentIndex == port.index && $0.alias == EdgeRelay.vlanAlias && $0.mtu < port.mtu
        }) {
            submit(.setMTU(index: device.index, port.mtu)) { links, result in
                if case .failure(let error) = result {
                    links.logger.notice("a VLAN device does not follow its port", metadata: ["error": "\(error)"])
                }
            }
        }
    }
}

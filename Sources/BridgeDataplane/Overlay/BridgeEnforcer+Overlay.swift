// Virtual networks of VSIs at the bridge's VXLAN device: VNI, VLAN and the mapping of one to the other, for as long as a port has a
// VSI in them. What the ports of a bridge have in common there is counted over all of them; the ledger of each has its part.

internal import Netlink

extension BridgeEnforcer {
    /// What was read of a VXLAN device.
    struct Carrier {
        var vnis: VNISet
        var vlans: PortVLANs
        var mappings: [UInt16: UInt32]
    }

    // MARK: Devices

    /// The VXLAN device that carries a VNI for a port, or can.
    ///
    /// A device with one VNI serves where it is in the port's bridge; one that takes VNIs from VLANs wants a bridge that tells these
    /// apart. A kernel without that takes all the commands, and does nothing.
    func device(for vni: UInt32, _ port: Port) throws(EnforcementError) -> Link {
        let fabric = fabric(of: port)
        guard let bridge = fabric.bridge else {
            throw EnforcementError(description: "\(port.name) is not a port of a Linux bridge")
        }
        var candidates = fabric.devices.filter { $0.vxlan != nil }
        if let name = port.overlayDevice {
            candidates.removeAll { $0.name != name }
            guard !candidates.isEmpty else {
                throw EnforcementError(description: "\(name) is not a VXLAN device in bridge \(bridge.name)")
            }
        }
        if let fixed = candidates.first(where: { $0.vxlan?.vni == vni }) { return fixed }
        let open = candidates.filter { $0.vxlan?.vni == nil }
        guard let device = open.first else {
            let others = candidates.prefix(8).map { "\($0.name) (VNI \($0.vxlan?.vni ?? 0))" }
            let found = others.isEmpty ? "it has no VXLAN device" : "it has \(others.joined(separator: ", "))"
            throw EnforcementError(
                description: "VNI \(vni) is not in bridge \(bridge.name), which \(port.name) is a port of: \(found)")
        }
        guard open.count == 1 else {
            throw EnforcementError(
                description: "\(device.name) and \(open[1].name) can both carry VNI \(vni): overlay.device says which")
        }
        guard bridge.filtersVLANs == true else {
            throw EnforcementError(
                description: "\(device.name) takes VNIs from VLANs, and bridge \(bridge.name) does not tell VLANs apart"
            )
        }
        guard device.mapsTunnels == true else {
            throw EnforcementError(
                description:
                    "\(device.name) maps no VLANs to VNIs (bridge link set dev \(device.name) vlan_tunnel on)")
        }
        return device
    }

    /// Follows what is set of the VXLAN device. Where that is another now, what the port has there moves.
    ///
    /// - Throws: Where the ledger cannot be kept.
    func followOverlay(_ device: String?, _ name: String) throws(EnforcementError) {
        guard let port = ports[name] else { return }
        port.overlayDevice = device
        let open = fabric(of: port).devices.filter {
            $0.vxlan != nil && $0.vxlan?.vni == nil && (device == nil || $0.name == device)
        }
        guard open.count == 1, let target = open.first?.name, target != port.tunnelDevice else { return }
        let held = port.actual.keys.filter { $0.isOfOverlay && port.isHolding($0) }.sorted(by: Self.entriesBeforeVLANs)
        for item in held { try? retractNetwork(item, port) }
        try run(port.rules.overlayChange(target))
        port.tunnelDevice = target
        for item in held.reversed() { try? imposeNetwork(item, port) }
    }

    private func carrier(_ device: Link) throws(EnforcementError) -> Carrier {
        if let known = carriers[device.index] { return known }
        let index = device.index
        let isFiltering = device.vxlan?.filtersVNIs == true
        let carrier = Carrier(
            vnis: isFiltering ? try overlay { try $0.vnis(deviceIndex: index) } : VNISet(),
            vlans: try netlink { try $0.vlans(portIndex: index) },
            mappings: try overlay { try $0.mappings(portIndex: index) })
        carriers[index] = carrier
        return carrier
    }

    // MARK: What is there

    /// Whether the device has it, by whichever hand.
    ///
    /// - Throws: Where it has something else in its place, or is not the one of the network.
    private func isThere(_ item: Imposition, _ port: Port) throws(EnforcementError) -> Bool {
        guard let vni = item.vni else { return false }
        let device = try device(for: vni, port)
        guard let settings = device.vxlan, settings.vni == nil else { return try isCarried(item, by: device, port) }
        let carrier = try carrier(device)
        switch item {
        case .network: return !settings.filtersVNIs || carrier.vnis.contains(vni)
        case .carried(let vid, _): return carrier.vlans.members.contains(vid)
        case .tunnel(let vid, _):
            if let other = carrier.mappings[vid], other != vni {
                throw EnforcementError(description: "VLAN \(vid) is mapped to VNI \(other) at \(device.name)")
            }
            if let other = carrier.mappings.first(where: { $0.value == vni && $0.key != vid }) {
                throw EnforcementError(description: "VNI \(vni) is mapped to VLAN \(other.key) at \(device.name)")
            }
            return carrier.mappings[vid] == vni
        default: return false
        }
    }

    /// Whether a device with one VNI has it, in a bridge that tells VLANs apart by the VLAN of its untagged frames.
    private func isCarried(
        _ item: Imposition, by device: Link, _ port: Port
    ) throws(EnforcementError) -> Bool {
        guard case .tunnel(let vid, let vni) = item, fabric(of: port).bridge?.filtersVLANs == true else { return true }
        let index = device.index
        let pvid = try netlink { try $0.vlans(portIndex: index) }.pvid
        guard pvid == vid else {
            throw EnforcementError(
                description: "VNI \(vni) is VLAN \(pvid.map { "\($0)" } ?? "none")'s at \(device.name), not VLAN "
                    + "\(vid)'s (bridge vlan add dev \(device.name) vid \(vid) pvid untagged)")
        }
        return true
    }

    /// Whether it is there already and not of evbd's making.
    func isForeignNetwork(_ item: Imposition, _ port: Port) throws(EnforcementError) -> Bool {
        let isThere = try isThere(item, port)
        return isThere && !isShared(item, port)
    }

    /// Whether another port has it too.
    private func isShared(_ item: Imposition, _ port: Port) -> Bool {
        spared.contains(item)
            || ports.values.contains {
                $0 !== port && $0.tunnelDevice == port.tunnelDevice && $0.isHolding(item)
            }
    }

    /// Those of some items that the device does not have.
    func missingNetworks(of port: Port, _ items: [Imposition]) -> Set<Imposition> {
        Set(items.filter { item in !((try? isThere(item, port)) ?? false) })
    }

    /// Reads back what was made: there are kernels that take commands without an error and do nothing.
    func verifyNetworks(_ items: [Imposition], on port: Port, _ failures: inout [Imposition: EnforcementError]) {
        let items = items.filter(\.isOfOverlay)
        guard !items.isEmpty else { return }
        carriers = [:]
        for item in missingNetworks(of: port, items) {
            failures[item] = EnforcementError(
                description: "the kernel has taken \(item.words), and \(port.tunnelDevice ?? "") does not have it")
        }
    }

    // MARK: Changes

    func imposeNetwork(_ item: Imposition, _ port: Port) throws(EnforcementError) {
        guard let name = port.tunnelDevice, let device = fabric(of: port).devices.first(where: { $0.name == name })
        else {
            throw EnforcementError(
                description: "\(port.tunnelDevice ?? "the VXLAN device") is not in the bridge of \(port.name)")
        }
        let index = device.index
        let carrier = try carrier(device)
        switch item {
        case .network(let vni) where device.vxlan?.filtersVNIs == true && !carrier.vnis.contains(vni):
            try overlay { try $0.setVNI(vni, deviceIndex: index, true) }
            carriers[index]?.vnis.insert(vni...vni)
        case .carried(let vid, _) where !carrier.vlans.members.contains(vid):
            try netlink { try $0.setMember(portIndex: index, of: vid, true) }
            carriers[index]?.vlans.members.insert(vid)
        case .tunnel(let vid, let vni) where carrier.mappings[vid] == nil:
            try overlay { try $0.setMapping(portIndex: index, of: vid, to: vni, true) }
            carriers[index]?.mappings[vid] = vni
        default: break
        }
    }

    /// Takes back what no other port has.
    func retractNetwork(_ item: Imposition, _ port: Port) throws(EnforcementError) {
        guard let name = port.tunnelDevice, !isShared(item, port) else { return }
        let index = Self.index(of: name)
        guard index != 0 else { return }
        carriers[index] = nil
        switch item {
        case .network(let vni): try overlay { try $0.setVNI(vni, deviceIndex: index, false) }
        case .carried(let vid, _): try netlink { try $0.setMember(portIndex: index, of: vid, false) }
        case .tunnel(let vid, let vni): try overlay { try $0.setMapping(portIndex: index, of: vid, to: vni, false) }
        default: break
        }
    }

    /// Spares what some ports have that are not taken over yet.
    func spareNetworks(of names: Set<String>) {
        spared = []
        for rules in names.compactMap({ PortRules(port: $0) }) {
            for collection in [PortRules.Collection.networks, .carried, .tunnels] {
                // Sets that an older evbd does not have.
                guard let items = try? impositions(collection, rules) else { continue }
                spared.formUnion(items.keys)
            }
        }
    }
}

extension Imposition {
    /// The virtual network that it is of.
    var vni: UInt32? {
        switch self {
        case .network(let vni), .carried(_, let vni), .tunnel(_, let vni): vni
        default: nil
        }
    }

    /// What an operator calls it, as far as it is of a virtual network.
    package var words: String {
        switch self {
        case .network(let vni): "VNI \(vni)"
        case .carried(let vid, _): "VLAN \(vid) of the VXLAN device"
        case .tunnel(let vid, let vni): "VLAN \(vid) as VNI \(vni)"
        default: "a rule"
        }
    }
}

// The VXLAN network in a file of VSI types: its key, and the VNIs of groups and VLANs.

internal import EVBSettings
internal import EVBWire

extension ConfigurationReader {
    private static let spreadRemedy = "let FRR spread what is where"
    static let vniRange = 1...Int(OverlaySettings.vniMax)

    mutating func overlay(_ node: YAMLNode, _ path: String) -> OverlaySettings? {
        guard let entries = mapping(node, path, keys: ["device", "flood", "remotes"]) else { return nil }
        var overlay = OverlaySettings()
        let remedy = "give the VXLAN device, a port of the bridge, or leave it out for the one that carries the VNI"
        if let node = entries["device"]?.value { overlay.device = text(node, "\(path).device", remedy) }
        if let node = entries["flood"]?.value { overlay.flood = boxes(node, "\(path).flood") }
        if let node = entries["remotes"]?.value { overlay.remotes = remotes(node, "\(path).remotes") }
        return overlay
    }

    private mutating func boxes(_ node: YAMLNode, _ path: String) -> [[UInt8]] {
        let items = list(node, path, of: "IP addresses of boxes") ?? []
        if items.count > OverlaySettings.floodMax {
            note(node.line, path, "has more than \(OverlaySettings.floodMax) boxes", Self.spreadRemedy)
        }
        var boxes: [[UInt8]] = []
        for (index, item) in items.enumerated() {
            guard let box = address(item, "\(path)[\(index)]", "give the IP address of a box, such as 10.0.0.2") else {
                continue
            }
            if boxes.contains(box) {
                note(item.line, "\(path)[\(index)]", "is listed twice", "give every box once")
            } else {
                boxes.append(box)
            }
        }
        return boxes
    }

    private mutating func remotes(_ node: YAMLNode, _ path: String) -> [OverlaySettings.Remote] {
        let items = list(node, path, of: "machines behind other boxes") ?? []
        if items.count > OverlaySettings.remotesMax {
            note(node.line, path, "has more than \(OverlaySettings.remotesMax) machines", Self.spreadRemedy)
        }
        var seen: Set<String> = []
        var remotes: [OverlaySettings.Remote] = []
        for (index, item) in items.enumerated() {
            guard let remote = remote(item, "\(path)[\(index)]") else { continue }
            if seen.insert("\(remote.address) \(remote.vni)").inserted {
                remotes.append(remote)
            } else {
                let problem = "\(remote.address) in VNI \(remote.vni) is listed twice"
                note(item.line, "\(path)[\(index)]", problem, "give every address of a VNI one vtep")
            }
        }
        return remotes
    }

    private mutating func remote(_ node: YAMLNode, _ path: String) -> OverlaySettings.Remote? {
        guard let entries = mapping(node, path, keys: ["mac", "ip", "vtep", "vni"]) else { return nil }
        func value(_ key: String) -> YAMLNode? { entries[key]?.value }
        for key in ["mac", "vtep", "vni"] where value(key) == nil {
            note(node.line, "\(path).\(key)", "is missing", "give mac, vtep and vni of the machine; ip may be left out")
        }
        guard let macNode = value("mac"), let boxNode = value("vtep"), let vniNode = value("vni"),
            let text = text(macNode, "\(path).mac", Self.machineRemedy),
            let box = address(boxNode, "\(path).vtep", "give the IP address of the box, such as 10.0.0.2"),
            let vni = integer(vniNode, "\(path).vni", in: Self.vniRange)
        else { return nil }
        guard let mac = MACAddress(text), mac.isIndividual else {
            note(macNode.line, "\(path).mac", "\(Self.quoted(text)) is not a valid address", Self.machineRemedy)
            return nil
        }
        let ip = value("ip").flatMap {
            address($0, "\(path).ip", "give the IP address of the machine, or leave it out")
        }
        return OverlaySettings.Remote(address: mac, ip: ip, box: box, vni: UInt32(vni))
    }

    private mutating func address(_ node: YAMLNode, _ path: String, _ remedy: String) -> [UInt8]? {
        guard let text = text(node, path, remedy) else { return nil }
        guard let octets = IPAddress.octets(of: text), octets.contains(where: { $0 != 0 }) else {
            note(node.line, path, "\(Self.quoted(text)) is no IP address", remedy)
            return nil
        }
        return octets
    }

    /// Gives groups their VNIs, and finds VNIs that mean nothing or contradict one another.
    mutating func checkNetworks(_ list: YAMLEntry?, _ database: inout VSITypeDatabase) {
        let line = list?.value.line ?? 1
        guard database.overlay != nil else {
            for type in database.types where type.hasNetworks {
                note(
                    line, "types", "type \(Self.quoted(type.name)) gives a VNI, and there is no overlay",
                    "add overlay: { device: vxlan0 } with the VXLAN device, or remove vni")
            }
            return
        }
        var seen = SeenNetworks()
        database.updateTypes { type in
            for (group, vlan) in type.groups.sorted(by: { $0.key < $1.key }) where vlan.vni == nil {
                // The low 24 bits are the VN ID, and the top octet is 0 (RFC 8394, 802.1Qcy).
                guard group >= 1, group <= OverlaySettings.vniMax else {
                    note(
                        line, "types",
                        "group \(group) of type \(Self.quoted(type.name)) is no VNI, which has 24 bits and is not 0",
                        "give the group a vni, or use a group ID of 1 to \(OverlaySettings.vniMax)")
                    continue
                }
                type.groups[group]?.vni = group
            }
            for vlan in type.groups.sorted(by: { $0.key < $1.key }).map(\.value) + type.vlans {
                guard let vni = vlan.vni else { continue }
                if let rival = seen.add(type, vlan.vid, vni) {
                    note(
                        line, "types",
                        "VLAN \(vlan.vid) with VNI \(vni) of type \(Self.quoted(type.name)) contradicts VLAN "
                            + "\(rival.vid) with VNI \(rival.vni) of type \(Self.quoted(rival.type))",
                        "give each VNI one VLAN and each VLAN one VNI; only types of different ports may differ")
                }
            }
        }
    }
}

/// VLANs and VNIs that were met, to find those that contradict one another.
private struct SeenNetworks {
    typealias Network = (type: String, ports: Set<String>?, vid: UInt16, vni: UInt32)
    private var byVLAN: [UInt16: [Network]] = [:]
    private var byVNI: [UInt32: [Network]] = [:]

    /// Adds one, unless another on the same port has the VLAN or the VNI alone.
    ///
    /// - Returns: The other.
    mutating func add(_ type: VSIType, _ vid: UInt16, _ vni: UInt32) -> Network? {
        // The port's own VLAN may be another at each port.
        guard vid != 0 else { return nil }
        func meets(_ other: Network) -> Bool {
            guard let ports = type.ports, let theirs = other.ports else { return true }
            return !ports.isDisjoint(with: theirs)
        }
        if let rival = byVLAN[vid]?.first(where: { $0.vni != vni && meets($0) }) { return rival }
        if let rival = byVNI[vni]?.first(where: { $0.vid != vid && meets($0) }) { return rival }
        // The same again, at the same ports, adds nothing.
        guard byVLAN[vid]?.contains(where: { $0.vni == vni && $0.ports == type.ports }) != true else { return nil }
        let network = (type.name, type.ports, vid, vni)
        byVLAN[vid, default: []].append(network)
        byVNI[vni, default: []].append(network)
        return nil
    }
}

extension VSIType {
    fileprivate var hasNetworks: Bool { groups.values.contains { $0.vni != nil } || vlans.contains { $0.vni != nil } }
}

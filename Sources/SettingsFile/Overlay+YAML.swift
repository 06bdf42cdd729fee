// The VXLAN network in a file of VSI types: its key, and the VNIs of groups and VLANs.

internal import EVBSettings

extension ConfigurationReader {
    static let vniRange = 1...Int(OverlaySettings.vniMax)

    mutating func overlay(_ node: YAMLNode, _ path: String) -> OverlaySettings? {
        guard let entries = mapping(node, path, keys: ["device"]) else { return nil }
        var overlay = OverlaySettings()
        let remedy = "give the VXLAN device, a port of the bridge, or leave it out for the one that carries the VNI"
        if let node = entries["device"]?.value { overlay.device = text(node, "\(path).device", remedy) }
        return overlay
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

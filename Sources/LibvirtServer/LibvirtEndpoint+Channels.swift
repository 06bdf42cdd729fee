internal import EVBPorts
internal import EVBWire

// S-channels are ports of evbd's, and nothing that libvirt knows of: whatever the guest's interface is on, libvirt climbs to the interface
// at the bottom and asks for that, with the number of the first VLAN device on its way.

extension LibvirtEndpoint {
    /// The interface by which libvirt knows a port.
    func root(of name: String) -> String {
        guard case .station(let station)? = directory.port(name) else { return roots[name] ?? name }
        return root(of: station)
    }

    func root(of station: any StationPortControl) -> String {
        guard let uplink = station.uplink else { return station.name }
        roots[station.name] = uplink
        return uplink
    }

    /// The port of an interface, or of a channel on it, that holds a VSI; that of the interface where none does.
    func station(_ root: String, of vsiID: VSIID) -> (any StationPortControl)? {
        guard case .station(let station)? = directory.port(root) else { return nil }
        return station.holds(vsiID) ? station : channels(on: root).first { $0.holds(vsiID) } ?? station
    }

    private func channels(on root: String) -> [any StationPortControl] {
        guard roots.values.contains(root) else { return [] }
        return directory.ports.compactMap { port in
            guard case .station(let station) = port, station.uplink == root else { return nil }
            return station
        }
    }

    /// Where a profile belongs to that libvirt has for an interface, and the profile with the VLAN there.
    func place(
        of profile: LibvirtRequest.PortProfile, on port: any StationPortControl
    ) -> (any StationPortControl, LibvirtRequest.PortProfile) {
        let root = root(of: port)
        guard root == port.name else { return (port, profile) }
        if let address = profile.macAddress, let (name, vlan) = directory.place(ofMachine: address, on: root),
            case .station(let channel)? = directory.port(name)
        {
            _ = self.root(of: channel)
            var placed = profile
            placed.vlan = vlan
            return (channel, placed)
        }
        // The link may be gone before the VSI is.
        return (station(root, of: profile.instance) ?? port, profile)
    }
}

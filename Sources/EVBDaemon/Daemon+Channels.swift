internal import Dataplane
internal import EVBModel
internal import EVBPorts
internal import EVBSettings
internal import EVBUplinks
internal import EVBWire
internal import LibvirtServer
internal import LinuxSystem
internal import Netlink

// S-channels among the daemon's ports.

extension Daemon {
    /// The ports of a configuration, and those of channels for which stations ask now, each behind its uplink.
    ///
    /// What a station asks for takes no interface from a port that is configured.
    func allPorts(of settings: DaemonSettings) -> [PortSettings] {
        let configured = Set(settings.ports.map(\.interface))
        return settings.ports.flatMap { port in
            let uplink = port.channel == nil ? settings.uplinks.first { $0.interface == port.interface } : nil
            let demanded = uplink.map { uplinks.ports(of: $0) } ?? []
            return [port] + demanded.filter { !configured.contains($0.interface) }
        }
    }

    /// Goes on with the channels of an earlier run, and follows what becomes of them.
    ///
    /// - Returns: the ports to begin with.
    func beginUplinks(_ settings: DaemonSettings) -> [PortSettings] {
        uplinks.onPorts = { [weak self] in self?.followDemand() }
        uplinks.onMoved = { [weak self] in self?.ports.runningPort($0)?.port.peerChanged() }
        uplinks.onDoubt = { [weak self] names in
            for name in names { self?.ports.runningPort(name)?.port.transport.onDoubt?() }
        }
        uplinks.onNews = { [weak self] in self?.publish($0, port: $1) }
        ports.findPlace = { [table] in Self.place(of: $0, in: table, isChannel: $1) }
        uplinks.follow(settings.uplinks, leaving: [])
        let all = allPorts(of: settings)
        resources.portCount = all.count
        return all
    }

    /// Finds a link by its address on a channel's device, or on a VLAN device on one.
    private static func place(
        of address: MACAddress, in table: LinkTable, isChannel: (String) -> Bool
    ) -> (port: String, vlan: UInt16)? {
        // libvirt makes the link just before it asks, and the news of it may not have been read.
        table.catchUp()
        for link in table.links(of: HardwareAddress(address.rawValue)) {
            guard let below = link.parentIndex.flatMap({ table[$0] }) else { continue }
            if isChannel(below.name) { return (below.name, 0) }
            guard let vlan = below.vlanID, let device = below.parentIndex.flatMap({ table[$0] }), isChannel(device.name)
            else { continue }
            return (device.name, vlan)
        }
        return nil
    }

    /// The report of a reload, in which a port changes whose interface is divided in another way.
    func withUplinks(_ fresh: DaemonSettings, _ changes: [PortReload]) -> [PortReload] {
        changes.map { change in
            let uplinks = [configuration, fresh].map { $0.uplinks.first { $0.interface == change.interface } }
            guard change.change == .kept, uplinks[0] != uplinks[1] else { return change }
            var changed = change
            changed.change = .changed
            return changed
        }
    }

    /// A station asks for other channels than before.
    private func followDemand() {
        let wanted = allPorts(of: configuration)
        resources.portCount = wanted.count
        ports.follow(demand: wanted)
    }

    /// Counters of a port that are not kept by it.
    func furtherCounters(of port: EVBPort) -> [Counter: UInt64] {
        var counters = uplinks.counters(port.name)
        if case .station = port { counters.merge(libvirt?.counters(of: port.name) ?? [:]) { $1 } }
        return counters
    }
}

// A bridge with a VXLAN port is one box of several: addresses move between them, and a routing daemon (FRR) tells each box where they
// are by entries of the forwarding database. There evbd's entries are not sticky: FRR would announce them as ones that never move.
// What keeps them in place instead is that evbd's ports learn nothing.

internal import EVBWire
internal import LinuxSystem
internal import Netlink

extension BridgeEnforcer {
    /// What the enforcer knows of the other ports of a port's bridge, for one operation.
    struct Fabric: Sendable, Equatable {
        /// The bridge; nil for a port that is in none.
        var bridge: Link?
        /// The VXLAN ports of the bridge.
        var devices: [Link] = []
        /// Their indices.
        var tunnels: Set<Int32> { Set(devices.map(\.index)) }
    }

    /// Another operation begins: links may be others now.
    package func forgetFabric() { fabrics = [:] }

    /// The other boxes that a port's bridge reaches; looked up once in an operation.
    func fabric(of port: Port) -> Fabric {
        if let known = fabrics[port.name] { return known }
        let index = port.index
        var fabric = Fabric()
        // What cannot be asked counts as none, and is asked again by the next operation.
        try? netlink { kernel in
            guard let bridge = try kernel.bridge(ofPort: index) else { return }
            fabric.bridge = bridge
            fabric.devices = try kernel.ports(ofBridge: bridge.index, kind: "vxlan")
        }
        fabrics[port.name] = fabric
        return fabric
    }

    /// The bridge that a port is in, asked for once in an operation; nil where it is in none.
    func bridge(of port: Port) throws(EnforcementError) -> Link? {
        if let known = fabric(of: port).bridge { return known }
        let index = port.index
        return try netlink { try $0.bridge(ofPort: index) }
    }

    /// Whether an entry says that the address is at another box now.
    func isElsewhere(_ found: ForwardingEntry, _ port: Port) -> Bool {
        guard found.portIndex != port.index, found.kind != .own else { return false }
        let isFixed = found.kind == .fixed
        guard fabric(of: port).tunnels.contains(found.portIndex) else { return isFixed && found.isExternal }
        // FRR's entries of addresses that never move are sticky and have no other mark. The rest is the administrator's.
        return !isFixed || found.isExternal || found.isSticky
    }

    /// Whether another box has an address that a port is to have.
    func isElsewhere(_ item: Imposition, _ port: Port) throws(EnforcementError) -> Bool {
        guard case .forwarding(let address, let vid) = item else { return false }
        guard let bridge = try bridge(of: port) else { return false }
        let hardware = HardwareAddress(address.rawValue)
        let found = try netlink { try $0.entry(of: hardware, vid: vid, bridgeIndex: bridge.index) }
        return found.map { isElsewhere($0, port) } ?? false
    }

    // MARK: Learning

    /// Claims that the port learns nothing, or gives that up, as its bridge asks for.
    ///
    /// - Returns: What is to be settled.
    func followFabric(_ port: Port) -> Set<Imposition> {
        port.learners = port.learners.filter { port.claims.contains($0) }
        let isQuiet = port.learners.isEmpty && !fabric(of: port).tunnels.isEmpty
        guard isQuiet else { return port.claims.remove(.fabric).union(port.claims.disinherit([.quiet])) }
        guard !port.claims.contains(.fabric) else { return [] }
        port.claims.set(.fabric, [.quiet: .plain] as [Imposition: ImpositionValue])
        return [.quiet]
    }

    /// Gives up what the bridge asked for where the kernel refuses it: the next change asks again.
    func endFabric(_ port: Port, _ failures: [Imposition: EnforcementError]) {
        if failures[.quiet] != nil { port.claims.remove(.fabric) }
    }

    /// The other ports of a bridge with a VXLAN port that learn, by which an address can move; nil without a VXLAN port.
    package func learningPorts(besides name: String) -> [String]? {
        guard let port = ports[name], !fabric(of: port).tunnels.isEmpty else { return nil }
        let index = port.index
        let links = try? netlink { kernel in
            guard let bridge = try kernel.bridge(ofPort: index) else { return [Link]() }
            return try kernel.ports(ofBridge: bridge.index)
        }
        return (links ?? []).filter { $0.learning == true && $0.index != index }.map(\.name).sorted()
    }

    // MARK: Entries that are there already

    /// Makes entries sticky, or no longer sticky: the bridge has got a VXLAN port or lost its last one.
    ///
    /// - Parameters:
    ///   - port: The port.
    ///   - entries: The entries that point to the port, and whether each is sticky.
    ///   - limit: The greatest number of entries that is changed.
    /// - Returns: How many were changed.
    func setStickiness(on port: Port, of entries: [BridgeEntry: Bool], limit: Int) -> Int {
        let isSticky = fabric(of: port).tunnels.isEmpty
        var count = 0
        for (entry, _) in entries.lazy.filter({ $0.value != isSticky }) where count < limit {
            let item = Imposition.forwarding(MACAddress(truncating: entry.address.value), entry.vid)
            guard port.isHolding(item), (try? impose(item, on: port)) != nil else { continue }
            count += 1
        }
        return count
    }
}

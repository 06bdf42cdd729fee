// What a file says of other boxes, in the tables of VXLAN devices: a network of a few boxes without a routing daemon. All of it is
// there before the first frame; a ledger in a file remembers over a restart what is evbd's.

package import EVBSettings
internal import EVBWire
internal import LinuxSystem
internal import Netlink

/// What is set of the VXLAN network behind one port.
package struct PortOverlay: Sendable, Equatable {
    package var settings: OverlaySettings
    /// The VLAN of each VNI.
    package var vlans: [UInt32: UInt16]

    package init(_ settings: OverlaySettings, vlans: [UInt32: UInt16] = [:]) {
        self.settings = settings
        self.vlans = vlans
    }

    /// Whether there is anything for the tables.
    var hasTables: Bool { !settings.flood.isEmpty || !settings.remotes.isEmpty }
}

/// One entry of a table of a VXLAN device, or of the bridge that it is in.
enum OverlayEntry: Hashable, Sendable {
    /// Behind this box an address is, or any that has no entry (0).
    case box(device: String, TunnelEntry)
    /// The bridge forwards an address to the device; VLAN 0 where it tells none apart.
    case forwarding(device: String, HardwareAddress, UInt16)
    /// An IP address of a machine, 4 or 16 octets.
    case neighbour(device: String, [UInt8], HardwareAddress)

    var device: String {
        switch self {
        case .box(let device, _), .forwarding(let device, _, _), .neighbour(let device, _, _): device
        }
    }
}

/// What became of a look at the tables.
package struct TablesReport: Sendable, Equatable {
    /// Entries that were missing and had been there.
    package var restored = 0
    /// Why some of them cannot be had.
    package var problem: EnforcementError?
}

/// What the enforcer has made in the tables, and its ledger.
struct OverlayTables {
    /// The file of the ledger; nil keeps none.
    var ledger: String?
    var made: Set<OverlayEntry> = []
    /// What an evbd before this one has made, until a port wants it again: it stays while ports are still being taken over.
    var inherited: Set<OverlayEntry> = []
    private var isRead = false

    /// Reads what an evbd before this one has made.
    mutating func readLedger() {
        guard let ledger, !isRead else { return }
        isRead = true
        guard let octets = try? Files.read(ledger, limit: 1 << 24) else { return }
        for line in String(decoding: octets, as: UTF8.self).split(separator: "\n") {
            if let entry = OverlayEntry(line: line) { made.insert(entry) }
        }
        inherited = made
    }

    /// Writes the ledger: before something is made, and after something is gone.
    func write(_ entries: Set<OverlayEntry>) throws(EnforcementError) {
        guard let ledger else { return }
        do {
            guard !entries.isEmpty else {
                _ = try? Files.unlink(ledger)
                return
            }
            let text = entries.map(\.line).sorted().joined(separator: "\n") + "\n"
            try Files.writeAtomically(ledger, Array(text.utf8), mode: 0o644)
        } catch {
            throw EnforcementError(description: "what is made for other boxes cannot be noted: \(error)")
        }
    }
}

extension OverlayEntry {
    /// The entry as a line of the ledger. Names of interfaces have no white space.
    var line: String {
        func hexadecimal(_ octets: [UInt8]) -> String {
            octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        return switch self {
        case .box(let device, let entry):
            "box \(device) \(entry.address.value) \(hexadecimal(entry.box)) \(entry.vni.map { "\($0)" } ?? "-")"
        case .forwarding(let device, let address, let vid): "forwarding \(device) \(address.value) \(vid)"
        case .neighbour(let device, let address, let hardware):
            "neighbour \(device) \(hexadecimal(address)) \(hardware.value)"
        }
    }

    init?(line: Substring) {
        let words = line.split(separator: " ").map(String.init)
        func octets(_ text: String) -> [UInt8]? {
            let digits = Array(text)
            guard [8, 32].contains(digits.count) else { return nil }
            let octets = stride(from: 0, to: digits.count, by: 2).map { place in
                UInt8(String(digits[place...(place + 1)]), radix: 16)
            }
            return octets.contains(nil) ? nil : octets.compactMap(\.self)
        }
        func address(_ text: String) -> HardwareAddress? {
            UInt64(text).flatMap { $0 >> 48 == 0 ? HardwareAddress($0) : nil }
        }
        switch (words.first, words.count) {
        case ("box", 5):
            guard let address = address(words[2]), let box = octets(words[3]) else { return nil }
            guard words[4] == "-" || UInt32(words[4]) != nil else { return nil }
            self = .box(device: words[1], TunnelEntry(address: address, box: box, vni: UInt32(words[4])))
        case ("forwarding", 4):
            guard let address = address(words[2]), let vid = UInt16(words[3]) else { return nil }
            self = .forwarding(device: words[1], address, vid)
        case ("neighbour", 4):
            guard let octets = octets(words[2]), let hardware = address(words[3]) else { return nil }
            self = .neighbour(device: words[1], octets, hardware)
        default: return nil
        }
    }
}

extension BridgeEnforcer {
    /// Makes the tables of VXLAN devices have what the files of all ports say of other boxes, and nothing more of evbd's.
    ///
    /// - Parameter endsInheritance: Whether all ports are there, so that what no port wants goes.
    /// - Returns: What was missing, and what cannot be had.
    package func followTables(endsInheritance: Bool = false) -> TablesReport {
        var report = TablesReport()
        tables.readLedger()
        let wanted = ports.values.reduce(into: Set<OverlayEntry>()) { $0.formUnion(tableEntries(of: $1)) }
        guard !wanted.isEmpty || !tables.made.isEmpty else { return report }
        var missing: Set<OverlayEntry> = []
        for (device, entries) in Dictionary(grouping: wanted, by: \.device) {
            do throws(EnforcementError) {
                missing.formUnion(try missingEntries(entries, device))
            } catch {
                report.problem = error
            }
        }
        tables.inherited.subtract(wanted)
        if endsInheritance { tables.inherited = [] }
        let leaving = tables.made.subtracting(wanted).subtracting(tables.inherited)
        do throws(EnforcementError) {
            if !missing.isSubset(of: tables.made) { try tables.write(tables.made.union(missing)) }
        } catch {
            report.problem = error
            return report
        }
        for entry in leaving { try? setEntry(entry, false) }
        tables.made.subtract(leaving)
        for entry in missing {
            do throws(EnforcementError) {
                try setEntry(entry, true)
                if !tables.made.insert(entry).inserted { report.restored += 1 }
            } catch {
                report.problem = report.problem ?? error
            }
        }
        if !leaving.isEmpty {
            do throws(EnforcementError) {
                try tables.write(tables.made)
            } catch {
                report.problem = report.problem ?? error
            }
        }
        return report
    }

    /// What one port's file wants in the tables, as things are. At a device for many VNIs that is for those in which the box has a VSI.
    private func tableEntries(of port: Port) -> Set<OverlayEntry> {
        guard let overlay = port.overlay, overlay.hasTables else { return [] }
        let fabric = fabric(of: port)
        let filters = fabric.bridge?.filtersVLANs == true
        var entries: Set<OverlayEntry> = []
        let used = Set(port.actual.keys.compactMap { if case .network(let vni) = $0 { vni } else { nil } })
        func device(_ vni: UInt32) -> Link? {
            guard let device = try? self.device(for: vni, port) else { return nil }
            return device.vxlan?.vni != nil || used.contains(vni) ? device : nil
        }
        for vni in Set(overlay.vlans.keys).union(overlay.settings.remotes.map(\.vni)) {
            guard let device = device(vni) else { continue }
            for box in overlay.settings.flood {
                let vni = device.vxlan?.vni == nil ? vni : nil
                let entry = TunnelEntry(address: HardwareAddress(0), box: box, vni: vni)
                entries.insert(.box(device: device.name, entry))
            }
        }
        for remote in overlay.settings.remotes {
            guard let device = device(remote.vni) else { continue }
            let isFixed = device.vxlan?.vni != nil
            let address = HardwareAddress(remote.address.rawValue)
            entries.insert(
                .box(
                    device: device.name,
                    TunnelEntry(address: address, box: remote.box, vni: isFixed ? nil : remote.vni)))
            let vid = filters ? overlay.vlans[remote.vni] ?? 0 : 0
            // In a bridge with VLANs an address is in one.
            if !filters || vid != 0 { entries.insert(.forwarding(device: device.name, address, vid)) }
            // A device for many VNIs has one table of IP addresses for all of them, and tenants may have the same ones.
            if isFixed, let ip = remote.ip { entries.insert(.neighbour(device: device.name, ip, address)) }
        }
        return entries
    }

    /// Those of the entries of a device that the kernel does not have.
    private func missingEntries(
        _ entries: [OverlayEntry], _ device: String
    ) throws(EnforcementError) -> [OverlayEntry] {
        let index = Self.index(of: device)
        guard index != 0 else { throw EnforcementError(description: "there is no interface \(device)") }
        let boxes = try overlay { try $0.entries(deviceIndex: index) }
        let hasNeighbours = entries.contains { if case .neighbour = $0 { true } else { false } }
        let neighbours = hasNeighbours ? try overlay { try $0.neighbours(linkIndex: index) } : [:]
        var missing: [OverlayEntry] = []
        for entry in entries {
            let isMissing =
                switch entry {
                case .box(_, let entry): !boxes.contains(entry)
                case .neighbour(_, let address, let hardware): neighbours[address] != hardware
                case .forwarding(_, let address, let vid): try isFree(address, vid, index)
                }
            if isMissing { missing.append(entry) }
        }
        return missing
    }

    /// Whether a bridge has nothing better for an address than what is set of other boxes: what a VSI here has, what an administrator
    /// has set, and what a frame has shown at another port is newer.
    private func isFree(_ address: HardwareAddress, _ vid: UInt16, _ index: Int32) throws(EnforcementError) -> Bool {
        let found = try netlink { kernel -> ForwardingEntry? in
            guard let bridge = try kernel.bridge(ofPort: index) else { return nil }
            return try kernel.entry(of: address, vid: vid, bridgeIndex: bridge.index)
        }
        guard let found else { return true }
        return found.kind == .learned && found.portIndex == index && !found.isExternal
    }

    private func setEntry(_ entry: OverlayEntry, _ isThere: Bool) throws(EnforcementError) {
        let index = Self.index(of: entry.device)
        guard index != 0 else { throw EnforcementError(description: "there is no interface \(entry.device)") }
        switch entry {
        case .box(_, let entry): try overlay { try $0.setEntry(entry, deviceIndex: index, isThere) }
        case .neighbour(_, let address, let hardware):
            try overlay { try $0.setNeighbour(address, hardware, linkIndex: index, isThere) }
        case .forwarding(_, let address, let vid):
            try netlink { kernel in
                if isThere {
                    try kernel.addEntry(
                        address, vid: vid, portIndex: index, isReplacing: true, isSticky: false, isExternal: true)
                } else {
                    try kernel.removeEntry(address, vid: vid, portIndex: index)
                }
            }
        }
    }
}

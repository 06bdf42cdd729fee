package import EVBWire
internal import JSON

/// What a database of Open vSwitch says of interfaces: which bridge each is in, and whose it is.
///
/// Pure. Rows are bounded; what does not fit is not known, and `isTruncated` says so.
package struct SwitchTable: Sendable {
    /// Rows of one table that are kept.
    package static let rowsMax = 4_096
    /// Ports of all bridges, and interfaces of all ports, that are kept.
    private static let elementsMax = 16_384
    /// Octets of a name or a value that is kept; one that is longer is none that evbd knows.
    private static let textMax = 255
    private static let uuidLength = 36

    /// The tables and columns that are asked for.
    static let columns: [(table: String, columns: [String])] = [
        ("Bridge", ["name", "ports", "datapath_type", "other_config"]), ("Port", ["name", "interfaces", "tag"]),
        ("Interface", ["name", "ifindex", "external_ids"]),
    ]
    private static let settingKeys: Set<String> = ["forward-bpdu"]
    private static let identityKeys: Set<String> = [
        "attached-mac", "iface-id", "port-profile", "evb-status", "evb-reason",
    ]

    private struct Bridge {
        var name = ""
        var ports: Set<String> = []
        var isUserspace = false
        var settings: [String: String] = [:]
    }

    private struct Port {
        var interfaces: Set<String> = []
        var tag: Int?
    }

    private struct Interface {
        var name = ""
        var index: Int?
        var identity: [String: String] = [:]
    }

    private var bridges: [String: Bridge] = [:]
    private var portRows: [String: Port] = [:]
    private var interfaces: [String: Interface] = [:]
    /// The bridge of a port and the port of an interface, also of rows that are not known yet.
    private var bridgeOfPort: [String: String] = [:]
    private var portOfInterface: [String: String] = [:]
    /// All interfaces that are in a bridge, by their names.
    package private(set) var ports: [String: SwitchPort] = [:]
    /// Their names by the addresses of their machines.
    private var names: [MACAddress: Set<String>] = [:]
    /// Names of rows that are gone in the update in hand.
    private var removed: Set<String> = []
    /// Whether rows were left out because there are too many.
    package private(set) var isTruncated = false

    package init() {}

    /// The names of bridges.
    package var bridgeNames: [String] { bridges.values.map(\.name).sorted() }

    /// The interfaces of machines that have an address, by their names in order.
    package func ports(of address: MACAddress) -> [SwitchPort] {
        (names[address] ?? []).sorted().compactMap { ports[$0] }
    }

    /// Takes a `<table-updates2>`.
    ///
    /// - Returns: The names of interfaces of which something has changed; nil where it cannot be read, and nothing of it is taken then
    ///   that stands behind the mistake.
    mutating func apply(_ updates: JSONValue) -> Set<String>? {
        guard case .object(let tables) = updates else { return nil }
        // Interfaces that may look otherwise.
        var touched: Set<String> = []
        for table in tables {
            guard case .object(let rows) = table.value else { return nil }
            for row in rows {
                guard let change = OVSDBRowChange(row.value), row.key.utf8.count == Self.uuidLength else { return nil }
                let isRead =
                    switch table.key {
                    case "Bridge": apply(bridge: row.key, change, &touched)
                    case "Port": apply(port: row.key, change, &touched)
                    case "Interface": apply(interface: row.key, change, &touched)
                    default: true
                    }
                guard isRead else { return nil }
            }
        }
        return derive(touched)
    }

    // MARK: Rows

    private mutating func apply(bridge id: String, _ change: OVSDBRowChange, _ touched: inout Set<String>) -> Bool {
        var row = bridges[id] ?? Bridge()
        let former = row.ports
        switch change {
        case .gone: row.ports = []
        case .whole(let members):
            row = Bridge()
            guard read(members, &row, isDifference: false) else { return false }
        case .difference(let members):
            guard bridges[id] != nil else { return true }
            guard read(members, &row, isDifference: true) else { return false }
        }
        let isGone = if case .gone = change { true } else { false }
        guard isGone || hasRoom(bridges, id) else { return true }
        for port in former.subtracting(row.ports) where bridgeOfPort[port] == id { bridgeOfPort[port] = nil }
        row.ports = Self.place(row.ports, in: id, &bridgeOfPort, &isTruncated)
        for port in former.union(row.ports) { touched.formUnion(portRows[port]?.interfaces ?? []) }
        bridges[id] = isGone ? nil : row
        return true
    }

    private func read(_ members: [JSONValue.Member], _ row: inout Bridge, isDifference: Bool) -> Bool {
        for member in members {
            switch member.key {
            case "name":
                guard case .string(let name) = member.value else { return false }
                guard name.utf8.count <= Self.textMax else { return false }
                row.name = name
            case "datapath_type":
                guard case .string(let type) = member.value else { return false }
                row.isUserspace = type == "netdev"
            case "ports": if !take(member.value, into: &row.ports, isDifference) { return false }
            case "other_config":
                if !take(member.value, Self.settingKeys, into: &row.settings, isDifference) { return false }
            default: break
            }
        }
        return true
    }

    private mutating func apply(port id: String, _ change: OVSDBRowChange, _ touched: inout Set<String>) -> Bool {
        var row = portRows[id] ?? Port()
        let former = row.interfaces
        let members: [JSONValue.Member]
        switch change {
        case .gone: (row.interfaces, members) = ([], [])
        case .whole(let whole): (row, members) = (Port(), whole)
        case .difference(let difference):
            guard portRows[id] != nil else { return true }
            members = difference
        }
        let isDifference = if case .difference = change { true } else { false }
        for member in members {
            switch member.key {
            case "interfaces": if !take(member.value, into: &row.interfaces, isDifference) { return false }
            case "tag": if !take(member.value, into: &row.tag) { return false }
            default: break
            }
        }
        let isGone = if case .gone = change { true } else { false }
        guard isGone || hasRoom(portRows, id) else { return true }
        for interface in former.subtracting(row.interfaces) where portOfInterface[interface] == id {
            portOfInterface[interface] = nil
        }
        row.interfaces = Self.place(row.interfaces, in: id, &portOfInterface, &isTruncated)
        touched.formUnion(former.union(row.interfaces))
        portRows[id] = isGone ? nil : row
        return true
    }

    private mutating func apply(interface id: String, _ change: OVSDBRowChange, _ touched: inout Set<String>) -> Bool {
        touched.insert(id)
        var row = interfaces[id] ?? Interface()
        let members: [JSONValue.Member]
        switch change {
        case .gone:
            if let name = interfaces.removeValue(forKey: id)?.name { remove(name, row: id) }
            return true
        case .whole(let whole): (row, members) = (Interface(), whole)
        case .difference(let difference):
            guard interfaces[id] != nil else { return true }
            members = difference
        }
        let isDifference = if case .difference = change { true } else { false }
        for member in members {
            switch member.key {
            case "name":
                guard case .string(let name) = member.value else { return false }
                guard name.utf8.count <= Self.textMax else { return false }
                row.name = name
            case "ifindex": if !take(member.value, into: &row.index) { return false }
            case "external_ids":
                if !take(member.value, Self.identityKeys, into: &row.identity, isDifference) { return false }
            default: break
            }
        }
        if hasRoom(interfaces, id) { interfaces[id] = row }
        return true
    }

    private mutating func hasRoom<Row>(_ rows: [String: Row], _ id: String) -> Bool {
        if rows[id] != nil || rows.count < Self.rowsMax { return true }
        isTruncated = true
        return false
    }

    /// Notes in what some elements are.
    ///
    /// - Returns: Those for which there is room.
    private static func place(
        _ elements: Set<String>, in id: String, _ places: inout [String: String], _ isTruncated: inout Bool
    ) -> Set<String> {
        var placed: Set<String> = []
        for element in elements {
            guard places[element] != nil || places.count < Self.elementsMax else {
                isTruncated = true
                continue
            }
            places[element] = id
            placed.insert(element)
        }
        return placed
    }

    // MARK: Columns

    private func take(_ json: JSONValue, into set: inout Set<String>, _ isDifference: Bool) -> Bool {
        guard let elements = json.ovsdbElements, elements.count <= Self.elementsMax else { return false }
        let uuids = Set(elements.compactMap(\.uuid))
        guard uuids.count == elements.count, uuids.allSatisfy({ $0.utf8.count == Self.uuidLength }) else {
            return false
        }
        set = isDifference ? set.symmetricDifference(uuids) : uuids
        return set.count <= Self.elementsMax
    }

    /// Reads a number that may be missing. A server tells the new one, or none, where other sets have a difference (seen with 3.1).
    private func take(_ json: JSONValue, into number: inout Int?) -> Bool {
        guard let elements = json.ovsdbElements, elements.count <= 1 else { return false }
        let numbers = elements.compactMap(\.number)
        guard numbers.count == elements.count else { return false }
        number = numbers.first
        return true
    }

    private func take(
        _ json: JSONValue, _ keys: Set<String>, into map: inout [String: String], _ isDifference: Bool
    ) -> Bool {
        guard let pairs = json.ovsdbPairs(of: keys) else { return false }
        if !isDifference { map = [:] }
        for (key, value) in pairs {
            // A pair that is in the difference as it was is gone.
            let isKept = !(isDifference && map[key] == value) && value.utf8.count <= Self.textMax
            map[key] = isKept ? value : nil
        }
        return true
    }

    // MARK: What comes of the rows

    private mutating func derive(_ touched: Set<String>) -> Set<String> {
        var changed: Set<String> = removed
        removed = []
        for id in touched {
            guard let row = interfaces[id] else { continue }
            guard let port = portOfInterface[id].flatMap({ id in portRows[id].map { (id, $0) } }),
                let bridge = bridgeOfPort[port.0].flatMap({ bridges[$0] })
            else {
                if ports[row.name]?.row == id, set(row.name, nil) { changed.insert(row.name) }
                continue
            }
            var found = SwitchPort(
                name: row.name, row: id, bridge: bridge.name, isUserspace: bridge.isUserspace,
                forwardsBPDU: bridge.settings["forward-bpdu"] == "true")
            found.tag = port.1.tag.flatMap { UInt16(exactly: $0) }.flatMap { $0 < 4_096 ? $0 : nil }
            found.linkIndex = row.index.flatMap { Int32(exactly: $0) }.flatMap { $0 > 0 ? $0 : nil }
            found.attachedMAC = row.identity["attached-mac"].flatMap { MACAddress($0) }
            found.interfaceID = row.identity["iface-id"]
            found.profile = row.identity["port-profile"]
            found.verdict = SwitchPort.Verdict(status: row.identity["evb-status"], reason: row.identity["evb-reason"])
            if set(row.name, found) { changed.insert(row.name) }
        }
        return changed
    }

    private mutating func remove(_ name: String, row: String) {
        if ports[name]?.row == row, set(name, nil) { removed.insert(name) }
    }

    private mutating func set(_ name: String, _ port: SwitchPort?) -> Bool {
        let former = ports[name]
        guard former != port else { return false }
        ports[name] = port
        if former?.attachedMAC != port?.attachedMAC {
            if let address = former?.attachedMAC {
                names[address]?.remove(name)
                if names[address]?.isEmpty == true { names[address] = nil }
            }
            if let address = port?.attachedMAC { names[address, default: []].insert(name) }
        }
        return true
    }

    /// The names of interfaces that are otherwise in another table.
    func differences(from other: SwitchTable) -> Set<String> {
        Set(ports.keys).union(other.ports.keys).filter { ports[$0] != other.ports[$0] }
    }
}

internal import EVBWire
internal import JSON

extension PortRules {
    /// What a listing in nft's JSON says is in force. Elements that evbd does not make are left out.
    static func impositions(_ collection: Collection, in listing: String) -> [Imposition: ImpositionValue] {
        var items: [Imposition: ImpositionValue] = [:]
        for element in elements(in: listing) {
            guard let (item, value) = imposition(collection, element) else { continue }
            items[item] = value
        }
        return items
    }

    /// The ports that the table has rules for, from a listing of the map `ports`.
    package static func ports(in listing: String) -> [String] {
        elements(in: listing).compactMap { element in
            guard case .array(let pair) = element, case .string(let name)? = pair.first else { return nil }
            return name
        }
    }

    /// The number of rules in a listing of a chain.
    static func ruleCount(in listing: String) -> Int {
        guard let root = try? JSONValue(parsing: Array(listing.utf8)), case .array(let objects)? = root["nftables"]
        else { return 0 }
        return objects.count { $0["rule"] != nil }
    }

    private static func elements(in listing: String) -> [JSONValue] {
        guard let root = try? JSONValue(parsing: Array(listing.utf8)), case .array(let objects)? = root["nftables"]
        else {
            return []
        }
        for object in objects {
            if case .array(let elements)? = (object["set"] ?? object["map"])?["elem"] { return elements }
        }
        return []
    }

    private static func imposition(
        _ collection: Collection, _ element: JSONValue
    ) -> (Imposition, ImpositionValue)? {
        var key = element
        var value = ImpositionValue.plain
        if collection.isMap {
            guard case .array(let pair) = element, pair.count == 2, let verdict = verdict(pair[1]) else { return nil }
            key = pair[0]
            value = verdict
        } else if let inner = element["elem"], let inside = inner["val"] {
            key = inside
            if collection == .rates { value = .rate(inner["limit"].flatMap(rate) ?? 0) }
        }
        switch collection {
        case .stations: return address(key).map { (.station($0), value) }
        case .rates: return address(key).map { (.rate($0), value) }
        case .untagged: return address(key).map { (.untagged($0), value) }
        case .open: return (.untagged(nil), value)
        case .tagged: return pair(key).map { (.tagged($0, $1), value) }
        case .vlans: return vid(key).map { (.tagged(nil, $0), value) }
        case .forwarding: return pair(key).map { (.forwarding($0, $1), value) }
        case .served: return vid(key).map { (.served($0), value) }
        case .members: return vid(key).map { (.member($0), value) }
        case .quiet: return (.quiet, value)
        case .networks: return vni(key).map { (.network($0), value) }
        case .carried: return network(key).map { (.carried($0, $1), value) }
        case .tunnels: return network(key).map { (.tunnel($0, $1), value) }
        case .sentTagged: return pair(key).map { (.sent($0, $1), value) }
        case .sentPlain: return address(key).map { (.sent($0, 0), value) }
        case .receivedTagged: return pair(key).map { (.received($0, $1), value) }
        case .receivedPlain: return address(key).map { (.received($0, 0), value) }
        }
    }

    /// What an element of a counting set stands for.
    ///
    /// - Parameters:
    ///   - collection: the set.
    ///   - key: its key as the kernel has it: an address, then, from a multiple of four octets on, a VLAN.
    /// - Returns: nil for a key of another kind.
    package static func imposition(_ collection: Collection, key: [UInt8]) -> Imposition? {
        let isPlain = collection == .sentPlain || collection == .receivedPlain
        guard key.count >= (isPlain ? 6 : 10) else { return nil }
        let address = MACAddress(truncating: key.prefix(6).reduce(0) { $0 << 8 | UInt64($1) })
        let vid = isPlain ? 0 : UInt16(key[8]) << 8 | UInt16(key[9])
        switch collection {
        case .sentTagged, .sentPlain: return .sent(address, vid)
        case .receivedTagged, .receivedPlain: return .received(address, vid)
        case .stations, .rates, .untagged, .tagged, .vlans, .open, .served, .forwarding, .members, .quiet, .networks,
            .carried, .tunnels:
            return nil
        }
    }

    private static func verdict(_ value: JSONValue) -> ImpositionValue? {
        if value["accept"] != nil { return .pass(nil) }
        guard case .string(let chain)? = value["goto"]?["target"] else { return nil }
        return etherTypes(ofChain: chain).map { .pass($0) }
    }

    private static func address(_ value: JSONValue) -> MACAddress? {
        guard case .string(let text) = value else { return nil }
        return MACAddress(text)
    }

    private static func vid(_ value: JSONValue) -> UInt16? {
        guard case .number(let text) = value else { return nil }
        return UInt16(text)
    }

    private static func vni(_ value: JSONValue) -> UInt32? {
        guard case .number(let text) = value else { return nil }
        return UInt32(text)
    }

    /// A VLAN and a VNI.
    private static func network(_ value: JSONValue) -> (UInt16, UInt32)? {
        guard case .array(let parts)? = value["concat"], parts.count == 2, let vid = vid(parts[0]),
            let vni = vni(parts[1])
        else { return nil }
        return (vid, vni)
    }

    /// The VXLAN device that a listing names.
    static func overlayDevice(in listing: String) -> String? {
        elements(in: listing).lazy.compactMap { if case .string(let name) = $0 { name } else { nil } }.first
    }

    private static func pair(_ value: JSONValue) -> (MACAddress, UInt16)? {
        guard case .array(let parts)? = value["concat"], parts.count == 2, let address = address(parts[0]),
            let vid = vid(parts[1])
        else { return nil }
        return (address, vid)
    }

    /// Octets a second, which nft lists in the largest unit that fits.
    private static func rate(_ value: JSONValue) -> UInt64? {
        let units: [String: UInt64] = ["bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20]
        guard case .number(let text)? = value["rate"], let number = UInt64(text),
            case .string(let unit)? = value["rate_unit"], let factor = units[unit]
        else { return nil }
        return number.multipliedReportingOverflow(by: factor).partialValue
    }
}

// Which keys a file of VSI types has, where, and of what type.

package import EVBSettings
internal import EVBWire
internal import LinuxSystem

extension VSITypeDatabase {
    /// Reads a file of VSI types.
    ///
    /// - Parameter path: the file, by the name that mistakes will give to it.
    /// - Returns: the types.
    /// - Throws: every mistake in the file, or the one that it cannot be read.
    package static func load(_ path: String) throws(ConfigurationMistakes) -> VSITypeDatabase {
        let octets: [UInt8]
        do {
            octets = try Files.read(path, limit: YAMLReader.maximumOctets)
        } catch {
            let remedy = "give a readable file as vsi-types, of at most \(YAMLReader.maximumOctets) octets"
            throw ConfigurationMistakes([
                ConfigurationMistake(
                    file: path, line: nil, key: "", problem: "cannot be read: \(error)", remedy: remedy)
            ])
        }
        return try parse(octets, file: path)
    }

    /// Reads VSI types from the text of a file.
    package static func parse(_ octets: [UInt8], file: String) throws(ConfigurationMistakes) -> VSITypeDatabase {
        var yaml = YAMLReader(file: file)
        let root = yaml.read(octets)
        var reader = ConfigurationReader(file: file, mistakes: yaml.mistakes)
        var database = VSITypeDatabase(file: file)
        if let root {
            database = reader.vsiTypes(root)
        } else if reader.mistakes.isEmpty {
            reader.note(1, "", "is empty", "give at least types, a list with an entry per VSI type")
        }
        guard reader.mistakes.isEmpty else { throw ConfigurationMistakes(reader.mistakes) }
        return database
    }
}

extension ConfigurationReader {
    fileprivate mutating func vsiTypes(_ root: YAMLNode) -> VSITypeDatabase {
        var database = VSITypeDatabase(file: file)
        guard let entries = mapping(root, "", keys: ["types", "default-manager", "allow-macs", "protected-macs"]) else {
            return database
        }
        if let node = entries["default-manager"]?.value { database.defaultManager = manager(node, "default-manager") }
        if let node = entries["allow-macs"]?.value {
            let remedy = "give the MAC address of one station, such as 02:00:00:00:00:01"
            database.allowedAddresses = Set(addresses(node, "allow-macs", remedy))
        }
        if let node = entries["protected-macs"]?.value {
            database.protectedAddresses = Set(addresses(node, "protected-macs", Self.machineRemedy))
        }
        guard let types = entries["types"] else {
            note(root.line, "types", "is missing", "give a list with an entry per VSI type")
            return database
        }
        for (index, item) in (list(types.value, "types", of: "VSI types") ?? []).enumerated() {
            guard let type = vsiType(item, "types[\(index)]") else { continue }
            add(type, line: item.line, "types[\(index)]", to: &database)
        }
        return database
    }

    /// A type that another shadows is a mistake: nobody could tell which of the two holds.
    private mutating func add(_ type: VSIType, line: Int, _ path: String, to database: inout VSITypeDatabase) {
        let named =
            type.manager.map { database.ownTypes(of: $0.identifiers, typeID: type.typeID) }
            ?? database.sharedTypes(typeID: type.typeID)
        let rival = named.first { other in
            guard other.manager == type.manager else { return false }
            guard let ours = type.versions, let theirs = other.versions else {
                return type.versions == nil && other.versions == nil
            }
            return ours.contains { range in theirs.contains { $0.overlaps(range) } }
        }
        if let rival {
            note(
                line, path, "has the same manager, type and version as \(Self.quoted(rival.name))",
                "give every type once; an entry without a version covers the versions that no other entry names")
        } else if let rival = database.type(named: type.name) {
            note(
                line, "\(path).name",
                "\(Self.quoted(type.name)) is already the name of the entry for type \(rival.typeID)",
                "give every entry a name of its own")
        } else {
            database.append(type)
        }
    }

    private static let typeKeys = [
        "type", "version", "manager", "name", "vlans", "groups", "vsis", "macs", "ports", "shared-addresses",
        "anti-spoofing", "rate-limit", "ethertypes",
    ]

    private mutating func vsiType(_ node: YAMLNode, _ path: String) -> VSIType? {
        guard let entries = mapping(node, path, keys: Self.typeKeys) else { return nil }
        guard let typeNode = entries["type"]?.value else {
            note(node.line, "\(path).type", "is missing", "give the VSI type ID, 0 to 16777215")
            return nil
        }
        guard let typeID = integer(typeNode, "\(path).type", in: 0...0xFF_FFFF) else { return nil }
        var type = VSIType(name: "", typeID: UInt32(typeID))
        if let node = entries["manager"]?.value { type.manager = manager(node, "\(path).manager") }
        if let node = entries["version"]?.value { type.versions = versions(node, "\(path).version") }
        if let node = entries["vlans"]?.value { type.vlans = vlans(node, "\(path).vlans") }
        if let node = entries["groups"]?.value { type.groups = groups(node, "\(path).groups") }
        if let node = entries["vsis"]?.value { type.vsisMax = integer(node, "\(path).vsis", in: 0...1_000_000) }
        if let node = entries["macs"]?.value, let items = list(node, "\(path).macs", of: "MAC addresses") {
            if items.isEmpty {
                note(node.line, "\(path).macs", "allows no address", "leave it out to allow every address")
            }
            let remedy = "give a MAC address of a VSI, or the beginning of several such as 52:54:00:00:00:00/24"
            for (index, item) in items.enumerated() {
                if let pattern = pattern(item, "\(path).macs[\(index)]", remedy) { type.addresses.append(pattern) }
            }
        }
        if let node = entries["ports"]?.value { type.ports = ports(node, "\(path).ports") }
        type.profile = profile(entries, path)
        if let node = entries["shared-addresses"]?.value {
            type.profile.sharedAddresses = sharedAddresses(node, "\(path).shared-addresses")
        }
        type.name = entries["name"].flatMap { text($0.value, "\(path).name", "give a name") } ?? Self.name(of: type)
        return type
    }

    /// What an entry without a name is called.
    private static func name(of type: VSIType) -> String {
        let ranges = type.versions?.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        let version = ranges.map { ".\($0.joined(separator: ","))" } ?? ""
        return (type.manager.map { "\($0.text)/" } ?? "") + "\(type.typeID)\(version)"
    }

    private mutating func profile(_ entries: [String: YAMLEntry], _ path: String) -> VSIProfile {
        var profile = VSIProfile()
        if let node = entries["anti-spoofing"]?.value {
            profile.antiSpoofing = boolean(node, "\(path).anti-spoofing") ?? true
        }
        if let entry = entries["rate-limit"] {
            profile.octetsPerSecond = rate(entry.value, "\(path).rate-limit")
            if !profile.antiSpoofing {
                note(
                    entry.line, "\(path).rate-limit", "needs anti-spoofing: another source address would have no limit",
                    "remove it, or anti-spoofing: false")
            }
        }
        if let node = entries["ethertypes"]?.value { profile.etherTypes = etherTypes(node, "\(path).ethertypes") }
        return profile
    }

    // MARK: Values

    mutating func manager(_ node: YAMLNode, _ path: String) -> ManagerName? {
        let remedy = "give 0 to 255, a UUID, an IPv4 or IPv6 address, or up to 16 characters"
        guard let text = text(node, path, remedy) else { return nil }
        guard let name = ManagerName(text) else {
            note(node.line, path, "\(Self.quoted(text)) is no VSI manager ID", remedy)
            return nil
        }
        return name
    }

    /// A number, a range, a list of them, or `any`, which is nil.
    private mutating func versions(_ node: YAMLNode, _ path: String) -> [ClosedRange<UInt8>]? {
        var ranges: [ClosedRange<UInt8>] = []
        switch node.content {
        case .scalar("any", _): return nil
        case .sequence(let items):
            if items.isEmpty { note(node.line, path, "names no version", "give versions, or any") }
            for (index, item) in items.enumerated() {
                guard let range = versionRange(item, "\(path)[\(index)]") else { continue }
                ranges.append(range)
            }
        case .scalar, .mapping, .refused:
            if let range = versionRange(node, path) { ranges.append(range) }
        }
        return ranges.sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
    }

    private mutating func versionRange(_ node: YAMLNode, _ path: String) -> ClosedRange<UInt8>? {
        let remedy = "give 0 to 255, a range such as 1-5, a list of these, or any"
        guard let text = text(node, path, remedy) else { return nil }
        let numbers = text.split(separator: "-", omittingEmptySubsequences: false).map { part in
            part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt8(part) : nil
        }
        switch numbers.count {
        case 1: if let only = numbers[0] { return only...only }
        case 2: if let first = numbers[0], let last = numbers[1], first <= last { return first...last }
        default: break
        }
        note(node.line, path, "\(Self.quoted(text)) is not a version", remedy)
        return nil
    }

    private static let vlanRange = 1...4094

    private mutating func vlans(_ node: YAMLNode, _ path: String) -> [VSIType.VLAN] {
        guard let items = list(node, path, of: "VLANs") else { return [] }
        if items.isEmpty { note(node.line, path, "allows no VLAN", "leave it out to allow every VLAN") }
        var vlans: [VSIType.VLAN] = []
        for (index, item) in items.enumerated() {
            let place = "\(path)[\(index)]"
            let vlan: VSIType.VLAN?
            if case .mapping = item.content, let entries = mapping(item, place, keys: ["vlan", "pcp"]) {
                vlan = self.vlan(entries, line: item.line, place)
            } else {
                vlan = integer(item, place, in: Self.vlanRange).map { VSIType.VLAN(vid: UInt16($0)) }
            }
            guard let vlan else { continue }
            if vlans.contains(where: { $0.vid == vlan.vid }) {
                note(item.line, place, "VLAN \(vlan.vid) is listed twice", "give every VLAN once")
            } else {
                vlans.append(vlan)
            }
        }
        return vlans
    }

    private mutating func vlan(_ entries: [String: YAMLEntry], line: Int, _ path: String) -> VSIType.VLAN? {
        guard let node = entries["vlan"]?.value else {
            note(line, "\(path).vlan", "is missing", "give 1 to 4094")
            return nil
        }
        guard let vid = integer(node, "\(path).vlan", in: Self.vlanRange) else { return nil }
        let pcp = entries["pcp"].flatMap { integer($0.value, "\(path).pcp", in: 0...7) }
        return VSIType.VLAN(vid: UInt16(vid), pcp: pcp.map { UInt8($0) })
    }

    private mutating func groups(_ node: YAMLNode, _ path: String) -> [UInt32: VSIType.VLAN] {
        var groups: [UInt32: VSIType.VLAN] = [:]
        for (index, item) in (list(node, path, of: "groups") ?? []).enumerated() {
            let place = "\(path)[\(index)]"
            guard let entries = mapping(item, place, keys: ["group", "vlan", "pcp"]) else { continue }
            guard let node = entries["group"]?.value else {
                note(item.line, "\(place).group", "is missing", "give the group ID, 0 to 4294967295")
                continue
            }
            guard let group = integer(node, "\(place).group", in: 0...0xFFFF_FFFF) else { continue }
            guard let vlan = vlan(entries, line: item.line, place) else { continue }
            if groups.updateValue(vlan, forKey: UInt32(group)) != nil {
                note(item.line, "\(place).group", "group \(group) is listed twice", "give every group once")
            }
        }
        return groups
    }

    /// What a remedy says of an address that is one machine's.
    static let machineRemedy = "give the MAC address of one machine, such as 02:00:00:00:00:01"

    /// A list of addresses of one machine each.
    mutating func addresses(_ node: YAMLNode, _ path: String, _ remedy: String) -> [MACAddress] {
        (list(node, path, of: "MAC addresses") ?? []).enumerated().compactMap { index, item in
            pattern(item, "\(path)[\(index)]", remedy, longest: true)?.address
        }
    }

    /// `true`, which is every address, `false`, or a list of addresses and beginnings of some.
    private mutating func sharedAddresses(_ node: YAMLNode, _ path: String) -> MACPatterns {
        guard case .sequence(let items) = node.content else {
            return boolean(node, path) == true ? [.all] : []
        }
        let remedy = "give true, or addresses such as 00:00:5e:00:01:00/40, those of VRRP"
        return MACPatterns(
            items.enumerated().compactMap { index, item in pattern(item, "\(path)[\(index)]", remedy) })
    }

    private mutating func ports(_ node: YAMLNode, _ path: String) -> Set<String>? {
        guard let items = list(node, path, of: "interfaces") else { return nil }
        if items.isEmpty { note(node.line, path, "allows no port", "leave it out to allow every port") }
        return Set(
            items.enumerated().compactMap { index, item in
                text(item, "\(path)[\(index)]", "give the interface of a port")
            })
    }

    private mutating func pattern(
        _ node: YAMLNode, _ path: String, _ remedy: String, longest: Bool = false
    ) -> MACPattern? {
        guard let text = text(node, path, remedy) else { return nil }
        guard let pattern = MACPattern(text), !longest || pattern.prefixLength == 48, !pattern.address.isGroup,
            pattern.prefixLength < 48 || pattern.address.isIndividual
        else {
            note(node.line, path, "\(Self.quoted(text)) is not a valid address", remedy)
            return nil
        }
        return pattern
    }

    /// Bits a second, as octets a second.
    private mutating func rate(_ node: YAMLNode, _ path: String) -> UInt64? {
        let remedy = "give bits a second with a unit, 64kbit to 400gbit, such as 10mbit"
        guard let text = text(node, path, remedy) else { return nil }
        let digits = text.prefix { ("0"..."9").contains($0) }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        let units: [String: UInt64] = ["kbit": 1000, "mbit": 1_000_000, "gbit": 1_000_000_000]
        let known = units[unit.hasSuffix("/s") ? String(unit.dropLast(2)) : unit]
        if let factor = known, let number = UInt64(digits), number <= 1_000_000_000 {
            let bits = number * factor
            if (64_000...400_000_000_000).contains(bits) { return bits / 8 }
        }
        note(node.line, path, "\(Self.quoted(text)) is not a rate", remedy)
        return nil
    }

    /// The most EtherTypes of a type: nftables knows them by a name that lists them, of at most 255 octets.
    private static let etherTypesMax = 32

    private static let etherTypeNames: [String: UInt16] = ["ipv4": 0x0800, "arp": 0x0806, "ipv6": 0x86DD]

    private mutating func etherTypes(_ node: YAMLNode, _ path: String) -> Set<UInt16>? {
        guard let items = list(node, path, of: "EtherTypes") else { return nil }
        if items.isEmpty { note(node.line, path, "allows no EtherType", "leave it out to allow every EtherType") }
        if items.count > Self.etherTypesMax {
            let remedy = "leave it out to allow every EtherType"
            note(node.line, path, "has more than \(Self.etherTypesMax) EtherTypes", remedy)
        }
        let remedy = "give ipv4, arp, ipv6, or a number from 0x0600 to 0xffff"
        var types: Set<UInt16> = []
        for (index, item) in items.enumerated() {
            guard let text = text(item, "\(path)[\(index)]", remedy) else { continue }
            let number = text.hasPrefix("0x") ? UInt16(text.dropFirst(2), radix: 16) : nil
            if let number, VSIProfile.tagTypes.contains(number) {
                note(
                    item.line, "\(path)[\(index)]",
                    "\(Self.quoted(text)) is the EtherType of a tag, which hides the EtherType behind it",
                    "remove it; VLANs are given by vlans")
            } else if let type = Self.etherTypeNames[text.lowercased()] ?? number, type >= 0x0600 {
                types.insert(type)
            } else {
                note(item.line, "\(path)[\(index)]", "\(Self.quoted(text)) is no EtherType", remedy)
            }
        }
        return types
    }
}

internal import EVBSettings
internal import EVBWire

// The host's Open vSwitch, and what becomes of taps for which no manager speaks.

extension ConfigurationReader {
    mutating func openVSwitch(_ node: YAMLNode) -> OpenVSwitchSettings {
        var settings = OpenVSwitchSettings()
        guard let entries = mapping(node, "open-vswitch", keys: ["socket", "profiles"]) else { return settings }
        if let node = entries["socket"]?.value,
            let path = path(node, "open-vswitch.socket", longest: ControlSettings.longestSocketPath)
        {
            settings.socket = path
        }
        guard let node = entries["profiles"]?.value else { return settings }
        guard case .mapping(let profiles) = node.content else {
            note(
                node.line, "open-vswitch.profiles", "is no mapping",
                "give each port-profile by its name, such as web: { manager: 11, type: 100, version: 1 }")
            return settings
        }
        if profiles.count > OpenVSwitchSettings.profilesMax {
            note(
                node.line, "open-vswitch.profiles", "has \(profiles.count) profiles",
                "give \(OpenVSwitchSettings.profilesMax) at most")
        }
        for profile in profiles {
            let path = "open-vswitch.profiles.\(profile.key)"
            guard let keys = mapping(profile.value, path, keys: Self.typeKeys) else { continue }
            settings.profiles[profile.key] = tapType(keys, profile.line, path)
        }
        return settings
    }

    private static let typeKeys = ["manager", "type", "version"]

    private mutating func tapType(_ entries: [String: YAMLEntry], _ line: Int, _ path: String) -> TapType? {
        var type = TapType(typeID: 0)
        if let node = entries["manager"]?.value { type.manager = manager(node, "\(path).manager")?.text }
        if let node = entries["version"]?.value {
            type.version = UInt8(integer(node, "\(path).version", in: TapType.versionRange) ?? 0)
        }
        guard let node = entries["type"]?.value else {
            note(line, "\(path).type", "is missing", "give the VSI type ID, 0 to \(TapType.typeIDRange.upperBound)")
            return nil
        }
        guard let typeID = integer(node, "\(path).type", in: TapType.typeIDRange) else { return nil }
        type.typeID = UInt32(typeID)
        return type
    }

    mutating func taps(_ node: YAMLNode) -> [TapRule] {
        let items = list(node, "taps", of: "rules") ?? []
        if items.count > TapRule.rulesMax {
            note(node.line, "taps", "has \(items.count) rules", "give \(TapRule.rulesMax) at most")
        }
        var rules: [TapRule] = []
        for (index, item) in items.enumerated() {
            guard let rule = tapRule(item, "taps[\(index)]") else { continue }
            if rules.contains(where: { $0.name == rule.name }) {
                note(
                    item.line, "taps[\(index)].rule", "\(Self.quoted(rule.name)) is given twice", "give each name once")
            }
            rules.append(rule)
        }
        return rules
    }

    private mutating func tapRule(_ node: YAMLNode, _ path: String) -> TapRule? {
        let keys = ["rule", "link", "mac", "vlan"] + Self.typeKeys
        guard let entries = mapping(node, path, keys: keys) else { return nil }
        let remedy = "give a name of up to 32 characters, such as web"
        guard let name = entries["rule"] else {
            note(node.line, "\(path).rule", "is missing", remedy)
            return nil
        }
        guard let name = text(name.value, "\(path).rule", remedy), let type = tapType(entries, node.line, path) else {
            return nil
        }
        guard name.utf8.count <= 32, name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            note(node.line, "\(path).rule", "\(Self.quoted(name)) is no name of a rule", remedy)
            return nil
        }
        var rule = TapRule(name: name, type: type)
        if let node = entries["link"]?.value {
            rule.link = pattern(node, "\(path).link", "give a name such as tap* or vif1.0", NamePattern.init)
        }
        if let node = entries["mac"]?.value {
            rule.address = pattern(
                node, "\(path).mac", "give an address or a beginning of some, such as 52:54:00:00:00:00/24",
                MACPattern.init)
        }
        if let node = entries["vlan"]?.value {
            rule.vlan = integer(node, "\(path).vlan", in: TapRule.vlanRange).map { UInt16($0) }
        }
        if entries["link"] == nil, entries["mac"] == nil {
            note(
                node.line, path, "says of no tap that it is meant",
                "give link, a pattern of names such as tap*, or mac, or both")
        }
        return rule
    }

    private mutating func pattern<Pattern>(
        _ node: YAMLNode, _ path: String, _ remedy: String, _ make: (String) -> Pattern?
    ) -> Pattern? {
        guard let text = text(node, path, remedy) else { return nil }
        guard let pattern = make(text) else {
            note(node.line, path, "\(Self.quoted(text)) is no pattern", remedy)
            return nil
        }
        return pattern
    }
}

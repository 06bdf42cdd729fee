internal import EVBModel
internal import EVBSettings
internal import EVBWire

// The key s-channels of a port: how its interface is divided into S-channels.

extension ConfigurationReader {
    /// An uplink as the file has it.
    struct UplinkEntry {
        var settings: UplinkSettings
        /// The channels that are always there.
        var ports: [NamedPort] = []
    }

    private static let uplinkKeys = ["cdcp", "capacity", "channels"]
    /// Those of a bridge beside the keys of a port, which say what a channel is that a station asks for.
    private static let bridgeUplinkKeys = ["svids", "bridge"]
    private static let channelKeys = ["scid", "svid", "name"]
    /// What a channel has by its uplink.
    private static let keysOfUplink: Set = ["interface", "role", "s-channels"]
    private static var commonKeys: [String] { portKeys.filter { !keysOfUplink.contains($0) } }

    /// Reads the key of a port that has been read.
    mutating func uplink(_ node: YAMLNode, _ path: String, of port: PortSettings) -> UplinkEntry? {
        let isBridge = port.role == .bridge
        let keys = Self.uplinkKeys + Self.bridgeUplinkKeys + (isBridge ? Self.commonKeys : [])
        guard var entries = mapping(node, path, keys: keys) else { return nil }
        var settings = UplinkSettings(interface: port.interface, role: port.role)
        if let node = entries["cdcp"]?.value { settings.isNegotiated = boolean(node, "\(path).cdcp") ?? true }
        if let node = entries["capacity"]?.value {
            settings.capacity =
                integer(node, "\(path).capacity", in: 1...UplinkSettings.capacityMax) ?? settings.capacity
        }
        if isBridge {
            readBridge(&settings, &entries, path, node.line)
        } else {
            for key in Self.bridgeUplinkKeys {
                guard let entry = entries[key] else { continue }
                note(
                    entry.line, "\(path).\(key)", "does not apply to a port in the role station",
                    "remove it, or give role: bridge")
            }
        }
        var entry = UplinkEntry(settings: settings)
        if let channels = entries["channels"] {
            readChannels(channels.value, "\(path).channels", into: &entry)
        } else if !(isBridge && settings.isNegotiated) {
            note(node.line, "\(path).channels", "is missing", "give a list with an entry per channel but channel 1")
        }
        let count = entry.settings.channels.count + 1
        if count > settings.capacity {
            note(
                node.line, "\(path).capacity",
                "\(settings.capacity) is less than the channels, of which there are \(count)",
                "give \(count) or more (channel 1 counts), or fewer channels")
        }
        return entry
    }

    private mutating func readBridge(
        _ settings: inout UplinkSettings, _ entries: inout [String: YAMLEntry], _ path: String, _ line: Int
    ) {
        settings.template.role = .bridge
        let longest = UplinkSettings.name(of: SCID(4094), on: settings.interface)
        if settings.isNegotiated, !settings.interface.isEmpty, let problem = InterfaceName.problem(with: longest) {
            note(
                line, path, "names channels after the interface, and \(longest) \(problem)",
                "rename the interface, to 9 octets at most")
        }
        fill(&settings.template, &entries, path)
        if let node = entries["bridge"]?.value {
            settings.bridge = deviceName(node, "\(path).bridge", "a Linux bridge")
        }
        let remedy = "give a range within 2 to 4094, such as 100-131"
        guard let svids = entries["svids"] else {
            if settings.isNegotiated { note(line, "\(path).svids", "is missing", remedy) }
            return
        }
        guard settings.isNegotiated else {
            return note(
                svids.line, "\(path).svids", "does not apply without CDCP",
                "remove it: each channel has its own svid, or give cdcp: true")
        }
        guard let text = text(svids.value, "\(path).svids", remedy) else { return }
        let bounds = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            .compactMap { bound in bound.allSatisfy(\.isASCIIDigit) ? UInt16(bound) : nil }
        guard let low = bounds.first, let high = bounds.last, text.split(separator: "-").count == bounds.count,
            low <= high, SVID.assignable.contains(low), SVID.assignable.contains(high)
        else { return note(svids.value.line, "\(path).svids", "\(Self.quoted(text)) is no range of SVIDs", remedy) }
        settings.svids = low...high
    }

    private mutating func readChannels(_ node: YAMLNode, _ path: String, into entry: inout UplinkEntry) {
        guard let items = list(node, path, of: "channels") else { return }
        var lineOf: [SVID: Int] = [:]
        for (index, item) in items.enumerated() {
            let path = "\(path)[\(index)]"
            guard var entries = mapping(item, path, keys: Self.channelKeys + Self.commonKeys) else { continue }
            guard let scid = scid(&entries, path, item.line, of: entry.settings) else { continue }
            let uplink = entry.settings.interface
            var channel = UplinkSettings.Channel(name: UplinkSettings.name(of: scid, on: uplink))
            var (key, line) = ("scid", item.line)
            if let name = entries["name"] {
                (key, line) = ("name", name.line)
                channel.name = deviceName(name.value, "\(path).name", "an interface") ?? channel.name
            } else if let problem = InterfaceName.problem(with: channel.name) {
                note(item.line, "\(path).name", "is missing, and \(channel.name) \(problem)", InterfaceName.rule)
            }
            channel.svid = svid(entries["svid"], path, item.line, of: entry.settings, &lineOf)
            let isOverride = entry.settings.role == .bridge && entry.settings.isNegotiated
            var port = entry.settings.role == .bridge ? entry.settings.template : PortSettings(interface: "")
            port.role = entry.settings.role
            fill(&port, &entries, path)
            port.interface = channel.name
            port.channel = ChannelPlace(uplink: uplink, scid: scid)
            entry.settings.channels[scid] = channel
            if isOverride {
                entry.settings.overrides[scid] = port
            } else {
                entry.ports.append(NamedPort(port: port, path: path, key: key, line: line))
            }
        }
    }

    private mutating func scid(
        _ entries: inout [String: YAMLEntry], _ path: String, _ line: Int, of uplink: UplinkSettings
    ) -> SCID? {
        let range = Int(SCID.own.lowerBound)...Int(SCID.own.upperBound)
        guard let entry = entries["scid"] else {
            note(
                line, "\(path).scid", "is missing",
                "give the channel's number, \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        guard let number = integer(entry.value, "\(path).scid", in: range) else { return nil }
        let scid = SCID(UInt16(clamping: number))
        guard uplink.channels[scid] == nil else {
            note(entry.line, "\(path).scid", "\(number) is given twice", "give every channel once")
            return nil
        }
        return scid
    }

    private mutating func svid(
        _ entry: YAMLEntry?, _ path: String, _ line: Int, of uplink: UplinkSettings, _ lineOf: inout [SVID: Int]
    ) -> SVID? {
        let range = Int(SVID.assignable.lowerBound)...Int(SVID.assignable.upperBound)
        guard let entry else {
            if !uplink.isNegotiated {
                note(
                    line, "\(path).svid", "is missing, and without CDCP nothing else gives one",
                    "give \(range.lowerBound) to \(range.upperBound), the same as at the other end")
            }
            return nil
        }
        guard uplink.role == .station || !uplink.isNegotiated else {
            note(
                entry.line, "\(path).svid", "does not apply to a bridge that gives SVIDs by CDCP",
                "remove it; see svids")
            return nil
        }
        guard let number = integer(entry.value, "\(path).svid", in: range) else { return nil }
        let svid = SVID(UInt16(clamping: number))
        if let earlier = lineOf.updateValue(entry.line, forKey: svid) {
            note(
                entry.line, "\(path).svid", "\(number) is given twice, first on line \(earlier)", "give every SVID once"
            )
        }
        return svid
    }

    /// The name of an interface that evbd makes, or uses by this name alone.
    private mutating func deviceName(_ node: YAMLNode, _ path: String, _ what: String) -> String? {
        guard let name = text(node, path, "give the name of \(what)") else { return nil }
        guard let problem = InterfaceName.problem(with: name) else { return name }
        note(node.line, path, "\(Self.quoted(name)) is not an interface name: it \(problem)", InterfaceName.rule)
        return nil
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}

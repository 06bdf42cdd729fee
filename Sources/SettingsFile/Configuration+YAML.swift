// Which keys the configuration has, where, and of what type: the schema of evbd.yaml.

internal import EVBModel
package import EVBSettings
internal import EVBWire
internal import LinuxSystem

extension DaemonSettings {
    /// Reads a configuration file.
    ///
    /// - Parameter path: the file, by the name that mistakes will give to it.
    /// - Returns: the configuration, with defaults for what the file leaves out, and the VSI types that it names.
    /// - Throws: every mistake in the file, or the one that it cannot be read; or else all those in the files of VSI types.
    package static func load(_ path: String) throws(ConfigurationMistakes) -> DaemonSettings {
        let octets: [UInt8]
        do {
            octets = try Files.read(path, limit: YAMLReader.maximumOctets)
        } catch {
            let remedy = "give a readable file with --config, of at most \(YAMLReader.maximumOctets) octets"
            throw ConfigurationMistakes([
                ConfigurationMistake(
                    file: path, line: nil, key: "", problem: "cannot be read: \(error)", remedy: remedy)
            ])
        }
        var configuration = try parse(octets, file: path)
        try configuration.loadVSITypes()
        return configuration
    }

    /// Reads the files of VSI types that ports name, each once.
    private mutating func loadVSITypes() throws(ConfigurationMistakes) {
        var mistakes: [ConfigurationMistake] = []
        let channels = uplinks.flatMap { [$0.template] + Array($0.overrides.values) }
        for path in (ports + channels).compactMap(\.vsiTypes) where vsiTypes[path] == nil {
            guard !mistakes.contains(where: { $0.file == path }) else { continue }
            do throws(ConfigurationMistakes) {
                vsiTypes[path] = try VSITypeDatabase.load(path)
            } catch {
                mistakes += error.mistakes
            }
        }
        guard mistakes.isEmpty else { throw ConfigurationMistakes(mistakes) }
    }

    /// Reads a configuration from the text of a file.
    ///
    /// - Parameters:
    ///   - octets: the text, in UTF-8.
    ///   - file: the name by which mistakes call the file.
    /// - Returns: the configuration, with defaults for what the file leaves out.
    /// - Throws: every mistake in the file.
    package static func parse(_ octets: [UInt8], file: String) throws(ConfigurationMistakes) -> DaemonSettings {
        var yaml = YAMLReader(file: file)
        let root = yaml.read(octets)
        var reader = ConfigurationReader(file: file, mistakes: yaml.mistakes)
        var configuration = DaemonSettings(ports: [])
        if let root {
            configuration = reader.configuration(root)
        } else if reader.mistakes.isEmpty {
            reader.note(1, "", "is empty", "give at least ports, a list with an entry per interface")
        }
        guard reader.mistakes.isEmpty else { throw ConfigurationMistakes(reader.mistakes) }
        return configuration
    }
}

extension ConfigurationReader {
    fileprivate mutating func configuration(_ root: YAMLNode) -> DaemonSettings {
        var configuration = DaemonSettings(ports: [])
        guard let entries = mapping(root, "", keys: Self.rootKeys) else { return configuration }
        if let ports = entries["ports"] {
            (configuration.ports, configuration.uplinks) = self.ports(ports.value)
        } else {
            note(root.line, "ports", "is missing", "give a list with an entry per interface")
        }
        if let node = entries["control"]?.value { configuration.control = control(node) }
        if let node = entries["libvirt"]?.value { configuration.libvirt = libvirt(node) }
        if let node = entries["open-vswitch"]?.value { configuration.openVSwitch = openVSwitch(node) }
        if let node = entries["taps"]?.value { configuration.taps = taps(node) }
        if let node = entries["limits"]?.value { configuration.limits = limits(node) }
        if let node = entries["deassociate-on-stop"]?.value {
            configuration.deassociateOnStop = boolean(node, "deassociate-on-stop") ?? false
        }
        if let node = entries["reload"]?.value, let reload = mapping(node, "reload", keys: ["ends-vsis"]),
            let value = reload["ends-vsis"]?.value
        {
            configuration.reloadEndsVSIs = boolean(value, "reload.ends-vsis") ?? false
        }
        if let node = entries["log"]?.value, let log = mapping(node, "log", keys: ["level"]),
            let level = log["level"]?.value
        {
            configuration.logLevel = choice(level, "log.level", LogLevel.self) ?? .info
        }
        return configuration
    }

    static let rootKeys = [
        "ports", "control", "libvirt", "open-vswitch", "taps", "limits", "deassociate-on-stop", "reload", "log",
    ]

    private mutating func ports(_ node: YAMLNode) -> ([PortSettings], [UplinkSettings]) {
        guard let items = list(node, "ports", of: "ports") else { return ([], []) }
        var (ports, uplinks): ([PortSettings], [UplinkSettings]) = ([], [])
        var first: [String: (path: String, line: Int)] = [:]
        for (index, item) in items.enumerated() {
            let path = "ports[\(index)]"
            guard let entry = port(item, path) else { continue }
            let own = NamedPort(port: entry.port, path: path, key: "interface", line: entry.line)
            for named in [own] + (entry.uplink?.ports ?? []) {
                let interface = named.port.interface
                if let earlier = first[interface] {
                    let problem = "\(interface) is already \(earlier.path), on line \(earlier.line)"
                    note(named.line, "\(named.path).\(named.key)", problem, "give every interface once")
                } else {
                    first[interface] = (named.path, named.line)
                    ports.append(named.port)
                }
            }
            if let uplink = entry.uplink { uplinks.append(uplink.settings) }
        }
        return (ports, uplinks)
    }

    /// The keys of a port that make sense in one role only.
    private static let keysOfRole: [(role: PortSettings.Role, keys: [String])] = [
        (
            .station,
            ["edge-relay", "fallback", "gate", "guest-filter", "announce", "allmulticast", "manager-id-placement"]
        ),
        (.bridge, ["reflective-relay", "vsi-types", "protected-macs", "misbehave"]),
    ]

    static let portKeys = [
        "interface", "role", "dialect", "edge-relay", "fallback", "gate", "guest-filter", "group-ids",
        "group-address", "evb", "ecp", "vdp", "manager-id-placement", "reflective-relay", "vsi-types", "protected-macs",
        "misbehave", "announce", "allmulticast", "s-channels",
    ]

    /// A port, and where the file names its interface.
    struct NamedPort {
        var port: PortSettings
        var path: String
        var key: String
        var line: Int
    }

    /// A port as the file has it.
    struct PortEntry {
        var port: PortSettings
        var line: Int
        var uplink: UplinkEntry?
    }

    private mutating func port(_ node: YAMLNode, _ path: String) -> PortEntry? {
        guard var entries = mapping(node, path, keys: Self.portKeys) else { return nil }
        var port = PortSettings(interface: "")
        let interface = entries["interface"]
        if let interface {
            port.interface = interfaceName(interface.value, "\(path).interface") ?? ""
        } else {
            note(node.line, "\(path).interface", "is missing", "give the name of a network interface")
        }
        if let role: PortSettings.Role = choice(entries, path, "role") { port.role = role }
        fill(&port, &entries, path)
        // A port without a name cannot be compared with others; its mistake has been noted.
        guard let interface, !port.interface.isEmpty else { return nil }
        var entry = PortEntry(port: port, line: interface.value.line)
        if let node = entries["s-channels"]?.value { entry.uplink = uplink(node, "\(path).s-channels", of: port) }
        return entry
    }

    /// Takes the keys that are the same for a port and for an S-channel. The role is known.
    mutating func fill(_ port: inout PortSettings, _ entries: inout [String: YAMLEntry], _ path: String) {
        for (role, keys) in Self.keysOfRole where role != port.role {
            for key in keys {
                guard let entry = entries.removeValue(forKey: key) else { continue }
                note(
                    entry.line, "\(path).\(key)", "does not apply to a port in the role \(port.role)",
                    "remove it, or give role: \(role)")
            }
        }
        if let dialect: PortSettings.Dialect = choice(entries, path, "dialect") { port.dialect = dialect }
        if let relay: PortSettings.EdgeRelay = choice(entries, path, "edge-relay") { port.edgeRelay = relay }
        if let fallback: PortSettings.Fallback = choice(entries, path, "fallback") { port.fallback = fallback }
        if let gate: PortSettings.Gate = choice(entries, path, "gate") { port.gate = gate }
        if let node = entries["guest-filter"]?.value {
            port.guestFilter = boolean(node, "\(path).guest-filter") ?? true
        }
        if let node = entries["announce"]?.value { port.announces = boolean(node, "\(path).announce") ?? true }
        if let node = entries["allmulticast"]?.value {
            port.allmulticast = boolean(node, "\(path).allmulticast") ?? false
        }
        if let placement: PortSettings.ManagerIDPlacement = choice(entries, path, "manager-id-placement") {
            port.managerIDPlacement = placement
        }
        if let node = entries["group-ids"]?.value { port.groupIDs = boolean(node, "\(path).group-ids") ?? true }
        if let node = entries["group-address"]?.value {
            port.groupAddress = groupAddress(node, "\(path).group-address")
        }
        if let node = entries["evb"]?.value { port.evb = evb(node, "\(path).evb") }
        if let node = entries["ecp"]?.value { port.ecp = ecp(node, "\(path).ecp") }
        if let node = entries["vdp"]?.value { port.vdp = vdp(node, "\(path).vdp") }
        if let node = entries["reflective-relay"]?.value {
            port.reflectiveRelay = boolean(node, "\(path).reflective-relay") ?? true
        }
        if let node = entries["vsi-types"]?.value { port.vsiTypes = self.path(node, "\(path).vsi-types") }
        if let node = entries["protected-macs"]?.value {
            port.protectedAddresses = Set(addresses(node, "\(path).protected-macs", Self.machineRemedy))
        }
        if let node = entries["misbehave"]?.value { port.misbehave = misbehaviour(node, "\(path).misbehave") }
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ entries: [String: YAMLEntry], _ path: String, _ key: String
    ) -> Choice? where Choice.RawValue == String {
        guard let node = entries[key]?.value else { return nil }
        return choice(node, "\(path).\(key)", Choice.self)
    }

    /// A group address by which a port may be spoken to; a broadcast would reach every station of the network.
    private mutating func groupAddress(_ node: YAMLNode, _ path: String) -> MACAddress? {
        let remedy = "give one such as 01:00:0d:00:0f:0a, or leave the key out"
        guard let text = text(node, path, remedy) else { return nil }
        guard let address = MACAddress(text), address.isGroup, address.rawValue != 0xFFFF_FFFF_FFFF else {
            note(node.line, path, "\(Self.quoted(text)) is not a group address", remedy)
            return nil
        }
        return address
    }

    private mutating func evb(_ node: YAMLNode, _ path: String) -> PortSettings.EVB {
        var evb = PortSettings.EVB()
        guard let entries = mapping(node, path, keys: ["transmit", "manual"]) else { return evb }
        if let node = entries["transmit"]?.value { evb.transmit = boolean(node, "\(path).transmit") ?? evb.transmit }
        if let node = entries["manual"]?.value { evb.manual = boolean(node, "\(path).manual") ?? evb.manual }
        return evb
    }

    private mutating func ecp(_ node: YAMLNode, _ path: String) -> PortSettings.ECP {
        var ecp = PortSettings.ECP()
        guard let entries = mapping(node, path, keys: ["retries", "rte", "source"]) else { return ecp }
        if let node = entries["retries"]?.value {
            ecp.retries = integer(node, "\(path).retries", in: PortSettings.ECP.retriesRange) ?? ecp.retries
        }
        if let node = entries["rte"]?.value {
            ecp.rte = integer(node, "\(path).rte", in: PortSettings.ECP.exponentRange) ?? ecp.rte
        }
        if let source: PortSettings.ECP.Source = choice(entries, path, "source") { ecp.source = source }
        return ecp
    }

    private mutating func vdp(_ node: YAMLNode, _ path: String) -> PortSettings.VDP {
        var vdp = PortSettings.VDP()
        guard let entries = mapping(node, path, keys: ["rwd", "rka"]) else { return vdp }
        if let node = entries["rwd"]?.value {
            vdp.rwd = integer(node, "\(path).rwd", in: PortSettings.VDP.exponentRange) ?? vdp.rwd
        }
        if let node = entries["rka"]?.value {
            vdp.rka = integer(node, "\(path).rka", in: PortSettings.VDP.exponentRange) ?? vdp.rka
        }
        return vdp
    }

    private mutating func control(_ node: YAMLNode) -> ControlSettings {
        var control = ControlSettings()
        guard let entries = mapping(node, "control", keys: ["socket", "group", "read-only"]) else { return control }
        if let node = entries["socket"]?.value,
            let path = path(node, "control.socket", longest: ControlSettings.longestSocketPath)
        {
            control.socket = path
        }
        if let node = entries["group"]?.value {
            control.group = text(node, "control.group", "give the name of a group, or leave the key out")
        }
        if let node = entries["read-only"]?.value { control.readOnly = readOnly(node, beside: control.socket) }
        return control
    }

    private mutating func readOnly(_ node: YAMLNode, beside socket: String) -> ControlSettings.ReadOnly? {
        let path = "control.read-only"
        guard let entries = mapping(node, path, keys: ["socket", "group"]) else { return nil }
        var readOnly = ControlSettings.ReadOnly(socket: ControlSocketPath.readOnly(beside: socket))
        if let node = entries["socket"]?.value,
            let other = self.path(node, "\(path).socket", longest: ControlSettings.longestSocketPath)
        {
            readOnly.socket = other
        }
        if readOnly.socket == socket {
            note(
                node.line, "\(path).socket", "is the same as control.socket", "give another path, or leave the key out")
        }
        if let node = entries["group"]?.value {
            readOnly.group = text(node, "\(path).group", "give the name of a group, or leave the key out for everybody")
        }
        return readOnly
    }

    private mutating func libvirt(_ node: YAMLNode) -> LibvirtSettings {
        var libvirt = LibvirtSettings()
        guard let entries = mapping(node, "libvirt", keys: ["enabled", "pid-file"]) else { return libvirt }
        if let node = entries["enabled"]?.value { libvirt.enabled = boolean(node, "libvirt.enabled") ?? true }
        if let node = entries["pid-file"]?.value, let path = path(node, "libvirt.pid-file") { libvirt.pidFile = path }
        return libvirt
    }

    private mutating func limits(_ node: YAMLNode) -> ResourceLimits {
        var limits = ResourceLimits()
        let keys = ["vsis-per-port", "vsis", "filter-entries"]
        guard let entries = mapping(node, "limits", keys: keys) else { return limits }
        func limit(_ key: String, _ fallback: Int) -> Int {
            entries[key].flatMap { integer($0.value, "limits.\(key)", in: ResourceLimits.range) } ?? fallback
        }
        limits.vsisPerPort = limit("vsis-per-port", limits.vsisPerPort)
        limits.vsis = limit("vsis", limits.vsis)
        limits.filterEntries = limit("filter-entries", limits.filterEntries)
        return limits
    }

    /// The name of a network interface, by the rule of ``InterfaceName``.
    mutating func interfaceName(_ node: YAMLNode, _ path: String) -> String? {
        guard let name = text(node, path, "give the name of a network interface") else { return nil }
        guard let problem = InterfaceName.problem(withPort: name) else { return name }
        note(
            node.line, path, "\(Self.quoted(name)) is not an interface name: it \(problem)",
            "\(InterfaceName.ruleOfPorts), as ip link shows it")
        return nil
    }
}

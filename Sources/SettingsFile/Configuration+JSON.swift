// The configuration in force as a document: the keys of evbd.yaml, in their order. Configuration+YAML reads what this writes.

internal import EVBModel
package import EVBSettings
internal import EVBWire
package import JSON

extension DaemonSettings {
    /// The configuration by the keys of the file.
    ///
    /// - Parameter withDefaults: whether also what has the value that it would have if it were left out.
    /// - Returns: an object; a key that has no value is not there.
    package func document(withDefaults: Bool) -> JSONValue {
        var document = Section(withDefaults)
        document.list(
            "ports",
            ports.filter { $0.channel == nil }.map { port in
                var section = port.section(withDefaults)
                if let uplink = uplinks.first(where: { $0.interface == port.interface }) {
                    section.nest("s-channels", uplink.section(withDefaults, ports))
                }
                return section.value
            })
        let standard = DaemonSettings(ports: [])
        var control = Section(withDefaults)
        control.add("socket", self.control.socket, standard.control.socket)
        control.add("group", self.control.group)
        if let readOnly = self.control.readOnly {
            var section = Section(true)
            section.add("socket", readOnly.socket)
            section.add("group", readOnly.group)
            control.nest("read-only", section)
        }
        document.nest("control", control)
        var libvirt = Section(withDefaults)
        libvirt.add("enabled", self.libvirt.enabled, standard.libvirt.enabled)
        libvirt.add("pid-file", self.libvirt.pidFile, standard.libvirt.pidFile)
        document.nest("libvirt", libvirt)
        document.nest("open-vswitch", openVSwitch.section(withDefaults))
        if !taps.isEmpty { document.list("taps", taps.map(\.section.value)) }
        var limits = Section(withDefaults)
        limits.add("vsis-per-port", self.limits.vsisPerPort, standard.limits.vsisPerPort)
        limits.add("vsis", self.limits.vsis, standard.limits.vsis)
        limits.add("filter-entries", self.limits.filterEntries, standard.limits.filterEntries)
        document.nest("limits", limits)
        document.add("deassociate-on-stop", deassociateOnStop, standard.deassociateOnStop)
        var reload = Section(withDefaults)
        reload.add("ends-vsis", reloadEndsVSIs, standard.reloadEndsVSIs)
        document.nest("reload", reload)
        var log = Section(withDefaults)
        log.add("level", logLevel.rawValue, standard.logLevel.rawValue)
        document.nest("log", log)
        return document.value
    }
}

extension PortSettings {
    fileprivate func section(_ withDefaults: Bool) -> Section {
        var port = Section(withDefaults)
        port.add("interface", interface)
        port.add("role", role.rawValue, Role.station.rawValue)
        add(to: &port, withDefaults)
        return port
    }

    /// Adds the keys that are the same for a port and for an S-channel.
    fileprivate func add(to port: inout Section, _ withDefaults: Bool) {
        let standard = PortSettings(interface: interface)
        port.add("dialect", dialect.rawValue, standard.dialect.rawValue)
        if role == .station {
            port.add("edge-relay", edgeRelay.rawValue, standard.edgeRelay.rawValue)
            port.add("fallback", fallback.rawValue, standard.fallback.rawValue)
            port.add("gate", gate.rawValue, standard.gate.rawValue)
            port.add("guest-filter", guestFilter, standard.guestFilter)
            port.add("announce", announces, standard.announces)
            port.add("allmulticast", allmulticast, standard.allmulticast)
        }
        port.add("group-ids", groupIDs, standard.groupIDs)
        port.add("group-address", groupAddress?.description)
        var evb = Section(withDefaults)
        evb.add("transmit", self.evb.transmit, standard.evb.transmit)
        evb.add("manual", self.evb.manual, standard.evb.manual)
        port.nest("evb", evb)
        var ecp = Section(withDefaults)
        ecp.add("retries", self.ecp.retries, standard.ecp.retries)
        ecp.add("rte", self.ecp.rte, standard.ecp.rte)
        ecp.add("source", self.ecp.source.rawValue, standard.ecp.source.rawValue)
        port.nest("ecp", ecp)
        var vdp = Section(withDefaults)
        vdp.add("rwd", self.vdp.rwd, standard.vdp.rwd)
        vdp.add("rka", self.vdp.rka, standard.vdp.rka)
        port.nest("vdp", vdp)
        if role == .station {
            port.add("manager-id-placement", managerIDPlacement.rawValue, standard.managerIDPlacement.rawValue)
        } else {
            port.add("reflective-relay", reflectiveRelay, standard.reflectiveRelay)
            port.add("vsi-types", vsiTypes)
            let addresses = protectedAddresses.sorted { $0.rawValue < $1.rawValue }
            if !addresses.isEmpty { port.list("protected-macs", addresses.map { .string($0.description) }) }
            port.nest("misbehave", misbehave.section)
        }
    }
}

extension UplinkSettings {
    fileprivate func section(_ withDefaults: Bool, _ ports: [PortSettings]) -> Section {
        // There is no default of channels: a section without keys would have none.
        var section = Section(true)
        section.add("cdcp", isNegotiated, !isNegotiated)
        if withDefaults || capacity != Self.capacityMax { section.add("capacity", capacity) }
        if role == .bridge {
            section.add("svids", svids.map { "\($0.lowerBound)-\($0.upperBound)" })
            section.add("bridge", bridge)
            var keys = Section(withDefaults)
            template.add(to: &keys, withDefaults)
            section.append(keys)
        }
        let list = channels.sorted { $0.key < $1.key }.map { scid, channel in
            // What a bridge's channel leaves out is as in the section, which need not be the default.
            let isWhole = withDefaults || role == .bridge
            var entry = Section(isWhole)
            entry.add("scid", Int(scid.rawValue))
            entry.add("svid", channel.svid.map { Int($0.rawValue) })
            entry.add("name", channel.name)
            let port = overrides[scid] ?? ports.first { $0.channel == ChannelPlace(uplink: interface, scid: scid) }
            port?.add(to: &entry, isWhole)
            return entry.value
        }
        if !list.isEmpty { section.list("channels", list) }
        return section
    }
}

extension OpenVSwitchSettings {
    fileprivate func section(_ withDefaults: Bool) -> Section {
        var section = Section(withDefaults)
        section.add("socket", socket, Self.standardSocket)
        var profiles = Section(true)
        for (name, type) in self.profiles.sorted(by: { $0.key < $1.key }) {
            var profile = Section(true)
            type.add(to: &profile)
            profiles.nest(name, profile)
        }
        section.nest("profiles", profiles)
        return section
    }
}

extension TapType {
    fileprivate func add(to section: inout Section) {
        section.add("manager", manager)
        section.add("type", Int(typeID))
        section.add("version", Int(version))
    }
}

extension TapRule {
    fileprivate var section: Section {
        var section = Section(true)
        section.add("rule", name)
        section.add("link", link?.description)
        section.add("mac", address?.description)
        type.add(to: &section)
        section.add("vlan", vlan.map { Int($0) })
        return section
    }
}

extension Misbehaviour {
    fileprivate var section: Section {
        var section = Section(true)
        if let refuse {
            var refusals = Section(true)
            refusals.add("reason", refuse.rawValue)
            if hard { refusals.add("hard", true, false) }
            if keep { refusals.add("keep", true, false) }
            refusals.add("count", refuseCount)
            refusals.add("vsi", vsiID)
            section.nest("refuse", refusals)
        }
        section.add("delay", delay)
        section.add("silent", silent?.rawValue)
        var acknowledgements = Section(true)
        acknowledgements.add("count", dropAcks)
        acknowledgements.add("percent", dropAcksPercent)
        section.nest("drop-acks", acknowledgements)
        section.add("vlan", vlan)
        section.add("deassociate-every", deassociateEvery)
        return section
    }
}

/// A mapping that is being written.
private struct Section {
    private let withDefaults: Bool
    private var members: [JSONValue.Member] = []

    init(_ withDefaults: Bool) { self.withDefaults = withDefaults }

    var value: JSONValue { .object(members) }

    mutating func add(_ key: String, _ text: String?) {
        if let text { members.append(JSONValue.Member(key, .string(text))) }
    }

    mutating func add(_ key: String, _ number: Int?) {
        if let number { members.append(JSONValue.Member(key, .number(String(number)))) }
    }

    mutating func add(_ key: String, _ text: String, _ standard: String) {
        if withDefaults || text != standard { add(key, text) }
    }

    mutating func add(_ key: String, _ number: Int, _ standard: Int) {
        if withDefaults || number != standard { add(key, number) }
    }

    mutating func add(_ key: String, _ value: Bool, _ standard: Bool) {
        if withDefaults || value != standard { members.append(JSONValue.Member(key, .bool(value))) }
    }

    mutating func append(_ section: Section) { members += section.members }

    mutating func list(_ key: String, _ items: [JSONValue]) {
        members.append(JSONValue.Member(key, .array(items)))
    }

    /// A section without keys is left out.
    mutating func nest(_ key: String, _ section: Section) {
        if !section.members.isEmpty { members.append(JSONValue.Member(key, section.value)) }
    }
}

import EVBModel
import EVBSettings
import EVBWire
import JSON
import Testing

@testable import SettingsFile

@Suite struct ConfigurationDocumentTests {
    /// A configuration in which nothing has its default.
    private static var full: DaemonSettings {
        var station = PortSettings(interface: "eth0")
        station.dialect = .draft
        station.edgeRelay = .veb
        station.fallback = .hold
        station.gate = .none
        station.guestFilter = false
        station.announces = false
        station.allmulticast = true
        station.groupIDs = false
        station.groupAddress = MACAddress("01:00:0d:00:0f:0a")
        station.evb = PortSettings.EVB(transmit: false, manual: true)
        station.ecp = PortSettings.ECP(retries: 7, rte: 1, source: .any)
        station.vdp = PortSettings.VDP(rwd: 1, rka: 2)
        station.managerIDPlacement = .last
        var bridge = PortSettings(interface: "port0")
        bridge.role = .bridge
        bridge.reflectiveRelay = false
        bridge.vsiTypes = "/etc/types.yaml"
        bridge.protectedAddresses = Set(["02:00:00:00:00:01", "02:00:00:00:00:02"].compactMap { MACAddress($0) })
        bridge.misbehave = Misbehaviour(
            refuse: .reserved, hard: true, keep: true, refuseCount: 2, vsiID: "mac:52:54:00:00:c7:3e", delay: 5,
            dropAcks: 3, vlan: 7, deassociateEvery: 60)
        var settings = DaemonSettings(
            ports: [station, bridge],
            control: ControlSettings(
                socket: "/a/b", group: "no", readOnly: ControlSettings.ReadOnly(socket: "/a/c", group: "adm")),
            libvirt: LibvirtSettings(enabled: false, pidFile: "/a/pid"), deassociateOnStop: true, logLevel: .trace)
        var uplink = UplinkSettings(interface: "port0", role: .bridge)
        (uplink.capacity, uplink.svids, uplink.bridge) = (2, 100...131, "br0")
        uplink.template.role = .bridge
        settings.uplinks = [uplink]
        settings.reloadEndsVSIs = true
        settings.openVSwitch.socket = "/a/db.sock"
        settings.openVSwitch.profiles = [
            "web": TapType(manager: "11", typeID: 100, version: 1), "db": TapType(typeID: 0),
        ]
        settings.taps = [
            TapRule(name: "a", link: NamePattern("tap*"), type: TapType(typeID: 1), vlan: 42),
            TapRule(name: "b", address: MACPattern("52:54:00:00:00:00/24"), type: TapType(typeID: 2)),
        ]
        settings.limits = ResourceLimits(vsisPerPort: 1, vsis: 2, filterEntries: 3)
        return settings
    }

    /// JSON is YAML, as far as a configuration goes.
    private func read(_ document: JSONValue) throws -> DaemonSettings {
        try DaemonSettings.parse(Array(document.pretty.utf8), file: "evbd.yaml")
    }

    @Test("OPS-311 what is shown of a configuration is read as the same configuration, with the defaults and without")
    func thereAndBack() throws {
        var silent = Self.full
        silent.ports[1].misbehave = Misbehaviour(silent: .all, dropAcksPercent: 30)
        let plain = DaemonSettings(ports: [PortSettings(interface: "eth0")])
        for settings in [Self.full, silent, plain, DaemonSettings(ports: [])] {
            for withDefaults in [false, true] {
                #expect(try read(settings.document(withDefaults: withDefaults)) == settings)
            }
        }
        #expect(plain.document(withDefaults: false).compact == "{\"ports\":[{\"interface\":\"eth0\"}]}")
    }

    /// A key that Configuration+YAML learns belongs into Configuration+JSON too.
    @Test("OPS-311 every key that the file may have is shown")
    func keys() throws {
        func keys(_ value: JSONValue?) -> Set<String> {
            guard case .object(let members)? = value else { return [] }
            return Set(members.map(\.key))
        }
        let document = Self.full.document(withDefaults: true)
        #expect(keys(document) == Set(ConfigurationReader.rootKeys))
        guard case .array(let ports)? = document["ports"] else {
            Issue.record("no ports")
            return
        }
        #expect(keys(ports[0]).union(keys(ports[1])) == Set(ConfigurationReader.portKeys))
    }
}

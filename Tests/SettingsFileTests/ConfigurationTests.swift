import EVBWire
import LinuxSystem
import Testing

@testable import EVBModel
@testable import EVBSettings
@testable import SettingsFile

private func parse(_ text: String) throws -> DaemonSettings {
    try DaemonSettings.parse(Array(text.utf8), file: "evbd.yaml")
}

@Suite struct ConfigurationTests {
    @Test func defaults() throws {
        let configuration = try parse("ports:\n  - interface: eth0\n")
        #expect(configuration == DaemonSettings(ports: [PortSettings(interface: "eth0")]))
        let port = try #require(configuration.ports.first)
        #expect(port.role == .station && port.dialect == .auto && port.edgeRelay == .vepa && port.fallback == .vepa)
        #expect(port.groupAddress == nil)
        #expect(port.groupIDs && port.managerIDPlacement == .first && port.vsiTypes == nil)
        #expect(port.ecp.retries == 3 && port.ecp.rte == 14 && port.vdp.rwd == 20 && port.vdp.rka == 20)
        #expect(configuration.control.socket == "/run/evbd/evbd.sock" && configuration.control.group == nil)
        #expect(configuration.libvirt.enabled && configuration.libvirt.pidFile == "/run/lldpad.pid")
        #expect(!configuration.deassociateOnStop && configuration.logLevel == .info)
        #expect(configuration.limits == ResourceLimits(vsisPerPort: 16_384, vsis: 65_536, filterEntries: 262_144))
    }

    @Test("SEC-86 limits are what the file says, and the defaults for what it leaves out")
    func limits() throws {
        let all = "ports: []\nlimits: { vsis-per-port: 1, vsis: 4194304, filter-entries: 3 }"
        #expect(try parse(all).limits == ResourceLimits(vsisPerPort: 1, vsis: 4_194_304, filterEntries: 3))
        let some = try parse("ports: []\nlimits: { vsis: 7 }").limits
        #expect(some == ResourceLimits(vsisPerPort: 16_384, vsis: 7, filterEntries: 262_144))
    }

    @Test func noPortsAreAConfigurationToo() throws {
        #expect(try parse("ports: []").ports.isEmpty)
    }

    @Test func everythingThatThisReleaseBuilds() throws {
        let configuration = try parse(
            """
            ports:
              - interface: "eth0"
                role: station
                dialect: ratified
                edge-relay: veb
                fallback: hold
                gate: none
                guest-filter: false
                announce: false
                allmulticast: true
                group-ids: false
                group-address: 01:00:0D:00:0f:0a
                ecp: { retries: 7, rte: 0, source: any }
                vdp: { rwd: 31, rka: 1 }
                manager-id-placement: last
              - { interface: br-0.100, peer-address: 02:00:00:00:00:01, nvo3: true }
            control: { socket: /tmp/s, group: wheel }
            libvirt: { enabled: false, pid-file: /tmp/p }
            deassociate-on-stop: true
            log: { level: debug }
            """)
        var first = PortSettings(interface: "eth0")
        first.dialect = .ratified
        first.edgeRelay = .veb
        first.fallback = .hold
        first.gate = .none
        first.guestFilter = false
        first.announces = false
        first.allmulticast = true
        first.groupIDs = false
        first.groupAddress = MACAddress(truncating: 0x0100_0D00_0F0A)
        first.ecp = .init(retries: 7, rte: 0, source: .any)
        first.vdp = .init(rwd: 31, rka: 1)
        first.managerIDPlacement = .last
        var second = PortSettings(interface: "br-0.100")
        second.peerAddress = MACAddress(truncating: 0x0200_0000_0001)
        second.nvo3 = true
        #expect(configuration.ports == [first, second])
        #expect(configuration.control == ControlSettings(socket: "/tmp/s", group: "wheel"))
        #expect(configuration.libvirt == LibvirtSettings(enabled: false, pidFile: "/tmp/p"))
        #expect(configuration.deassociateOnStop && configuration.logLevel == .debug)
    }

    @Test(
        arguments: [
            ("{ read-only: {} }", "/run/evbd/evbd.sock", "/run/evbd/evbd-ro.sock", nil),
            ("{ socket: /tmp/s, read-only: { group: adm } }", "/tmp/s", "/tmp/s-ro", "adm"),
            ("{ read-only: { socket: /tmp/r }, socket: /tmp/s.sock }", "/tmp/s.sock", "/tmp/r", nil),
        ] as [(String, String, String, String?)]) func aReadOnlySocket(
            _ text: String, _ socket: String, _ readOnly: String, _ group: String?
        ) throws
    {
        let control = try parse("ports: []\ncontrol: \(text)\n").control
        #expect(
            control == ControlSettings(socket: socket, readOnly: .init(socket: readOnly, group: group)))
    }

    @Test func aBridgePort() throws {
        let ports = try parse(
            """
            ports:
              - { interface: port0, role: bridge }
              - interface: port1
                role: bridge
                dialect: ratified
                reflective-relay: false
                group-ids: false
                evb: { transmit: false, manual: true }
                ecp: { retries: 0, rte: 31 }
                vdp: { rwd: 0, rka: 31 }
            """
        ).ports
        #expect(ports.map(\.role) == [.bridge, .bridge])
        #expect(ports[0].reflectiveRelay && ports[0].groupIDs && ports[0].evb == .init() && ports[0].vsiTypes == nil)
        #expect(!ports[1].reflectiveRelay && !ports[1].groupIDs && ports[1].dialect == .ratified)
        #expect(ports[1].evb == .init(transmit: false, manual: true))
        #expect(ports[1].ecp == .init(retries: 0, rte: 31) && ports[1].vdp == .init(rwd: 0, rka: 31))
    }

    @Test func aBridgePortThatMisbehaves() throws {
        let ports = try parse(
            """
            ports:
              - interface: port0
                role: bridge
                misbehave:
                  refuse:
                    reason: reserved
                    hard: true
                    keep: true
                    count: 3
                    vsi: 5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51
                  delay: 2000
                  drop-acks: { percent: 30 }
                  vlan: 999
                  deassociate-every: 60
              - { interface: port1, role: bridge, misbehave: { silent: all, drop-acks: { count: 2 } } }
              - { interface: port2, role: bridge }
            """
        ).ports
        #expect(
            ports.map(\.misbehave) == [
                Misbehaviour(
                    refuse: .reserved, hard: true, keep: true, refuseCount: 3,
                    vsiID: "5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a51", delay: 2000, dropAcksPercent: 30, vlan: 999,
                    deassociateEvery: 60), Misbehaviour(silent: .all, dropAcks: 2), .none,
            ])
    }

    @Test func keysOfEachRole() throws {
        let text = """
            ports:
              - { interface: port0, role: bridge, reflective-relay: false, vsi-types: /etc/types.yaml, protected-macs: [02:00:00:00:00:01] }
              - { interface: eth0, fallback: hold }
            """
        let ports = try parse(text).ports
        #expect(ports.map(\.role) == [.bridge, .station])
        #expect(!ports[0].reflectiveRelay && ports[0].vsiTypes == VSITypesSource(file: "/etc/types.yaml"))
        #expect(ports[0].protectedAddresses.map(\.description) == ["02:00:00:00:00:01"])
        #expect(ports[1].protectedAddresses.isEmpty)
        #expect(ports[1].fallback == .hold)
    }

    @Test func aFileThatIsNotThere() {
        let error = #expect(throws: ConfigurationMistakes.self) { try DaemonSettings.load("/nonexistent/evbd.yaml") }
        #expect(
            error?.description == "/nonexistent/evbd.yaml: cannot be read: open /nonexistent/evbd.yaml: "
                + "No such file or directory (ENOENT); give a readable file with --config, of at most 1048576 octets")
    }

    @Test func theFileIsBounded() {
        let long = "ports: [] #" + String(repeating: "x", count: 1 << 20)
        let error = #expect(throws: ConfigurationMistakes.self) { try parse(long) }
        #expect(error?.description == "evbd.yaml: is larger than 1048576 octets; give a smaller file")
        let deep = "ports: " + String(repeating: "[", count: 100_000)
        let tooDeep = #expect(throws: ConfigurationMistakes.self) { try parse(deep) }
        #expect(tooDeep?.mistakes.first?.problem == "is nested deeper than 16 levels")
    }

    @Test(arguments: ConfigurationMistakesTable.cases) func mistakes(_ expected: MistakeCase) {
        let error = #expect(throws: ConfigurationMistakes.self) {
            try parse(expected.text)
        }
        #expect(error?.description == expected.lines)
    }

    @Test("TLV-16 TLV-17 the EVB TLV's use is set by evb")
    func evbSettings() throws {
        let text = "ports:\n  - interface: eth0\n    evb: { transmit: false, manual: true }\n  - interface: eth1\n"
        let ports = try DaemonSettings.parse(Array(text.utf8), file: "evbd.yaml").ports
        #expect(ports[0].evb == PortSettings.EVB(transmit: false, manual: true))
        #expect(ports[1].evb == PortSettings.EVB(transmit: true, manual: false))
        let wrong = "ports:\n  - interface: eth0\n    evb: { transmit: maybe, manaul: true }\n"
        #expect(throws: ConfigurationMistakes.self) { try DaemonSettings.parse(Array(wrong.utf8), file: "evbd.yaml") }
    }
}

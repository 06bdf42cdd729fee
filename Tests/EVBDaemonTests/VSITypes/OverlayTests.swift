import EVBModel
import EVBWire
import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Testing
import VSISamples

@testable import BridgeDataplane
@testable import EVBBridge
@testable import EVBSettings
@testable import SettingsFile

private func mac(_ number: UInt64) -> MACAddress { MACAddress(truncating: 0x5254_0000_0000 | number) }

private func grant(_ token: UInt64, _ address: UInt64, vni: UInt32, device: String? = nil) -> ClaimChange {
    .grant(
        ClaimToken(number: token),
        GrantedFrames(
            entries: [FilterEntry(vid: 50, macAddress: mac(address), groupID: vni)], profile: VSIProfile(),
            networks: [50: vni], overlayDevice: device))
}

/// What files of VSI types say of virtual networks.
@Suite struct OverlaySettingsTests {
    private func parse(_ text: String) throws(ConfigurationMistakes) -> VSITypeDatabase {
        try VSITypeDatabase.parse(Array(text.utf8), file: "types.yaml")
    }

    private func mistakes(_ text: String) -> [String] {
        do {
            _ = try parse(text)
            return []
        } catch { return error.mistakes.map { "\($0.key): \($0.problem)" } }
    }

    @Test("OVL-303 a group has its VNI by the file, or by its low 24 bits; without an overlay there is none")
    func groups() throws {
        let types = "types: [{ type: 1, groups: [{ group: 5000, vlan: 50 }, { group: 7, vlan: 51, vni: 5001 }] }]"
        let database = try parse("overlay: { device: vxlan0 }\n\(types)")
        #expect(database.overlay == OverlaySettings(device: "vxlan0"))
        let groups = try #require(database.types.first?.groups)
        #expect(groups[5000]?.vni == 5000 && groups[7]?.vni == 5001)
        let type = try #require(database.sharedTypes(typeID: 1).first)
        let filter = try FilterInfo(checking: [
            FilterEntry(vid: 50, macAddress: mac(1), groupID: 5000),
            FilterEntry(vid: 51, macAddress: mac(1), groupID: 7),
        ])
        #expect(type.networks(of: filter) == [50: 5000, 51: 5001])
        let plain = try parse("types: [{ type: 1, groups: [{ group: 5000, vlan: 50 }] }]").types.first
        #expect(plain?.groups[5000]?.vni == nil && plain?.networks(of: filter) == [:])
    }

    @Test("OVL-303 VLANs of a type may have a VNI without groups")
    func vlans() throws {
        let database = try parse("overlay: {}\ntypes: [{ type: 1, vlans: [{ vlan: 50, vni: 5000 }, 60] }]")
        let type = try #require(database.types.first)
        let filter = try FilterInfo(checking: [FilterEntry(vid: 50), FilterEntry(vid: 60)])
        #expect(type.networks(of: filter) == [50: 5000])
    }

    @Test(
        "OVL-303 NVO-02 what cannot be a VNI, or contradicts another, is a mistake that names both",
        arguments: [
            ("types: [{ type: 1, groups: [{ group: 1, vlan: 5, vni: 9 }] }]", "there is no overlay"),
            ("overlay: {}\ntypes: [{ type: 1, groups: [{ group: 16777216, vlan: 5 }] }]", "is no VNI"),
            ("overlay: {}\ntypes: [{ type: 1, groups: [{ group: 0, vlan: 5 }] }]", "is no VNI"),
            ("overlay: {}\ntypes: [{ type: 1, vlans: [{ vlan: 5, vni: 16777216 }] }]", "vlans[0].vni"),
            (
                "overlay: {}\ntypes: [{ type: 1, groups: [{ group: 1, vlan: 5 }, { group: 2, vlan: 5 }] }]",
                "contradicts"
            ),
            (
                "overlay: {}\ntypes: [{ type: 1, vlans: [{ vlan: 5, vni: 1 }] }, { type: 2, vlans: [{ vlan: 6, vni: 1 }] }]",
                "contradicts"
            ),
            ("overlay: { port: x }\ntypes: []", "port"),
        ])
    func mistakes(_ text: String, _ words: String) {
        let found = mistakes(text)
        #expect(found.count == 1 && found.first?.contains(words) == true, "\(found)")
    }

    @Test("OVL-303 NVO-03 types of different ports may have one VLAN for different networks")
    func ports() throws {
        let text = """
            overlay: {}
            types:
              - { type: 1, ports: [p1], vlans: [{ vlan: 5, vni: 1 }] }
              - { type: 2, ports: [p2], vlans: [{ vlan: 5, vni: 2 }] }
            """
        #expect(mistakes(text) == [])
        #expect(mistakes(text.replacing("[p2]", with: "[p2, p1]")).count == 1)
    }
}

/// What a file says of other boxes.
@Suite struct OverlayListTests {
    private func mistakes(_ text: String) -> [String] {
        do {
            _ = try VSITypeDatabase.parse(Array("overlay: \(text)\ntypes: []".utf8), file: "t")
            return []
        } catch { return error.mistakes.map { "\($0.key): \($0.problem)" } }
    }

    @Test("OVL-340 boxes and machines are read; what is no address, is missing or is there twice is a mistake")
    func lists() throws {
        let text = """
            overlay:
              flood: [10.0.0.2, "2001:db8::2"]
              remotes:
                - { mac: 52:54:00:00:00:02, ip: 10.5.0.2, vtep: 10.0.0.2, vni: 5000 }
                - { mac: 52:54:00:00:00:02, vtep: 10.0.0.3, vni: 5001 }
            types: []
            """
        let overlay = try VSITypeDatabase.parse(Array(text.utf8), file: "t").overlay
        let second: [UInt8] = [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [2]
        #expect(overlay?.flood == [[10, 0, 0, 2], second])
        #expect(
            overlay?.remotes == [
                .init(address: mac(2), ip: [10, 5, 0, 2], box: [10, 0, 0, 2], vni: 5000),
                .init(address: mac(2), box: [10, 0, 0, 3], vni: 5001),
            ])
        for (text, words) in [
            ("{ flood: [10.0.0] }", "no IP address"), ("{ flood: [0.0.0.0] }", "no IP address"),
            ("{ flood: [10.0.0.1, 10.0.0.1] }", "twice"), ("{ remotes: [{ mac: 52:54:00:00:00:02, vni: 1 }] }", "vtep"),
            ("{ remotes: [{ mac: 01:00:5e:00:00:02, vtep: 1.1.1.1, vni: 1 }] }", "not a valid address"),
            ("{ remotes: [{ mac: 52:54:00:00:00:02, vtep: 1.1.1.1, vni: 0 }] }", "vni"),
            (
                "{ remotes: [{ mac: 52:54:00:00:00:02, vtep: 1.1.1.1, vni: 1 }, "
                    + "{ mac: 52:54:00:00:00:02, vtep: 1.1.1.2, vni: 1 }] }",
                "listed twice"
            ),
        ] {
            let found = mistakes(text)
            #expect(found.count == 1 && found.first?.contains(words) == true, "\(text): \(found)")
        }
    }

    @Test("OVL-341 the ledger's lines are read back, and lines that are none do no harm")
    func ledger() {
        let entries: [OverlayEntry] = [
            .box(device: "vx0", TunnelEntry(address: HardwareAddress(0), box: [10, 0, 0, 2], vni: 5000)),
            .box(
                device: "v-1", TunnelEntry(address: HardwareAddress(0x5254_0000_0001), box: [UInt8](0..<16), vni: nil)),
            .forwarding(device: "vx0", HardwareAddress(1), 50),
            .neighbour(device: "vx0", [1, 2, 3, 4], HardwareAddress(2)),
        ]
        for entry in entries { #expect(OverlayEntry(line: Substring(entry.line)) == entry) }
        for line in [
            "", "box", "box vx0 1 0a 5", "box vx0 x 0a000002 5", "box vx0 1 0a000002 x",
            "box vx0 999999999999999999 0a000002 -",
            "neighbour vx0 0a00000g 1", "forwarding vx0 1 70000", "box vx0 1 é0000002 -",
        ] {
            #expect(OverlayEntry(line: Substring(line)) == nil, "\(line)")
        }
    }
}

extension EnforcementTests {
    /// One bridge for each VNI: what a kernel without VLAN filtering can do.
    @Suite struct OverlayTests {
        private let whole = Comparison(isWhole: true)

        @Test("OVL-304 a VSI is served where its VNI is in the port's bridge, and the refusal says what is there")
        func fixed() throws {
            let bench = try Switch("nfo")
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            func failure(_ change: ClaimChange) -> String? {
                enforcer.change(port, [change]).failures.values.first?.description
            }
            #expect(failure(grant(1, 1, vni: 5000))?.contains("it has no VXLAN device") == true)
            try bench.command("ip", "link", "add", "nfo-vx", "type", "vxlan", "id", "5000", "dstport", "4797")
            defer { try? bench.command("ip", "link", "delete", "nfo-vx") }
            #expect(failure(grant(1, 1, vni: 5000)) != nil, "it is in no bridge")
            try bench.command("ip", "link", "set", "nfo-vx", "master", bench.bridge)
            #expect(failure(grant(1, 1, vni: 5000)) == nil)
            #expect(try bench.fixed(1) == port)
            let other = failure(grant(2, 2, vni: 5001))
            #expect(other?.contains("VNI 5001 is not in bridge nfo-br") == true)
            #expect(other?.contains("nfo-vx (VNI 5000)") == true)
            #expect(try bench.entry(2) == nil, "nothing of it is in force")
            // The operator's device stays whatever goes.
            _ = enforcer.change(port, [.withdraw(ClaimToken(number: 1))])
            #expect(failure(grant(3, 3, vni: 5000, device: "other"))?.contains("other is not a VXLAN device") == true)
            #expect(bench.index("nfo-vx") != 0)
            #expect(try bench.listed(.networks).isEmpty)
            try enforcer.detach(port)
        }

        @Test("OVL-304 a device that takes VNIs from VLANs is refused where the bridge does not tell VLANs apart")
        func silentKernel() throws {
            let bench = try Switch("nfw")
            let port = bench.ports[0]
            try run(["ip", "link", "add", "nfw-vx", "type", "vxlan", "external", "vnifilter", "dstport", "4796"])
            defer { try? bench.command("ip", "link", "delete", "nfw-vx") }
            try bench.command("ip", "link", "set", "nfw-vx", "master", bench.bridge)
            try bench.command("bridge", "link", "set", "dev", "nfw-vx", "vlan_tunnel", "on")
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            let failure = enforcer.change(port, [grant(1, 1, vni: 5000)]).failures.values.first
            #expect(failure?.description.contains("does not tell VLANs apart") == true, "\(failure as Any)")
            #expect(try !Tunnels().vnis(deviceIndex: bench.index("nfw-vx")).contains(5000))
            let problems = enforcer.setOverlay(port, PortOverlay(OverlaySettings()))
            #expect(problems.contains { $0.message.contains("does not tell VLANs apart") })
            try enforcer.detach(port)
        }

        @Test(
            "OVL-305 the status has what keeps frames from other boxes: no device, none up, no address, an MTU too small"
        )
        func problems() throws {
            let bench = try Switch("nfm")
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            func words() -> String {
                (enforcer.compare(port, whole).overlay ?? []).map(\.message).joined(separator: "\n")
            }
            #expect(words() == "", "no overlay is set")
            #expect(
                enforcer.setOverlay(port, PortOverlay(OverlaySettings())).first?.message.contains("no VXLAN device")
                    == true)
            try run("ip link add nfm-u0 type veth peer name nfm-u1")
            defer { try? run("ip link delete nfm-u0") }
            try run("ip address add 198.51.100.9/24 dev nfm-u0")
            try run("ip link add nfm-vx type vxlan id 5000 dstport 4795")
            defer { try? run("ip link delete nfm-vx") }
            try run("ip link set nfm-vx master \(bench.bridge)")
            #expect(words().contains("nfm-vx is down") && words().contains("no local address"))
            try run("ip link delete nfm-vx")
            try run("ip link add nfm-vx type vxlan id 5000 dstport 4795 local 198.51.100.9")
            try run("ip link set nfm-vx master \(bench.bridge) up")
            #expect(words().contains("nfm-u0 has an MTU of 1500, and VXLAN adds 50 octets"))
            try run("ip link set nfm-u0 mtu 1549")
            #expect(words().contains("VXLAN adds 50"))
            try run("ip link set nfm-u0 mtu 1550")
            #expect(words() == "")
            try run("ip link set nfm-vx mtu 1450")
            #expect(words().contains("dropped at nfm-vx, whose MTU is 1450"))
            #expect(enforcer.setOverlay(port, nil).isEmpty)
            try enforcer.detach(port)
        }

        @Test("OVL-342 tables are filled, put back, kept over a restart, and taken away; an operator's entries stay")
        func tables() throws {
            let bench = try Switch("nft")
            let port = bench.ports[0]
            try run("ip link add nft-vx type vxlan id 5000 dstport 4794 local 198.51.100.9 nolearning")
            defer { try? run("ip link delete nft-vx") }
            try run("ip link set nft-vx master \(bench.bridge)")
            let (index, tunnels) = (bench.index("nft-vx"), try Tunnels())
            var settings = OverlaySettings(device: "nft-vx")
            settings.flood = [[10, 0, 0, 2], [10, 0, 0, 3]]
            settings.remotes = [
                .init(address: mac(2), ip: [10, 5, 0, 2], box: [10, 0, 0, 2], vni: 5000),
                .init(address: mac(3), box: [10, 0, 0, 3], vni: 5001),
            ]
            let overlay = PortOverlay(settings, vlans: [5000: 50])
            let own = TunnelEntry(address: HardwareAddress(mac(9).rawValue), box: [10, 0, 0, 9], vni: nil)
            try tunnels.setEntry(own, deviceIndex: index, true)
            let hardware = HardwareAddress(mac(2).rawValue)
            let wanted: Set<TunnelEntry> = [
                own, TunnelEntry(address: HardwareAddress(0), box: [10, 0, 0, 2], vni: nil),
                TunnelEntry(address: HardwareAddress(0), box: [10, 0, 0, 3], vni: nil),
                TunnelEntry(address: hardware, box: [10, 0, 0, 2], vni: nil),
            ]
            func isWhole() throws -> Bool {
                try tunnels.entries(deviceIndex: index) == wanted
                    && tunnels.neighbours(linkIndex: index) == [[10, 5, 0, 2]: hardware]
                    && bench.entry(2)?.portIndex == index
            }
            let directory = "/tmp/evbd-ovl-\(getpid())"
            try run(["mkdir", "-p", directory])
            defer { try? run(["rm", "-r", directory]) }

            let enforcer = BridgeEnforcer()
            enforcer.setLedger("\(directory)/overlay")
            _ = try enforcer.attach(port)
            _ = enforcer.setOverlay(port, overlay)
            #expect(try isWhole())
            try run("bridge fdb del \(mac(2)) dev nft-vx dst 10.0.0.2 self")
            try run("bridge fdb del \(mac(2)) dev nft-vx master")
            try run("bridge fdb del 00:00:00:00:00:00 dev nft-vx dst 10.0.0.3 self")
            try run("ip neighbour del 10.5.0.2 dev nft-vx")
            #expect(enforcer.compare(port, whole).tables?.restored == 4)
            #expect(try isWhole())
            #expect(enforcer.compare(port, whole).tables == TablesReport())

            // Another evbd, to which the list of before is another now.
            let next = BridgeEnforcer()
            next.setLedger("\(directory)/overlay")
            #expect(next.followTables() == TablesReport())
            #expect(try isWhole(), "as long as ports are being taken over")
            _ = try next.attach(port)
            settings.remotes = []
            settings.flood = [[10, 0, 0, 3]]
            _ = next.setOverlay(port, PortOverlay(settings, vlans: [5000: 50]))
            _ = next.compare(port, whole)
            #expect(
                try tunnels.entries(deviceIndex: index) == [
                    own, TunnelEntry(address: HardwareAddress(0), box: [10, 0, 0, 3], vni: nil),
                ])
            #expect(try tunnels.neighbours(linkIndex: index).isEmpty && bench.entry(2) == nil)
            _ = next.setOverlay(port, nil)
            #expect(try tunnels.entries(deviceIndex: index) == [own])
            try next.detach(port)
        }
    }
}

import EVBModel
import EVBWire
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
            let problems = enforcer.setOverlay(port, OverlaySettings())
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
            #expect(enforcer.setOverlay(port, OverlaySettings()).first?.message.contains("no VXLAN device") == true)
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
    }
}

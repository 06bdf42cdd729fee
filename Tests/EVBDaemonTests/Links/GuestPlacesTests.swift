import LinuxSystem
import Netlink
import Testing

@testable import EVBDaemon
@testable import EdgeRelays

/// Which links are machines' on a port.
@Suite struct GuestPlacesTests {
    private static func link(
        _ index: Int32, _ name: String, kind: String? = nil, parent: Int32? = nil, master: Int32? = nil,
        mode: MacvlanMode? = nil
    ) -> Link {
        var link = Link(index: index, name: name)
        link.kind = kind
        link.parentIndex = parent
        link.masterIndex = master
        link.macvlanMode = mode
        return link
    }

    private static func places(port: Link, _ others: [Link]) -> GuestPlaces {
        GuestPlaces(
            around: port, link: { index in others.first { $0.index == index } },
            vlanDevices: others.filter { $0.kind == "vlan" })
    }

    private func isGuest(_ link: Link, _ places: GuestPlaces) -> Bool {
        places.rules(of: link) { $0 == "up1" } != nil
    }

    @Test("SEC-407 all that sits on the port or on its VLAN devices is a machine's; nothing else is")
    func onThePort() {
        let port = Self.link(2, "up0", kind: "veth")
        let vlan = Self.link(3, "up0.10", kind: "vlan", parent: 2)
        let inner = Self.link(4, "up0.10.20", kind: "vlan", parent: 3)
        let places = Self.places(port: port, [vlan, inner, Self.link(9, "other.5", kind: "vlan", parent: 8)])
        for kind in ["macvtap", "macvlan", "ipvlan", "ipvtap"] {
            for parent: Int32 in [2, 3, 4] { #expect(isGuest(Self.link(20, "g", kind: kind, parent: parent), places)) }
            #expect(!isGuest(Self.link(20, "g", kind: kind, parent: 8), places))
            #expect(!isGuest(Self.link(20, "g", kind: kind, parent: 9), places))
        }
        for link in [port, vlan, inner, Self.link(21, "tap", kind: "tun"), Self.link(22, "eth9")] {
            #expect(!isGuest(link, places))
        }
        let lone = Self.link(20, "g", kind: "macvtap", parent: 2, mode: .passthru)
        #expect(places.rules(of: lone) { _ in false } == GuestRules.Guest(index: 20, name: "g", isAlone: true))
    }

    @Test("SEC-408 taps and veths in the port's bridge are machines', and what sits on it; ports and cards are not")
    func inTheBridge() {
        let port = Self.link(2, "up0", master: 5)
        let bridge = Self.link(5, "br0", kind: "bridge")
        let places = Self.places(port: port, [bridge])
        #expect(places.bridgeIndex == 5)
        for link in [
            Self.link(20, "tap", kind: "tun", master: 5), Self.link(20, "veth", kind: "veth", master: 5),
            Self.link(20, "mv", kind: "macvlan", parent: 5),
        ] {
            #expect(isGuest(link, places), "\(link.name)")
        }
        for link in [
            port, bridge, Self.link(20, "up1", kind: "veth", master: 5), Self.link(20, "eth1", master: 5),
            Self.link(20, "tap", kind: "tun", master: 6), Self.link(20, "tap", kind: "tun"),
        ] {
            #expect(!isGuest(link, places), "\(link.name)")
        }
    }
}

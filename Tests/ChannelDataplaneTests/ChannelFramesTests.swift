import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Testing

@testable import ChannelDataplane

/// A station `up0` and a bridge `port0` on one cable, each with two channels beside channel 1, and machines in namespaces of their own:
/// a1 and a2 on macvlans in channel A (S-VLAN 10), b1 behind a bridge in channel B (20), d1 in channel 1, x on the LAN in all of them.
private final class Site {
    let station: ChannelBench
    let bridge: ChannelBench
    private static let machines = ["a1", "a2", "b1", "d1", "x"]

    enum First { case macvlan, bridge }

    init(channel1: First, isFiltering: Bool = true, station svids: (UInt16, UInt16) = (10, 20)) throws {
        for machine in Self.machines {
            try run("ip netns add \(machine)")
            try run(
                "ip netns exec \(machine) sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1"
            )
        }
        try run("ip link add up0 type veth peer name port0")
        for end in ["up0", "port0"] { try run("ip link set \(end) addrgenmode none up") }
        try run("ip link add br0 type bridge vlan_filtering \(isFiltering ? 1 : 0) mcast_snooping 0 stp_state 0")
        for bridge in ["br0"] { try run("ip link set \(bridge) addrgenmode none up") }
        try run("ip link set port0 master br0")
        let channels = ChannelBench.plan(("up0.a", 2, svids.0), ("up0.b", 3, svids.1))
        station = try ChannelBench(channels)
        bridge = try ChannelBench(
            ChannelBench.plan(("port0.a", 2, 10), ("port0.b", 3, 20), uplink: "port0", bridge: "br0"))
        try join(channel1)
        #expect(try station.settle() && station.isAsWanted(channels))
        let isBridgeSettled = try bridge.settle()
        #expect(isBridgeSettled && bridge.devices.failures.isEmpty, "\(bridge.devices.failures)")
        try connect(channel1)
        if isFiltering { try separate() }
        usleep(300_000)
    }

    private func join(_ channel1: First) throws {
        guard channel1 == .bridge else { return }
        try run("ip link add br1 type bridge mcast_snooping 0 stp_state 0")
        try run("ip link set br1 addrgenmode none up")
        try run("ip link set up0 master br1")
    }

    private func connect(_ channel1: First) throws {
        for machine in ["a1", "a2"] { try macvlan(machine, on: "up0.a") }
        try run("ip link add brb type bridge mcast_snooping 0 stp_state 0")
        try run("ip link set brb addrgenmode none up")
        try run("ip link set up0.b master brb")
        try veth("b1", to: "brb")
        switch channel1 {
        case .macvlan: try macvlan("d1", on: "up0")
        case .bridge: try veth("d1", to: "br1")
        }
        try veth("x", to: "br0")
    }

    private func macvlan(_ machine: String, on device: String) throws {
        try run("ip link add link \(device) name m-\(machine) type macvlan mode vepa")
        try run("ip link set m-\(machine) netns \(machine) name eth0")
        try run("ip -n \(machine) link set eth0 up")
    }

    private func veth(_ machine: String, to bridge: String) throws {
        try run("ip link add v-\(machine) type veth peer name eth0 netns \(machine)")
        try run("ip link set v-\(machine) master \(bridge) up")
        try run("ip -n \(machine) link set eth0 up")
    }

    /// Each channel in a C-VLAN of its own; the LAN in all of them, with C-VLAN 104, that of channel 1, untagged.
    private func separate() throws {
        for (port, vlan) in [("port0.a", 101), ("port0.b", 102), ("port0", 104)] {
            try run("bridge vlan del dev \(port) vid 1")
            try run("bridge vlan add dev \(port) vid \(vlan) pvid untagged")
            try run("bridge vlan add dev v-x vid \(vlan)")
        }
        try run("bridge vlan del dev v-x vid 1")
        try run("bridge vlan add dev v-x vid 104 pvid untagged")
        try run("ip link set port0.a type bridge_slave hairpin on")
    }

    /// What the machines get of frames of one of them.
    func frames(from sender: String, _ tags: String) throws -> [String] {
        let script = "\(#filePath[..<(#filePath.lastIndex(of: "/") ?? #filePath.startIndex)])/frames.py"
        let places = Self.machines.map { "\($0):eth0" }.joined(separator: " ")
        let text = try output("/usr/bin/python3 \(script) \(places) -- \(sender):eth0 \(tags)")
        return text.split(separator: "\n").map { String($0).replacing(":eth0", with: "") }
    }

    deinit {
        for link in ["up0", "br0", "brb", "br1"] { try? runShell("ip link delete \(link) 2>/dev/null") }
        for machine in Self.machines { try? run("ip netns delete \(machine)") }
    }
}

extension ChannelDevicesSuites {
    @Suite struct ChannelFramesTests {
        private static let tags = "- c100 s10 s20 s99 s0 s10+s20 s20+c100"
        /// A machine's own S-tags go nowhere.
        private static let nothing = ["s10:", "s20:", "s99:", "s0:", "s10+s20:", "s20+c100:"]

        @Test(
            "SCH-09 SCH-116 no frame of a machine comes out in another channel, whatever tags the machine puts in front"
        )
        func macvlans() throws {
            let site = try Site(channel1: .macvlan)
            #expect(try site.frames(from: "a1", Self.tags) == ["-: a2=- x=c101", "c100:"] + Self.nothing)
            #expect(try site.frames(from: "b1", Self.tags) == ["-: x=c102", "c100:"] + Self.nothing)
            #expect(try site.frames(from: "d1", Self.tags) == ["-: x=-", "c100:"] + Self.nothing)
            #expect(
                try site.frames(from: "x", "- c101 c102 c100 s10 s20 s99")
                    == ["-: d1=-", "c101: a1=- a2=-", "c102: b1=-", "c100:", "s10:", "s20:", "s99:"])
        }

        @Test("SCH-116 neither where channel 1 is a bridge, at the station and at a bridge that tells no VLANs apart")
        func bridges() throws {
            let site = try Site(channel1: .bridge, isFiltering: false)
            let all = { (name: String) in
                "-: " + ["a1=-", "a2=-", "b1=-", "d1=-", "x=-"].filter { !$0.hasPrefix(name) }.joined(separator: " ")
            }
            let own = ["s10", "s20", "s99", "s0", "s10+s20"]
            for machine in ["a1", "b1", "d1"] {
                let seen = try site.frames(from: machine, "- " + own.joined(separator: " "))
                // One bridge for all channels: what is untagged is for all of them, but for a1's own macvlan bridge.
                #expect(seen.first == (machine == "a1" ? "-: b1=- d1=- x=-" : all(machine)), "\(machine)")
                #expect(Array(seen.dropFirst()) == own.map { "\($0):" }, "\(machine)")
            }
            #expect(
                try site.frames(from: "x", "- s10 s20 s99 s10+s20") == [all("x"), "s10:", "s20:", "s99:", "s10+s20:"])
            // Flushed by another program, the rules come back.
            for bench in [site.station, site.bridge] {
                try run("nft flush ruleset")
                #expect(try bench.reach { try output("nft list ruleset").contains("\"\(bench.uplink)\"") })
            }
            for bench in [site.station, site.bridge] { try bench.remove() }
            #expect(try output("nft list ruleset") == "")
        }

        @Test(
            "SCH-117 a channel that gets another S-VLAN under traffic loses hardly a frame, and its machines keep their links"
        )
        func moving() throws {
            let site = try Site(channel1: .macvlan)
            for (machine, address) in [("a1", 1), ("x", 9)] {
                let device = machine == "x" ? "eth0.101" : "eth0"
                if machine == "x" { try run("ip -n x link add link eth0 name eth0.101 type vlan id 101") }
                try run("ip -n \(machine) addr add 10.0.0.\(address)/24 dev \(device)")
                try run("ip -n \(machine) link set \(device) up")
            }
            try run("ip netns exec a1 ping -q -c 3 -i 0.1 10.0.0.9")
            let index = site.station.link("up0.a")?.index
            try runShell("ip netns exec a1 ping -i 0.02 -c 150 -W 1 10.0.0.9 >/tmp/ping-a1 2>&1 &")
            usleep(1_000_000)
            // The bridge moves first, then the station follows; then A and B swap.
            for (a, b) in [(30, 20), (20, 30)] as [(UInt16, UInt16)] {
                try site.bridge.want(
                    ChannelBench.plan(("port0.a", 2, a), ("port0.b", 3, b), uplink: "port0", bridge: "br0"))
                try site.station.want(ChannelBench.plan(("up0.a", 2, a), ("up0.b", 3, b)))
            }
            let isOver = try eventually { try output("cat /tmp/ping-a1").contains("received") }
            let text = try output("grep received /tmp/ping-a1")
            print("moved twice under ping: \(text)")
            let words = text.split(separator: " ")
            #expect(isOver && words.count > 3)
            #expect(Int(words[3]) ?? 0 >= 138, "\(text)")
            #expect(site.station.link("up0.a")?.index == index)
            #expect(try site.frames(from: "a1", "- s10") == ["-: a2=- x=c101", "s10:"])
            #expect(try site.frames(from: "b1", "- s10") == ["-: x=c102", "s10:"])
        }
    }
}

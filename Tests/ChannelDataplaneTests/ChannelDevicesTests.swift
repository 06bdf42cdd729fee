import Glibc
import LinuxSystem
import Logging
import Netlink
import NetnsSupport
import Testing

@testable import ChannelDataplane

/// A pair of veths, `up0` and `port0`, deleted at the end with all that is on them.
private final class Cable {
    init() throws {
        try run("ip link add up0 type veth peer name port0")
        for end in ["up0", "port0"] { try run("ip link set \(end) addrgenmode none up") }
    }

    deinit { try? run("ip link delete up0") }
}

extension ChannelDevicesSuites {
    @Suite struct ChannelDevicesTests {
        @Test(
            "SCH-106 devices are made with their S-VLAN, address and alias, up once the rules stand, and all goes at the end"
        )
        func comingAndGoing() throws {
            let cable = try Cable()
            let plan = ChannelBench.plan(("up0.a", 2, 10), ("up0.b", 3, 20), ("up0.c", 4, nil))
            let bench = try ChannelBench(plan)
            #expect(try bench.settle() && bench.isAsWanted(plan))
            #expect(bench.devices.failures.isEmpty)
            let (uplink, a, c) = (
                try #require(bench.link("up0")), try #require(bench.link("up0.a")), try #require(bench.link("up0.c"))
            )
            #expect(
                a.vlanID == 10 && a.vlanProtocol == 0x88A8 && a.alias == "evbd S-channel"
                    && a.parentIndex == uplink.index)
            #expect(a.address == UplinkPlan.address(uplink: try #require(uplink.address), scid: 2))
            #expect(!c.isUp && c.vlanID == 4094)
            #expect(try bench.listing().discipline == .clsact)
            // Without b; c gets its S-VLAN.
            try bench.want(ChannelBench.plan(("up0.a", 2, 10), ("up0.c", 4, 30)))
            #expect(
                bench.link("up0.b") == nil && bench.link("up0.c")?.index == c.index
                    && bench.link("up0.a")?.index == a.index
            )
            try bench.remove()
            #expect(bench.link("up0.a") == nil && bench.link("up0.c") == nil)
            #expect(try bench.listing() == TrafficListing())
            _ = cable
        }

        @Test("SCH-107 the next evbd takes devices and rules over after kill -9, and changes nothing")
        func adoption() throws {
            let cable = try Cable()
            let plan = ChannelBench.plan(("up0.a", 2, 10), ("up0.b", 3, 20))
            var first: ChannelBench? = try ChannelBench(plan)
            #expect(try first?.settle() == true)
            try first?.want(ChannelBench.plan(("up0.a", 2, 30), ("up0.b", 3, 20)))
            let before = try #require(try first?.listing())
            let index = first?.link("up0.a")?.index
            first = nil
            // As if it had ended between making a device and giving it its alias.
            try runShell("ip link set up0.b alias ''")
            let moved = ChannelBench.plan(("up0.a", 2, 30), ("up0.b", 3, 20))
            let second = try ChannelBench(moved)
            #expect(try second.settle() && second.isAsWanted(moved))
            #expect(second.queue.statistics.description == "read uplink rules 1+0, set link alias 1+0")
            #expect(try second.listing() == before && second.link("up0.a")?.index == index)
            #expect(second.link("up0.b")?.alias == "evbd S-channel")
            // The discipline is evbd's own, as the rules themselves say, so that it goes.
            try second.remove()
            #expect(try second.listing() == TrafficListing())
            _ = cable
        }

        @Test(
            "SCH-108 rules that others remove or change come back; filters of others stay, and so does a discipline of others"
        )
        func flushes() throws {
            let cable = try Cable()
            try run("tc qdisc add dev up0 clsact")
            try run("tc filter add dev up0 ingress pref 1 protocol ip matchall action continue")
            let plan = ChannelBench.plan(("up0.a", 2, 10), ("up0.b", 3, 20))
            let bench = try ChannelBench(plan)
            #expect(try bench.settle() && bench.isAsWanted(plan))
            let others = { try bench.listing().filters.filter { !UplinkRules.isOwn($0) } }
            #expect(try others().count == 1)
            for command in [
                "filter del dev up0 egress", "filter del dev up0 ingress pref 3", "filter del dev up0 ingress pref 4",
            ] {
                try run("tc \(command)")
                #expect(try !bench.isAsWanted(plan))
                #expect(try bench.reach { try bench.isAsWanted(plan) }, "\(command)")
            }
            #expect(try others().count == 1)
            try run("tc qdisc del dev up0 clsact")
            #expect(try bench.reach { try bench.isAsWanted(plan) })
            // Now the discipline is evbd's; another program's filter keeps it.
            try run("tc filter add dev up0 egress pref 9 protocol ip matchall action continue")
            try bench.remove()
            #expect(try bench.listing().discipline == .clsact && others().count == 1)
            _ = cable
        }

        @Test("SCH-109 rules of which no news came are found missing by the comparison")
        func comparison() throws {
            let cable = try Cable()
            let plan = ChannelBench.plan(("up0.a", 2, 10))
            let bench = try ChannelBench(plan, period: .milliseconds(200))
            #expect(try bench.settle() && bench.isAsWanted(plan))
            bench.devices.deafen()
            try run("tc qdisc del dev up0 clsact")
            #expect(try bench.reach { try bench.isAsWanted(plan) })
            _ = cable
        }

        @Test(
            "SCH-110 a link of a channel's name that is not evbd's is never touched; the channel comes up when it is gone"
        )
        func takenNames() throws {
            let cable = try Cable()
            try run("ip link add link up0 name up0.a type vlan proto 802.1ad id 77")
            try run("ip link add up0.b type veth peer name other")
            let plan = ChannelBench.plan(("up0.a", 2, 10), ("up0.b", 3, 20), ("up0.c", 4, 77))
            let bench = try ChannelBench(plan)
            #expect(try bench.settle())
            #expect(bench.devices.failures.map(\.subject) == ["up0.a", "up0.b"])
            #expect(bench.devices.failures.allSatisfy { $0.hint.contains("delete or rename it") })
            // S-VLAN 77 is the channel's, though another device has that id.
            #expect(bench.link("up0.c")?.isUp == true && bench.link("up0.c")?.vlanID == 4094)
            #expect(bench.link("up0.a")?.alias == nil && bench.link("up0.a")?.isUp == false)
            try run("ip link delete up0.a")
            try run("ip link delete up0.b")
            #expect(try bench.reach { try bench.isAsWanted(plan) && bench.devices.failures.isEmpty })
            _ = cable
        }

        @Test(
            "SCH-111 a channel keeps its device when it gets another S-VLAN, when two swap, and when a third gets a free one"
        )
        func moves() throws {
            let cable = try Cable()
            let bench = try ChannelBench(ChannelBench.plan(("up0.a", 2, 10), ("up0.b", 3, 20)))
            #expect(try bench.settle())
            let (a, b) = (bench.link("up0.a")?.index, bench.link("up0.b")?.index)
            for (first, second) in [(30, 20), (20, 10), (10, 20), (20, 30), (4094, 4093)] as [(UInt16, UInt16)] {
                try bench.want(ChannelBench.plan(("up0.a", 2, first), ("up0.b", 3, second)))
                #expect(bench.link("up0.a")?.index == a && bench.link("up0.b")?.index == b)
            }
            // 10 is the id of a's device, and free on the cable.
            try bench.want(ChannelBench.plan(("up0.a", 2, 30), ("up0.b", 3, 20), ("up0.c", 4, 10)))
            #expect(bench.link("up0.c")?.vlanID == 4094 && bench.link("up0.a")?.index == a)
            _ = cable
        }

        @Test(
            "SCH-112 channels follow their uplink down and up, away and back, and through other MTUs; one without an S-VLAN stays down"
        )
        func uplink() throws {
            var cable: Cable? = try Cable()
            let plan = ChannelBench.plan(("up0.a", 2, 10), ("up0.b", 3, nil))
            let bench = try ChannelBench(plan)
            #expect(try bench.settle() && bench.isAsWanted(plan))
            for _ in 0..<2 {
                try run("ip link set up0 down")
                #expect(try bench.reach { bench.link("up0.a")?.isUp == false })
                // The kernel sets all devices up together with the uplink, b too.
                try run("ip link set up0 up")
                #expect(try bench.reach { try bench.isAsWanted(plan) })
            }
            for mtu: UInt32 in [1400, 1500, 9000] {
                try run("ip link set up0 mtu \(mtu)")
                #expect(
                    try bench.reach { bench.link("up0.a")?.mtu == mtu && bench.link("up0.b")?.mtu == mtu }, "MTU \(mtu)"
                )
            }
            cable = nil
            #expect(try bench.reach { bench.devices.failures.map(\.subject) == ["up0"] })
            cable = try Cable()
            #expect(try bench.reach { try bench.isAsWanted(plan) && bench.devices.failures.isEmpty })
            _ = cable
        }

        @Test("SCH-113 channels of a bridge are ports of its bridge, whichever they were ports of before")
        func ports() throws {
            let cable = try Cable()
            try run("ip link add br0 type bridge")
            let plan = ChannelBench.plan(("port0.a", 2, 10), ("port0.b", 3, 20), uplink: "port0", bridge: "br0")
            let bench = try ChannelBench(plan)
            #expect(try bench.settle() && bench.isAsWanted(plan))
            #expect(bench.link("port0.a")?.masterIndex == bench.link("br0")?.index)
            let other = ChannelBench.plan(("port0.a", 2, 10), uplink: "port0", bridge: "br1")
            bench.devices.want(other)
            #expect(try bench.reach { bench.devices.failures.map(\.message) == ["there is no bridge br1"] })
            try run("ip link add br1 type bridge")
            #expect(
                try bench.reach {
                    bench.link("port0.a")?.masterIndex == bench.link("br1")?.index && bench.devices.failures.isEmpty
                })
            for bridge in ["br0", "br1"] { try run("ip link delete \(bridge)") }
            _ = cable
        }

        @Test(
            "SCH-114 where the rules cannot be made the channels are down, with the reason; they come up when they can")
        func refusal() throws {
            let cable = try Cable()
            try run("tc qdisc add dev up0 ingress")
            let plan = ChannelBench.plan(("up0.a", 2, 10))
            let bench = try ChannelBench(plan)
            #expect(try bench.reach { !bench.devices.failures.isEmpty })
            #expect(bench.devices.failures.first?.message.contains("has discipline ingress") == true)
            #expect(bench.link("up0.a")?.isUp == false)
            try run("tc qdisc del dev up0 ingress")
            #expect(try bench.reach { try bench.isAsWanted(plan) && bench.devices.failures.isEmpty })
            // And the other way round: they go down when the rules cannot be put back.
            try runShell("tc qdisc del dev up0 clsact; tc qdisc add dev up0 ingress")
            #expect(try bench.reach { bench.link("up0.a")?.isUp == false && !bench.devices.failures.isEmpty })
            _ = cable
        }

        @Test("SCH-115 166 channels come, and go again")
        func many() throws {
            let cable = try Cable()
            let channels = (UInt16(2)...167).map { ChannelPlan.Channel(name: "up0.c\($0)", scid: $0, svid: $0 + 100) }
            let plan = ChannelPlan(uplink: "up0", side: .station, channels: channels)
            let start = MonotonicClock.now()
            let bench = try ChannelBench(plan)
            #expect(try bench.settle() && bench.isAsWanted(plan))
            let made = MonotonicClock.now()
            // All move by one.
            let moved = ChannelPlan(
                uplink: "up0", side: .station,
                channels: channels.map { .init(name: $0.name, scid: $0.scid, svid: $0.scid + 101) })
            try bench.want(moved)
            let end = MonotonicClock.now()
            print("166 channels made in \((made - start) / 1_000_000) ms, moved in \((end - made) / 1_000_000) ms")
            #expect(try bench.listing().filters.count == 2 + 1 + 2 * 166)
            try bench.remove()
            #expect(try bench.listing() == TrafficListing() && bench.link("up0.c2") == nil)
            _ = cable
        }

        @Test("SCH-118 what is at an interface that is no uplink here is left alone, and named")
        func leftovers() throws {
            let cable = try Cable()
            var first: ChannelBench? = try ChannelBench(ChannelBench.plan(("up0.a", 2, 10), ("up0.b", 3, 20)))
            #expect(try first?.settle() == true)
            first = nil
            let other = try ChannelBench(ChannelBench.plan(("port0.a", 2, 10), uplink: "port0"))
            #expect(try other.settle())
            let strangers = ChannelDevices.strangers(in: other.table) { $0 == "port0" }
            #expect(strangers == ["up0": ["up0.a", "up0.b"]])
            #expect(other.link("up0.a") != nil && other.link("port0.a")?.isUp == true)
            #expect(try !other.listing("up0").filters.isEmpty)
            #expect(try !other.listing("port0").filters.isEmpty)
            _ = cable
        }
    }
}

import LinuxSystem
import Netlink
import Nftables
import Testing

@testable import EVBDaemon
@testable import EdgeRelays

/// The guest filter's rules as text, and what is read of a listing of them.
@Suite struct GuestRulesTests {
    private static let port = GuestRules.Gate(index: 2, name: "up0", mark: 4660)

    private func rules(_ gate: GuestRules.Gate) throws -> [String] {
        let change = try #require(GuestRules.protect(gate))
        #expect(!change.isJSON)
        return change.commands.split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("add rule netdev evbd-guests port-2-out ") }
            .map { String($0.dropFirst("add rule netdev evbd-guests port-2-out ".count)) }
    }

    @Test("SEC-401 a gate passes evbd by mark and namespace, ECP and tags never, other things of the host's sockets")
    func gate() throws {
        #expect(
            try rules(Self.port) == [
                "meta skuid >= 0 meta mark 4660 accept",
                "ether saddr @closed-2 counter drop",
                "ether type { 0x8940, 0x88b7, 0x8100, 0x88a8, 0x9100, 0x9200 } "
                    + "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop",
                "ether type 0x88cc ether daddr 01:80:c2:00:00:00 counter drop",
                "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 meta skuid >= 0 accept",
                "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop",
            ])
    }

    @Test("SEC-411 LLDP and ECP at a configured group address are evbd's alone too, in both directions")
    func furtherGroup() throws {
        var gate = Self.port
        gate.groupAddress = HardwareAddress(0x0100_0D00_0F0A)
        let rule =
            "ether type { 0x88cc, 0x8940, 0x88b7, 0x8100, 0x88a8, 0x9100, 0x9200 } "
            + "ether daddr 01:00:0d:00:0f:0a counter drop"
        let plain = try rules(Self.port)
        #expect(try rules(gate) == plain.prefix(4) + [rule] + plain.dropFirst(4))
        let change = try #require(GuestRules.protect(gate))
        #expect(change.commands.hasSuffix("add rule netdev evbd-guests port-2-in \(rule)"))
        #expect(change.ruleCounts == ["port-2-out": 7, "port-2-in": 2])
    }

    @Test("SEC-402 what a gate lets pass beside is for STP, a lone machine and a bond only")
    func exceptions() throws {
        let plain = try rules(Self.port)
        var stp = Self.port
        stp.spanningTreeSource = HardwareAddress(0x0200_0000_AA01)
        var forwarding = Self.port
        forwarding.forwardsSpanningTree = true
        var lone = Self.port
        lone.hasLoneGuest = true
        var bond = Self.port
        bond.isBonded = true
        for (gate, rule) in [
            (stp, "ether daddr 01:80:c2:00:00:00 ether saddr 02:00:00:00:aa:01 ether type < 0x0600 accept"),
            (forwarding, "ether daddr 01:80:c2:00:00:00 ether type < 0x0600 accept"),
            (lone, "ether type { 0x888e, 0x8809 } ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 accept"),
            (bond, "ether type 0x8809 ether daddr 01:80:c2:00:00:02 accept"),
        ] {
            #expect(try rules(gate) == plain.dropLast() + [rule] + plain.suffix(1))
        }
    }

    @Test("SEC-403 a link drops all reserved addresses in shared modes, ECP, LLDP and tags in passthru")
    func links() throws {
        #expect(
            GuestRules.declaration == """
                add table netdev evbd-guests
                add chain netdev evbd-guests guests
                flush chain netdev evbd-guests guests
                add rule netdev evbd-guests guests ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop
                add chain netdev evbd-guests lone-guests
                flush chain netdev evbd-guests lone-guests
                add rule netdev evbd-guests lone-guests \
                ether type { 0x88cc, 0x8940, 0x88b7, 0x8100, 0x88a8, 0x9100, 0x9200 } \
                ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop
                """)
        let shared = try #require(GuestRules.protect(GuestRules.Guest(index: 7, name: "vm 0")))
        #expect(
            shared.commands == """
                add chain netdev evbd-guests link-7-out
                flush chain netdev evbd-guests link-7-out
                delete chain netdev evbd-guests link-7-out
                add chain netdev evbd-guests link-7-in
                flush chain netdev evbd-guests link-7-in
                delete chain netdev evbd-guests link-7-in
                add chain netdev evbd-guests link-7-out { type filter hook egress device "vm 0" priority -500; }
                add rule netdev evbd-guests link-7-out jump guests
                add chain netdev evbd-guests link-7-in { type filter hook ingress device "vm 0" priority -500; }
                add rule netdev evbd-guests link-7-in jump guests
                """)
        let lone = try #require(GuestRules.protect(GuestRules.Guest(index: 7, name: "vm 0", isAlone: true)))
        #expect(
            lone.commands
                == shared.commands.split(separator: "\n", omittingEmptySubsequences: false)
                .map { $0.hasSuffix("jump guests") ? $0.dropLast("guests".count) + "lone-guests" : String($0) }
                .joined(separator: "\n"))
        #expect(shared.ruleCounts == ["link-7-out": 1, "link-7-in": 1])
    }

    @Test("SEC-404 a name with a quotation mark goes by JSON; one that nftables takes for many does not go")
    func names() throws {
        let odd = try #require(GuestRules.protect(GuestRules.Guest(index: 7, name: "a\"b\\")))
        #expect(odd.isJSON && odd.commands.contains(#""dev": "a\"b\\""#))
        for name in ["a*", "", "a\u{FFFD}", "a\nb", "a\u{7F}"] {
            #expect(GuestRules.protect(GuestRules.Guest(index: 7, name: name)) == nil, "\(name.debugDescription)")
            #expect(GuestRules.protect(GuestRules.Gate(index: 7, name: name, mark: 1)) == nil)
        }
        #expect(GuestRules.protect(GuestRules.Gate(index: 7, name: "a\"b", mark: 1)) == nil)
    }

    @Test("SEC-405 closed addresses are changed whatever is in the set")
    func closed() {
        let one = HardwareAddress(0x5254_0000_0001)
        let two = HardwareAddress(0x5254_0000_0002)
        #expect(
            GuestRules.closed(2, adding: [one], removing: [two]).commands == """
                add set netdev evbd-guests closed-2 { type ether_addr; }
                add element netdev evbd-guests closed-2 { 52:54:00:00:00:01, 52:54:00:00:00:02 }
                delete element netdev evbd-guests closed-2 { 52:54:00:00:00:02 }
                """)
        #expect(
            GuestRules.closed(2, adding: [], removing: []).commands
                == "add set netdev evbd-guests closed-2 { type ether_addr; }")
    }

    @Test("SEC-114 the host is kept off by the group of evbd's links, both ways, for IP and ARP")
    func host() {
        for (table, hook) in [("inet evbd-guests", "prerouting"), ("arp evbd-guests", "input")] {
            let lines = GuestRules.keepHostOff(groups: [77, 78], table: table).commands.split(separator: "\n").map(
                String.init)
            #expect(lines.contains("add chain \(table) host-in { type filter hook \(hook) priority -500; }"))
            for group in [77, 78] {
                #expect(lines.contains("add rule \(table) host-in meta iifgroup \(group) counter drop"))
                #expect(lines.contains("add rule \(table) host-out meta oifgroup \(group) counter drop"))
            }
            #expect(lines.contains("add chain \(table) host-out { type filter hook output priority -500; }"))
        }
    }

    @Test("SEC-406 a listing gives back rules, marks and closed addresses; nonsense gives nothing")
    func listing() {
        let json = #"""
            {"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "netdev", "name": "evbd-guests"}},
            {"set": {"family": "netdev", "name": "closed-2", "table": "evbd-guests", "type": "ether_addr",
             "elem": ["52:54:00:11:22:33", "nonsense", 7]}},
            {"chain": {"family": "netdev", "table": "evbd-guests", "name": "port-2-out"}},
            {"chain": {"family": "netdev", "table": "evbd-guests", "name": "link-9-in"}},
            {"rule": {"family": "netdev", "table": "evbd-guests", "chain": "port-2-out", "expr": [
              {"match": {"op": ">=", "left": {"meta": {"key": "skuid"}}, "right": 0}},
              {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 4660}}, {"accept": null}]}},
            {"rule": {"family": "netdev", "table": "evbd-guests", "chain": "port-2-out", "expr": [{"drop": null}]}}]}
            """#
        let listing = GuestRulesListing(json: [json, "{", "", "[]"])
        #expect(listing.ruleCounts == ["port-2-out": 2, "link-9-in": 0])
        #expect(listing.marks == [2: 4660])
        #expect(listing.closed == [2: [HardwareAddress(0x5254_0011_2233)]])
        #expect(listing.links == [9] && listing.ports == [2])
        #expect(GuestRulesListing(json: ["null"]) == GuestRulesListing())
    }

    @Test("SEC-415 chains of one name in tables of several families are counted apart")
    func families() throws {
        let listing = GuestRulesListing(
            json: ["inet", "arp"].map { family in
                let place = #""family": "\#(family)", "table": "evbd-guests""#
                let chain = #"{"chain": {\#(place), "name": "host-in"}}"#
                let rule = #"{"rule": {\#(place), "chain": "host-in", "expr": []}}"#
                return #"{"nftables": [\#(chain), \#(rule)]}"#
            })
        let changes = GuestRules.hostTables.map { GuestRules.keepHostOff(groups: [77], table: $0) }
        for change in changes { for (key, _) in change.ruleCounts { #expect(listing.ruleCounts[key] ?? 1 == 1) } }
        #expect(listing.ruleCounts == ["inet host-in": 1, "arp host-in": 1] && listing.keepsHostOff)
        #expect(Set(changes[0].ruleCounts.keys).isDisjoint(with: changes[1].ruleCounts.keys))
        #expect(!GuestRulesListing().keepsHostOff)
    }
}

import EVBWire
import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Nftables
import Testing
import VSISamples

@testable import BridgeDataplane
@testable import EVBDaemon
@testable import EVBSettings

private func mac(_ number: UInt64) -> MACAddress { MACAddress(truncating: 0x5254_0000_0000 | number) }

private func frames(_ addresses: UInt64..., profile: VSIProfile = VSIProfile()) -> GrantedFrames {
    GrantedFrames(entries: addresses.map { FilterEntry(vid: 0, macAddress: mac($0)) }, profile: profile)
}

/// A bridge with two ports, deleted at the end of its life.
final class Switch {
    let bridge: String
    let ports: [String]
    let kernel: BridgePorts
    let nftables: NftablesSession

    init(_ name: String) throws {
        bridge = "\(name)-br"
        ports = ["\(name)-a", "\(name)-b"]
        kernel = try BridgePorts()
        nftables = try NftablesSession()
        try command("ip", "link", "add", bridge, "type", "bridge")
        for port in ports {
            try command("ip", "link", "add", port, "type", "veth", "peer", "name", "\(port)x")
            try command("ip", "link", "set", port, "master", bridge)
        }
    }

    deinit {
        for link in ports + [bridge] { try? command("ip", "link", "delete", link) }
    }

    func command(_ words: String...) throws { try run(words) }

    func learn(_ number: UInt64, behind port: String) throws {
        let script =
            "for n in $(seq 200); do bridge fdb add \(mac(number)) dev \(port) master dynamic 2>/dev/null && exit; sleep 0.05; done; exit 1"
        try command("sh", "-c", script)
    }

    func entry(_ number: UInt64) throws -> ForwardingEntry? {
        try kernel.entry(of: HardwareAddress(mac(number).rawValue), vid: 0, bridgeIndex: index(bridge))
    }

    /// The port behind which the bridge has an address for good.
    func fixed(_ number: UInt64) throws -> String? {
        guard let entry = try entry(number), entry.kind == .fixed else { return nil }
        return ports.first { index($0) == entry.portIndex }
    }

    func index(_ name: String) -> Int32 { Int32(bitPattern: if_nametoindex(name)) }

    /// What the kernel has of a collection.
    func listed(_ collection: PortRules.Collection, _ port: Int = 0) throws -> Set<Imposition> {
        let rules = try #require(PortRules(port: ports[port]))
        return Set(PortRules.impositions(collection, in: try nftables.list(rules.listing(collection))).keys)
    }

    var hasTable: Bool { (try? nftables.list(PortRules.tableListing)) != nil }
}

/// What changes the kernel. All of it shares evbd's one table, so it runs one after the other.
@Suite(
    .serialized,
    .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
struct EnforcementTests {}

extension EnforcementTests {
    @Suite struct BridgeEnforcerTests {
        private let one = ClaimToken(number: 1)
        private let two = ClaimToken(number: 2)

        @Test func aGrantIsInForceUntilItIsWithdrawn() throws {
            let bench = try Switch("nfa")
            let enforcer = BridgeEnforcer()
            let port = bench.ports[0]
            #expect(try enforcer.attach(port) == false)
            let profile = VSIProfile(octetsPerSecond: 8000, etherTypes: [0x0800])
            #expect(
                enforcer.change(port, [.grant(one, frames(1, 2, profile: profile)), .grant(two, frames(3))]).failures
                    .isEmpty)
            #expect(try bench.listed(.untagged) == [.untagged(mac(1)), .untagged(mac(2)), .untagged(mac(3))])
            #expect(try bench.listed(.rates) == [.rate(mac(1)), .rate(mac(2))])
            #expect(try bench.fixed(1) == port && bench.fixed(3) == port)
            #expect(try bench.nftables.list("list chain bridge evbd ethertypes-0800").contains("accept"))
            #expect(enforcer.change(port, [.withdraw(one)]).failures.isEmpty)
            #expect(try bench.listed(.untagged) == [.untagged(mac(3))] && bench.listed(.rates).isEmpty)
            #expect(try bench.entry(1) == nil && bench.fixed(3) == port)
            #expect(throws: NftablesError.self, "no use any more") {
                try bench.nftables.list("list chain bridge evbd ethertypes-0800")
            }
            try enforcer.detach(port)
            #expect(try !bench.hasTable && bench.entry(3) == nil)
        }

        @Test func aChangedGrantIsReplacedInPlace() throws {
            let bench = try Switch("nfb")
            let enforcer = BridgeEnforcer()
            let port = bench.ports[0]
            _ = try enforcer.attach(port)
            _ = enforcer.change(port, [.grant(one, frames(1, 2))])
            let limited = VSIProfile(octetsPerSecond: 8000, etherTypes: [0x0806])
            #expect(enforcer.change(port, [.grant(two, frames(2, 3, profile: limited))]).failures.isEmpty)
            #expect(try bench.listed(.untagged).count == 3)
            #expect(enforcer.change(port, [.withdraw(one)]).failures.isEmpty)
            #expect(try bench.listed(.untagged) == [.untagged(mac(2)), .untagged(mac(3))])
            #expect(try bench.entry(1) == nil && bench.fixed(2) == port && bench.fixed(3) == port)
            // Undone, as when the station has changed its mind: the earlier one holds again.
            #expect(enforcer.change(port, [.grant(one, frames(2))]).failures.isEmpty)
            #expect(enforcer.change(port, [.withdraw(one)]).failures.isEmpty)
            #expect(enforcer.ports[port]?.actual[.untagged(mac(2))] == .pass([0x0806]))
            try enforcer.detach(port)
        }

        @Test func whatFailsLeavesNothingBehind() throws {
            let bench = try Switch("nfc")
            let enforcer = BridgeEnforcer()
            let port = bench.ports[0]
            _ = try enforcer.attach(port)
            try bench.kernel.addEntry(
                HardwareAddress(mac(2).rawValue), vid: 0, portIndex: bench.index(bench.ports[1]), isReplacing: false)
            let failures = enforcer.change(port, [.grant(one, frames(1, 2)), .grant(two, frames(3))]).failures
            #expect(Set(failures.keys) == [one] && failures[one]?.description.contains("belongs to") == true)
            #expect(
                try bench.listed(.untagged) == [.untagged(mac(3))]
                    && bench.listed(.forwarding) == [.forwarding(mac(3), 0)])
            #expect(try bench.entry(1) == nil && bench.fixed(2) == bench.ports[1])
            // A port that is in no bridge cannot have anything.
            try bench.command("ip", "link", "set", port, "nomaster")
            #expect(
                enforcer.change(port, [.grant(one, frames(4))]).failures[one]?.description
                    == "\(port) is not a port of a Linux bridge")
            #expect(enforcer.change(port, [.withdraw(two)]).failures.isEmpty)
            try enforcer.detach(port)
            #expect(!bench.hasTable)
        }

        @Test("a VSI that moves to another port has its address there, and comes back where the move fails")
        func aVSIMoves() throws {
            let bench = try Switch("nfd")
            let enforcer = BridgeEnforcer()
            for port in bench.ports { _ = try enforcer.attach(port) }
            #expect(enforcer.change(bench.ports[0], [.grant(one, frames(1, 2))]).failures.isEmpty)
            #expect(enforcer.change(bench.ports[1], [.grant(two, frames(1, 2))]).failures.isEmpty)
            #expect(try bench.fixed(1) == bench.ports[1], "the newer association has it")
            #expect(enforcer.change(bench.ports[1], [.withdraw(two)]).failures.isEmpty)
            #expect(try bench.fixed(1) == bench.ports[0], "the move has failed")
            #expect(enforcer.change(bench.ports[1], [.grant(two, frames(1, 2))]).failures.isEmpty)
            #expect(enforcer.change(bench.ports[0], [.withdraw(one)]).failures.isEmpty)
            #expect(try bench.fixed(1) == bench.ports[1] && bench.fixed(2) == bench.ports[1], "the move is over")
            for port in bench.ports { try enforcer.detach(port) }
            #expect(try bench.entry(1) == nil)
        }

        @Test func whatADeadOneHasLeftIsInheritedAndGoesUnlessItIsClaimed() throws {
            let bench = try Switch("nfe")
            let port = bench.ports[0]
            let profile = VSIProfile(octetsPerSecond: 8000, etherTypes: [0x0800])
            do {
                let dead = BridgeEnforcer()
                _ = try dead.attach(port)
                _ = dead.change(port, [.grant(one, frames(1, 2)), .grant(two, frames(3, profile: profile))])
            }
            // It died between the mark and the entry; and somebody else has an entry too.
            try bench.kernel.removeEntry(HardwareAddress(mac(2).rawValue), vid: 0, portIndex: bench.index(port))
            try bench.kernel.addEntry(
                HardwareAddress(mac(9).rawValue), vid: 0, portIndex: bench.index(port), isReplacing: false)

            let enforcer = BridgeEnforcer()
            #expect(try enforcer.attach(port))
            #expect(try bench.fixed(1) == port && bench.fixed(2) == port)
            #expect(try bench.listed(.untagged).count == 3 && bench.listed(.rates) == [.rate(mac(3))])
            #expect(enforcer.ports[port]?.actual[.untagged(mac(3))] == .pass([0x0800]))
            #expect(enforcer.change(port, [.grant(one, frames(1))]).failures.isEmpty)
            #expect(enforcer.change(port, [.withdraw(.inherited)]).failures.isEmpty)
            #expect(try bench.listed(.untagged) == [.untagged(mac(1))] && bench.listed(.rates).isEmpty)
            #expect(try bench.fixed(1) == port && bench.entry(2) == nil && bench.entry(3) == nil)
            #expect(try bench.fixed(9) == port, "somebody else's")
            try enforcer.detach(port)
            #expect(try bench.entry(1) == nil && bench.fixed(9) == port && !bench.hasTable)
        }

        @Test func leftoversOfPortsThatAreNoneAnyMoreGo() throws {
            let bench = try Switch("nff")
            do {
                let dead = BridgeEnforcer()
                for port in bench.ports { _ = try dead.attach(port) }
                _ = dead.change(bench.ports[0], [.grant(one, frames(1))])
                _ = dead.change(bench.ports[1], [.grant(two, frames(2))])
            }
            let enforcer = BridgeEnforcer()
            enforcer.removeLeftovers(keeping: [bench.ports[1]])
            #expect(try bench.entry(1) == nil && bench.fixed(2) == bench.ports[1] && bench.hasTable)
            #expect(try enforcer.attach(bench.ports[1]))
            try enforcer.detach(bench.ports[1])
            #expect(try bench.entry(2) == nil && !bench.hasTable)
        }

        @Test func flushedRulesComeBackWithTheNextChange() throws {
            let bench = try Switch("nfg")
            let enforcer = BridgeEnforcer()
            let port = bench.ports[0]
            _ = try enforcer.attach(port)
            let profile = VSIProfile(etherTypes: [0x0800])
            _ = enforcer.change(port, [.grant(one, frames(1, profile: profile))])
            try bench.nftables.run("delete table bridge evbd")
            #expect(enforcer.change(port, [.grant(two, frames(2))]).failures.isEmpty)
            #expect(try bench.listed(.untagged) == [.untagged(mac(1)), .untagged(mac(2))])
            #expect(try enforcer.restoreRules() == false)
            try bench.nftables.run("delete table bridge evbd")
            #expect(try enforcer.restoreRules())
            #expect(try bench.listed(.untagged) == [.untagged(mac(1)), .untagged(mac(2))])
            try bench.nftables.run("delete table bridge evbd")
            try enforcer.detach(port)
            #expect(try bench.entry(1) == nil && !bench.hasTable)
        }

        @Test(
            "SEC-125 what is inherited of a VSI goes at once when it is claimed on another port, or ends where it was")
        func inheritanceEndsWithItsVSI() throws {
            let bench = try Switch("nfh")
            let (port, other) = (bench.ports[0], bench.ports[1])
            do {
                let dead = BridgeEnforcer()
                for name in bench.ports { _ = try dead.attach(name) }
                _ = dead.change(port, [.grant(one, frames(1, 2)), .grant(two, frames(3, 4))])
            }
            let enforcer = BridgeEnforcer()
            #expect(try enforcer.attach(port) && !enforcer.attach(other))
            // One has moved.
            #expect(enforcer.change(other, [.grant(one, frames(1))]).failures.isEmpty)
            #expect(try bench.listed(.untagged) == [.untagged(mac(2)), .untagged(mac(3)), .untagged(mac(4))])
            #expect(try bench.listed(.forwarding).count == 3 && bench.fixed(1) == other)
            // One is claimed where it was, and ends.
            #expect(enforcer.change(port, [.grant(two, frames(3))]).failures.isEmpty)
            #expect(enforcer.change(port, [.withdraw(two)]).failures.isEmpty)
            #expect(try bench.entry(3) == nil && bench.listed(.untagged) == [.untagged(mac(2)), .untagged(mac(4))])
            // One ends without having been claimed.
            _ = enforcer.change(port, [.disinherit([FilterEntry(vid: 0, macAddress: mac(4))])])
            #expect(try bench.entry(4) == nil && bench.listed(.untagged) == [.untagged(mac(2))])
            for name in bench.ports { try enforcer.detach(name) }
            #expect(!bench.hasTable)
        }

        @Test("SEC-33 the table of an evbd before the rules on tags is taken over, and has them then")
        func olderTables() throws {
            let bench = try Switch("nfi")
            let port = bench.ports[0]
            let rules = try #require(PortRules(port: port))
            // As evbd 924a6b9 declares it: without the set of served VLANs, and with rules of its own.
            let chain = "add rule bridge evbd port-\(port)"
            var lines = rules.declaration.split(separator: "\n").map(String.init)
                .filter { !$0.contains(rules.name(.served)) && !$0.hasPrefix(chain) }
            lines += [
                "\(chain) ether saddr @\(rules.name(.stations)) accept",
                "\(chain) ether type 8021q ether saddr . vlan id vmap @\(rules.name(.tagged))",
                "\(chain) ether saddr vmap @\(rules.name(.untagged))", "\(chain) counter drop",
                rules.addition(.tagged(mac(1), 10), .pass(nil)), rules.addition(.forwarding(mac(1), 0), .plain),
            ]
            try bench.nftables.run(lines.joined(separator: "\n"))
            let enforcer = BridgeEnforcer()
            #expect(try enforcer.attach(port))
            #expect(try bench.listed(.tagged) == [.tagged(mac(1), 10)] && bench.fixed(1) == port)
            let text = try bench.nftables.list("list chain bridge evbd port-\(port)")
            #expect(text.contains("8021ad") && text.contains(rules.name(.served)), "\(text)")
            var tagged = frames(1)
            tagged.entries = [FilterEntry(vid: 10, macAddress: mac(1))]
            #expect(enforcer.change(port, [.grant(one, tagged)]).failures.isEmpty)
            #expect(try bench.listed(.served) == [.served(10)])
            #expect(enforcer.change(port, [.withdraw(one)]).failures.isEmpty)
            #expect(try bench.listed(.served).isEmpty && bench.listed(.tagged).isEmpty && bench.entry(1) == nil)
            try enforcer.detach(port)
            #expect(!bench.hasTable)
        }

        @Test("SEC-24 an address that the bridge has learned elsewhere comes over, and that is told")
        func learnedAddresses() throws {
            let bench = try Switch("nfj")
            let port = bench.ports[0]
            for link in bench.ports + bench.ports.map({ "\($0)x" }) + [bench.bridge] {
                try bench.command("ip", "link", "set", link, "up")
            }
            let elsewhere = bench.ports[1]
            try bench.learn(1, behind: elsewhere)
            #expect(try bench.entry(1)?.kind == .learned)
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            let outcome = enforcer.change(port, [.grant(one, frames(1, 2))])
            #expect(outcome.failures.isEmpty && outcome.takenOver == [mac(1): bench.index(elsewhere)])
            #expect(try bench.fixed(1) == port)
            #expect(enforcer.change(port, [.grant(two, frames(3))]).takenOver.isEmpty)
            try enforcer.detach(port)
        }
    }
}

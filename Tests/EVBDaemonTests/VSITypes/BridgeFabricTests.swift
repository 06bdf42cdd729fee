import EVBWire
import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Testing
import VSISamples

@testable import BridgeDataplane
@testable import EVBDaemon
@testable import EVBSettings

private func mac(_ number: UInt64) -> MACAddress { MACAddress(truncating: 0x5254_0000_0000 | number) }

private func grant(_ token: UInt64, _ addresses: UInt64..., shared: MACPatterns = []) -> ClaimChange {
    .grant(
        ClaimToken(number: token),
        GrantedFrames(
            entries: addresses.map { FilterEntry(vid: 0, macAddress: mac($0)) },
            profile: VSIProfile(sharedAddresses: shared)))
}

private let whole = Comparison(isWhole: true)

extension Switch {
    /// A VXLAN port, as a box of an EVPN fabric has it.
    fileprivate func addTunnel() throws -> String {
        let name = "\(bridge)-vx"
        try command("ip", "link", "add", name, "type", "vxlan", "id", "5000", "dstport", "4789", "nolearning")
        try command("ip", "link", "set", name, "master", bridge)
        try command("bridge", "link", "set", "dev", name, "learning", "off")
        return name
    }

    fileprivate func learns(_ port: String) throws -> Bool? { try kernel.learns(portIndex: index(port)) }

    /// What FRR does with an address of another box.
    fileprivate func setElsewhere(_ number: UInt64, _ tunnel: String, _ words: [String]) throws {
        try run(["bridge", "fdb", "replace", "\(mac(number))", "dev", tunnel, "master"] + words)
    }
}

extension EnforcementTests {
    @Suite struct BridgeFabricTests {
        @Test(
            "HEAL-701 Beside a VXLAN port entries are not sticky and the ports learn nothing; elsewhere all is as before"
        )
        func looseEntries() throws {
            let bench = try Switch("nfp")
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            #expect(enforcer.change(port, [grant(1, 1)]).failures.isEmpty)
            #expect(try bench.entry(1)?.isSticky == true && bench.learns(port) == true)
            // It gets one.
            let tunnel = try bench.addTunnel()
            defer { try? bench.command("ip", "link", "delete", tunnel) }
            let repair = enforcer.compare(port, whole)
            #expect(repair.reset == 1 && repair.restored.isEmpty)
            #expect(try bench.entry(1)?.isSticky == false && bench.learns(port) == false)
            #expect(try bench.listed(.quiet) == [.quiet])
            #expect(enforcer.change(port, [grant(2, 2)]).failures.isEmpty)
            #expect(try bench.fixed(2) == port && bench.entry(2)?.isSticky == false)
            #expect(enforcer.learningPorts(besides: port) == [bench.ports[1]])
            // Another process sets it; and evbd dies.
            try bench.command("bridge", "link", "set", "dev", port, "learning", "on")
            #expect(enforcer.compare(port, whole).restored == [.quiet])
            let next = BridgeEnforcer()
            #expect(try next.attach(port) == true)
            #expect(try bench.learns(port) == false)
            try next.detach(port)
            #expect(try bench.learns(port) == true && bench.entry(1) == nil)
        }

        @Test("HEAL-701 Entries of an earlier evbd lose the mark at once, and what an administrator set stays")
        func inheritedEntries() throws {
            let bench = try Switch("nfq")
            let port = bench.ports[0]
            let former = BridgeEnforcer()
            _ = try former.attach(port)
            _ = former.change(port, [grant(1, 1)])
            let tunnel = try bench.addTunnel()
            defer { try? bench.command("ip", "link", "delete", tunnel) }
            try bench.command("bridge", "link", "set", "dev", port, "learning", "off")
            let enforcer = BridgeEnforcer()
            #expect(try enforcer.attach(port) == true)
            #expect(try bench.entry(1)?.isSticky == false)
            try enforcer.detach(port)
            #expect(try bench.learns(port) == false && bench.entry(1) == nil)
        }

        @Test("HEAL-701 A port learns as long as only frames tell where some of its addresses are")
        func learners() throws {
            let bench = try Switch("nfr")
            let tunnel = try bench.addTunnel()
            defer { try? bench.command("ip", "link", "delete", tunnel) }
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            #expect(try bench.learns(port) == false)
            _ = enforcer.change(port, [grant(1, 1, shared: [.all])])
            #expect(try bench.learns(port) == true)
            _ = enforcer.change(port, [.stations(ClaimToken(number: 2), [mac(9)]), .withdraw(ClaimToken(number: 1))])
            #expect(try bench.learns(port) == true)
            _ = enforcer.change(port, [.withdraw(ClaimToken(number: 2))])
            #expect(try bench.learns(port) == false)
            try enforcer.detach(port)
        }

        @Test(
            "HEAL-702 What FRR tells of another box gives way to an association and is not taken back by a comparison",
            arguments: [["extern_learn", "static"], ["sticky", "static"], ["extern_learn", "dynamic"]])
        func otherBox(_ words: [String]) throws {
            let bench = try Switch("nfs")
            let tunnel = try bench.addTunnel()
            defer { try? bench.command("ip", "link", "delete", tunnel) }
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            try bench.setElsewhere(1, tunnel, words)
            let outcome = enforcer.change(port, [grant(1, 1)])
            #expect(outcome.failures.isEmpty && outcome.takenOver == [mac(1): bench.index(tunnel)])
            #expect(try bench.fixed(1) == port)
            // The VSI is at the other box now, where a newer association is.
            try bench.setElsewhere(1, tunnel, words)
            let news = Comparison(entries: [BridgeEntry(address: HardwareAddress(mac(1).rawValue), vid: 0)])
            for comparison in [whole, news] {
                let repair = enforcer.compare(port, comparison)
                #expect(
                    repair.restored.isEmpty && repair.failures.isEmpty && repair.elsewhere == [.forwarding(mac(1), 0)])
            }
            #expect(try bench.entry(1)?.portIndex == bench.index(tunnel))
            // An evbd that begins here does not take it back either.
            _ = try BridgeEnforcer().attach(port)
            #expect(try bench.entry(1)?.portIndex == bench.index(tunnel))
            // The other box lets it go.
            try run(["bridge", "fdb", "del", "\(mac(1))", "dev", tunnel, "master"])
            #expect(enforcer.compare(port, news).restored == [.forwarding(mac(1), 0)])
            #expect(try bench.fixed(1) == port)
            // And the end of the association here leaves what the other box has.
            try bench.setElsewhere(1, tunnel, words)
            #expect(enforcer.change(port, [.withdraw(ClaimToken(number: 1))]).failures.isEmpty)
            #expect(try bench.entry(1)?.portIndex == bench.index(tunnel))
            try enforcer.detach(port)
        }

        @Test("HEAL-702 An administrator's own entry at a VXLAN port is no news of another box")
        func administratorsEntry() throws {
            let bench = try Switch("nft")
            let tunnel = try bench.addTunnel()
            defer { try? bench.command("ip", "link", "delete", tunnel) }
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(bench.ports[0])
            try bench.setElsewhere(1, tunnel, ["static"])
            let failure = enforcer.change(bench.ports[0], [grant(1, 1)]).failures[ClaimToken(number: 1)]
            #expect(failure?.description.contains("belongs to a static entry for interface") == true)
            try enforcer.detach(bench.ports[0])
        }
    }
}

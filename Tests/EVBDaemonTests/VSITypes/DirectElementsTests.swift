import EVBWire
import NetnsSupport
import Nftables
import Testing

@testable import BridgeDataplane
@testable import EVBDaemon

extension EnforcementTests {
    /// Elements that go to the kernel itself, beside the commands that say the same.
    @Suite struct DirectElementsTests {
        private let one = MACAddress(truncating: 0x5254_0000_0001)
        private let types: Set<UInt16> = [0x0800, 0x86DD]

        /// Each kind of imposition, with each kind of value that it may have.
        private var all: [(item: Imposition, value: ImpositionValue)] {
            [
                (.station(one), .plain), (.rate(one), .rate(125_000)), (.untagged(one), .pass(nil)),
                (.untagged(nil), .pass(types)), (.tagged(one, 7), .pass(types)), (.tagged(nil, 4094), .pass(nil)),
                (.served(7), .plain), (.forwarding(one, 7), .plain), (.member(7), .plain), (.quiet, .plain),
                (.network(70_000), .plain), (.carried(7, 70_000), .plain), (.tunnel(7, 70_000), .plain),
                (.sent(one, 0), .plain), (.sent(one, 7), .plain), (.received(one, 0), .plain),
                (.received(one, 7), .plain),
            ]
        }

        @Test(
            "SEC-1166 each kind of element is the same in nft's listing and to evbd, whichever way it came, and goes by either"
        )
        func sameElements() throws {
            let enforcer = BridgeEnforcer()
            let rules = try #require(PortRules(port: "evbd-d0.5"))
            #expect(Set(all.map { rules.collection(of: $0.item) }).count == PortRules.Collection.allCases.count)
            let session = try NftablesSession()
            defer { try? session.run("delete table \(PortRules.table)") }
            try session.run(
                "add table \(PortRules.table)\n" + PortRules.chainDeclaration(of: types) + "\n" + rules.declaration)
            func listings() throws -> [String] {
                try PortRules.Collection.allCases.map { try session.list(rules.listing($0)) }
            }
            let none = try listings()
            try session.run(all.map { rules.addition($0.item, $0.value) }.joined(separator: "\n"))
            let wanted = try listings()
            let items = try enforcer.listed(rules)
            #expect(items.count == all.count)
            #expect(enforcer.commit(rules.changes(deletions: all.map(\.item), additions: [])))
            #expect(try listings() == none)
            #expect(!enforcer.commit(rules.changes(deletions: all.map(\.item), additions: [])), "they are not there")
            #expect(enforcer.commit(rules.changes(deletions: [], additions: all)))
            #expect(try listings() == wanted)
            let found = try enforcer.listed(rules)
            for (item, value) in all { #expect(found[item] == value && items[item] == value, "\(item)") }
            // A replacement is both in one.
            #expect(
                enforcer.commit(rules.changes(deletions: [.untagged(one)], additions: [(.untagged(one), .pass(types))]))
            )
            #expect(try enforcer.listed(rules)[.untagged(one)] == .pass(types))
            try session.run(all.map { rules.deletion($0.item) }.joined(separator: "\n"))
            #expect(try listings() == none)
        }
    }
}

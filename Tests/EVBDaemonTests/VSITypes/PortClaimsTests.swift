import EVBWire
import Testing
import VSISamples

@testable import BridgeDataplane
@testable import EVBDaemon
@testable import EVBSettings

private func mac(_ number: UInt64) -> MACAddress { MACAddress(truncating: 0x5254_0000_0000 | number) }

@Suite struct PortClaimsTests {
    private let one = ClaimToken(number: 1)
    private let two = ClaimToken(number: 2)

    @Test func whatSeveralClaimHoldsUntilTheLastGoes() {
        var claims = PortClaims()
        claims.set(one, [.member(10): .plain, .untagged(mac(1)): .pass(nil)])
        claims.set(two, [.member(10): .plain, .untagged(mac(1)): .pass([0x0800])])
        #expect(claims.wanted(.untagged(mac(1))) == .pass([0x0800]), "the latest decides")
        #expect(claims.remove(two).count == 2)
        #expect(claims.wanted(.untagged(mac(1))) == .pass(nil), "what was before holds again")
        #expect(claims.wanted(.member(10)) == .plain)
        claims.remove(one)
        #expect(claims.wanted(.member(10)) == nil && claims.remove(one).isEmpty)
    }

    @Test func aClaimIsReplacedByItsName() {
        var claims = PortClaims()
        claims.set(one, [.member(10): .plain])
        claims.set(one, [.member(20): .plain])
        #expect(claims.wanted(.member(10)) == nil && claims.wanted(.member(20)) == .plain)
    }
}

@Suite struct InheritanceTests {
    private func entry(_ number: UInt64, _ vid: UInt16) -> FilterEntry {
        FilterEntry(vid: vid, macAddress: mac(number))
    }

    @Test("SEC-125 what is inherited of an address goes with it, and what others have in common stays with them")
    func whatIsInheritedOfAnAddress() {
        var claims = PortClaims()
        claims.set(
            .inherited,
            [
                .tagged(mac(1), 10): .pass(nil), .tagged(mac(1), 20): .pass(nil), .untagged(mac(1)): .pass(nil),
                .rate(mac(1)): .rate(1), .forwarding(mac(1), 10): .plain, .forwarding(mac(1), 20): .plain,
                .tagged(mac(2), 20): .pass(nil), .forwarding(mac(2), 20): .plain,
                .served(10): .plain, .served(20): .plain, .member(10): .plain, .member(20): .plain,
                .station(mac(3)): .plain,
                .sent(mac(1), 0): .plain, .sent(mac(1), 10): .plain, .received(mac(1), 20): .plain,
                .received(mac(2), 20): .plain, .received(mac(2), 0): .plain,
            ])
        #expect(
            claims.inherited(of: [entry(1, 10)]) == [
                .tagged(mac(1), 10), .forwarding(mac(1), 10), .served(10), .member(10), .sent(mac(1), 10),
            ])
        #expect(
            claims.inherited(of: [entry(1, 0)]) == [
                .tagged(mac(1), 10), .tagged(mac(1), 20), .forwarding(mac(1), 10), .forwarding(mac(1), 20),
                .untagged(mac(1)), .rate(mac(1)), .served(10), .member(10), .sent(mac(1), 0), .sent(mac(1), 10),
                .received(mac(1), 20),
            ])
        #expect(claims.inherited(of: [entry(3, 0), entry(4, 10), FilterEntry(vid: 10)]).isEmpty)
    }

    @Test("SEC-125 what is claimed is not inherited any more, and goes with the claim")
    func disinheritance() {
        let token = ClaimToken(number: 1)
        var claims = PortClaims()
        claims.set(.inherited, [.untagged(mac(1)): .pass(nil), .untagged(mac(2)): .pass(nil)])
        claims.set(token, [.untagged(mac(1)): .pass([0x0800])])
        #expect(claims.disinherit([.untagged(mac(1)), .untagged(mac(3))]) == [.untagged(mac(1))])
        #expect(claims.wanted(.untagged(mac(1))) == .pass([0x0800]))
        claims.remove(token)
        #expect(claims.wanted(.untagged(mac(1))) == nil && claims.wanted(.untagged(mac(2))) == .pass(nil))
        #expect(claims.disinherit([.untagged(mac(2))]) == [.untagged(mac(2))] && !claims.hasInherited)
    }
}

@Suite struct GrantedFramesTests {
    private let unaware = BridgeView(bridgeIndex: 1, portIndex: 2, filtersVLANs: false)
    private let aware = BridgeView(bridgeIndex: 1, portIndex: 2, filtersVLANs: true, vlans: [1, 10], pvid: 1)

    private func items(
        _ entries: [FilterEntry], _ profile: VSIProfile = VSIProfile(), at view: BridgeView
    ) throws -> [Imposition: ImpositionValue] {
        try GrantedFrames(entries: entries, profile: profile).impositions(at: view)
    }

    @Test func onABridgeThatKnowsNoVLANs() throws {
        let tagged = FilterEntry(vid: 10, macAddress: mac(1))
        #expect(
            try items([tagged], at: unaware) == [
                .untagged(mac(1)): .pass(nil), .tagged(mac(1), 10): .pass(nil), .served(10): .plain,
                .forwarding(mac(1), 0): .plain, .sent(mac(1), 0): .plain, .received(mac(1), 0): .plain,
                .sent(mac(1), 10): .plain, .received(mac(1), 10): .plain,
            ])
        #expect(
            try items([FilterEntry(vid: 0, macAddress: mac(1))], at: unaware) == [
                .untagged(mac(1)): .pass(nil), .forwarding(mac(1), 0): .plain, .sent(mac(1), 0): .plain,
                .received(mac(1), 0): .plain,
            ])
    }

    @Test func onABridgeThatFiltersVLANs() throws {
        #expect(
            try items([FilterEntry(vid: 10, macAddress: mac(1))], at: aware) == [
                .member(10): .plain, .tagged(mac(1), 10): .pass(nil), .served(10): .plain,
                .forwarding(mac(1), 10): .plain, .sent(mac(1), 10): .plain, .received(mac(1), 10): .plain,
            ])
        let own: [Imposition: ImpositionValue] = [
            .member(1): .plain, .tagged(mac(1), 1): .pass(nil), .served(1): .plain, .untagged(mac(1)): .pass(nil),
            .forwarding(mac(1), 1): .plain, .sent(mac(1), 0): .plain, .received(mac(1), 0): .plain,
            .sent(mac(1), 1): .plain, .received(mac(1), 1): .plain,
        ]
        #expect(try items([FilterEntry(vid: 1, macAddress: mac(1))], at: aware) == own)
        #expect(try items([FilterEntry(vid: 0, macAddress: mac(1))], at: aware) == own)
        var without = aware
        without.pvid = nil
        #expect(throws: GrantedFrames.Obstacle.self) {
            try items([FilterEntry(vid: 0, macAddress: mac(1))], at: without)
        }
    }

    @Test func whatTheProfileAdds() throws {
        let entry = FilterEntry(vid: 10, macAddress: mac(1))
        let limited = VSIProfile(octetsPerSecond: 1000, etherTypes: [0x0800])
        let items = try items([entry], limited, at: aware)
        #expect(items[.rate(mac(1))] == .rate(1000) && items[.tagged(mac(1), 10)] == .pass([0x0800]))
        let open = try self.items([entry, FilterEntry(vid: 10)], VSIProfile(antiSpoofing: false), at: aware)
        #expect(open[.tagged(nil, 10)] == .pass(nil) && open[.tagged(mac(1), 10)] == nil)
        #expect(open[.forwarding(mac(1), 10)] == .plain)
    }

    @Test("SEC-23 where a shared address is, only its frames tell")
    func sharedAddresses() throws {
        var profile = VSIProfile()
        profile.sharedAddresses = [try #require(MACPattern("52:54:00:00:00:01"))]
        for view in [aware, unaware] {
            let items = try items([10, 10].map { FilterEntry(vid: $0, macAddress: mac(1)) }, profile, at: view)
            #expect(items[.tagged(mac(1), 10)] == .pass(nil))
            #expect(!items.keys.contains { if case .forwarding = $0 { true } else { false } })
            let own = try self.items([FilterEntry(vid: 10, macAddress: mac(2))], profile, at: view)
            #expect(own.keys.contains { if case .forwarding = $0 { true } else { false } })
        }
    }
}

@Suite struct PortRulesTests {
    /// Frames pass by what `accept` says or a map gives: none of it before all tags but one of 802.1Q alone are gone.
    @Test("SEC-31 the rules drop every second tag, and every tag that is not of 802.1Q, before they let anything pass")
    func tagsGoFirst() throws {
        let rules = try #require(PortRules(port: "p0")).declaration.split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("add rule bridge evbd port-p0 ") }.map { String($0.dropFirst(29)) }
        let passing = try #require(rules.firstIndex { $0.contains("accept") || $0.contains("vmap") })
        let dropping = rules[..<passing]
        let others = "0x88a8, 0x88e7, 0x8926, 0x893f, 0x9100, 0x9200, 0x9300"
        #expect(dropping.contains("ether type { \(others) } counter name dropped-p0 drop"))
        for words in ["ether type 8021q vlan type", "meta protocol"] {
            #expect(dropping.contains("\(words) { 0x8100, \(others) } counter name dropped-p0 drop"))
        }
        // A station's address lets no tagged frame pass but in the port's VLANs.
        for rule in rules where rule.contains("@stations-p0") {
            #expect(
                rule.hasPrefix("ether type != 8021q ") || rule.hasPrefix("ether type 8021q vlan id 0 ")
                    || rule.contains("vlan id @served-p0"))
        }
        #expect(rules.last == "counter name dropped-p0 drop")
    }

    @Test func namesThatNftablesTakes() throws {
        #expect(try #require(PortRules(port: "eth0.10")).name(.untagged) == "untagged-eth0/2e10")
        #expect(try #require(PortRules(port: "port-0")).name(.members) == "members-port-0")
        for name in ["a\"b", "a\\b", "a*", "a b", ""] where !name.isEmpty { #expect(PortRules(port: name) == nil) }
    }

    @Test("OPS-613 rules that count come before the first verdict by address, and have none themselves")
    func counting() throws {
        let lines = try #require(PortRules(port: "p0")).declaration.split(separator: "\n").map(String.init)
        let rules = lines.filter { $0.hasPrefix("add rule bridge evbd port-p0 ") }
        let counting = rules.indices.filter { rules[$0].contains("@sent") }
        let accepting = try #require(rules.firstIndex { $0.contains("accept") || $0.contains("vmap") })
        #expect(counting.count == 3 && counting.allSatisfy { $0 < accepting })
        #expect(counting.allSatisfy { rules[$0].hasSuffix("@sent-p0") || rules[$0].hasSuffix("@sentplain-p0") })
        let departing = lines.filter { $0.hasPrefix("add rule bridge evbd to-p0 ") }
        #expect(departing.count == 3 && departing.allSatisfy { $0.contains("ether daddr") && $0.contains("@received") })
        #expect(departing.allSatisfy { !$0.contains("accept") && !$0.contains("drop") })
    }

    @Test(
        "OPS-613 the key of an element is read as the kernel has it; what is too short, or of another set, is nothing")
    func keys() {
        let octets: [UInt8] = [0x52, 0x54, 0, 0, 0, 1, 0, 0, 0x0F, 0xA0, 0, 0]
        #expect(PortRules.imposition(.sentTagged, key: octets) == .sent(mac(1), 4000))
        #expect(PortRules.imposition(.receivedTagged, key: octets) == .received(mac(1), 4000))
        #expect(PortRules.imposition(.sentPlain, key: Array(octets.prefix(6))) == .sent(mac(1), 0))
        #expect(PortRules.imposition(.receivedPlain, key: octets) == .received(mac(1), 0))
        for count in 0..<10 { #expect(PortRules.imposition(.sentTagged, key: Array(octets.prefix(count))) == nil) }
        for count in 0..<6 { #expect(PortRules.imposition(.sentPlain, key: Array(octets.prefix(count))) == nil) }
        #expect(PortRules.imposition(.stations, key: octets) == nil)
    }

    @Test("OPS-613 an imposition that counts has a word of its own, and does not count as one that enforces")
    func table() {
        let items: [Imposition] = [
            .sent(mac(1), 0), .sent(mac(1), 10), .received(mac(1), 0), .received(mac(1), 4094), .quiet,
        ]
        #expect(Set(items.map { PackedImposition($0) }).count == items.count)
        #expect(items.allSatisfy { PackedImposition($0).imposition == $0 })
        var table = ImpositionTable()
        for item in items { (table[item], table[item]) = (.plain, .plain) }
        #expect(table.count == 5 && table.enforcedCount == 1)
        for item in items { (table[item], table[item]) = (nil, nil) }
        #expect(table.isEmpty && table.enforcedCount == 0)
    }

    @Test func aChainsNameTellsItsEtherTypes() {
        let types: Set<UInt16> = [0x86DD, 0x0800, 0x0806]
        #expect(PortRules.chain(of: types) == "ethertypes-0800-0806-86dd")
        #expect(PortRules.etherTypes(ofChain: "ethertypes-0800-0806-86dd") == types)
        #expect(PortRules.etherTypes(ofChain: "ethertypes") == [])
        #expect(PortRules.etherTypes(ofChain: "ethertypes-x") == nil)
        #expect(PortRules.etherTypes(ofChain: "port-0") == nil)
    }

    /// As nft 1.0.6 prints them.
    @Test func listingsAreReadBack() {
        func set(_ elements: String, _ kind: String = "set") -> String {
            #"{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"\#(kind)": {"name": "x", "elem": [\#(elements)]}}]}"#
        }
        #expect(
            PortRules.impositions(
                .rates,
                in: set(
                    #"{"elem": {"val": "52:54:00:00:00:01", "limit": {"rate": 10, "burst": 65536, "per": "second", "inv": true, "#
                        + #""rate_unit": "kbytes", "burst_unit": "bytes"}}}"#)) == [.rate(mac(1)): .rate(10_240)])
        #expect(
            PortRules.impositions(
                .tagged,
                in: set(
                    #"[{"concat": ["52:54:00:00:00:01", 10]}, {"accept": null}], "#
                        + #"[{"concat": ["52:54:00:00:00:02", 20]}, {"goto": {"target": "ethertypes-0800"}}]"#, "map"))
                == [.tagged(mac(1), 10): .pass(nil), .tagged(mac(2), 20): .pass([0x0800])])
        #expect(
            PortRules.impositions(.forwarding, in: set(#"{"concat": ["52:54:00:00:00:01", 0]}"#))
                == [.forwarding(mac(1), 0): .plain])
        #expect(PortRules.impositions(.members, in: set("10, 20")) == [.member(10): .plain, .member(20): .plain])
        #expect(
            PortRules.impositions(.open, in: set(#"["port0", {"accept": null}]"#, "map")) == [
                .untagged(nil): .pass(nil)
            ])
        #expect(PortRules.ports(in: set(#"["port0", {"goto": {"target": "port-port0"}}]"#, "map")) == ["port0"])
        // What is not ours, or no listing at all, is nothing.
        #expect(PortRules.impositions(.untagged, in: set(#"["52:54:00:00:00:01", {"drop": null}]"#, "map")).isEmpty)
        #expect(PortRules.impositions(.members, in: "").isEmpty)
        #expect(PortRules.impositions(.members, in: #"{"nftables": [{"set": {"name": "x"}}]}"#).isEmpty)
    }
}

import Netlink
import Testing

@testable import ChannelDataplane

/// The rules of an uplink as values, and how one set of them becomes another. Pure.
@Suite struct UplinkRulesTests {
    private typealias Change = UplinkRules.Change

    private static func standing(_ devices: [UInt16: UInt16], isOwn: Bool = true) -> TrafficListing {
        let handle = isOwn ? UplinkRules.guardOfOwnDiscipline : UplinkRules.guardOfOthersDiscipline
        return TrafficListing(discipline: .clsact, filters: UplinkRules(devices: devices).filters(guardHandle: handle))
    }

    private static let foreign = TrafficFilter(
        hook: .ingress, preference: 1, handle: 1, match: .other, action: .other)

    private static func words(_ change: Change) -> String {
        switch change {
        case .addDiscipline: "add clsact"
        case .removeDiscipline: "remove clsact"
        case .remove(let filter): "remove \(words(filter))"
        case .put(let filter): "put \(words(filter))"
        }
    }

    private static func words(_ filter: TrafficFilter) -> String {
        let place = "\(filter.hook) \(filter.preference) 0x\(String(filter.handle, radix: 16))"
        switch (filter.match, filter.action) {
        case (.program(let program), .drop):
            let allowed = program.dropFirst(8).filter { $0.code == 0x15 }.map { "\($0.value)" }
            return "\(place): drop S-tags but \(allowed.isEmpty ? "none" : allowed.joined(separator: " "))"
        case (.serviceVLAN(let vlan), .removeTag): return "\(place): S-VLAN \(vlan): take the tag off"
        case (.serviceVLAN(let vlan), .setServiceVLAN(let new)): return "\(place): S-VLAN \(vlan) becomes \(new)"
        default: return "\(place): \(filter.match) \(filter.action)"
        }
    }

    private static var cases: [(String, [UInt16: UInt16], TrafficListing)] {
        var others = standing([10: 10])
        others.filters.insert(foreign, at: 0)
        var flushed = standing([10: 10, 30: 20])
        flushed.filters.removeAll { $0.hook == .egress }
        var bent = standing([10: 10])
        bent.filters[0].match = .program([FilterInstruction(6, 0)])
        return [
            ("first, no discipline", [10: 10, 20: 20], TrafficListing()),
            ("first, another's clsact", [10: 10], TrafficListing(discipline: .clsact, filters: [foreign])),
            ("all stand", [10: 10, 30: 20], standing([10: 10, 30: 20])),
            ("all stand, among others", [10: 10], others),
            ("a channel comes", [10: 10, 20: 20], standing([10: 10])),
            ("a channel goes", [10: 10], standing([10: 10, 20: 20])),
            ("10 moves to 30", [30: 10, 20: 20], standing([10: 10, 20: 20])),
            ("and back", [10: 10, 20: 20], standing([30: 10, 20: 20])),
            ("10 and 20 swap", [20: 10, 10: 20, 40: 40], standing([10: 10, 20: 20, 40: 40])),
            ("10 and 20 swap back", [10: 10, 20: 20, 40: 40], standing([20: 10, 10: 20, 40: 40])),
            ("a translated channel goes", [10: 10], standing([10: 10, 30: 20])),
            ("egress was flushed", [10: 10, 30: 20], flushed),
            ("the discipline was deleted", [10: 10], TrafficListing()),
            ("a guard was changed", [10: 10], bent),
        ]
    }

    @Test("SCH-103 how rules become others: no translation changes while a guard lets its channel through")
    func changes() {
        var text = ""
        for (name, devices, listing) in Self.cases {
            let changes = UplinkRules(devices: devices).changes(from: listing)
            text += "\(name)\n" + (changes.isEmpty ? "    nothing\n" : "")
            for change in changes { text += "    \(Self.words(change))\n" }
        }
        for (name, listing) in [
            ("back, own discipline", Self.standing([10: 10, 30: 20])),
            ("back, another's discipline", Self.standing([10: 10, 30: 20], isOwn: false)),
            (
                "back, own discipline that another uses",
                {
                    var shared = Self.standing([10: 10])
                    shared.filters.append(Self.foreign)
                    return shared
                }()
            ),
            ("back, nothing of evbd's", TrafficListing(discipline: .clsact, filters: [Self.foreign])),
        ] {
            let changes = UplinkRules.removal(from: listing)
            text += "\(name)\n" + (changes.isEmpty ? "    nothing\n" : "")
            for change in changes { text += "    \(Self.words(change))\n" }
        }
        Snapshot.expect(text, matches: "UplinkRules.txt")
    }

    @Test(
        "SCH-103 from any rules to any others, each state on the way lets only through what is the same before and after"
    )
    func everyWay() {
        var random = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 0...UInt64.max, using: &random)
        print("seed \(seed)")
        var state = seed
        func draw(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        func rules() -> UplinkRules {
            var (svids, ids): ([UInt16], [UInt16]) = (Array(2...7), Array(2...7))
            var rules = UplinkRules()
            for _ in 0..<draw(6) {
                rules.devices[svids.remove(at: draw(svids.count))] = ids.remove(at: draw(ids.count))
            }
            return rules
        }
        for _ in 0..<2000 {
            let (old, new) = (rules(), rules())
            var model = Model(Self.standing(old.devices).filters)
            for change in new.changes(from: Self.standing(old.devices)) {
                model.make(change)
                for svid in UInt16(2)...7 {
                    let device = model.receive(svid)
                    #expect(device == nil || device == old.devices[svid] || device == new.devices[svid], "seed \(seed)")
                    if let device {
                        #expect(old.devices[svid] == device || new.devices[svid] == device, "seed \(seed)")
                    }
                    let sent = model.send(svid)
                    let lawful = [old, new].contains { $0.devices.contains { $0.value == svid && $0.key == sent } }
                    #expect(sent == nil || lawful, "seed \(seed)")
                }
            }
            #expect(new.stand(in: TrafficListing(discipline: .clsact, filters: model.filters)), "seed \(seed)")
            for (svid, id) in new.devices {
                #expect(model.receive(svid) == id && model.send(id) == svid, "seed \(seed)")
            }
        }
    }

    /// Filters, and what they do to a frame that has one S-tag.
    private struct Model {
        var filters: [TrafficFilter]

        init(_ filters: [TrafficFilter]) { self.filters = filters }

        mutating func make(_ change: Change) {
            switch change {
            case .put(let filter):
                remove(filter)
                filters.append(filter)
            case .remove(let filter): remove(filter)
            case .addDiscipline, .removeDiscipline: break
            }
        }

        private mutating func remove(_ filter: TrafficFilter) {
            filters.removeAll {
                $0.hook == filter.hook && $0.preference == filter.preference && $0.handle == filter.handle
            }
        }

        func receive(_ vlan: UInt16) -> UInt16? { pass(.ingress, vlan) }

        func send(_ vlan: UInt16) -> UInt16? { pass(.egress, vlan) }

        private func pass(_ hook: TrafficFilter.Hook, _ vlan: UInt16) -> UInt16? {
            for filter in filters.filter({ $0.hook == hook }).sorted(by: { $0.preference < $1.preference }) {
                switch (filter.match, filter.action) {
                case (.program(let program), .drop):
                    if run(program, tag: (0x88A8, vlan), typeField: 0x0800) { return nil }
                case (.serviceVLAN(vlan), .setServiceVLAN(let new)): return new
                default: continue
                }
            }
            return vlan
        }
    }

    @Test(
        "SCH-104 the guards: which tags, beside the frame and in its octets, are dropped",
        arguments: [0, 1, 166])
    func programs(count: Int) {
        let allowed = (0..<count).map { UInt16(100 + 3 * $0) }
        let (ingress, egress) = (TagProgram.ingress(allowed), TagProgram.egress(allowed))
        for vlan in UInt16(0)...4095 {
            let isAllowed = allowed.contains(vlan)
            #expect(run(ingress, tag: (0x88A8, vlan), typeField: 0x0800) == !(isAllowed || vlan == 0))
            #expect(run(egress, tag: (0x88A8, vlan), typeField: 0x0800) == !isAllowed)
            #expect(
                !run(ingress, tag: (0x8100, vlan), typeField: 0x0800)
                    && !run(egress, tag: (0x8100, vlan), typeField: 0x0800))
        }
        for vlan in [0] + allowed.prefix(1) {
            #expect(run(ingress, tag: (0x88A8, vlan | 0xB000), typeField: 0x88A8), "a second S-tag")
            #expect(!run(ingress, tag: (0x88A8, vlan | 0xB000), typeField: 0x8100), "a C-tag inside")
        }
        for type in [UInt16(0x0800), 0x8100, 0x88CC] {
            #expect(!run(ingress, tag: nil, typeField: type) && !run(egress, tag: nil, typeField: type))
        }
        #expect(run(egress, tag: nil, typeField: 0x88A8), "a machine's own tag")
        #expect(run(egress, tag: (0x8100, 5), typeField: 0x88A8))
    }
}

/// Runs a guard for a frame; whether it is dropped.
private func run(_ program: [FilterInstruction], tag: (type: UInt16, control: UInt16)?, typeField: UInt16) -> Bool {
    var (accumulator, position): (UInt32, Int) = (0, 0)
    while position < program.count {
        let instruction = program[position]
        position += 1
        switch (instruction.code, instruction.value) {
        case (0x28, 12): accumulator = UInt32(typeField)
        case (0x20, 0xFFFF_F030): accumulator = tag == nil ? 0 : 1
        case (0x20, 0xFFFF_F03C): accumulator = UInt32(tag?.type ?? 0)
        case (0x20, 0xFFFF_F02C): accumulator = UInt32(tag?.control ?? 0)
        case (0x54, let mask): accumulator &= mask
        case (0x15, let value): position += Int(accumulator == value ? instruction.ifTrue : instruction.ifFalse)
        case (0x06, let result): return result != 0
        default: Issue.record("instruction \(instruction)")
        }
    }
    Issue.record("the program has no end")
    return false
}

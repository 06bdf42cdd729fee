import EVBModel
import EVBTime
import Glibc
import Testing

@testable import EVBDaemon
@testable import EVBSettings

@Suite struct ReloadPlanTests {
    private static func port(_ name: String, _ change: (inout PortSettings) -> Void = { _ in }) -> PortSettings {
        var settings = PortSettings(interface: name)
        change(&settings)
        return settings
    }

    @Test("ports that stay are kept, those that differ change, and only what is of another kind leaves")
    func steps() {
        let (kept, other) = (Self.port("a"), Self.port("b"))
        let changed = Self.port("b") { $0.fallback = .hold }
        let bridge = Self.port("c") { $0.role = .bridge }
        let typed = Self.port("d") {
            $0.role = .bridge
            $0.vsiTypes = VSITypesSource(file: "/types")
        }
        let plan = ReloadPlan(
            from: [
                "a": .running(kept), "b": .running(other), "c": .running(Self.port("c")),
                "d": .running(Self.port("d") { $0.role = .bridge }), "e": .running(Self.port("e")),
            ], to: [kept, changed, bridge, typed, Self.port("f")], changesAll: false)
        #expect(
            plan.steps == [
                .remove("e"), .replace(bridge), .replace(typed), .keep(kept), .change(changed), .add(Self.port("f")),
            ])
    }

    @Test("OPS-301 the report counts the VSIs of ports that are removed or replaced, and no others")
    func report() {
        let bridge = Self.port("b") { $0.role = .bridge }
        let plan = ReloadPlan(
            from: ["a": .running(Self.port("a")), "b": .running(Self.port("b")), "c": .running(Self.port("c"))],
            to: [bridge, Self.port("c") { $0.fallback = .hold }, Self.port("d")], changesAll: false)
        #expect(
            plan.report { ["a": 1, "b": 2, "c": 4][$0] ?? 8 } == [
                PortReload(interface: "a", change: .removed, endedVSIs: 1),
                PortReload(interface: "b", change: .replaced, endedVSIs: 2),
                PortReload(interface: "c", change: .changed, endedVSIs: 0),
                PortReload(interface: "d", change: .added, endedVSIs: 0),
            ])
    }

    @Test("a port that leaves has one successor: the latest that the configuration names")
    func leaving() {
        let (one, two) = (Self.port("a"), Self.port("a") { $0.role = .bridge })
        let steps = { (slot: ReloadPlan.Slot, ports: [PortSettings]) in
            ReloadPlan(from: ["a": slot], to: ports, changesAll: false).steps
        }
        #expect(steps(.leaving(then: one), [two]) == [.succeed(two)])
        #expect(steps(.leaving(then: one), []) == [.abandon("a")])
        #expect(steps(.leaving(then: nil), []) == [])
        #expect(steps(.leaving(then: nil), [one]) == [.add(one)])
    }

    @Test("what changes for all ports changes each that stays")
    func all() {
        let plan = ReloadPlan(from: ["a": .running(Self.port("a"))], to: [Self.port("a")], changesAll: true)
        #expect(plan.steps == [.change(Self.port("a"))])
    }

    /// The slots after a plan has been carried out and all that leaves has left, as `PortCollection` does it.
    private static func carriedOut(_ plan: ReloadPlan, on slots: [String: ReloadPlan.Slot]) -> [String: ReloadPlan.Slot]
    {
        var slots = slots
        for step in plan.steps {
            switch step {
            case .remove(let name), .abandon(let name): slots[name] = .leaving(then: nil)
            case .replace(let settings), .succeed(let settings): slots[settings.interface] = .leaving(then: settings)
            case .add(let settings), .change(let settings): slots[settings.interface] = .running(settings)
            case .keep: break
            }
        }
        return slots
    }

    @Test("whatever there was, the configuration is what there is once all that leaves has left")
    func randomWalk() {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 1 ... .max)
        var random = SplitMix64(seed: seed)
        var slots: [String: ReloadPlan.Slot] = [:]
        for step in 0..<2000 {
            var ports: [PortSettings] = []
            for name in ["a", "b", "c", "d"] where Bool.random(using: &random) {
                ports.append(
                    Self.port(name) {
                        if Bool.random(using: &random) { $0.role = .bridge }
                        if $0.role == .bridge, Bool.random(using: &random) {
                            $0.vsiTypes = VSITypesSource(file: "/types")
                        }
                        $0.ecp.retries = Int.random(in: 0...7, using: &random)
                    })
            }
            let former = slots
            let plan = ReloadPlan(from: slots, to: ports, changesAll: false)
            slots = Self.carriedOut(plan, on: slots)
            // A port that runs on does so in the role that it had.
            for case (let name, .running(let before)) in former {
                guard case .running(let after) = slots[name] else { continue }
                #expect(before.isSameKind(as: after), "EVBD_SEED=\(seed), step \(step)")
            }
            let finally = slots.compactMapValues { slot in
                switch slot {
                case .running(let settings), .leaving(.some(let settings)): settings
                case .leaving(nil): nil
                }
            }
            let wanted = Dictionary(uniqueKeysWithValues: ports.map { ($0.interface, $0) })
            #expect(finally == wanted, "EVBD_SEED=\(seed), step \(step)")
            // Some of what leaves has left before the next reload.
            for (name, slot) in slots where Bool.random(using: &random) {
                if case .leaving(let successor) = slot { slots[name] = successor.map { .running($0) } }
            }
        }
    }
}

internal import EVBTime
internal import EVBWire
internal import EdgeRelayMachine

// What managers and other processes do, and what must hold whatever they do.

extension DataplaneWorld {
    private static let modes: [RelayMode] = [.vepa, .bridge]

    mutating func turmoil() {
        guard !isQuiet else { return }
        if random.flag() { manage() } else { meddle() }
        add(.turmoil, in: random.within(0...(random.flag() ? 30 : 1500)))
    }

    private mutating func manage() {
        guard let vsiID = random.pick(names), let manager = managers[vsiID] else { return }
        switch random.below(10) {
        case 0...3:
            choose(vsiID)
            if let manager = managers[vsiID] { want(vsiID, .up(manager.spec, vlan: manager.vlan)) }
        case 4, 5: if let desired = manager.desired, desired != .absent { want(vsiID, desired.lowered) }
        case 6: if manager.desired != nil { want(vsiID, .absent) }
        case 7, 8:
            let policy = LinkPolicy(
                mode: Self.modes[random.below(2)], isHeld: random.chance(200), closesGate: !random.chance(100))
            note("policy \(policy)")
            perform(machine.observe(.policy(policy), table))
        default: if random.chance(300) { restart() }
        }
    }

    /// A manager may want another link once it has given the former one up, and the bridge may grant another VLAN.
    private mutating func choose(_ vsiID: VSIID) {
        guard var manager = managers[vsiID], manager.spec.origin == .created else { return }
        if manager.desired == nil || manager.desired == .absent, random.chance(300) {
            manager.spec.kind = random.flag() ? "macvtap" : "macvlan"
        }
        if random.chance(100) { manager.vlan = random.flag() ? 10 : nil }
        managers[vsiID] = manager
    }

    /// evbd ends and begins again, with what it has stored.
    private mutating func restart() {
        note("evbd is started again")
        life += 1
        pending = 0
        let former = machine
        machine = RelayMachine(policy: former.policy)
        socket = []
        table.left = []
        table.links = kernel.links.filter { $0.value.namespace == 0 }
        table.portMTU = kernel.portMTU
        for vsiID in names {
            guard let manager = managers[vsiID], let desired = manager.desired else { continue }
            managers[vsiID]?.isGranted = false
            managers[vsiID]?.isResumed = true
            let isHere =
                table.candidate(for: vsiID, manager.spec, vlan: manager.vlan, except: nil, holder: { _ in nil }) != nil
            if desired != .absent, !isHere, manager.isElsewhere || manager.spec.origin == .created {
                machine.resume(vsiID, manager.spec, vlan: manager.vlan, isElsewhere: manager.isElsewhere)
            } else if desired != .absent {
                machine.expect(vsiID)
            }
            if desired == .absent || random.flag() {
                bridgeSpeaks(vsiID)
            } else {
                add(.bridgeSpeaks(vsiID, life: life), in: random.within(0...2000))
            }
        }
    }

    /// The bridge goes on with a VSI of the run before, or does not.
    mutating func bridgeSpeaks(_ vsiID: VSIID) {
        // A manager's request that came before has had its answer.
        guard let manager = managers[vsiID], let desired = manager.desired, manager.isResumed else { return }
        managers[vsiID]?.isResumed = false
        guard desired != .absent else {
            perform(machine.want(vsiID, .down(manager.spec, vlan: manager.vlan), table))
            perform(machine.want(vsiID, .absent, table))
            return forgetIfAbsent(vsiID)
        }
        let isGranted = desired.isUp && random.chance(800)
        managers[vsiID]?.isGranted = isGranted
        perform(
            machine.want(
                vsiID,
                isGranted ? .up(manager.spec, vlan: manager.vlan) : .down(manager.spec, vlan: manager.vlan), table))
        managers[vsiID]?.desired = machine.slots[vsiID]?.desired ?? desired.lowered
    }

    private mutating func forgetIfAbsent(_ vsiID: VSIID) { if machine.slots[vsiID] == nil { want(vsiID, .absent) } }

    // MARK: Other processes

    private mutating func meddle() {
        let host = kernel.links.values.filter { $0.namespace == 0 }.sorted { $0.index < $1.index }
        let inside = kernel.links.values.filter { $0.namespace != 0 }.sorted { $0.index < $1.index }
        switch random.below(12) {
        case 0: if let link = random.pick(host) { act("deletes", link) { $0.delete(link.index) } }
        case 1, 2:
            guard let link = random.pick(host) else { return }
            let (namespace, isOther) = (1 + random.below(3), random.flag())
            act("moves", link) { $0.move(link.index, to: namespace, as: "eth\(link.index)", newIndex: isOther) }
        case 3, 4:
            guard let link = random.pick(inside) else { return }
            // After a restart the links of one VSI are alike, and either may be taken for the other.
            if link.isAbandoned, let owner = link.owner,
                machine.slots[owner] != nil || managers[owner]?.isResumed == true
            {
                return
            }
            let (name, isOther) = (random.flag() ? "back\(link.index)" : link.name, random.flag())
            act("moves back", link) { $0.move(link.index, to: 0, as: name, newIndex: isOther) }
        case 5: if random.chance(200) { kernel.end(namespace: 1 + random.below(3)) }
        case 6:
            guard let link = random.pick(host), kernel.host("else\(link.index)") == nil else { return }
            act("renames", link) { $0.change(link.index) { $0.name = "else\(link.index)" } }
        case 7:
            if let link = random.pick(host) {
                act("sets up or down", link) { $0.change(link.index) { $0.isUp.toggle() } }
            }
        case 8:
            guard let link = random.pick(host) else { return }
            let mode = Self.modes[random.below(2)]
            act("changes the mode of", link) { $0.change(link.index) { $0.mode = mode } }
        case 9:
            guard let link = random.pick(host) else { return }
            act("changes the MAC of", link) {
                $0.change(link.index) { $0.address = MACAddress(truncating: 0x02_0000_0000 + UInt64(link.index)) }
            }
        case 10: kernel.setPortMTU([1500, 1400, 9000][random.below(3)])
        default: makeAdoptable()
        }
    }

    private mutating func act(
        _ word: String, _ link: SimulatedKernel.Link, _ body: (inout SimulatedKernel) -> Void
    ) {
        note("another process \(word) \(link.name)")
        body(&kernel)
    }

    private mutating func makeAdoptable() {
        let found = names.filter { managers[$0]?.spec.origin == .found }
        guard let vsiID = random.pick(found), let address = managers[vsiID]?.spec.addresses.first else { return }
        guard !kernel.links.values.contains(where: { $0.address == address && $0.namespace == 0 }) else { return }
        note("another process creates a link for \(name(vsiID))")
        _ = kernel.create(
            SimulatedKernel.Link(
                index: 0, name: "tap\(vsiID.low)", address: address, mode: .vepa, mtu: kernel.portMTU))
    }

    // MARK: The end

    /// Nothing goes wrong any more, and all that managers want is asked for again.
    mutating func calm() {
        note("quiet")
        isQuiet = true
        // Names that are wanted are free.
        for link in kernel.links.values.sorted(by: { $0.index < $1.index })
        where link.namespace == 0 && link.owner == nil {
            if names.contains(where: { managers[$0]?.spec.name == link.name }) { kernel.delete(link.index) }
        }
        add(.resync, in: 10)
        perform(machine.observe(.policy(LinkPolicy(mode: .vepa, isHeld: false, closesGate: true)), table))
        for vsiID in names {
            guard let manager = managers[vsiID], let desired = manager.desired, desired != .absent else { continue }
            want(vsiID, random.flag() ? .up(manager.spec, vlan: manager.vlan) : desired.lowered)
        }
        add(.release, in: 3_600_000)
    }

    // MARK: What must hold

    mutating func checkSubmission(_ vsiID: VSIID, _ operation: LinkOperation) {
        switch operation {
        case .setUp(_, true):
            if managers[vsiID]?.isGranted != true {
                fail("never up without a grant", "\(name(vsiID)): \(operation)")
            }
        case .delete(let index):
            if let link = kernel.links[index], link.owner == nil { fail("only links of evbd's are deleted", link.name) }
        default: break
        }
    }

    mutating func inspect() {
        var owners: Set<VSIID> = []
        for link in kernel.links.values.sorted(by: { $0.index < $1.index }) where !link.isAbandoned {
            guard let owner = link.owner, !owners.insert(owner).inserted else { continue }
            return fail("never two links of one VSI", "\(name(owner)): \(link.name)")
        }
        guard pending == 0, socket.isEmpty,
            !events.contains(where: { if case .resync = $0.event { true } else { false } })
        else { return }
        for vsiID in names where violation == nil { inspectSettled(vsiID) }
    }

    /// Nothing is under way: all is as it is wanted.
    private mutating func inspectSettled(_ vsiID: VSIID) {
        let links = kernel.links.values.filter { $0.owner == vsiID && $0.namespace == 0 && !$0.isAbandoned }
        guard let slot = machine.slots[vsiID] else {
            if let link = links.first, managers[vsiID]?.isResumed != true {
                fail("nothing of ours is left", "\(name(vsiID)): \(link.name)")
            }
            return
        }
        guard slot.running == nil else { return fail("what is done is settled", "\(name(vsiID)): \(slot)") }
        switch slot.actual {
        case .here(let known, _, _, _), .unusable(let known, _, _):
            guard let link = kernel.links[known.index], link.namespace == 0, table.value(link) == known else {
                return fail("what is known of a link is true", "\(name(vsiID)): \(known)")
            }
            if link.isUp, machine.policy.closesGate,
                !slot.desired.isUp || slot.desired.spec?.mode == nil && machine.policy.isHeld
            {
                if slot.desired.spec?.origin == .created || link.mode == .vepa || link.mode == .bridge
                    || !slot.desired.isUp
                {
                    return fail("never up without a grant", "\(name(vsiID)): \(link)")
                }
            }
        case .inOtherNamespace(_, let ownership, _):
            if ownership != .adopted, !links.isEmpty {
                fail("a link that is back is noticed", "\(name(vsiID)): \(links)")
            }
            if ownership != .adopted, !kernel.links.values.contains(where: { $0.owner == vsiID }) {
                fail("the end of a link's namespace is noticed", "\(name(vsiID)): \(slot)")
            }
        case .missing:
            if managers[vsiID]?.isResumed != true { fail("what is missing is looked for", "\(name(vsiID))") }
        case .none: if !links.isEmpty { fail("a link that is there is known", "\(name(vsiID)): \(links)") }
        }
        if isQuiet, slot.desired.isUp { inspectCalm(vsiID, slot) }
    }

    /// Nothing goes wrong any more: what is wanted is there.
    private mutating func inspectCalm(_ vsiID: VSIID, _ slot: LinkSlot) {
        guard let spec = slot.desired.spec, spec.origin == .created else { return }
        switch slot.actual {
        case .here(let link, _, _, _):
            let mode = spec.mode ?? machine.policy.mode
            if let real = kernel.links[link.index], real.kind != spec.kind || real.vlan != slot.desired.vlan {
                return fail("a link is the one that is wanted now", "\(name(vsiID)): \(real), \(slot.desired)")
            }
            if !link.isUp || link.mode != mode || link.mtu != kernel.portMTU {
                fail("all is settled when faults stop", "\(name(vsiID)): \(link), port MTU \(kernel.portMTU)")
            }
        case .inOtherNamespace:
            let isThere = kernel.links.values.contains { $0.owner == vsiID && $0.namespace != 0 && !$0.isAbandoned }
            if !isThere { fail("a link whose namespace has ended is made again", name(vsiID)) }
        case .none, .missing, .unusable: fail("all is settled when faults stop", "\(name(vsiID)): \(slot)")
        }
    }

    private mutating func fail(_ rule: String, _ detail: String) {
        guard violation == nil else { return }
        violation = Violation(
            rule: rule, detail: detail, seed: options.seed,
            time: .init(nanoseconds: UInt64(now) * 1_000_000), station: 0, trace: trace.suffix(120))
    }
}

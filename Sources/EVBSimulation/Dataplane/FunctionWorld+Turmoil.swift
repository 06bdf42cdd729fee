internal import EVBTime
internal import EVBWire
internal import EdgeRelayMachine

// What managers and cards do, and what must hold whatever they do.

extension FunctionWorld {
    mutating func turmoil() {
        guard !isQuiet else { return }
        if random.chance(850) { manage() } else { setCard(isThere: card == nil || random.flag()) }
        add(.turmoil, in: random.within(0...(random.flag() ? 30 : 3000)))
    }

    private mutating func manage() {
        guard let vsiID = random.pick(names), let manager = managers[vsiID] else { return }
        switch random.below(10) {
        case 0...3:
            if random.chance(100) { managers[vsiID]?.vlan = random.flag() ? 10 : 20 }
            want(vsiID, .up(manager.spec, vlan: managers[vsiID]?.vlan))
        case 4, 5: if let desired = manager.desired, desired != .absent { want(vsiID, desired.lowered) }
        case 6, 7:
            guard let desired = manager.desired, desired != .absent else { return }
            // As a station: its traffic stops first.
            want(vsiID, desired.lowered)
            want(vsiID, .absent)
        case 8:
            let policy = LinkPolicy(mode: .vepa, isHeld: random.chance(200), closesGate: !random.chance(100))
            note("policy \(policy)")
            perform(machine.observe(.policy(policy), view))
        default: if random.chance(300) { restart() }
        }
    }

    /// evbd ends and begins again, with what it has stored.
    private mutating func restart() {
        note("evbd is started again")
        life += 1
        pending = 0
        machine = RelayMachine(policy: machine.policy)
        // The port is read when evbd begins.
        events.removeAll { if case .card = $0.event { true } else { false } }
        unheard = 0
        view.card = card
        for vsiID in names {
            guard let manager = managers[vsiID], manager.isStored, let desired = manager.desired else {
                managers[vsiID]?.desired = nil
                continue
            }
            managers[vsiID]?.isGranted = false
            managers[vsiID]?.isWaiting = false
            managers[vsiID]?.isResumed = true
            if desired == .absent {
                discard(vsiID)
            } else {
                add(.bridgeSpeaks(vsiID, life: life), in: random.within(0...2000))
            }
        }
    }

    /// A VSI that was given up, and whose function the life before had no time to reset.
    private mutating func discard(_ vsiID: VSIID) {
        guard let manager = managers[vsiID] else { return }
        want(vsiID, .down(manager.spec, vlan: manager.vlan))
        want(vsiID, .absent)
    }

    mutating func bridgeSpeaks(_ vsiID: VSIID) {
        guard let manager = managers[vsiID], manager.isResumed else { return }
        let isGranted = manager.desired?.isUp == true && random.chance(800)
        want(vsiID, isGranted ? .up(manager.spec, vlan: manager.vlan) : .down(manager.spec, vlan: manager.vlan))
    }

    /// Nothing goes wrong any more, and all that managers want is asked for again.
    mutating func calm() {
        note("quiet")
        isQuiet = true
        if card == nil { setCard(isThere: true) }
        perform(machine.observe(.policy(LinkPolicy(mode: .vepa, isHeld: false, closesGate: true)), view))
        add(.release, in: 3_600_000)
    }

    // MARK: What must hold

    mutating func check(_ vsiID: VSIID, _ operation: LinkOperation) {
        guard let manager = managers[vsiID] else { return }
        switch operation {
        case .adjust(let number, let change):
            if number != manager.number || machine.holder(of: "vf:\(number)") != vsiID {
                fail("only a VSI's own function is set", "\(vsiID.low): \(operation)")
            }
            if change.state == .auto, !manager.isGranted {
                fail("never open without a grant", "\(vsiID.low): \(operation)")
            }
        case .reset:
            if manager.desired != .absent { fail("only what is given up is reset", "\(vsiID.low): \(operation)") }
        default: fail("a function has no such operation", "\(vsiID.low): \(operation)")
        }
    }

    /// Nothing is under way: all is as it is wanted.
    mutating func inspect(_ vsiID: VSIID) {
        guard let manager = managers[vsiID], !manager.isResumed, card != nil else { return }
        let actual = functions[manager.number]
        guard let slot = machine.slots[vsiID] else {
            let isOthers = names.contains { other in
                other != vsiID && managers[other]?.number == manager.number && managers[other]?.desired != nil
            }
            if !isOthers, let actual, actual != .reset {
                fail("what is given up is reset", "\(vsiID.low): \(actual)")
            }
            return
        }
        if slot.running != nil { return fail("what is done is settled", "\(vsiID.low): \(slot)") }
        let isClosed = actual?.state == .disabled
        if !slot.desired.isUp || machine.policy.isHeld, machine.policy.closesGate, !isClosed {
            return fail(
                "everything refused is closed in the end", "\(vsiID.low): \(slot), \(String(describing: actual))")
        }
        guard isQuiet, slot.desired.isUp else { return }
        var wanted = LinkSettings.reset
        (wanted.address, wanted.vlan) = (manager.spec.addresses.first, slot.desired.vlan ?? 0)
        if actual != wanted {
            fail("all is settled when faults stop", "\(vsiID.low): \(slot.desired), \(String(describing: actual))")
        }
    }

    mutating func inspectEnd() {
        if !machine.isEmpty || !machine.unclosed.isEmpty { fail("nothing is left in the end", "\(machine.slots)") }
        for (number, settings) in functions.sorted(by: { $0.key < $1.key }) where settings != .reset {
            fail("what is given up is reset", "vf:\(number) \(settings)")
        }
    }

    private mutating func fail(_ rule: String, _ detail: String) {
        guard violation == nil else { return }
        violation = Violation(
            rule: rule, detail: detail, seed: options.seed,
            time: .init(nanoseconds: UInt64(now) * 1_000_000), station: 0, trace: trace.suffix(120))
    }
}

package import EVBWire

// What other processes do to the links of VSIs: create, change, rename, move and delete them.

extension RelayMachine {
    /// The driver has heard something.
    package mutating func observe(_ news: LinkNews, _ view: some LinkView) -> [RelayEffect] {
        var effects: [RelayEffect] = []
        switch news {
        case .link(let name, let address, let owner, let link):
            var concerned = Set([holders[name], owner, link.flatMap { indices[$0.index] }].compactMap { $0 })
            if let address { concerned.formUnion(seekers(of: address)) }
            if let owner, let link, isStray(link, of: owner, view) { effects.append(.discard(owner, link)) }
            for vsiID in Self.ordered(concerned) { look(vsiID, view, &effects) }
        case .port: for vsiID in Self.ordered(slots.keys) { look(vsiID, view, &effects) }
        case .portReplaced:
            for vsiID in Self.ordered(slots.keys) { forgetSettings(vsiID, view, &effects) }
        case .policy(let policy):
            guard policy != self.policy else { break }
            setPolicy(policy)
            for vsiID in Self.ordered(slots.keys) {
                refresh(vsiID)
                step(vsiID, view, &effects)
            }
        case .retry(let vsiID):
            guard let slot = slots[vsiID], slot.running == nil else { break }
            if let index = slot.index {
                submit(vsiID, .look(index: index), &effects)
            } else {
                step(vsiID, view, &effects)
            }
        case .namespaceEnd:
            let concerned = slots.filter { $0.value.actual.isElsewhere || $0.value.running != nil }
            for vsiID in Self.ordered(concerned.map(\.key)) { lookElsewhere(vsiID, &effects) }
        }
        return effects
    }

    /// Asks whether a created link is still in its other network namespace.
    mutating func lookElsewhere(_ vsiID: VSIID, _ effects: inout [RelayEffect]) {
        guard let slot = slots[vsiID] else { return }
        guard slot.running == nil else { return change(vsiID) { $0.running?.hasLostNamespace = true } }
        guard case .inOtherNamespace(let name, .created, _) = slot.actual, slot.desired != .absent else { return }
        submit(vsiID, .locate(name: name), &effects)
    }

    /// The order of effects is the same in each run.
    private static func ordered(_ vsiIDs: some Collection<VSIID>) -> [VSIID] {
        vsiIDs.count < 2 ? Array(vsiIDs) : vsiIDs.sorted { ($0.high, $0.low) < ($1.high, $1.low) }
    }

    /// Whether a link that evbd has created is back after its VSI was given up, or had another one created.
    private func isStray(_ link: KernelLink, of owner: VSIID, _ view: some LinkView) -> Bool {
        guard let slot = slots[owner] else { return !view.isWanted(owner) }
        // What is being created is known by its index later.
        if case .create = slot.running?.operation { return false }
        guard let own = slot.actual.link, own.index != link.index, link.index != slot.discarded else { return false }
        return slot.actual.ownership?.isCreated == true
    }

    /// The bridge or the configuration speaks: what was given up is tried again.
    mutating func refresh(_ vsiID: VSIID) {
        change(vsiID) { slot in
            slot.retries = .full
            slot.closingReports = .full
            if case .unusable(let link, let ownership, _) = slot.actual, slot.desired != .absent {
                slot.actual = .here(link, ownership, .closed, .missing)
            }
        }
    }

    /// Compares what is known of a VSI's link with what the view has.
    package mutating func look(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) {
        guard let slot = slots[vsiID] else { return }
        guard slot.running == nil else { return change(vsiID) { $0.running?.hasStaleNews = true } }
        switch slot.actual {
        case .none:
            // One that is created is asked for by its VSI's requests.
            if slot.desired.spec?.origin == .found || slot.desired.spec != nil && hasCandidate(vsiID, slot, view) {
                step(vsiID, view, &effects)
            }
        case .missing: step(vsiID, view, &effects)
        case .inOtherNamespace: _ = lookForReturn(vsiID, slot, view, &effects)
        // The kernel sends no news of it. What the card has refused is tried again by its own time.
        case .here(let link, .assigned, _, _):
            if link.settings == LinkSettings(), view.hasPort, slot.failures == 0 { step(vsiID, view, &effects) }
        case .here(let link, _, _, _), .unusable(let link, _, _):
            guard let current = view.link(at: link.index) else {
                if view.hasLeft(link.index) { return departed(vsiID, view, &effects) }
                return submit(vsiID, .look(index: link.index), &effects)
            }
            guard current != link else { return }
            // The view may be behind the results of operations, so that what it says is a reason to ask and no more.
            if current.name == link.name, isSettled(slot, current) {
                setActual(vsiID, slot.actual.with(current), &effects)
            } else {
                submit(vsiID, .look(index: link.index), &effects)
            }
        }
    }

    private func hasCandidate(_ vsiID: VSIID, _ slot: LinkSlot, _ view: some LinkView) -> Bool {
        guard let spec = slot.desired.spec else { return false }
        return view.candidate(
            for: vsiID, spec, vlan: slot.desired.vlan, except: slot.discarded, holder: { holders[$0] }) != nil
    }

    /// Whether a link as it is now needs no correction.
    private func isSettled(_ slot: LinkSlot, _ link: KernelLink) -> Bool {
        switch Self.plan(slot.desired, slot.actual.with(link), policy) {
        case nil, .openAddresses: true
        default: false
        }
    }

    /// The kernel has been asked after a link that news are about.
    package mutating func looked(
        _ vsiID: VSIID, _ former: KernelLink, _ current: KernelLink, _ view: some LinkView,
        _ effects: inout [RelayEffect]
    ) {
        if former.name != current.name {
            effects.append(.report(vsiID, .renamed(from: former.name, to: current.name)))
            effects.append(.store(vsiID))
        }
        guard let slot = slots[vsiID] else { return }
        setActual(vsiID, slot.actual.with(current), &effects)
        // What the link below has brought about is no other process'.
        if isSettled(slot, current) || slot.desired == .absent || slot.failures > 0
            || former.lowerMTU != current.lowerMTU
        {
            return step(vsiID, view, &effects)
        }
        if case .setUp(_, false) = Self.plan(slot.desired, slot.actual.with(current), policy) {
            switch spend(vsiID, on: \.closingReports) {
            case .granted: effects.append(.report(vsiID, .closedAgain(current)))
            case .refusedFirst: effects.append(.report(vsiID, .keepsBeingOpened(name: current.name)))
            case .refused: break
            }
            return step(vsiID, view, &effects)
        }
        switch spend(vsiID, on: \.retries) {
        case .granted: effects.append(.report(vsiID, .corrected(current)))
        case .refusedFirst: effects.append(.report(vsiID, .keepsBeingChanged(name: current.name)))
        case .refused: break
        }
        step(vsiID, view, &effects)
    }

    // MARK: Links that are gone

    /// The link is not in the kernel's list, and no news say why.
    package mutating func lost(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) {
        guard let slot = slots[vsiID], let ownership = slot.actual.ownership, let name = slot.actual.name else {
            return step(vsiID, view, &effects)
        }
        if slot.desired == .absent { return gone(vsiID, view, &effects) }
        guard ownership.isCreated else {
            effects.append(.report(vsiID, .adoptedIsGone(name: name)))
            forget(vsiID, &effects)
            return step(vsiID, view, &effects)
        }
        guard view.hasPort else {
            effects.append(.report(vsiID, .wentWithPort(name: name)))
            forget(vsiID, &effects)
            change(vsiID) { $0.retries = .exhausted }
            return settle(vsiID, nil, &effects)
        }
        if let index = slot.actual.link?.index { change(vsiID) { $0.discarded = index } }
        setActual(vsiID, .missing(name: name, ownership), &effects)
        step(vsiID, view, &effects)
    }

    /// The link is in no network namespace any more.
    package mutating func deleted(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) {
        guard let slot = slots[vsiID], let name = slot.actual.name else { return step(vsiID, view, &effects) }
        forget(vsiID, &effects)
        if slot.actual.isElsewhere { effects.append(.store(vsiID)) }
        guard slot.desired.isUp else { return step(vsiID, view, &effects) }
        switch spend(vsiID, on: \.retries) {
        case .granted: effects.append(.report(vsiID, .deleted(name: name)))
        case .refusedFirst: effects.append(.report(vsiID, .keepsBeingDeleted(name: name)))
        case .refused: break
        }
        step(vsiID, view, &effects)
    }

    /// The link is gone as it was wanted. Who waited for that has it, also where another is wanted by now.
    package mutating func gone(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) {
        forget(vsiID, &effects)
        if slots[vsiID]?.desired != .absent { effects.append(.removed(vsiID)) }
        step(vsiID, view, &effects)
    }

    /// The VSI has no link any more.
    mutating func forget(_ vsiID: VSIID, _ effects: inout [RelayEffect]) {
        guard var slot = slots[vsiID] else { return }
        if let index = slot.actual.link?.index { slot.discarded = index }
        slot.actual = .none(.open)
        slot.made = nil
        set(vsiID, slot, &effects)
    }

    // MARK: Other network namespaces

    package mutating func departed(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) {
        guard let slot = slots[vsiID], let name = slot.actual.name, let ownership = slot.actual.ownership else {
            return
        }
        effects.append(.report(vsiID, .departed(name: name)))
        change(vsiID) { $0.discarded = nil }
        setActual(vsiID, .inOtherNamespace(name: name, ownership, .closed), &effects)
        effects.append(.store(vsiID))
        // The news that it is back may have come before the answer that it had left.
        guard let slot = slots[vsiID], lookForReturn(vsiID, slot, view, &effects) else {
            return step(vsiID, view, &effects)
        }
    }

    /// A link that was in another network namespace may be back, with another index and another name.
    ///
    /// - Returns: whether it is.
    private mutating func lookForReturn(
        _ vsiID: VSIID, _ slot: LinkSlot, _ view: some LinkView, _ effects: inout [RelayEffect]
    ) -> Bool {
        guard let spec = slot.desired.spec,
            let candidate = view.candidate(
                for: vsiID, spec, vlan: slot.desired.vlan, except: slot.discarded, holder: { holders[$0] })
        else { return false }
        returned(vsiID, candidate.link, candidate.ownership, view, &effects)
        return true
    }

    package mutating func returned(
        _ vsiID: VSIID, _ link: KernelLink, _ ownership: Ownership, _ view: some LinkView,
        _ effects: inout [RelayEffect]
    ) {
        effects.append(.report(vsiID, .returned(link)))
        setActual(vsiID, .here(link, ownership, .neverOpened, .missing), &effects)
        effects.append(.store(vsiID))
        step(vsiID, view, &effects)
    }
}

package import EVBWire

/// Decides over the links of one port's VSIs: what each is to be, what there is, and the operation that comes next.
///
/// It does not know which kind of edge relay a port has. A driver answers which link is a VSI's (`LinkView`) and makes the
/// operations. Files: `RelayPlan` is the difference; `+News` is about what other processes do; `+Results` about operations.
package struct RelayMachine {
    private(set) package var slots = DenseDictionary<VSIID, LinkSlot>()
    private(set) package var policy: LinkPolicy
    /// The VSIs by the names of their links, of those that are not there yet too.
    package private(set) var holders: [String: VSIID] = [:]
    /// The VSIs by the indices of their links.
    package private(set) var indices: [Int32: VSIID] = [:]
    /// The VSIs whose links other processes create, by their addresses without the first octet: a link has the address of its
    /// machine, or libvirt's form of it, which differs there alone.
    private var seekers = SeekerIndex()
    /// VSIs of the run before whose created links were there when this run began, and of which the bridge has not spoken yet.
    private var expected: Set<VSIID> = []
    /// What could not be closed, deleted or reset though its VSI is not associated, and why. It is tried again without limit.
    package private(set) var unclosed: [VSIID: LinkFailure] = [:] { didSet { unclosedChanges &+= 1 } }
    /// How often that has changed.
    package private(set) var unclosedChanges = 0
    /// VSIs whose links are assigned.
    package private(set) var assignedCount = 0
    /// How many links that evbd created are on the device of a VLAN.
    private(set) var vlanUsers: [UInt16: Int] = [:]

    package init(policy: LinkPolicy) { self.policy = policy }

    package var isEmpty: Bool { slots.isEmpty }

    package func isVLANUsed(_ vlan: UInt16) -> Bool { vlanUsers[vlan] != nil }

    /// The VSI whose link has that name, or is to have it.
    package func holder(of name: String) -> VSIID? { holders[name] }

    /// Whether the link of a VSI that was given up waits to be reset only, and can be another VSI's.
    package func isLingering(_ vsiID: VSIID) -> Bool { slots[vsiID]?.isLingering ?? false }

    /// Why a VSI cannot have a link, which is known before anything is tried.
    package func refusal(of spec: LinkSpec, for vsiID: VSIID) -> LinkFailure? {
        guard spec.origin == .created, let name = spec.name else { return nil }
        if let other = holders[name], other != vsiID {
            return LinkFailure(
                .exists, "create \(name): it belongs to VSI \(other); choose another name with --link")
        }
        guard let slot = slots[vsiID], slot.isCreated, let own = slot.desired.spec, !own.isSameLink(as: spec) else {
            return nil
        }
        return LinkFailure(
            .exists,
            "the VSI already has the link \(slot.actual.name ?? own.name ?? name): de-associate it first to change the link"
        )
    }

    /// A manager or the bridge wants another link, or wants it otherwise. `refusal` has nothing against it.
    package mutating func want(_ vsiID: VSIID, _ desired: DesiredLink, _ view: some LinkView) -> [RelayEffect] {
        var effects: [RelayEffect] = []
        let isExpected = !expected.isEmpty && expected.remove(vsiID) != nil
        let known = slots[vsiID]
        guard var slot = known ?? (desired.isAbsent ? nil : LinkSlot(desired)) else { return [] }
        if isExpected, known == nil, let spec = desired.spec, spec.origin == .created, let name = spec.name {
            // It may have gone to another network namespace since, so that it is looked for there before one is created.
            let candidate = view.candidate(
                for: vsiID, spec, vlan: desired.vlan, except: nil, holder: { holders[$0] })
            if candidate == nil { slot.actual = .missing(name: name, .created(vlan: nil)) }
        }
        if let name = desired.spec?.name, let other = holders[name], other != vsiID, isLingering(other) {
            set(other, nil, &effects)
            effects.append(.settled(other, nil))
        }
        let former = slot.desired
        slot.desired = desired
        slot.retries = .full
        slot.closingReports = .full
        slot.failures = 0
        if case .up(let spec, let vlan) = desired, !slot.isCreated, slot.actual.ownership?.isAssigned != true,
            let known = former.spec, known != spec || former.vlan != vlan
        {
            slot.actual = .none(.open)
        }
        if case .unusable(let link, let ownership, _) = slot.actual, desired != .absent {
            slot.actual = .here(link, ownership, .closed, .missing)
        }
        switch (former, desired, slot.actual) {
        case (_, .up, .inOtherNamespace(let name, let ownership, _)) where ownership.isCreated:
            // Its namespace may have ended, and the link with it.
            slot.actual = .missing(name: name, ownership)
        case (.up, .down, .inOtherNamespace) where policy.closesGate: effects.append(.report(vsiID, .outOfReach))
        case (.down, .down, .inOtherNamespace) where policy.closesGate && slot.isResumed:
            effects.append(.report(vsiID, .outOfReach))
        default: break
        }
        slot.isResumed = false
        set(vsiID, slot, &effects)
        step(vsiID, view, &effects)
        return effects
    }

    /// Goes on with a VSI of the run before whose link is not there: it may be in another network namespace.
    ///
    /// `isElsewhere` says that the run before knew it to be there. A link that comes back stays down until the bridge goes on
    /// with its VSI.
    package mutating func resume(_ vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, isElsewhere: Bool) {
        var slot = LinkSlot(.down(spec, vlan: vlan))
        slot.isResumed = true
        let ownership: Ownership = spec.origin == .created ? .created(vlan: nil) : .adopted
        let name = spec.name ?? ""
        slot.actual = isElsewhere ? .inOtherNamespace(name: name, ownership, .open) : .missing(name: name, ownership)
        var effects: [RelayEffect] = []
        set(vsiID, slot, &effects)
    }

    /// A VSI of the run before has its link here. It stays as it is until the bridge goes on with its VSI, or does not.
    package mutating func expect(_ vsiID: VSIID) { expected.insert(vsiID) }

    // MARK: The one writer

    private static func isAssigned(_ slot: LinkSlot?) -> Bool { slot?.actual.ownership?.isAssigned == true }

    /// Changes a slot, and with it what follows from all slots.
    package mutating func set(_ vsiID: VSIID, _ slot: LinkSlot?, _ effects: inout [RelayEffect]) {
        let former: LinkSlot?
        if let slot {
            former = slots.updateValue(slot, forKey: vsiID)
        } else {
            former = slots.removeValue(forKey: vsiID)
        }
        if !unclosed.isEmpty, slot?.actual.link == nil || slot?.failures == 0, unclosed[vsiID] != nil {
            unclosed[vsiID] = nil
        }
        seek(vsiID, former?.soughtAddresses ?? [], slot?.soughtAddresses ?? [])
        if former?.isBare ?? true, slot?.isBare ?? true { return }
        assignedCount += (Self.isAssigned(slot) ? 1 : 0) - (Self.isAssigned(former) ? 1 : 0)
        let (oldNames, newNames) = (former?.names ?? .none, slot?.names ?? .none)
        if oldNames != newNames {
            oldNames.forEach { if !newNames.contains($0), holders[$0] == vsiID { holders[$0] = nil } }
            newNames.forEach { holders[$0] = vsiID }
        }
        let (oldIndex, newIndex) = (former?.index, slot?.index)
        if oldIndex != newIndex {
            if let oldIndex, indices[oldIndex] == vsiID { indices[oldIndex] = nil }
            if let newIndex { indices[newIndex] = vsiID }
        }
        guard former?.usedVLAN != slot?.usedVLAN else { return }
        if let vlan = slot?.usedVLAN { vlanUsers[vlan, default: 0] += 1 }
        guard let vlan = former?.usedVLAN, let count = vlanUsers[vlan] else { return }
        vlanUsers[vlan] = count > 1 ? count - 1 : nil
        if count <= 1 { effects.append(.vlanUnused(vlan)) }
    }

    /// A VSI looks for a link by other addresses than before.
    private mutating func seek(_ vsiID: VSIID, _ former: LinkAddresses, _ addresses: LinkAddresses) {
        guard former != addresses else { return }
        let (old, new) = (Self.seekerKeys(former), Self.seekerKeys(addresses))
        for key in old where !new.contains(key) { seekers.remove(vsiID, seeking: key) }
        for key in new where !old.contains(key) { seekers.add(vsiID, seeking: key) }
    }

    /// Nearly always one: both forms of an address have the same.
    private static func seekerKeys(_ addresses: LinkAddresses) -> [MACAddress] {
        var keys: [MACAddress] = []
        addresses.forEach { address in
            let key = seekerKey(address)
            if !keys.contains(key) { keys.append(key) }
        }
        return keys
    }

    /// The VSIs whose links have an address and are created by other processes.
    func seekers(of address: MACAddress) -> Set<VSIID> {
        seekers.seekers(of: Self.seekerKey(address), in: slots).filter {
            slots[$0]?.soughtAddresses.contains(address) == true
        }
    }

    var hasNoSeekers: Bool { seekers.isEmpty }

    private static func seekerKey(_ address: MACAddress) -> MACAddress {
        MACAddress(truncating: address.rawValue & 0x00FF_FFFF_FFFF)
    }

    mutating func noteUnclosed(_ vsiID: VSIID, _ failure: LinkFailure) {
        if slots[vsiID]?.actual.link != nil { unclosed[vsiID] = failure }
    }

    mutating func setPolicy(_ policy: LinkPolicy) { self.policy = policy }

    // MARK: Steps

    /// Takes the next step towards what is wanted, or says that all is done.
    package mutating func step(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) {
        guard var slot = slots[vsiID], slot.running == nil else { return }
        var isChanged = slot.desired.isAbsent
        if slot.desired.isAbsent, release(vsiID, &slot, view, &effects) {
            return settle(vsiID, nil, &effects)
        }
        if slot.actual.isNone, let spec = slot.desired.spec {
            let candidate = view.candidate(
                for: vsiID, spec, vlan: slot.desired.vlan, except: slot.discarded, holder: { holders[$0] })
            if let candidate {
                isChanged = true
                slot.actual = .here(candidate.link, candidate.ownership, .neverOpened, .missing)
                slot.made = candidate.isFitting ? LinkSlot.Made(spec: spec, vlan: slot.desired.vlan) : nil
                if candidate.isFitting || !slot.desired.isUp {
                    effects.append(.report(vsiID, .adopted(candidate.link)))
                }
                for twin in candidate.twins { effects.append(.discard(vsiID, twin)) }
                if candidate.ownership == .adopted { effects.append(.store(vsiID)) }
            }
        }
        let filter = view.filter(of: vsiID, at: slot.actual.link)
        if let known = slot.actual.filter, known != filter {
            isChanged = true
            slot.actual = slot.actual.with(filter: filter)
        }
        if isChanged { set(vsiID, slot, &effects) }
        if let misfit = misfit(vsiID, slot, view) { return replace(vsiID, misfit, &effects) }
        let plan = Self.plan(slot.desired, slot.actual, policy)
        guard let operation = plan, isAllowed(operation, slot) else {
            // All is as wanted, by evbd or by another process.
            if plan == nil, slot.failures > 0 {
                slot.failures = 0
                set(vsiID, slot, &effects)
            }
            if slot.desired.isUp, slot.actual.link?.isUp == true {
                slot.actual = slot.actual.with(gate: .open)
                set(vsiID, slot, &effects)
            }
            if case .unusable(_, _, let failure) = slot.actual { return settle(vsiID, failure, &effects) }
            return settle(vsiID, nil, &effects)
        }
        // One that cannot be deleted is cut, by turns.
        if case .delete(let index) = operation, slot.failures % 2 == 1, slot.actual.link?.isUp == true {
            return submit(vsiID, .setUp(index: index, false), &effects)
        }
        submit(vsiID, simplest(of: operation, slot), &effects)
    }

    /// Of what a card has refused as a whole, by turns the part that closes: it may take that.
    private func simplest(of operation: LinkOperation, _ slot: LinkSlot) -> LinkOperation {
        guard slot.failures % 2 == 1, slot.actual.link?.settings?.state != .disabled else { return operation }
        var closing = LinkSettings()
        closing.state = .disabled
        switch operation {
        case .adjust(let number, let change) where change.state == .disabled: return .adjust(number: number, closing)
        case .reset(let number, _): return .adjust(number: number, closing)
        default: return operation
        }
    }

    /// What was set on the port's card is lost with it.
    mutating func forgetSettings(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) {
        guard var slot = slots[vsiID], case .here(var link, .assigned(let number), _, let filter) = slot.actual else {
            return
        }
        (link.settings, link.isUp) = (LinkSettings(), false)
        slot.actual = .here(link, .assigned(number: number), .closed, filter)
        slot.failures = 0
        slot.running?.hasLostCard = true
        set(vsiID, slot, &effects)
        if view.hasPort { step(vsiID, view, &effects) }
    }

    /// The created link of a VSI that cannot become what is wanted now. While its VSI is not associated it is cut and stays,
    /// for a program that has it open.
    private mutating func misfit(_ vsiID: VSIID, _ slot: LinkSlot, _ view: some LinkView) -> KernelLink? {
        guard slot.actual.ownership?.isCreated == true, let link = slot.actual.link,
            case .up(let spec, let vlan) = slot.desired
        else { return nil }
        if let made = slot.made { return made.serves(spec, vlan) ? nil : link }
        let candidate = view.candidate(
            for: vsiID, spec, vlan: vlan, except: slot.discarded, holder: { holders[$0] })
        // The view may not have it yet; then nothing is known against it.
        guard let candidate, candidate.link.index == link.index else { return nil }
        if candidate.isFitting { change(vsiID) { $0.made = LinkSlot.Made(spec: spec, vlan: vlan) } }
        return candidate.isFitting ? nil : link
    }

    /// Deletes a link in whose place another one is to be. One that cannot be deleted is cut.
    private mutating func replace(_ vsiID: VSIID, _ link: KernelLink, _ effects: inout [RelayEffect]) {
        let hasFailed = slots[vsiID].map { $0.failures > 0 } ?? false
        if hasFailed, link.isUp { return submit(vsiID, .setUp(index: link.index, false), &effects) }
        if !hasFailed { effects.append(.report(vsiID, .replaced(name: link.name))) }
        submit(vsiID, .delete(index: link.index), &effects)
    }

    /// Whether an operation is to be made by one whose corrections may be at their end. Closing and asking have no limit.
    private func isAllowed(_ operation: LinkOperation, _ slot: LinkSlot) -> Bool {
        switch operation {
        case .setUp(_, false), .delete, .locate, .openAddresses, .adjust, .reset: true
        default: slot.retries != .exhausted
        }
    }

    /// What a VSI that was given up has, and evbd does not delete, is its VSI's no more.
    ///
    /// - Returns: Whether nothing is left.
    private mutating func release(
        _ vsiID: VSIID, _ slot: inout LinkSlot, _ view: some LinkView, _ effects: inout [RelayEffect]
    ) -> Bool {
        switch slot.actual {
        case .none: return true
        case .here(let link, .adopted, _, _), .unusable(let link, .adopted, _):
            effects.append(.handBack(vsiID, index: link.index))
        case .inOtherNamespace(_, .created, _), .missing(_, .created):
            // The news that it is back may have come while the kernel was asked.
            let spec = LinkSpec(.created, name: nil)
            let candidate = view.candidate(for: vsiID, spec, vlan: nil, except: slot.discarded, holder: { _ in nil })
            guard let candidate else { break }
            slot.actual = .here(candidate.link, candidate.ownership, .neverOpened, .missing)
            return false
        case .inOtherNamespace, .missing: break
        case .here, .unusable: return false
        }
        slot.actual = .none(.open)
        set(vsiID, slot, &effects)
        return true
    }

    package mutating func submit(_ vsiID: VSIID, _ operation: LinkOperation, _ effects: inout [RelayEffect]) {
        guard var slot = slots[vsiID] else { return }
        slot.running = LinkSlot.Running(operation: operation)
        if case .delete(let index) = operation { slot.discarded = index }
        set(vsiID, slot, &effects)
        effects.append(.submit(vsiID, operation))
    }

    package mutating func settle(_ vsiID: VSIID, _ failure: LinkFailure?, _ effects: inout [RelayEffect]) {
        guard let slot = slots[vsiID] else { return }
        // The next association tries again where a link cannot be had.
        if slot.actual.isNone, slot.desired.isAbsent || failure != nil { set(vsiID, nil, &effects) }
        effects.append(.settled(vsiID, failure))
    }

    /// Changes what is known of a VSI's link.
    mutating func setActual(_ vsiID: VSIID, _ actual: ActualLink, _ effects: inout [RelayEffect]) {
        guard var slot = slots[vsiID] else { return }
        slot.actual = actual
        set(vsiID, slot, &effects)
    }

    /// Spends one retry of a VSI's link.
    package mutating func spend(_ vsiID: VSIID, on budget: WritableKeyPath<LinkSlot, RetryBudget>)
        -> RetryBudget.Spending
    {
        slots[vsiID]?[keyPath: budget].spend() ?? .refused
    }

    package mutating func change(_ vsiID: VSIID, _ body: (inout LinkSlot) -> Void) {
        guard var slot = slots[vsiID] else { return }
        body(&slot)
        var effects: [RelayEffect] = []
        set(vsiID, slot, &effects)
    }
}

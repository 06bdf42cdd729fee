package import EVBWire

// What has become of operations.

extension RelayMachine {
    /// An operation has ended.
    package mutating func finished(
        _ vsiID: VSIID, _ operation: LinkOperation, _ result: LinkResult, _ view: some LinkView
    ) -> [RelayEffect] {
        var effects: [RelayEffect] = []
        guard var slot = slots[vsiID], let running = slot.running, running.operation == operation else { return [] }
        slot.running = nil
        let (hasStaleNews, formerName) = (running.hasStaleNews, slot.actual.name)
        if running.hasLostCard {
            // The result is about the card that was.
            set(vsiID, slot, &effects)
            step(vsiID, view, &effects)
            return effects
        }
        if case .failed(let failure) = result {
            set(vsiID, slot, &effects)
            if case .delete = operation, failure.kind == .notFound, hasStaleNews, cameBack(vsiID, view, &effects) {
                return effects
            }
            failed(vsiID, operation, failure, view, &effects)
        } else {
            // One that could not be reset is cut meanwhile, and still to be reset.
            if operation.changesLink, !slot.isClosingMeanwhile(operation) { slot.failures = 0 }
            if case .create(let spec, let vlan, _) = operation, case .link(let link, let ownership?) = result {
                slot.actual = .here(link, ownership, .neverOpened, .missing)
                slot.made = LinkSlot.Made(spec: spec, vlan: vlan)
            }
            set(vsiID, slot, &effects)
            succeeded(vsiID, operation, result, view, &effects)
        }
        // What was heard meanwhile may be newer than the result, or was about a name that the machine did not know.
        let isRenamed = slots[vsiID]?.actual.name.map { formerName != nil && formerName != $0 } ?? false
        if hasStaleNews || isRenamed { look(vsiID, view, &effects) }
        // It may have been back and deleted before the answer that it had left.
        if running.hasLostNamespace || hasStaleNews { lookElsewhere(vsiID, &effects) }
        return effects
    }

    private mutating func succeeded(
        _ vsiID: VSIID, _ operation: LinkOperation, _ result: LinkResult, _ view: some LinkView,
        _ effects: inout [RelayEffect]
    ) {
        guard let slot = slots[vsiID] else { return }
        switch (operation, result) {
        case (.create, _):
            step(vsiID, view, &effects)
        case (.adjust(let number, let change), _):
            adjusted(vsiID, number, change, &effects)
            guard !slot.isClosingMeanwhile(operation) else { return closeLater(vsiID, &effects) }
            step(vsiID, view, &effects)
        case (.reset, _):
            // Another may be wanted by now, or the same again: all of it is set then.
            forget(vsiID, &effects)
            step(vsiID, view, &effects)
        case (.delete, _): gone(vsiID, view, &effects)
        case (.locate, .elsewhere) where slot.actual.isElsewhere: step(vsiID, view, &effects)
        case (.locate, .elsewhere): departed(vsiID, view, &effects)
        case (.locate, .link(let link, let ownership?)): returned(vsiID, link, ownership, view, &effects)
        case (.locate, _): deleted(vsiID, view, &effects)
        case (_, .gone):
            if let link = slot.actual.link, view.hasLeft(link.index) { return departed(vsiID, view, &effects) }
            lost(vsiID, view, &effects)
        case (.look, .link(let current, _)):
            guard let former = slot.actual.link, former.index == current.index else {
                return step(vsiID, view, &effects)
            }
            looked(vsiID, former, current, view, &effects)
        case (_, .link(let current, _)):
            guard slot.actual.link?.index == current.index else { return step(vsiID, view, &effects) }
            var actual = slot.actual.with(current)
            if case .setUp(_, let isUp) = operation { actual = actual.with(gate: isUp ? .open : .closed) }
            setActual(vsiID, actual, &effects)
            step(vsiID, view, &effects)
        default: step(vsiID, view, &effects)
        }
    }

    /// The link of a VSI that was given up has left while it was to be deleted, and may be back, maybe with another index.
    ///
    /// - Returns: whether it is; it goes then.
    private mutating func cameBack(_ vsiID: VSIID, _ view: some LinkView, _ effects: inout [RelayEffect]) -> Bool {
        guard let slot = slots[vsiID], slot.desired == .absent, slot.actual.ownership?.isCreated == true,
            let candidate = view.candidate(
                for: vsiID, LinkSpec(.created, name: nil), vlan: nil, except: nil, holder: { _ in nil })
        else { return false }
        setActual(vsiID, .here(candidate.link, candidate.ownership, .neverOpened, .missing), &effects)
        step(vsiID, view, &effects)
        return true
    }

    private mutating func failed(
        _ vsiID: VSIID, _ operation: LinkOperation, _ failure: LinkFailure, _ view: some LinkView,
        _ effects: inout [RelayEffect]
    ) {
        guard let slot = slots[vsiID] else { return }
        switch operation {
        case .adjust(let number, let change), .reset(let number, let change):
            return notAdjusted(vsiID, number, change, failure, &effects)
        case _ where failure.kind == .cancelled: return settle(vsiID, failure, &effects)
        case .create:
            // Never created, which is what is wanted by now.
            if !slot.desired.isUp { return gone(vsiID, view, &effects) }
            return fail(vsiID, failure, &effects)
        case .delete where failure.kind != .notFound: change(vsiID) { $0.discarded = nil }
        case .locate where slot.desired == .absent: return step(vsiID, view, &effects)
        case .locate:
            // It may have ended there, so that it is looked for again.
            guard case .inOtherNamespace(let name, let ownership, _) = slot.actual else { break }
            setActual(vsiID, .missing(name: name, ownership), &effects)
        case .delete where failure.kind == .notFound && slot.desired == .absent: return gone(vsiID, view, &effects)
        default: break
        }
        if failure.kind == .notFound, slot.actual.link != nil {
            if let link = slot.actual.link, view.hasLeft(link.index) { return departed(vsiID, view, &effects) }
            return lost(vsiID, view, &effects)
        }
        if case .setMode = operation, case .here(let link, let ownership, _, _) = slot.actual {
            setActual(vsiID, .unusable(link, ownership, failure), &effects)
            effects.append(.report(vsiID, .modeRefused(failure)))
            return step(vsiID, view, &effects)
        }
        fail(vsiID, failure, &effects)
    }

    // MARK: Assigned links

    /// An assigned link has been changed in place.
    private mutating func adjusted(
        _ vsiID: VSIID, _ number: UInt32, _ change: LinkSettings, _ effects: inout [RelayEffect]
    ) {
        guard let slot = slots[vsiID] else { return }
        var link = slot.actual.link ?? KernelLink(index: 0, name: slot.desired.spec?.name ?? "")
        let settings = (link.settings ?? LinkSettings()).with(change)
        (link.settings, link.isUp) = (settings, settings.state == .auto)
        setActual(vsiID, .here(link, .assigned(number: number), link.isUp ? .open : .closed, .open), &effects)
    }

    /// An assigned link could not be changed. That is tried again without limit, unless it passes nothing and is to pass nothing.
    private mutating func notAdjusted(
        _ vsiID: VSIID, _ number: UInt32, _ change: LinkSettings, _ failure: LinkFailure,
        _ effects: inout [RelayEffect]
    ) {
        guard let slot = slots[vsiID] else { return }
        let isGone = failure.kind == .noPort || failure.kind == .cancelled
        if failure.kind != .cancelled, var link = slot.actual.link {
            // The card may have taken part of it: what it has now is not known. Without the port it has lost all.
            link.settings = failure.kind == .noPort ? LinkSettings() : link.settings?.without(change)
            link.isUp = false
            setActual(vsiID, .here(link, .assigned(number: number), .closed, .open), &effects)
        }
        if slot.desired == .absent, isGone {
            forget(vsiID, &effects)
            return settle(vsiID, failure, &effects)
        }
        if !isGone {
            if slot.failures == 0 { effects.append(.report(vsiID, .adjustmentFailed(failure))) }
            self.change(vsiID) { $0.countFailure() }
            let mustClose = mustClose(vsiID)
            if mustClose { noteUnclosed(vsiID, failure) }
            if mustClose || slot.desired.isUp {
                effects.append(.retryLater(vsiID, failures: slot.failures + 1))
            }
        }
        // It stays wanted, also where the port is not there.
        effects.append(.settled(vsiID, failure))
    }

    /// Whether an assigned link has to pass nothing, or to be reset, and does not as far as is known.
    private func mustClose(_ vsiID: VSIID) -> Bool {
        guard let slot = slots[vsiID] else { return false }
        if slot.desired == .absent { return true }
        return (!slot.desired.isUp || policy.isHeld) && slot.actual.link?.settings?.state != .disabled
    }

    /// What could not be reset passes nothing meanwhile, and is reset later.
    private mutating func closeLater(_ vsiID: VSIID, _ effects: inout [RelayEffect]) {
        change(vsiID) { $0.countFailure() }
        effects.append(.retryLater(vsiID, failures: slots[vsiID]?.failures ?? 1))
    }

    private mutating func fail(_ vsiID: VSIID, _ failure: LinkFailure, _ effects: inout [RelayEffect]) {
        if slots[vsiID]?.failures == 0 { effects.append(.report(vsiID, .failed(failure))) }
        if let slot = slots[vsiID], slot.desired == .absent || !slot.desired.isUp && slot.actual.link?.isUp == true,
            failure.kind != .cancelled
        {
            noteUnclosed(vsiID, failure)
        }
        settle(vsiID, failure, &effects)
        guard let slot = slots[vsiID] else { return }
        change(vsiID) { $0.countFailure() }
        effects.append(.retryLater(vsiID, failures: slot.failures + 1))
    }
}

// The difference of what is wanted and what there is, as the one next operation. Nothing else decides what is done to a
// link that fits; `step` deletes one that does not.

extension RelayMachine {
    /// The next operation towards what is wanted; nil if there is nothing to do.
    package static func plan(
        _ desired: DesiredLink, _ actual: ActualLink, _ policy: LinkPolicy
    ) -> LinkOperation? {
        switch actual {
        case .none(let filter):
            guard case .up(let spec, let vlan) = desired else { return nil }
            switch spec.origin {
            case .created: return .create(spec, vlan: vlan, spec.mode ?? policy.mode)
            case .found: return filter == .closed ? .openAddresses : nil
            case .assigned(let number, _): return adjustment(desired, number, LinkSettings(), policy)
            }
        case .inOtherNamespace(_, _, let filter): return desired.isUp && filter == .closed ? .openAddresses : nil
        case .missing(let name, _): return desired == .absent ? nil : .locate(name: name)
        case .unusable(let link, let ownership, _):
            if desired == .absent, ownership.isCreated { return .delete(index: link.index) }
            return link.isUp ? .setUp(index: link.index, false) : nil
        case .here(let link, .assigned(let number), _, _):
            return adjustment(desired, number, link.settings ?? LinkSettings(), policy)
        case .here(let link, let ownership, let gate, let filter):
            guard let spec = desired.spec else {
                return ownership.isCreated ? .delete(index: link.index) : nil
            }
            let shouldBeUp = shouldBeUp(desired, spec, link, ownership, gate, policy)
            // Traffic is cut first and let through last.
            if link.isUp, shouldBeUp == false { return .setUp(index: link.index, false) }
            if let change = change(spec, link, ownership, policy) { return change }
            if !link.isUp, shouldBeUp == true {
                if filter == .missing { return .installFilter(index: link.index) }
                return filter == .closed ? .openAddresses : .setUp(index: link.index, true)
            }
            return desired.isUp && filter == .closed ? .openAddresses : nil
        }
    }

    /// What is to change about an assigned link: all that differs is one request.
    private static func adjustment(
        _ desired: DesiredLink, _ number: UInt32, _ current: LinkSettings, _ policy: LinkPolicy
    ) -> LinkOperation? {
        guard let spec = desired.spec, case .assigned(number, let priority) = spec.origin else {
            return .reset(number: number, LinkSettings.reset.changes(from: current) ?? .reset)
        }
        guard desired.isUp || policy.closesGate else { return nil }
        var wanted = LinkSettings()
        wanted.address = spec.addresses.first
        wanted.vlan = desired.vlan ?? 0
        wanted.priority = desired.vlan == nil ? 0 : priority ?? 0
        wanted.spoofCheck = true
        wanted.state = desired.isUp && !policy.isHeld ? .auto : .disabled
        return wanted.changes(from: current).map { .adjust(number: number, $0) }
    }

    /// What is to change about a link beside up and down.
    private static func change(
        _ spec: LinkSpec, _ link: KernelLink, _ ownership: Ownership, _ policy: LinkPolicy
    ) -> LinkOperation? {
        if let mode = link.mode, let wanted = wantedMode(spec, mode, policy), wanted != mode {
            return .setMode(index: link.index, wanted)
        }
        guard ownership.isCreated else { return nil }
        if let mtu = spec.mtu ?? link.lowerMTU, link.mtu != mtu { return .setMTU(index: link.index, mtu) }
        return link.isKeptFromHost ? nil : .keepFromHost(index: link.index)
    }

    /// nil leaves the link as it is.
    private static func shouldBeUp(
        _ desired: DesiredLink, _ spec: LinkSpec, _ link: KernelLink, _ ownership: Ownership, _ gate: Gate,
        _ policy: LinkPolicy
    ) -> Bool? {
        if desired.isUp, policy.isHeld, follows(spec, link.mode) { return false }
        guard desired.isUp else { return policy.closesGate ? false : nil }
        switch gate {
        case .closed: return true
        // An adopted link comes up with its association, and after each cut. Its maker may want it down meanwhile: libvirt does,
        // while its machine is paused or has not arrived yet.
        case .neverOpened: return policy.closesGate || ownership.isCreated ? true : nil
        case .open: return policy.closesGate && ownership.isCreated ? true : nil
        }
    }

    /// Whether a link is in the mode of the edge relay, whichever that is.
    ///
    /// Of the links of other processes these are the ones in mode vepa or bridge. The other modes have another purpose.
    private static func follows(_ spec: LinkSpec, _ mode: RelayMode?) -> Bool {
        switch spec.origin {
        case .created: spec.mode == nil
        case .found: mode.map { $0 == .vepa || $0 == .bridge } ?? true
        case .assigned: false
        }
    }

    private static func wantedMode(_ spec: LinkSpec, _ mode: RelayMode, _ policy: LinkPolicy) -> RelayMode? {
        follows(spec, mode) ? policy.mode : spec.mode
    }
}

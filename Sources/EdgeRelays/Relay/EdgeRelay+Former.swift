package import EVBWire
internal import EdgeRelayMachine
internal import Netlink

// What an earlier run of evbd has left of the links of VSIs. A VSI that is granted again finds its link by itself; this is
// about those that are not.

extension EdgeRelay {
    /// The bridge does not go on with a VSI of the run before: its traffic stops, if there is a link.
    package func cutFormer(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?) {
        if isElsewhere(vsiID) { return cut(vsiID) }
        guard isThere(vsiID, demand, vid: vid) else { return }
        perform(machine.want(vsiID, .down(LinkSpec(demand), vlan: vid), self))
    }

    /// A VSI was given up, and the run before ended before its link was gone: it goes now, if evbd has made it.
    ///
    /// `completion` is called once the link is gone, or cannot be deleted; not if evbd stops before.
    package func discard(_ vsiID: VSIID, _ demand: Demand?, vid: UInt16?, completion: @escaping () -> Void) {
        guard let demand, isThere(vsiID, demand, vid: vid) else { return completion() }
        let ended: Completion = {
            if case .failure(let error) = $0, error.kind == .cancelled { return } else { completion() }
        }
        switch demand {
        case .find: completion()
        case .function, .make:
            perform(machine.want(vsiID, .down(LinkSpec(demand), vlan: vid), self))
            remove(vsiID, completion: ended)
        }
    }

    /// Whether a VSI's link is in another network namespace, as far as is known.
    package func isElsewhere(_ vsiID: VSIID) -> Bool { machine.slots[vsiID]?.actual.isElsewhere ?? false }

    /// The adopted link of a VSI, which the next run is to find.
    package func adoptedLink(of vsiID: VSIID) -> AdoptedLink? {
        guard let slot = machine.slots[vsiID], slot.actual.ownership == .adopted, let link = slot.actual.link else {
            return nil
        }
        return AdoptedLink(name: link.name, index: link.index)
    }

    /// Goes on with a VSI of the run before that the bridge had granted, and whose link is not here: it may be in another
    /// network namespace, so that none is made in its place before it is looked for there.
    package func resume(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?, isElsewhere: Bool) {
        if case .function = demand { return }
        guard !isThere(vsiID, demand, vid: vid) else { return machine.expect(vsiID) }
        if case .find = demand, !isElsewhere { return }
        machine.resume(vsiID, LinkSpec(demand), vlan: vid, isElsewhere: isElsewhere)
    }

    private func isThere(_ vsiID: VSIID, _ demand: Demand, vid: UInt16?) -> Bool {
        if case .function = demand { return true }
        if let slot = machine.slots[vsiID] { return !slot.actual.isElsewhere }
        let holders = machine
        return candidate(for: vsiID, LinkSpec(demand), vlan: vid, except: nil) { holders.holder(of: $0) } != nil
    }
}

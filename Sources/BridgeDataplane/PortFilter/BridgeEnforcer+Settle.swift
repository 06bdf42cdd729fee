internal import Dataplane
internal import EVBWire
internal import LinuxSystem
internal import Netlink

extension BridgeEnforcer {
    /// Makes the kernel have what is wanted of some impositions on a port.
    ///
    /// The order is such that evbd may die at any step: a frame passes only when all else is in place, it stops passing before
    /// anything is taken away, and the ledger has whatever is evbd's from before it is made until after it is gone.
    ///
    /// - Returns: what could not be put into force, and why. What could not be taken back is given up: it is gone by other
    ///   hands.
    package func settle(_ name: String, _ items: Set<Imposition>) -> [Imposition: EnforcementError] {
        guard let port = ports[name] else { return [:] }
        return port.withIndex { settle(port, items) }
    }

    private func settle(_ port: Port, _ items: Set<Imposition>) -> [Imposition: EnforcementError] {
        let name = port.name
        var failures: [Imposition: EnforcementError] = [:]
        let difference = Difference(of: items, wanted: { port.claims.wanted($0) }, actual: { port.actual[$0] })
        let (added, replaced, isUnset) = (difference.added, difference.replaced, difference.removed)
        let entries = added.keys.filter { !$0.isRule }
        let mine = entries.filter { claimOfBridge($0, on: name, failures: &failures) }

        // 1. The ledger gains what is to come; rules for frames go.
        let goes = isUnset.filter(\.isRule)
        perform(
            name, additions: Dictionary(uniqueKeysWithValues: mine.map { ($0, .plain) }), deletions: goes,
            failures: &failures)
        // 2. The bridge: VLANs come before the entries in them, and go after these.
        let leaves = isUnset.filter { !$0.isRule }
        for item in leaves.sorted(by: Self.entriesBeforeVLANs) where !port.foreign.contains(item) {
            try? retract(item, on: port)
        }
        for item in mine.sorted(by: Self.entriesBeforeVLANs).reversed() where failures[item] == nil {
            do throws(EnforcementError) {
                try impose(item, on: port)
            } catch {
                failures[item] = error
            }
        }
        verifyNetworks(mine.filter { failures[$0] == nil }, on: port, &failures)
        // 3. Rules for frames come, those of claims of which something has failed not among them; the ledger loses what is
        // gone.
        let lost = mine.filter { failures[$0] != nil && ports[name]?.actual[$0] != nil }
        let failed = Set(failures.keys.compactMap { port.claims.holder(of: $0) })
        let comes: (Imposition) -> Bool = { item in
            item.isRule && port.claims.holder(of: item).map { !failed.contains($0) } ?? false
        }
        perform(
            name, additions: added.filter { comes($0.key) },
            deletions: leaves.filter { !port.foreign.contains($0) } + lost,
            replacements: replaced.filter { comes($0.key) }, failures: &failures)
        for item in leaves where port.foreign.remove(item) != nil { port.actual[item] = nil }
        if chainUses.values.contains(where: { $0 <= 0 }) { removeIdleChains() }
        return failures
    }

    /// The order in which things go: the kernel does not remove an entry in a VLAN that the port is no member of.
    static func entriesBeforeVLANs(_ left: Imposition, _ right: Imposition) -> Bool {
        rank(left) < rank(right)
    }

    private static func rank(_ item: Imposition) -> Int {
        switch item {
        case .forwarding: 0
        case .member: 1
        case .tunnel: 2
        case .carried: 3
        case .network: 4
        case .station, .untagged, .tagged, .rate, .served, .quiet, .sent, .received: 5
        }
    }

    // MARK: nftables

    /// Puts elements in and takes elements out, in one transaction if the kernel takes it, or else one by one.
    private func perform(
        _ name: String, additions: [Imposition: ImpositionValue], deletions: [Imposition],
        replacements: [Imposition: ImpositionValue] = [:], failures: inout [Imposition: EnforcementError]
    ) {
        guard let rules = ports[name]?.rules else { return }
        var changed: [(item: Imposition, value: ImpositionValue)] = []
        for (item, value) in replacements { changed.append((item, value)) }
        for (item, value) in additions { changed.append((item, value)) }
        guard !deletions.isEmpty || !changed.isEmpty else { return }
        declareChains(of: changed.map(\.value), failures: &failures, deletions + changed.map(\.item))
        guard !commit(rules.changes(deletions: deletions + replacements.keys, additions: changed)) else {
            for item in deletions { record(name, item, nil) }
            for (item, value) in changed { record(name, item, value) }
            return
        }
        var steps: [(item: Imposition, value: ImpositionValue?, commands: String)] = []
        for item in deletions { steps.append((item, nil, rules.deletion(item))) }
        for (item, value) in changed {
            let removal = replacements[item] == nil ? "" : rules.deletion(item) + "\n"
            steps.append((item, value, removal + rules.addition(item, value)))
        }
        do throws(EnforcementError) {
            try run(steps.map(\.commands).joined(separator: "\n"))
            for step in steps { record(name, step.item, step.value) }
        } catch {
            for step in steps {
                do throws(EnforcementError) {
                    guard steps.count > 1 else { throw error }
                    try run(step.commands)
                    record(name, step.item, step.value)
                } catch {
                    if step.value == nil { record(name, step.item, nil) } else { failures[step.item] = error }
                }
            }
        }
    }

    private func declareChains(
        of values: [ImpositionValue], failures: inout [Imposition: EnforcementError], _ items: [Imposition]
    ) {
        for case .pass(let types?) in Set(values) where chainUses[types] == nil {
            do throws(EnforcementError) {
                try run(PortRules.chainDeclaration(of: types))
                chainUses[types] = 0
            } catch {
                for item in items { failures[item] = error }
            }
        }
    }

    /// Notes what the kernel has now.
    private func record(_ name: String, _ item: Imposition, _ value: ImpositionValue?) {
        if let former = ports[name]?.actual[item] { countChain(former, by: -1) }
        if let value { countChain(value, by: 1) }
        ports[name]?.actual[item] = value
    }

    // MARK: The bridge

    /// Whether an entry of the bridge is evbd's to make. One that somebody else has made is left alone, and serves as well.
    private func claimOfBridge(
        _ item: Imposition, on name: String, failures: inout [Imposition: EnforcementError]
    ) -> Bool {
        guard let port = ports[name] else { return false }
        do throws(EnforcementError) {
            guard try isForeign(item, on: port) else { return true }
            ports[name]?.foreign.insert(item)
            ports[name]?.actual[item] = .plain
        } catch {
            failures[item] = error
        }
        return false
    }

    func isForeign(_ item: Imposition, on port: Port) throws(EnforcementError) -> Bool {
        let index = port.index
        switch item {
        case .station, .untagged, .tagged, .rate, .served, .sent, .received: return false
        case .member(let vid): return try netlink { try $0.vlans(portIndex: index) }.members.contains(vid)
        case .quiet: return try netlink { try $0.learns(portIndex: index) } == false
        case .network, .carried, .tunnel: return try isForeignNetwork(item, port)
        case .forwarding(let address, let vid):
            guard let bridge = try bridge(of: port) else {
                throw EnforcementError(description: "\(port.name) is not a port of a Linux bridge")
            }
            let hardware = HardwareAddress(address.rawValue)
            let found = try netlink { try $0.entry(of: hardware, vid: vid, bridgeIndex: bridge.index) }
            guard let found, found.kind != .learned, !isElsewhere(found, port) else {
                if let found, found.portIndex != index { displaced[address] = found.portIndex }
                return false
            }
            if found.kind == .fixed, found.portIndex == index { return true }
            // The VSI has moved from another port of ours: the newer association has the address.
            let owner = ports.values.first { $0.index == found.portIndex }
            if found.kind == .fixed, let owner, owner.isHolding(item) { return false }
            let holder = found.kind == .own ? "the bridge itself" : "a static entry for interface \(found.portIndex)"
            throw EnforcementError(description: "address \(address) belongs to \(holder)")
        }
    }

    package func impose(_ item: Imposition, on port: Port) throws(EnforcementError) {
        let index = port.index
        switch item {
        case .station, .untagged, .tagged, .rate, .served, .sent, .received: break
        case .member(let vid): try netlink { try $0.setMember(portIndex: index, of: vid, true) }
        case .quiet: try netlink { try $0.setLearning(portIndex: index, false) }
        case .network, .carried, .tunnel: try imposeNetwork(item, port)
        case .forwarding(let address, let vid):
            let hardware = HardwareAddress(address.rawValue)
            let isSticky = fabric(of: port).tunnels.isEmpty
            try netlink {
                try $0.addEntry(hardware, vid: vid, portIndex: index, isReplacing: true, isSticky: isSticky)
            }
        }
    }

    /// Takes back what evbd has made. Where another port has claimed the address before, and not let go of it, that has it
    /// again.
    package func retract(_ item: Imposition, on port: Port) throws(EnforcementError) {
        let index = port.index
        guard index != 0 else { return }
        switch item {
        case .station, .untagged, .tagged, .rate, .served, .sent, .received: break
        case .member(let vid): try netlink { try $0.setMember(portIndex: index, of: vid, false) }
        case .quiet: try netlink { try $0.setLearning(portIndex: index, true) }
        case .network, .carried, .tunnel: try retractNetwork(item, port)
        case .forwarding(let address, let vid):
            let hardware = HardwareAddress(address.rawValue)
            try netlink { try $0.removeEntry(hardware, vid: vid, portIndex: index) }
            let other = ports.values.first { $0.name != port.name && $0.isHolding(item) }
            if let other { try impose(item, on: other) }
        }
    }

    /// Makes what the ledger of an evbd before this one lists, if it is not there.
    package func restore(_ item: Imposition, on port: Port) throws(EnforcementError) {
        let index = port.index
        guard index != 0 else { return }
        switch item {
        case .station, .untagged, .tagged, .rate, .served, .sent, .received: break
        case .member, .quiet, .network, .carried, .tunnel: try impose(item, on: port)
        case .forwarding(let address, let vid):
            guard let bridge = try bridge(of: port) else { return }
            let hardware = HardwareAddress(address.rawValue)
            let found = try netlink { try $0.entry(of: hardware, vid: vid, bridgeIndex: bridge.index) }
            guard let found else { return try impose(item, on: port) }
            // Another box has it now.
            guard !isElsewhere(found, port) else { return }
            let isLoose = found.portIndex == index && found.isSticky != fabric(of: port).tunnels.isEmpty
            if found.kind == .learned || isLoose { try impose(item, on: port) }
        }
    }
}

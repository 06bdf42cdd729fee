internal import EVBWire
internal import LinuxSystem
package import Netlink
internal import Nftables

/// What is to be compared of a port with what the kernel has.
package struct Comparison: Sendable, Equatable {
    /// Entries that the kernel has removed, to be looked up one by one.
    package var entries: Set<BridgeEntry> = []
    /// All entries and VLANs.
    package var isWhole = false
    /// The chains with their rules.
    package var rules = false
    /// The elements of a collection.
    package var elements: PortRules.Collection?
    /// Rules are not compared where all ports together have more in force than that: nftables lists them as a whole, for seconds where there
    /// are ten thousand elements, and other ports wait. News of what another process removes compare them all the same.
    package var itemsMax = Int.max

    /// The same for entries and VLANs: a whole comparison of a port with more in force is for a port that was moved.
    package var wholeMax = Int.max

    /// The limit of comparisons without news.
    package static let regularItemsMax = 1024

    package init(
        entries: Set<BridgeEntry> = [], isWhole: Bool = false, rules: Bool = false,
        elements: PortRules.Collection? = nil, itemsMax: Int = .max, wholeMax: Int = .max
    ) {
        self.itemsMax = itemsMax
        self.wholeMax = wholeMax
        self.entries = entries
        self.isWhole = isWhole
        self.rules = rules
        self.elements = elements
    }

    /// Entries beyond which all are compared at once.
    private static let entriesMax = 256

    package var isEmpty: Bool { entries.isEmpty && !isWhole && !rules && elements == nil }

    package mutating func add(_ other: Comparison) {
        entries.formUnion(other.entries)
        if other.isWhole { wholeMax = isWhole ? max(wholeMax, other.wholeMax) : other.wholeMax }
        isWhole = isWhole || other.isWhole
        if entries.count > Self.entriesMax {
            entries = Set(entries.prefix(Self.entriesMax))
            if !isWhole { (isWhole, wholeMax) = (true, Self.regularItemsMax) }
        }
        if isWhole, wholeMax == .max { entries = [] }
        // Where both want rules, the higher limit counts.
        if other.rules { itemsMax = rules ? max(itemsMax, other.itemsMax) : other.itemsMax }
        rules = rules || other.rules
    }
}

/// What a comparison has found missing, and what became of it.
package struct Repair: Sendable, Equatable {
    /// Entries and VLANs that are there again.
    package var restored: [Imposition] = []
    /// What cannot be put back, and why.
    package var failures: [Imposition: EnforcementError] = [:]
    /// Addresses that another box has now, and that stay there.
    package var elsewhere: [Imposition] = []
    /// Entries that are sticky now or are no longer so.
    package var reset = 0
    /// Elements of rules that are there again.
    package var elements = 0
    /// Rules were missing.
    package var hadLostRules = false
    /// The port is in no bridge, so that this many entries and VLANs are not in force.
    package var outOfBridge = 0
    /// There is more to put back.
    package var isUnfinished = false
    /// Why something could not be compared, or rules not be put back.
    package var problem: EnforcementError?
    /// What is wrong with the VXLAN network behind the port; nil where that was not looked at.
    package var overlay: [OverlayProblem]?
    /// What became of the tables of VXLAN devices; nil where these were not looked at.
    package var tables: TablesReport?
    /// Nanoseconds that the comparison took.
    package var spent: UInt64 = 0
}

extension BridgeEnforcer {
    /// Entries and VLANs that one comparison puts back; other ports wait for as long.
    private static let repairsMax = 512

    /// Compares what a port is to have with what the kernel has, and puts back what is missing.
    package func compare(_ name: String, _ comparison: Comparison) -> Repair {
        let began = MonotonicClock.now()
        fabrics = [:]
        var repair = Repair()
        guard let port = ports[name] else { return repair }
        do throws(EnforcementError) {
            // What nftables reads for one port grows with what all of them have.
            let isComparable = ports.values.reduce(0) { $0 + $1.actual.enforcedCount } <= comparison.itemsMax
            if comparison.rules, isComparable { try compareRules(of: port, &repair) }
            if let collection = comparison.elements, isComparable { try compareElements(of: port, collection, &repair) }
        } catch {
            repair.problem = error
        }
        if comparison.isWhole || !comparison.entries.isEmpty { compareBridge(of: port, comparison, &repair) }
        if port.overlay?.hasTables == true || !tables.made.isEmpty {
            repair.tables = followTables(endsInheritance: comparison.isWhole)
        }
        if comparison.isWhole, port.hasOverlay { repair.overlay = overlayProblems(of: name) }
        repair.spent = MonotonicClock.now() &- began
        return repair
    }

    // MARK: The bridge

    private func compareBridge(of port: Port, _ comparison: Comparison, _ repair: inout Repair) {
        let missing: [Imposition]
        do throws(EnforcementError) {
            let index = port.index
            let bridge = index == 0 ? nil : try netlink { try $0.bridge(ofPort: index) }
            guard bridge != nil else {
                repair.outOfBridge = port.actual.keys.count { !$0.isRule }
                return
            }
            let isWhole = comparison.isWhole && port.actual.enforcedCount <= comparison.wholeMax
            if isWhole { endFabric(port, settle(port.name, followFabric(port))) }
            missing = try isWhole ? self.missing(of: port, &repair) : gone(comparison.entries, of: port)
        } catch {
            repair.problem = repair.problem ?? error
            return
        }
        repair.isUnfinished = missing.count > Self.repairsMax || repair.reset >= Self.repairsMax
        for item in missing.sorted(by: Self.entriesBeforeVLANs).reversed().prefix(Self.repairsMax) {
            do throws(EnforcementError) {
                if try isElsewhere(item, port) {
                    repair.elsewhere.append(item)
                } else if try putBack(item, on: port) {
                    repair.restored.append(item)
                }
            } catch {
                repair.failures[item] = error
            }
        }
        // What cannot be put back would be tried without end.
        if repair.restored.isEmpty, repair.reset == 0 { repair.isUnfinished = false }
    }

    /// What the kernel does not have of all entries and VLANs.
    private func missing(of port: Port, _ repair: inout Repair) throws(EnforcementError) -> [Imposition] {
        let items = port.actual.keys.filter { !$0.isRule }
        guard !items.isEmpty else { return [] }
        let index = port.index
        let entries = try netlink { try $0.stickiness(portIndex: index) }
        repair.reset = setStickiness(on: port, of: entries, limit: Self.repairsMax)
        let hasMembers = items.contains { if case .member = $0 { true } else { false } }
        let members = hasMembers ? try netlink { try $0.vlans(portIndex: index) }.members : []
        let learns = port.isHolding(.quiet) ? try netlink { try $0.learns(portIndex: index) } : false
        let networks = missingNetworks(of: port, items.filter(\.isOfOverlay))
        return items.filter { item in
            switch item {
            case .forwarding(let address, let vid): entries[Self.entry(address, vid)] == nil
            case .member(let vid): !members.contains(vid)
            case .quiet: learns == true
            case .network, .carried, .tunnel: networks.contains(item)
            case .station, .untagged, .tagged, .rate, .served, .sent, .received: false
            }
        }
    }

    /// Those of some entries that are to be in force; evbd has removed the others itself.
    private func gone(_ entries: Set<BridgeEntry>, of port: Port) -> [Imposition] {
        entries.compactMap { entry in
            let item = Imposition.forwarding(MACAddress(truncating: entry.address.value), entry.vid)
            return port.actual[item] == nil ? nil : item
        }
    }

    private static func entry(_ address: MACAddress, _ vid: UInt16) -> BridgeEntry {
        BridgeEntry(address: HardwareAddress(address.rawValue), vid: vid)
    }

    /// Makes an entry or a VLAN again.
    ///
    /// - Returns: Whether it was missing.
    private func putBack(_ item: Imposition, on port: Port) throws(EnforcementError) -> Bool {
        // An address that a VSI has taken along to another port is that port's.
        let isHeld = ports.values.contains { $0 !== port && $0.isHolding(item) }
        if isHeld, try isThere(item, elsewhereThan: port) { return false }
        guard try !isForeign(item, on: port) else { return false }
        if port.foreign.contains(item) {
            // It was another process's, and is evbd's from now on.
            try run(port.rules.addition(item, .plain))
            port.foreign.remove(item)
        }
        try impose(item, on: port)
        return true
    }

    private func isThere(_ item: Imposition, elsewhereThan port: Port) throws(EnforcementError) -> Bool {
        guard case .forwarding(let address, let vid) = item else { return false }
        let index = port.index
        guard let bridge = try netlink({ try $0.bridge(ofPort: index) }) else { return false }
        let hardware = HardwareAddress(address.rawValue)
        let found = try netlink { try $0.entry(of: hardware, vid: vid, bridgeIndex: bridge.index) }
        return found.map { $0.kind == .fixed && $0.portIndex != index } ?? false
    }

    // MARK: Rules

    private func compareRules(of port: Port, _ repair: inout Repair) throws(EnforcementError) {
        // A table that is not there at all is set up as a whole.
        if isTableMissing() {
            repair.hadLostRules = true
            _ = try restoreRules()
        } else if try !hasAllRules(port) {
            repair.hadLostRules = true
            try run(declarations(of: port))
        }
    }

    private func compareElements(
        of port: Port, _ collection: PortRules.Collection, _ repair: inout Repair
    ) throws(EnforcementError) {
        let items = port.actual.filter { port.rules.collection(of: $0.key) == collection && port.isHolding($0.key) }
        var found = try? impositions(collection, port.rules)
        if found == nil {
            repair.hadLostRules = true
            try run(declarations(of: port))
            found = try impositions(collection, port.rules)
        }
        guard !items.isEmpty else { return }
        let listed = found ?? [:]
        let missing = items.filter { listed[$0.key] == nil }
        let additions = add(missing.map { Element(item: $0.key, value: $0.value) }, port.rules)
        repair.elements = additions.count
        if let problem = additions.problem { throw problem }
    }

    /// Sets evbd's rules up again: another process has removed some of them. Elements that are missing are found by `compare`.
    ///
    /// - Returns: whether the whole table was missing.
    /// - Throws: why some of it is not there; the rest is.
    package func restoreRules() throws(EnforcementError) -> Bool {
        guard !ports.isEmpty else { return false }
        guard isTableMissing() else {
            try run(ports.values.map { declarations(of: $0) }.joined(separator: "\n"))
            return false
        }
        let problem: EnforcementError?
        do throws(NftablesError) {
            problem = try setUpEverything()
        } catch {
            throw EnforcementError(description: "nftables refuses: \(error)")
        }
        if let problem { throw problem }
        return true
    }

    /// The commands that set up a port's chains and those of the EtherTypes; elements stay.
    private func declarations(of port: Port) -> String {
        ([port.rules.declaration] + chainUses.keys.map { PortRules.chainDeclaration(of: $0) })
            .joined(separator: "\n")
    }

    /// Whether each chain has as many rules as it is to have.
    private func hasAllRules(_ port: Port) throws(EnforcementError) -> Bool {
        var counts = port.rules.ruleCounts
        for types in chainUses.keys { counts[PortRules.chain(of: types)] = types.isEmpty ? 2 : 3 }
        for (chain, count) in counts {
            guard let listing = try? list("list chain \(PortRules.table) \(chain)"),
                PortRules.ruleCount(in: listing) == count
            else { return false }
        }
        for listing in [PortRules.portsListing] + PortRules.counterListings {
            guard let listed = try? list(listing), PortRules.ports(in: listed).contains(port.name) else { return false }
        }
        return true
    }
}

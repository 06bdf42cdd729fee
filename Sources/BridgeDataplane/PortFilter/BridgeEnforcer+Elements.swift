internal import Nftables

// Puts many elements into force, those that can be: one that nftables refuses keeps no other out.

extension BridgeEnforcer {
    /// An element of a port's rules.
    struct Element {
        var item: Imposition
        var value: ImpositionValue
    }

    /// What became of elements.
    struct Additions {
        /// How many are in force.
        var count = 0
        /// Why others are not, by the first that nftables has refused.
        var problem: EnforcementError?
        /// Transactions that may still be used to find those that are refused; other ports wait for as long.
        var searchesLeft = 64
    }

    /// Adds elements, in transactions of a bounded size: nftables takes a kilobyte or more for a command. One that is refused is
    /// halved until what is refused is found.
    func add(_ elements: [Element], _ rules: PortRules) -> Additions {
        var additions = Additions()
        for start in stride(from: 0, to: elements.count, by: Self.commandsMax) {
            add(elements[start..<min(start + Self.commandsMax, elements.count)], rules, &additions)
        }
        return additions
    }

    private func add(_ elements: ArraySlice<Element>, _ rules: PortRules, _ additions: inout Additions) {
        do throws(NftablesError) {
            let changed = elements.map { (item: $0.item, value: $0.value) }
            if !commit(rules.changes(deletions: [], additions: changed)) {
                let commands = elements.map { rules.addition($0.item, $0.value) }
                try nftables().run(commands.joined(separator: "\n"))
            }
            additions.count += elements.count
        } catch {
            if additions.problem == nil {
                additions.problem = EnforcementError(description: "nftables refuses: \(error)")
            }
            guard elements.count > 1, additions.searchesLeft > 0 else { return }
            additions.searchesLeft -= 2
            let middle = elements.startIndex + elements.count / 2
            add(elements[..<middle], rules, &additions)
            add(elements[middle...], rules, &additions)
        }
    }

    /// Sets up chains, sets and all that is in force again. What is not there yet does not pass meanwhile.
    ///
    /// - Returns: Why some of it cannot be.
    /// - Throws: `NftablesError` if chains and sets cannot.
    func setUpEverything() throws(NftablesError) -> EnforcementError? {
        // Chains before the elements that lead to them.
        let lines =
            ["add table \(PortRules.table)"] + chainUses.keys.map { PortRules.chainDeclaration(of: $0) }
            + ports.values.map(\.rules.declaration)
        try nftables().run(lines.joined(separator: "\n"))
        var problem: EnforcementError?
        for port in ports.values {
            let elements = port.actual.filter { !port.foreign.contains($0.key) }.map {
                Element(item: $0.key, value: $0.value)
            }
            let added = add(elements, port.rules)
            problem = problem ?? added.problem
        }
        return problem
    }
}

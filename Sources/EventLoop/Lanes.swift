/// Queues of several owners that have their turns: one element of each, however many each has.
///
/// Its methods are inlinable: a queue that looks its own types up at each step takes ten times as long.
package struct Lanes<Element> {
    @usableFromInline var queues: [String: FIFO<Element>] = [:]
    /// Owners of whom something waits, in the order of their turns.
    @usableFromInline var turns = FIFO<String>()

    @inlinable package init() {}

    @inlinable package var isEmpty: Bool { turns.isEmpty }

    /// Adds an element behind the others of its owner.
    @inlinable package mutating func append(_ element: Element, to owner: String) {
        if queues[owner] == nil { turns.append(owner) }
        queues[owner, default: FIFO()].append(element)
    }

    /// Takes out the next element of the owner whose turn it is.
    @inlinable package mutating func popFirst() -> Element? {
        guard let owner = turns.popFirst(), let element = queues[owner]?.popFirst() else { return nil }
        if queues[owner]?.isEmpty == true { queues[owner] = nil } else { turns.append(owner) }
        return element
    }

    /// Takes out elements of all owners before their turn; the others keep their order.
    ///
    /// - Parameter chooser: Makes, for each owner, what is asked of each of its elements in their order, until it says `end`.
    /// - Returns: Those taken; of each owner in their order.
    package mutating func extract(_ chooser: () -> (Element) -> FIFO<Element>.Choice) -> [Element] {
        var taken: [Element] = []
        var emptied: Set<String> = []
        for owner in turns.all {
            guard let found = queues[owner]?.extract(chooser()), !found.isEmpty else { continue }
            taken += found
            guard queues[owner]?.isEmpty == true else { continue }
            queues[owner] = nil
            emptied.insert(owner)
        }
        if !emptied.isEmpty { _ = turns.extract { emptied.contains($0) ? .take : .leave } }
        return taken
    }
}

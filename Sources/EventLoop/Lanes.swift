/// Queues of several owners that have their turns: one element of each, however many each has.
///
/// It is public, and its methods are inlinable, for the reason that ``FIFO`` is.
public struct Lanes<Element> {
    @usableFromInline var queues: [String: FIFO<Element>] = [:]
    /// Owners of whom something waits, in the order of their turns.
    @usableFromInline var turns = FIFO<String>()

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { turns.isEmpty }

    /// Adds an element behind the others of its owner.
    @inlinable public mutating func append(_ element: Element, to owner: String) {
        if queues[owner] == nil { turns.append(owner) }
        queues[owner, default: FIFO()].append(element)
    }

    /// Takes out the next element of the owner whose turn it is.
    @inlinable public mutating func popFirst() -> Element? {
        guard let owner = turns.popFirst(), let place = queues.index(forKey: owner) else { return nil }
        let element = queues.values[place].popFirst()
        if queues.values[place].isEmpty { queues.remove(at: place) } else { turns.append(owner) }
        return element
    }

    /// Takes out elements of all owners before their turn; the others keep their order.
    ///
    /// - Parameter chooser: Makes, for each owner, what is asked of each of its elements in their order, until it says `end`.
    /// - Returns: Those taken; of each owner in their order.
    public mutating func extract(_ chooser: () -> (Element) -> FIFO<Element>.Choice) -> [Element] {
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

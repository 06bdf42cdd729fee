/// A queue: first in, first out, each step at a constant cost on average.
///
/// What was taken stays in place until it is half of all, and is then removed together: an array would move all the rest each
/// time.
///
/// It is public, and its methods are inlinable: what is inlinable for the package alone is not specialized in other rooms, and a queue that
/// looks its own types up at each step takes ten times as long.
public struct FIFO<Element> {
    /// Taken elements that are kept at the least, so that a short queue is not compacted time and again.
    @inlinable static var compactionMin: Int { 32 }
    /// Elements that an empty queue keeps room for.
    @inlinable static var keptCapacity: Int { 256 }

    @usableFromInline var elements: [Element?] = []
    @usableFromInline var head = 0

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { head == elements.count }
    @inlinable public var count: Int { elements.count - head }
    /// Elements that it has room for without asking for more.
    @inlinable var capacity: Int { elements.capacity }
    @inlinable public var first: Element? { head < elements.count ? elements[head] : nil }

    /// Those that wait, in their order.
    @inlinable public var all: [Element] { elements[head...].compactMap { $0 } }

    /// Adds one behind the others.
    @inlinable public mutating func append(_ element: Element) { elements.append(element) }

    /// Adds some behind the others.
    @inlinable public mutating func append(contentsOf others: [Element]) {
        elements.append(contentsOf: others.lazy.map { $0 })
    }

    /// Takes the first one out.
    @inlinable public mutating func popFirst() -> Element? {
        guard head < elements.count else { return nil }
        // Moved, not copied.
        var element: Element?
        swap(&elements[head], &element)
        head += 1
        if head == elements.count {
            // One that was long gives its room back, however few are left of it when the last is taken.
            elements.removeAll(keepingCapacity: elements.capacity <= Self.keptCapacity)
            head = 0
        } else if head >= Self.compactionMin, head * 2 >= elements.count {
            elements.removeSubrange(..<head)
            head = 0
        }
        return element
    }

    /// What becomes of an element that is looked at before its turn.
    public enum Choice { case take, leave, end }

    /// Takes some out before their turn; the others keep their order.
    ///
    /// - Parameter choose: Is asked of each in its order, until it says `end`.
    /// - Returns: Those taken, in their order.
    public mutating func extract(_ choose: (Element) -> Choice) -> [Element] {
        var (taken, left): ([Element], [Element?]) = ([], [])
        var position = head
        scan: while position < elements.count, let element = elements[position] {
            switch choose(element) {
            case .take: taken.append(element)
            case .leave: left.append(element)
            case .end: break scan
            }
            position += 1
        }
        guard !taken.isEmpty else { return [] }
        elements.replaceSubrange(head..<position, with: left)
        if head == elements.count { self = FIFO() }
        return taken
    }

    /// Takes all out, in their order.
    @inlinable public mutating func removeAll() -> [Element] {
        defer { self = FIFO() }
        return all
    }
}

/// A queue, first in, first out, out of which all that has one key can be taken at once, at a cost that does not grow with the
/// others that wait.
///
/// Places are numbered as they are given, and each element knows the next one with its key. What was taken leaves its place empty.
/// Places are in chunks, of which new ones are added and empty ones go, so that no step moves all that wait.
///
/// Its methods are inlinable: a queue that looks its own types up at each step takes ten times as long.
public struct KeyedFIFO<Key: Hashable, Element> {
    @usableFromInline struct Place {
        @usableFromInline let element: Element
        @usableFromInline let key: Key?
        @usableFromInline var next: UInt64?

        @inlinable init(element: Element, key: Key?, next: UInt64?) {
            (self.element, self.key, self.next) = (element, key, next)
        }
    }

    /// Places of a chunk.
    @inlinable static var chunkLength: Int { 256 }

    /// Keys that an empty queue keeps room for.
    @inlinable static var keptCapacity: Int { 1024 }
    /// Places that an empty queue keeps: there may be a queue for each of many ports.
    @inlinable static var keptPlaces: Int { 32 }

    /// All but the last one are full.
    @usableFromInline var chunks: [[Place?]] = []
    /// The number of the first place.
    @usableFromInline var base: UInt64 = 0
    /// The first place of which nothing was taken, and the one behind the last.
    @usableFromInline var head = 0
    @usableFromInline var end = 0
    /// The first and the last place of each key.
    @usableFromInline var chains: [Key: (first: UInt64, last: UInt64)] = [:]
    @usableFromInline var waiting = 0

    @inlinable public var count: Int { waiting }

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { count == 0 }

    /// Adds one behind the others.
    @inlinable public mutating func append(_ element: Element, key: Key?) {
        let number = base &+ UInt64(end)
        if chunks.isEmpty || chunks[chunks.count - 1].count == Self.chunkLength { chunks.append([]) }
        chunks[chunks.count - 1].append(Place(element: element, key: key, next: nil))
        end += 1
        waiting += 1
        guard let key else { return }
        guard let chain = chains[key] else { return chains[key] = (number, number) }
        let last = index(chain.last)
        chunks[last / Self.chunkLength][last % Self.chunkLength]?.next = number
        chains[key] = (chain.first, number)
    }

    /// Takes the first one out.
    @inlinable public mutating func popFirst() -> Element? {
        while head < end {
            let place = take(head)
            head += 1
            defer { compact() }
            guard let place else { continue }
            waiting -= 1
            if let key = place.key, let chain = chains[key] {
                chains[key] = place.next.map { ($0, chain.last) }
            }
            return place.element
        }
        return nil
    }

    /// Takes all with a key out, in their order.
    @inlinable public mutating func takeAll(_ key: Key) -> [Element] {
        var taken: [Element] = []
        var number = chains.removeValue(forKey: key)?.first
        while let current = number {
            guard let place = take(index(current)) else { break }
            taken.append(place.element)
            number = place.next
        }
        waiting -= taken.count
        return taken
    }

    /// Takes all out.
    @inlinable public mutating func removeAll() { self = KeyedFIFO() }

    @inlinable func index(_ number: UInt64) -> Int { Int(number &- base) }

    /// Takes what is in a place out of it.
    @inlinable mutating func take(_ index: Int) -> Place? {
        let (chunk, place) = (index / Self.chunkLength, index % Self.chunkLength)
        // Moved, not copied: what waits may be large.
        var taken: Place?
        swap(&chunks[chunk][place], &taken)
        return taken
    }

    @inlinable mutating func compact() {
        if head == end {
            // A long queue gives its room back.
            if chunks.count == 1, chunks[0].capacity <= Self.keptPlaces {
                chunks[0].removeAll(keepingCapacity: true)
            } else {
                chunks = []
            }
            if chains.capacity > Self.keptCapacity { chains = [:] }
            base &+= UInt64(end)
            (head, end) = (0, 0)
        } else if head == Self.chunkLength {
            chunks.removeFirst()
            base &+= UInt64(Self.chunkLength)
            (head, end) = (0, end - Self.chunkLength)
        }
    }
}

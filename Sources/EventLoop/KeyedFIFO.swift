/// A queue, first in, first out, out of which all that has one key can be taken at once, at a cost that does not grow with the
/// others that wait.
///
/// Places are numbered as they are given, and each element knows the next one with its key. What was taken leaves its place empty
/// until half of all places are.
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

    /// Places that are kept at the least, so that a short queue is not compacted time and again.
    @inlinable static var compactionMin: Int { 32 }

    /// Places that an empty queue keeps room for.
    @inlinable static var keptCapacity: Int { 1024 }

    @usableFromInline var places: [Place?] = []
    /// The number of the first place.
    @usableFromInline var base: UInt64 = 0
    @usableFromInline var head = 0
    /// The first and the last place of each key.
    @usableFromInline var chains: [Key: (first: UInt64, last: UInt64)] = [:]
    @usableFromInline var waiting = 0

    @inlinable public var count: Int { waiting }

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { count == 0 }

    /// Adds one behind the others.
    @inlinable public mutating func append(_ element: Element, key: Key?) {
        let number = base &+ UInt64(places.count)
        places.append(Place(element: element, key: key, next: nil))
        waiting += 1
        guard let key else { return }
        guard let chain = chains[key] else { return chains[key] = (number, number) }
        places[index(chain.last)]?.next = number
        chains[key] = (chain.first, number)
    }

    /// Takes the first one out.
    @inlinable public mutating func popFirst() -> Element? {
        while head < places.count {
            let place = places[head]
            places[head] = nil
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
            guard let place = places[index(current)] else { break }
            places[index(current)] = nil
            taken.append(place.element)
            number = place.next
        }
        waiting -= taken.count
        return taken
    }

    /// Takes all out.
    @inlinable public mutating func removeAll() { self = KeyedFIFO() }

    @inlinable func index(_ number: UInt64) -> Int { Int(number &- base) }

    @inlinable mutating func compact() {
        if head == places.count {
            // A queue that was long gives its room back, however short it has become since.
            places.removeAll(keepingCapacity: places.capacity <= Self.keptCapacity)
            if chains.capacity > Self.keptCapacity { chains = [:] }
        } else if head >= Self.compactionMin, head * 2 >= places.count {
            places.removeSubrange(..<head)
        } else {
            return
        }
        base &+= UInt64(head)
        head = 0
    }
}

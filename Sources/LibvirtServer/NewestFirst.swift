/// Distinct keys in the order in which they came, the newest first.
///
/// Adding, removing and moving to the front cost the same however many there are.
struct NewestFirst<Key: Hashable>: Sequence {
    private struct Neighbours {
        var newer: Key?
        var older: Key?
    }

    private var neighbours: [Key: Neighbours] = [:]
    private(set) var newest: Key?
    private(set) var oldest: Key?

    var count: Int { neighbours.count }

    var isEmpty: Bool { neighbours.isEmpty }

    func contains(_ key: Key) -> Bool { neighbours[key] != nil }

    /// Makes `key` the newest, whether it was there or not.
    mutating func insert(_ key: Key) {
        guard key != newest else { return }
        remove(key)
        neighbours[key] = Neighbours(newer: nil, older: newest)
        if let newest { neighbours[newest]?.newer = key }
        newest = key
        if oldest == nil { oldest = key }
    }

    /// Removes `key`, if it is there.
    mutating func remove(_ key: Key) {
        guard let (newer, older) = neighbours.removeValue(forKey: key).map({ ($0.newer, $0.older) }) else { return }
        if let newer { neighbours[newer]?.older = older } else { newest = older }
        if let older { neighbours[older]?.newer = newer } else { oldest = newer }
    }

    struct Iterator: IteratorProtocol {
        fileprivate let list: NewestFirst
        fileprivate var following: Key?

        mutating func next() -> Key? {
            defer { following = following.flatMap { list.neighbours[$0]?.older } }
            return following
        }
    }

    func makeIterator() -> Iterator { Iterator(list: self, following: newest) }

    var underestimatedCount: Int { count }
}

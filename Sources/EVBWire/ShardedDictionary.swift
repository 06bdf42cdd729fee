/// A dictionary that never moves all of its elements at once.
///
/// One that is whole does so whenever it has doubled: at fifty thousand VSIs that takes milliseconds, in which no other is served. This one
/// has more parts the more elements it has, and each of them grows by itself. It gets its parts one by one, each out of one that is there
/// (linear hashing): several tables of VSIs grow with the same request, and all parts of each at once were a turn of milliseconds.
///
/// It is public, and its methods are inlinable, as those of other generic types here: what is inlinable for the package alone is not
/// specialized in other rooms.
public struct ShardedDictionary<Key: Hashable, Value> {
    /// A place of an element, as long as no other is added or removed.
    public struct Index {
        @usableFromInline let shard: Int
        @usableFromInline let place: Int

        @inlinable init(shard: Int, place: Int) {
            self.shard = shard
            self.place = place
        }
    }

    /// Elements of a part on average beyond which there is another one: to divide a part takes ten microseconds.
    @inlinable static var partMax: Int { 128 }
    /// Parts at most.
    @inlinable static var shardsMax: Int { 64 }

    @usableFromInline var shards = [DenseDictionary<Key, Value>()]
    @usableFromInline var total = 0

    /// An empty dictionary.
    @inlinable public init() {}

    /// How many elements there are.
    @inlinable public var count: Int { total }
    @inlinable public var isEmpty: Bool { total == 0 }

    /// All keys, in no certain order, and all values.
    @inlinable public var keys: some Sequence<Key> { shards.lazy.flatMap(\.keys) }
    @inlinable public var values: some Sequence<Value> { shards.lazy.flatMap(\.values) }

    /// The value of a key; nil where there is none, and removes it.
    @inlinable public subscript(key: Key) -> Value? {
        get { shards[shard(of: key)][key] }
        _modify {
            let shard = shard(of: key)
            let before = shards[shard].count
            defer { changed(by: shards[shard].count - before) }
            yield &shards[shard][key]
        }
    }

    /// The value of a key, which has this one where it has none yet.
    @inlinable public subscript(key: Key, default value: @autoclosure () -> Value) -> Value {
        get { shards[shard(of: key)][key] ?? value() }
        _modify {
            let shard = shard(of: key)
            let before = shards[shard].count
            defer { changed(by: shards[shard].count - before) }
            yield &shards[shard][key, default: value()]
        }
    }

    /// Where a key is; nil where it is not.
    @inlinable public func index(forKey key: Key) -> Index? {
        let shard = shard(of: key)
        return shards[shard].index(forKey: key).map { Index(shard: shard, place: $0) }
    }

    /// The value at a place.
    @inlinable public subscript(index: Index) -> Value {
        get { shards[index.shard][index: index.place] }
        _modify { yield &shards[index.shard][index: index.place] }
    }

    /// Takes the value of a key out.
    @inlinable @discardableResult public mutating func removeValue(forKey key: Key) -> Value? {
        let shard = shard(of: key)
        guard let value = shards[shard].removeValue(forKey: key) else { return nil }
        changed(by: -1)
        return value
    }

    /// All keys, part by part: each an array that is shared, and not copied before its part changes.
    @inlinable public var keyParts: [[Key]] { shards.map(\.allKeys) }

    @inlinable func shard(of key: Key) -> Int {
        guard shards.count > 1 else { return 0 }
        // The upper bits: a part orders its own by the lower ones.
        let hash = Int(UInt(bitPattern: key.hashValue) >> UInt(UInt.bitWidth - Self.shardsMax.trailingZeroBitCount))
        let whole = Self.wholeRound(shards.count)
        let place = hash & (whole * 2 - 1)
        return place < shards.count ? place : hash & (whole - 1)
    }

    /// How many parts there were before the round of divisions that goes on.
    @inlinable static func wholeRound(_ count: Int) -> Int { 1 << (Int.bitWidth - 1 - count.leadingZeroBitCount) }

    @inlinable mutating func changed(by difference: Int) {
        total += difference
        if total > shards.count * Self.partMax, shards.count < Self.shardsMax { divideOne() }
    }

    /// Adds a part, with what belongs there of the one whose turn it is.
    @inlinable mutating func divideOne() {
        let divided = shards.count - Self.wholeRound(shards.count)
        let all = shards[divided]
        shards[divided] = DenseDictionary()
        shards.append(DenseDictionary())
        for place in [divided, shards.count - 1] { shards[place].reserveCapacity(all.count * 5 / 8) }
        for (key, value) in all { shards[shard(of: key)][key] = value }
    }
}

extension ShardedDictionary: Sequence {
    /// All elements, in no certain order.
    @inlinable public func makeIterator() -> FlattenSequence<[DenseDictionary<Key, Value>]>.Iterator {
        shards.joined().makeIterator()
    }
}

extension ShardedDictionary: Sendable where Key: Sendable, Value: Sendable {}

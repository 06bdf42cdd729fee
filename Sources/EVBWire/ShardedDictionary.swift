/// A dictionary that never moves all of its elements at once.
///
/// One that is whole does so whenever it has doubled: at fifty thousand VSIs that takes milliseconds, in which no other is served. This one
/// has many parts, once it is large, and each of them grows by itself.
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

    /// Elements up to which all are in one part: to divide them takes some tens of microseconds.
    @inlinable static var wholeMax: Int { 1024 }
    /// Parts beyond that, as a power of two.
    @inlinable static var shardBits: Int { 6 }

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

    @inlinable func shard(of key: Key) -> Int {
        // The upper bits: a part orders its own by the lower ones.
        shards.count == 1 ? 0 : Int(UInt(bitPattern: key.hashValue) >> UInt(UInt.bitWidth - Self.shardBits))
    }

    @inlinable mutating func changed(by difference: Int) {
        total += difference
        if shards.count == 1, total > Self.wholeMax { divide() }
    }

    @inlinable mutating func divide() {
        let all = shards[0]
        shards = Array(repeating: DenseDictionary(), count: 1 << Self.shardBits)
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

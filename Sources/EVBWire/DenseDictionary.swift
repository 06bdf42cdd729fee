/// A dictionary whose elements stand side by side, without a gap.
///
/// Swift's dictionary has a quarter to five eighths of its places empty, each as large as an element; of VSIs there are tens of
/// thousands. Here a place has the number of an element and some of its key's hash, four octets: of the keys nearly none is looked at but
/// the one that is found.
///
/// It is public, and its methods are inlinable, as those of ``ShardedDictionary``.
public struct DenseDictionary<Key: Hashable, Value> {
    /// Where elements are. Those with one hash stand at its place or behind it, without a gap. A power of two, a quarter of them empty at
    /// least; none at all where there is no element.
    @usableFromInline var places: [DensePlace] = []
    /// The keys, and what belongs to each.
    @usableFromInline var allKeys: [Key] = []
    @usableFromInline var allValues: [Value] = []

    /// An empty dictionary.
    @inlinable public init() {}

    /// How many elements there are.
    @inlinable public var count: Int { allKeys.count }
    @inlinable public var isEmpty: Bool { allKeys.isEmpty }

    /// All keys, and all values, in one order, which changes when an element is removed, or is changed by its key.
    @inlinable public var keys: [Key] { allKeys }
    @inlinable public var values: [Value] { allValues }

    /// Where a key is, until an element is removed, or changed by its key; nil where it is not.
    @inlinable public func index(forKey key: Key) -> Int? { isEmpty ? nil : index(forKey: key, Self.hash(key)) }

    @inlinable func index(forKey key: Key, _ hash: UInt32) -> Int? {
        guard !places.isEmpty else { return nil }
        let mask = mask
        return places.withUnsafeBufferPointer { places in
            allKeys.withUnsafeBufferPointer { keys in
                var place = Int(hash) & mask
                while !places[place].isEmpty {
                    let element = places[place].element
                    if places[place].mayHave(hash), keys[element] == key { return element }
                    place = (place + 1) & mask
                }
                return nil
            }
        }
    }

    /// The value at a place.
    @inlinable public subscript(index index: Int) -> Value {
        get { allValues[index] }
        _modify { yield &allValues[index] }
    }

    /// The value of a key; nil where there is none, and removes it.
    @inlinable public subscript(key: Key) -> Value? {
        get {
            guard let index = index(forKey: key) else { return nil }
            return allValues[index]
        }
        set { if let newValue { updateValue(newValue, forKey: key) } else { removeValue(forKey: key) } }
        _modify {
            // Taken out, so that it has no other holder and is not copied when it is changed.
            var value = takeOut(key)
            let isThere = value != nil
            defer { putBack(value, of: key, isThere) }
            yield &value
        }
    }

    /// The value of a key, which has this one where it has none yet.
    @inlinable public subscript(key: Key, default value: @autoclosure () -> Value) -> Value {
        get {
            guard let index = index(forKey: key) else { return value() }
            return allValues[index]
        }
        _modify {
            let index = index(forKey: key) ?? add(value(), of: key)
            yield &allValues[index]
        }
    }

    /// Sets the value of a key.
    ///
    /// - Returns: what it was before.
    @inlinable @discardableResult public mutating func updateValue(_ value: Value, forKey key: Key) -> Value? {
        let hash = Self.hash(key)
        guard let index = index(forKey: key, hash) else {
            add(value, of: key, hash)
            return nil
        }
        var value = value
        swap(&value, &allValues[index])
        return value
    }

    /// Takes the value of a key out. The last element takes its place.
    @inlinable @discardableResult public mutating func removeValue(forKey key: Key) -> Value? {
        guard let index = index(forKey: key) else { return nil }
        makeLast(index)
        let former = allValues.removeLast()
        removeLastKey()
        return former
    }

    /// Calls back with each key that has a hash: for a caller that keeps that in place of the key.
    @inlinable public func forEachKey(hash: UInt32, _ body: (Key) -> Void) {
        guard !places.isEmpty else { return }
        var place = Int(hash) & mask
        while !places[place].isEmpty {
            if places[place].mayHave(hash) {
                let key = allKeys[places[place].element]
                if Self.hash(key) == hash { body(key) }
            }
            place = (place + 1) & mask
        }
    }

    /// Makes room for so many elements in all.
    @inlinable public mutating func reserveCapacity(_ wanted: Int) {
        allKeys.reserveCapacity(wanted)
        allValues.reserveCapacity(wanted)
        makeRoom(wanted)
    }

    // MARK: Elements

    /// Takes the value of a key out of the values, in whose order it is the last.
    @inlinable mutating func takeOut(_ key: Key) -> Value? {
        guard let index = index(forKey: key) else { return nil }
        makeLast(index)
        return allValues.removeLast()
    }

    /// Puts a value back that was taken out, or in where there was none; nil is to go.
    @inlinable mutating func putBack(_ value: Value?, of key: Key, _ isThere: Bool) {
        switch (value, isThere) {
        case (let value?, true): allValues.append(value)
        case (let value?, false): add(value, of: key)
        case (nil, true): removeLastKey()
        case (nil, false): break
        }
    }

    /// Gives an element and the last one each other's number.
    @inlinable mutating func makeLast(_ index: Int) {
        let last = allKeys.count - 1
        guard index != last, let own = place(of: index), let other = place(of: last) else { return }
        places[own] = DensePlace(last, Self.hash(allKeys[index]))
        places[other] = DensePlace(index, Self.hash(allKeys[last]))
        allKeys.swapAt(index, last)
        allValues.swapAt(index, last)
    }

    /// The same for one whose value is gone.
    @inlinable mutating func removeLastKey() {
        forget(allKeys.count - 1)
        allKeys.removeLast()
        if places.count > DensePlace.fewMax, count * 16 < places.count { shrink() }
    }

    // MARK: Places

    /// The hash of a key by which its element is found.
    @inlinable public static func hash(_ key: Key) -> UInt32 { UInt32(truncatingIfNeeded: key.hashValue) }

    @inlinable var mask: Int { places.count &- 1 }

    /// The place that has the number of an element.
    @inlinable func place(of element: Int) -> Int? {
        var place = Int(Self.hash(allKeys[element])) & mask
        while !places[place].isEmpty {
            if places[place].element == element { return place }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Adds an element whose key is not there.
    @inlinable @discardableResult mutating func add(_ value: Value, of key: Key) -> Int {
        add(value, of: key, Self.hash(key))
    }

    @inlinable @discardableResult mutating func add(_ value: Value, of key: Key, _ hash: UInt32) -> Int {
        let index = allKeys.count
        makeRoom(index + 1)
        put(index, hash)
        Self.makeRoom(in: &allKeys)
        Self.makeRoom(in: &allValues)
        allKeys.append(key)
        allValues.append(value)
        return index
    }

    @inlinable mutating func put(_ element: Int, _ hash: UInt32) {
        var place = Int(hash) & mask
        while !places[place].isEmpty { place = (place + 1) & mask }
        places[place] = DensePlace(element, hash)
    }

    /// Empties the place of an element.
    @inlinable mutating func forget(_ index: Int) {
        guard var gap = place(of: index) else { return }
        var next = (gap + 1) & mask
        while !places[next].isEmpty {
            // One moves into the gap unless its own place is behind it.
            let home = Int(Self.hash(allKeys[places[next].element])) & mask
            if (next - home) & mask >= (next - gap) & mask {
                places[gap] = places[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        places[gap] = .empty
    }

    @inlinable mutating func makeRoom(_ wanted: Int) {
        guard wanted * 4 > places.count * 3 else { return }
        var count = Swift.max(8, places.count)
        while wanted * 4 > count * 3 { count *= 2 }
        setPlaces(count)
    }

    /// Makes room for one more element. By itself an array doubles what it has: of a large one the kernel gives no memory before it is used,
    /// and a small one is moved more often in place of that.
    @inlinable static func makeRoom<Element>(in array: inout [Element]) {
        guard array.count == array.capacity, array.count < DensePlace.smallMax else { return }
        array.reserveCapacity(array.count + Swift.max(array.count / 4, 4))
    }

    @inlinable mutating func setPlaces(_ count: Int) {
        precondition(count <= DensePlace.placesMax, "a dictionary has no places for so many elements")
        places = []
        places = Array(repeating: .empty, count: count)
        for index in allKeys.indices { put(index, Self.hash(allKeys[index])) }
    }

    /// Gives the room of the many back that were there once.
    @inlinable mutating func shrink() {
        guard !isEmpty else { return self = DenseDictionary() }
        setPlaces(places.count / 4)
        let (keys, values) = (allKeys, allValues)
        (allKeys, allValues) = ([], [])
        allKeys.reserveCapacity(keys.count)
        allValues.reserveCapacity(keys.count)
        allKeys.append(contentsOf: keys)
        allValues.append(contentsOf: values)
    }
}

extension DenseDictionary: Sequence {
    /// All elements, in the order of ``keys``.
    @inlinable public func makeIterator() -> DenseIterator<Key, Value> { DenseIterator(allKeys, allValues) }
}

extension DenseDictionary: Sendable where Key: Sendable, Value: Sendable {}

/// Goes through a ``DenseDictionary``.
public struct DenseIterator<Key, Value>: IteratorProtocol {
    @usableFromInline let keys: [Key]
    @usableFromInline let values: [Value]
    @usableFromInline var position = 0

    @inlinable init(_ keys: [Key], _ values: [Value]) { (self.keys, self.values) = (keys, values) }

    @inlinable public mutating func next() -> (key: Key, value: Value)? {
        guard position < keys.count else { return nil }
        defer { position += 1 }
        return (keys[position], values[position])
    }
}

/// A place of a ``DenseDictionary``: an element by its number, and the upper octet of its key's hash.
@usableFromInline struct DensePlace: Sendable {
    /// Places of which none are given back.
    @inlinable static var fewMax: Int { 256 }
    /// Elements up to which an array of them grows by a quarter.
    @inlinable static var smallMax: Int { 2048 }
    /// Three quarters of them are numbers of three octets.
    @inlinable static var placesMax: Int { 1 << 24 }
    @inlinable static var empty: DensePlace { DensePlace(Int(numbers), .max) }
    @inlinable static var numbers: UInt32 { 0xFF_FFFF }

    @usableFromInline let word: UInt32

    @inlinable init(_ element: Int, _ hash: UInt32) { word = UInt32(element) | hash & ~Self.numbers }

    @inlinable var element: Int { Int(word & Self.numbers) }

    @inlinable var isEmpty: Bool { word == .max }

    /// Whether the key may have that hash. Of an empty place it may be true.
    @inlinable func mayHave(_ hash: UInt32) -> Bool { (word ^ hash) & ~Self.numbers == 0 }
}

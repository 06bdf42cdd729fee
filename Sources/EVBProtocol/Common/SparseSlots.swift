/// Values of some of many slots, side by side: a slot without one takes four octets.
///
/// A slot has a value from its first change on until that is removed. Without one it looks as the usual value does.
struct SparseSlots<Value> {
    /// Values that it keeps room for while it has any.
    private static var keptCapacity: Int { 64 }

    /// What a slot without a value has.
    private let usual: Value
    /// For each slot the place of its value, or -1; of the last slots there may be none.
    private var places: [Int32] = []
    private var values: [Value] = []
    /// The slot of each value.
    private var owners: [Int32] = []

    init(_ usual: Value) { self.usual = usual }

    /// Slots that have a value.
    var count: Int { values.count }
    /// Values that it has room for without asking for more.
    var capacity: Int { values.capacity }

    /// The value of a slot. To change it gives the slot one.
    subscript(slot: Int) -> Value {
        @inline(__always) get {
            guard let place = place(of: slot) else { return usual }
            return values[place]
        }
        @inline(__always) _modify {
            let place = place(of: slot) ?? add(slot)
            yield &values[place]
        }
    }

    /// Makes room for the values of so many slots at once.
    mutating func reserveCapacity(_ count: Int) {
        places.reserveCapacity(count)
        values.reserveCapacity(count)
        owners.reserveCapacity(count)
    }

    /// Takes the value of a slot away. The last one takes its place.
    mutating func remove(_ slot: Int) {
        guard let place = place(of: slot) else { return }
        places[slot] = -1
        let (last, owner) = (values.removeLast(), owners.removeLast())
        if place < values.count {
            (values[place], owners[place]) = (last, owner)
            places[Int(owner)] = Int32(place)
        }
        shrink()
    }

    @inline(__always) private func place(of slot: Int) -> Int? {
        guard slot < places.count, places[slot] >= 0 else { return nil }
        return Int(places[slot])
    }

    private mutating func add(_ slot: Int) -> Int {
        while places.count <= slot { places.append(-1) }
        places[slot] = Int32(values.count)
        values.append(usual)
        owners.append(Int32(slot))
        return values.count - 1
    }

    /// Gives the room of the many back that were there once.
    private mutating func shrink() {
        guard values.count < values.capacity / 8, values.capacity > Self.keptCapacity else { return }
        let (formerValues, formerOwners) = (values, owners)
        (values, owners) = ([], [])
        guard !formerValues.isEmpty else { return }
        values.reserveCapacity(2 * formerValues.count)
        owners.reserveCapacity(2 * formerOwners.count)
        values.append(contentsOf: formerValues)
        owners.append(contentsOf: formerOwners)
    }
}

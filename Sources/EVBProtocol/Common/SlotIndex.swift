internal import EVBWire

/// In which slot each VSI stands, by its name.
///
/// A dictionary would have all names once more, and twice the room for them. This has the number of the slot and half of the name's
/// hash, side by side: of tens of thousands of VSIs one is found by one line of the processor's cache, and its own record.
///
/// The hash is Swift's, with its seed: neither a peer nor a client can choose names that collide.
struct SlotIndex {
    private struct Entry {
        var slot: Int32
        var hash: UInt32

        static let empty = Entry(slot: -1, hash: 0)

        var isEmpty: Bool { slot < 0 }
    }

    /// Those with one hash stand at its place or behind it, without a gap. A power of two, a quarter of them empty at least.
    private var entries: [Entry] = []
    private(set) var count = 0

    private var mask: Int { entries.count - 1 }

    /// The slot of a VSI; nil where there is none. `hasName` compares the whole name.
    @inline(__always) func slot(of vsiID: VSIID, _ hasName: (_ slot: Int) -> Bool) -> Int? {
        guard count > 0 else { return nil }
        return place(Self.hash(vsiID), hasName).map { Int(entries[$0].slot) }
    }

    /// Adds a VSI that is not there.
    mutating func add(_ vsiID: VSIID, at slot: Int) {
        reserveCapacity(count + 1)
        put(Entry(slot: Int32(slot), hash: Self.hash(vsiID)))
        count += 1
    }

    /// Takes a VSI out.
    mutating func remove(_ vsiID: VSIID, at slot: Int) {
        guard count > 0, var hole = place(Self.hash(vsiID), { $0 == slot }) else { return }
        count -= 1
        var next = (hole + 1) & mask
        while !entries[next].isEmpty {
            // One moves into the gap unless its own place is behind it.
            let home = Int(entries[next].hash) & mask
            if (next - home) & mask >= (next - hole) & mask {
                entries[hole] = entries[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        entries[hole] = .empty
    }

    /// Where the entry with a hash stands that `isWanted` accepts.
    @inline(__always) private func place(_ hash: UInt32, _ isWanted: (_ slot: Int) -> Bool) -> Int? {
        var place = Int(hash) & mask
        while !entries[place].isEmpty {
            if entries[place].hash == hash, isWanted(Int(entries[place].slot)) { return place }
            place = (place + 1) & mask
        }
        return nil
    }

    private mutating func put(_ entry: Entry) {
        var place = Int(entry.hash) & mask
        while !entries[place].isEmpty { place = (place + 1) & mask }
        entries[place] = entry
    }

    /// Makes room for so many VSIs in all.
    mutating func reserveCapacity(_ wanted: Int) {
        var places = max(16, entries.count)
        while wanted * 4 > places * 3 { places *= 2 }
        guard places > entries.count else { return }
        let former = entries
        entries = Array(repeating: .empty, count: places)
        for entry in former where !entry.isEmpty { put(entry) }
    }

    private static func hash(_ vsiID: VSIID) -> UInt32 { UInt32(truncatingIfNeeded: vsiID.hashValue) }
}

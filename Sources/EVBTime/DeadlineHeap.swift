/// Deadlines of things that are numbered from 0: the next one is known at once, and any can be moved or cancelled.
///
/// A 4-ary heap that knows the place of each of its members, so that arming anew does not leave a dead entry behind. One
/// operation costs the logarithm of the number of members.
public struct DeadlineHeap: Sendable {
    private struct Entry: Sendable {
        var deadline: Instant
        var member: Int
    }

    /// Deadlines that it keeps room for at the least.
    private static let keptCapacity = 64

    private var entries: [Entry] = []
    /// Where a member stands in `entries`, or -1.
    private var places: [Int32] = []

    /// How many deadlines are armed.
    public var count: Int { entries.count }
    /// Deadlines that it has room for without asking for more.
    var capacity: Int { entries.capacity }

    /// Starts with nothing armed.
    public init() {}

    /// Makes room for the deadlines of so many members at once.
    public mutating func reserveCapacity(_ count: Int) {
        entries.reserveCapacity(count)
        places.reserveCapacity(count)
    }

    /// The earliest deadline and whose it is.
    public var next: (deadline: Instant, member: Int)? {
        entries.first.map { ($0.deadline, $0.member) }
    }

    /// The deadline of `member`, if one is armed.
    public func deadline(of member: Int) -> Instant? {
        guard places.indices.contains(member), places[member] >= 0 else { return nil }
        return entries[Int(places[member])].deadline
    }

    /// Arms `member`, or moves its deadline if it is armed; nil cancels.
    public mutating func set(_ member: Int, _ deadline: Instant?) {
        precondition(member >= 0)
        while places.count <= member { places.append(-1) }
        let place = Int(places[member])
        guard let deadline else {
            if place >= 0 { remove(at: place) }
            return
        }
        if place >= 0 {
            entries[place].deadline = deadline
            settle(place)
        } else {
            entries.append(Entry(deadline: deadline, member: member))
            places[member] = Int32(entries.count - 1)
            siftUp(entries.count - 1)
        }
    }

    private mutating func remove(at place: Int) {
        places[entries[place].member] = -1
        let last = entries.removeLast()
        defer { shrink() }
        guard place < entries.count else { return }
        entries[place] = last
        places[last.member] = Int32(place)
        settle(place)
    }

    /// Gives the room of the many back that were armed once.
    private mutating func shrink() {
        guard entries.count < entries.capacity / 8, entries.capacity > Self.keptCapacity else { return }
        var few: [Entry] = []
        few.reserveCapacity(max(2 * entries.count, Self.keptCapacity / 2))
        few.append(contentsOf: entries)
        entries = few
    }

    private mutating func settle(_ place: Int) {
        siftDown(siftUp(place))
    }

    /// Moves an entry up to where it belongs, and gives its place.
    @discardableResult
    private mutating func siftUp(_ start: Int) -> Int {
        inPlace { entries, places in
            var place = start
            let entry = entries[place]
            while place > 0 {
                let parent = (place - 1) / 4
                guard entry.deadline < entries[parent].deadline else { break }
                entries[place] = entries[parent]
                places[entries[place].member] = Int32(place)
                place = parent
            }
            entries[place] = entry
            places[entry.member] = Int32(place)
            return place
        }
    }

    private mutating func siftDown(_ start: Int) {
        inPlace { entries, places in
            var place = start
            let entry = entries[place]
            while true {
                let first = 4 * place + 1
                guard first < entries.count else { break }
                var least = first
                for child in first..<min(first + 4, entries.count)
                where entries[child].deadline < entries[least].deadline { least = child }
                guard entries[least].deadline < entry.deadline else { break }
                entries[place] = entries[least]
                places[entries[place].member] = Int32(place)
                place = least
            }
            entries[place] = entry
            places[entry.member] = Int32(place)
        }
    }

    /// Works on the memory of both arrays: a keep-alive moves its deadline three times, past several others each time.
    private mutating func inPlace<Result>(
        _ body: (UnsafeMutableBufferPointer<Entry>, UnsafeMutableBufferPointer<Int32>) -> Result
    ) -> Result {
        entries.withUnsafeMutableBufferPointer { entries in
            places.withUnsafeMutableBufferPointer { places in body(entries, places) }
        }
    }
}

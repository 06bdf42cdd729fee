/// Slots with something to say, each at most once: first in, first out, a command and a keep-alive in turn.
///
/// Commands that fail and are tried again must not keep the keep-alives of others waiting for ever. Arrivals have a lane of their
/// own, as they may have to wait while the bridge has as many VSIs as it can keep.
///
/// A lane is a list whose members know their neighbours, so that one can go from its middle.
struct TransmitQueue {
    private var isKeepAliveTurn = false
    private var commands = Lane()
    private var arrivals = Lane()
    private var keepAlives = Lane()
    /// For each slot its place in its lane; of the last ones there may be none.
    private var places: [Place] = []
    /// Slots that were put into a lane since there are places.
    private var appended = 0
    /// Places that stay while nothing waits.
    private static let keptPlaces = 64

    var isEmpty: Bool { commands.count == 0 && arrivals.count == 0 && keepAlives.count == 0 }
    var count: Int { commands.count + arrivals.count + keepAlives.count }
    var arrivalCount: Int { arrivals.count }
    /// Places that there is room for without asking for more.
    var capacity: Int { places.capacity }

    mutating func append(_ slot: Int, isKeepAlive: Bool) { append(slot, to: isKeepAlive ? .keepAlives : .commands) }

    /// Puts a slot at the end of a lane; one that is in a lane keeps its place.
    mutating func append(_ slot: Int, to lane: LaneName) {
        while places.count <= slot { places.append(Place()) }
        guard places[slot].lane == nil else { return }
        let last = self[lane].last
        places[slot] = Place(lane: lane, previous: last)
        if last == .none { self[lane].first = SlotLink(slot) } else { places[last.slot].next = SlotLink(slot) }
        self[lane].last = SlotLink(slot)
        self[lane].count += 1
        appended += 1
    }

    mutating func remove(_ slot: Int) {
        guard slot < places.count, let lane = places[slot].lane else { return }
        let (previous, next) = (places[slot].previous, places[slot].next)
        if previous == .none { self[lane].first = next } else { places[previous.slot].next = next }
        if next == .none { self[lane].last = previous } else { places[next.slot].previous = previous }
        self[lane].count -= 1
        places[slot] = Place()
        giveBack()
    }

    /// Forgets the places of many slots once none waits. They are made again at the cost of a short step for each slot, so that at least a
    /// quarter as many slots have been put into a lane between.
    private mutating func giveBack() {
        guard appended * 4 >= places.count, places.count > Self.keptPlaces, isEmpty else { return }
        (places, appended) = ([], 0)
    }

    /// Takes out the next of the lanes that are not held.
    mutating func popFirst(holding held: Lanes = []) -> Int? {
        if held.contains(.keepAlives) {
            // They have waited for this one too.
            isKeepAliveTurn = true
            return popCommand(held)
        }
        defer { isKeepAliveTurn.toggle() }
        if isKeepAliveTurn { return popFirst(of: .keepAlives) ?? popCommand(held) }
        return popCommand(held) ?? popFirst(of: .keepAlives)
    }

    private mutating func popCommand(_ held: Lanes) -> Int? {
        if !held.contains(.commands), let slot = popFirst(of: .commands) { return slot }
        return held.contains(.arrivals) ? nil : popFirst(of: .arrivals)
    }

    private mutating func popFirst(of lane: LaneName) -> Int? {
        guard self[lane].first != .none else { return nil }
        let slot = self[lane].first.slot
        remove(slot)
        return slot
    }

    /// Takes out, in order, those that `isWanted` accepts, looking at most at `limit` of each lane that is not held, until it
    /// says to stop.
    mutating func take(limit: Int, holding held: Lanes = [], _ isWanted: (Int) -> Selection) -> [Int] {
        var taken: [Int] = []
        for lane in LaneName.inOrder {
            if lane == .arrivals, held.contains(.arrivals) { continue }
            var (link, left) = (self[lane].first, limit)
            while link != .none, left > 0 {
                let slot = link.slot
                link = places[slot].next
                left -= 1
                switch isWanted(slot) {
                case .take:
                    remove(slot)
                    taken.append(slot)
                case .skip: break
                case .stop: return taken
                }
            }
        }
        return taken
    }

    /// The first of a lane, and the one behind another: for one who looks at them himself, and may remove what he has stepped over.
    func first(of lane: LaneName) -> Int? { self[lane].first.member }
    func next(after slot: Int) -> Int? { places[slot].next.member }

    /// Takes out all arrivals.
    mutating func removeArrivals() -> [Int] {
        var removed: [Int] = []
        while let slot = popFirst(of: .arrivals) { removed.append(slot) }
        return removed
    }

    /// What a slot has to say.
    enum LaneName {
        /// A command about a VSI that the bridge holds, or the end of one.
        case commands
        /// A command about a VSI that the bridge does not hold yet.
        case arrivals
        case keepAlives

        static let inOrder: [LaneName] = [.commands, .arrivals, .keepAlives]
    }

    /// Some of the lanes.
    struct Lanes: OptionSet {
        let rawValue: UInt8

        static let commands = Lanes(rawValue: 1)
        static let arrivals = Lanes(rawValue: 2)
        static let keepAlives = Lanes(rawValue: 4)
    }

    enum Selection {
        case take
        case skip
        case stop
    }

    /// A slot, or none: half as large as an `Int?`.
    private struct SlotLink: Equatable {
        private let number: Int32

        static let none = SlotLink(-1)

        init(_ slot: Int) { number = Int32(slot) }

        var slot: Int { Int(number) }
        var member: Int? { number < 0 ? nil : Int(number) }
    }

    private struct Lane {
        var first = SlotLink.none
        var last = SlotLink.none
        var count = 0
    }

    private struct Place {
        var lane: LaneName?
        var previous = SlotLink.none
        var next = SlotLink.none
    }

    private subscript(lane: LaneName) -> Lane {
        get {
            switch lane {
            case .commands: commands
            case .arrivals: arrivals
            case .keepAlives: keepAlives
            }
        }
        set {
            switch lane {
            case .commands: commands = newValue
            case .arrivals: arrivals = newValue
            case .keepAlives: keepAlives = newValue
            }
        }
    }
}

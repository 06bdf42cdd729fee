/// Slots with something to say, each at most once: first in, first out, a command and a keep-alive in turn.
///
/// Commands that fail and are tried again must not keep the keep-alives of others waiting for ever. Arrivals have a lane of their
/// own, as they may have to wait while the bridge has as many VSIs as it can keep.
struct TransmitQueue {
    private var isKeepAliveTurn = false
    private var commands = Lane()
    private var arrivals = Lane()
    private var keepAlives = Lane()

    var isEmpty: Bool { commands.isEmpty && arrivals.isEmpty && keepAlives.isEmpty }
    var count: Int { commands.count + arrivals.count + keepAlives.count }
    var arrivalCount: Int { arrivals.count }

    mutating func append(_ slot: Int, isKeepAlive: Bool) { append(slot, to: isKeepAlive ? .keepAlives : .commands) }

    mutating func append(_ slot: Int, to lane: LaneName) {
        switch lane {
        case .commands: commands.append(slot)
        case .arrivals: arrivals.append(slot)
        case .keepAlives: keepAlives.append(slot)
        }
    }

    mutating func remove(_ slot: Int) {
        commands.remove(slot)
        arrivals.remove(slot)
        keepAlives.remove(slot)
    }

    /// Takes out the next of the lanes that are not held.
    mutating func popFirst(holding held: Set<LaneName> = []) -> Int? {
        if held.contains(.keepAlives) {
            // They have waited for this one too.
            isKeepAliveTurn = true
            return popCommand(held)
        }
        defer { isKeepAliveTurn.toggle() }
        if isKeepAliveTurn { return keepAlives.popFirst() ?? popCommand(held) }
        return popCommand(held) ?? keepAlives.popFirst()
    }

    private mutating func popCommand(_ held: Set<LaneName>) -> Int? {
        if !held.contains(.commands), let slot = commands.popFirst() { return slot }
        return held.contains(.arrivals) ? nil : arrivals.popFirst()
    }

    /// Takes out, in order, those that `isWanted` accepts, looking at most at `limit` of each lane that is not held, until it
    /// says to stop.
    mutating func take(limit: Int, holding held: Set<LaneName> = [], _ isWanted: (Int) -> Selection) -> [Int] {
        var taken: [Int] = []
        for lane in [\Self.commands, \Self.arrivals, \Self.keepAlives] {
            if lane == \Self.arrivals, held.contains(.arrivals) { continue }
            let found = self[keyPath: lane].take(limit: limit, isWanted)
            taken += found.taken
            if found.stopped { break }
        }
        return taken
    }

    /// Takes out all arrivals.
    mutating func removeArrivals() -> [Int] {
        arrivals.take(limit: .max) { _ in .take }.taken
    }

    /// What a slot has to say.
    enum LaneName {
        /// A command about a VSI that the bridge holds, or the end of one.
        case commands
        /// A command about a VSI that the bridge does not hold yet.
        case arrivals
        case keepAlives
    }

    enum Selection {
        case take
        case skip
        case stop
    }

    /// A queue from whose middle members can go; a removed one leaves a hole until its turn comes.
    private struct Lane {
        private var slots: [Int?] = []
        private var head = 0
        private var placeOf: [Int: Int] = [:]

        var isEmpty: Bool { placeOf.isEmpty }
        var count: Int { placeOf.count }

        mutating func append(_ slot: Int) {
            guard placeOf[slot] == nil else { return }
            placeOf[slot] = slots.count
            slots.append(slot)
        }

        mutating func remove(_ slot: Int) {
            guard let place = placeOf.removeValue(forKey: slot) else { return }
            slots[place] = nil
            compact()
        }

        mutating func popFirst() -> Int? {
            while head < slots.count {
                let slot = slots[head]
                slots[head] = nil
                head += 1
                if let slot {
                    placeOf[slot] = nil
                    compact()
                    return slot
                }
            }
            compact()
            return nil
        }

        mutating func take(limit: Int, _ isWanted: (Int) -> Selection) -> (taken: [Int], stopped: Bool) {
            var taken: [Int] = []
            var stopped = false
            var seen = 0
            var place = head
            while place < slots.count, seen < limit, !stopped {
                if let slot = slots[place] {
                    seen += 1
                    switch isWanted(slot) {
                    case .take: taken.append(slot)
                    case .skip: break
                    case .stop: stopped = true
                    }
                }
                place += 1
            }
            for slot in taken { remove(slot) }
            return (taken, stopped)
        }

        /// Gives room back once more than half of the places are behind the head or holes.
        private mutating func compact() {
            guard slots.count > 32, placeOf.count * 2 < slots.count else { return }
            slots = slots[head...].filter { $0 != nil }
            head = 0
            for (place, slot) in slots.enumerated() {
                if let slot { placeOf[slot] = place }
            }
        }
    }
}

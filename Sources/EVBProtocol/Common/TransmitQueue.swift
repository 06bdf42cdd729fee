/// Slots with something to say, each at most once: first in, first out, a command and a keep-alive in turn.
///
/// Commands that fail and are tried again must not keep the keep-alives of others waiting for ever.
struct TransmitQueue {
    private var isKeepAliveTurn = false
    private var commands = Lane()
    private var keepAlives = Lane()

    var isEmpty: Bool { commands.isEmpty && keepAlives.isEmpty }
    var count: Int { commands.count + keepAlives.count }

    mutating func append(_ slot: Int, isKeepAlive: Bool) {
        if isKeepAlive { keepAlives.append(slot) } else { commands.append(slot) }
    }

    mutating func remove(_ slot: Int) {
        commands.remove(slot)
        keepAlives.remove(slot)
    }

    /// Takes out the next; only a command where keep-alives are held.
    mutating func popFirst(holdingKeepAlives isHeld: Bool = false) -> Int? {
        guard !isHeld else {
            // They have waited for this one too.
            isKeepAliveTurn = true
            return commands.popFirst()
        }
        defer { isKeepAliveTurn.toggle() }
        if isKeepAliveTurn { return keepAlives.popFirst() ?? commands.popFirst() }
        return commands.popFirst() ?? keepAlives.popFirst()
    }

    /// Takes out, in order, those that `isWanted` accepts, looking at most at `limit`, until it says to stop.
    mutating func take(limit: Int, _ isWanted: (Int) -> Selection) -> [Int] {
        let first = commands.take(limit: limit, isWanted)
        guard !first.stopped else { return first.taken }
        return first.taken + keepAlives.take(limit: limit, isWanted).taken
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

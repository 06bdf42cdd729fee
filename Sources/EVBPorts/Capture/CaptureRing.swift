internal import EventLoop

/// What waits for a client that captures: bounded in number and in octets. What finds no room is counted and not kept, so that what is
/// there is without gaps up to where it says how many are missing.
package struct CaptureRing<Element> {
    /// An element, and how many found no room since the one before it.
    package struct Entry {
        package let element: Element
        package let lostBefore: UInt64
        fileprivate let cost: Int
    }

    private let countMax: Int
    private let octetsMax: Int
    private var entries = FIFO<Entry>()
    /// Octets of what waits.
    package private(set) var octets = 0
    /// How many found no room since the last that did.
    package private(set) var lostSinceLast: UInt64 = 0

    /// Makes an empty one.
    ///
    /// - Parameters:
    ///   - countMax: how many may wait; at least 1.
    ///   - octetsMax: how many octets may wait. One element finds room in an empty ring, however large it is.
    package init(countMax: Int, octetsMax: Int) {
        precondition(countMax > 0 && octetsMax > 0)
        self.countMax = countMax
        self.octetsMax = octetsMax
    }

    package var isEmpty: Bool { entries.isEmpty }
    package var count: Int { entries.count }
    /// Whether anything of up to a sixteenth of the octets finds room.
    package var hasRoom: Bool { isEmpty || entries.count < countMax && octets <= octetsMax - octetsMax / 16 }

    /// Adds an element of so many octets, or counts it as lost.
    package mutating func append(_ element: Element, octets cost: Int) {
        guard isEmpty || entries.count < countMax && octets + cost <= octetsMax else { return lose() }
        entries.append(Entry(element: element, lostBefore: lostSinceLast, cost: cost))
        octets += cost
        lostSinceLast = 0
    }

    /// Counts one that was not even made, as there is no room.
    package mutating func lose() { lostSinceLast &+= 1 }

    /// Takes the oldest out.
    package mutating func popFirst() -> Entry? {
        guard let entry = entries.popFirst() else { return nil }
        octets -= entry.cost
        return entry
    }

    /// Takes the number of those that found no room behind the last one, once nothing waits.
    package mutating func takeLost() -> UInt64 {
        guard isEmpty else { return 0 }
        defer { lostSinceLast = 0 }
        return lostSinceLast
    }
}

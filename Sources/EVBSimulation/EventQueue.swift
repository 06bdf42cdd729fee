internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// What is going to happen in a world.
enum Event {
    /// A frame arrives. `epoch` is the link's at its sending: what was under way when the link went down does not arrive.
    case frame(station: Int, toBridge: Bool, octets: [UInt8], epoch: Int, isCorrupt: Bool)
    /// A decision is made. `epoch` is the bridge's: what was being decided when it died is not.
    case decision(station: Int, DecisionTicket, BridgeRequest, epoch: Int)
    /// Something happens to a station or its link.
    case turmoil(station: Int)
    case linkRestored(station: Int)
    case linkUncut(station: Int)
    case stationStarted(station: Int)
    case bridgeStarted(station: Int)
    /// A false bridge speaks, and so many times in all.
    case falseBridge(station: Int, times: Int)
    /// The bridge as a whole dies.
    case bridgeReboot
    /// Look at what must always hold.
    case inspection
    /// Nothing goes wrong any more.
    case quiet
    /// What managers want has come right by itself.
    case mended
    /// All has come right, and is to stay so.
    case standstill
    case end
}

/// Events in the order of their time, those of one time in the order of their coming.
struct EventQueue<Content> {
    /// Small, because it is moved about a lot; what happens stays where it is.
    private struct Entry {
        let time: Instant
        let order: UInt64
        let place: Int

        func precedes(_ other: Entry) -> Bool { time != other.time ? time < other.time : order < other.order }
    }

    private var entries: [Entry] = []
    private var contents: [Content?] = []
    private var freePlaces: [Int] = []
    private var order: UInt64 = 0

    /// When the next event is.
    var nextTime: Instant? { entries.first?.time }

    mutating func add(_ event: Content, at time: Instant) {
        order += 1
        let content = freePlaces.popLast() ?? contents.count
        if content == contents.count { contents.append(event) } else { contents[content] = event }
        entries.append(Entry(time: time, order: order, place: content))
        var place = entries.count - 1
        while place > 0, entries[place].precedes(entries[(place - 1) / 2]) {
            entries.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func popFirst() -> Content? {
        guard let first = entries.first else { return nil }
        let event = contents[first.place].take()
        freePlaces.append(first.place)
        let last = entries.removeLast()
        guard !entries.isEmpty else { return event }
        entries[0] = last
        var place = 0
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < entries.count {
                if entries[child].precedes(entries[least]) { least = child }
            }
            guard least != place else { return event }
            entries.swapAt(place, least)
            place = least
        }
    }
}

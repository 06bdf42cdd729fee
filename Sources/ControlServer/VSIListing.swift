internal import EVBModel
internal import EVBPorts
internal import EVBWire
internal import JSON

/// The VSIs of ports by name, for a list that is drawn bit by bit: each is looked at when its turn comes, and those that have gone
/// or do not match are nil. So a step costs the same whatever is asked for.
struct VSIListing: Sequence, IteratorProtocol {
    /// The same with the managed objects of each VSI.
    struct Details: Sequence, IteratorProtocol {
        private var listing: VSIListing

        init(_ ports: [any VSISource]) { listing = VSIListing(ports, state: nil) }

        mutating func next() -> VSIDetails?? {
            listing.step().map { $0.flatMap { port, vsiID in port.vsiDetails(vsiID) } }
        }
    }

    /// The same as JSON, written where it belongs: to hand ten thousand of them on as values takes as long as to write them.
    final class Texts: ListedItems {
        private var listing: VSIListing

        init(_ listing: VSIListing) { self.listing = listing }

        var hasMore: Bool { listing.hasMore }

        func writeNext(to writer: inout JSONWriter) -> Bool {
            guard case (let port, let vsiID)?? = listing.step() else { return false }
            return port.writeVSI(vsiID, to: &writer)
        }
    }

    /// Ports that are not begun, the first at the end.
    private var ports: [any VSISource]
    private var current: (any VSISource)?
    private var order = VSIOrder([])
    private let state: VSIState?
    private let query: VSIQuery

    /// Lists the VSIs of some ports.
    ///
    /// - Parameters:
    ///   - ports: the ports, in any order.
    ///   - state: the state that is asked for; nil for all.
    ///   - query: what else is asked for.
    init(_ ports: [any VSISource], state: VSIState?, query: VSIQuery = VSIQuery()) {
        self.ports = ports.sorted { $0.name > $1.name }
        self.state = state
        self.query = query
    }

    mutating func next() -> VSIStatus?? {
        step().map { $0.flatMap { port, vsiID in port.vsiStatus(vsiID) } }
    }

    /// Whether there is another step.
    private var hasMore: Bool {
        mutating get {
            while order.isAtEnd {
                guard let port = ports.popLast() else { return false }
                current = port
                order = VSIOrder(port.vsiIDs)
            }
            return true
        }
    }

    private mutating func step() -> (any VSISource, VSIID)?? {
        guard hasMore else { return nil }
        // Some are brought into their order.
        guard let vsiID = order.next() else { return .some(nil) }
        // Its state before all the rest, which takes a hundred times as long to write.
        guard let port = current, state == nil || port.vsiState(vsiID) == state else { return .some(nil) }
        guard query.fitsAll || port.vsiTraits(vsiID).map({ query.fits(vsiID, $0) }) ?? false else { return .some(nil) }
        return .some((port, vsiID))
    }
}

/// Names in their order, of which each step finds one or gets a little nearer to it: to sort ten thousand at once takes
/// milliseconds. Blocks are sorted first, one a step; then the first of all blocks is the next.
struct VSIOrder {
    /// Names of a block.
    private static let blockLength = 128

    private var vsiIDs: [VSIID]
    /// The names up to here are sorted, block by block.
    private var sortedEnd = 0
    /// The place of the first name of each block that is left, as a heap with the least name at its top, and where its block ends.
    private var heads: [(place: Int, end: Int)] = []

    init(_ vsiIDs: [VSIID]) { self.vsiIDs = vsiIDs }

    var isAtEnd: Bool { sortedEnd == vsiIDs.count && heads.isEmpty }

    /// The next name; nil where one more step has to be taken for it.
    mutating func next() -> VSIID? {
        if sortedEnd < vsiIDs.count {
            let end = Swift.min(sortedEnd + Self.blockLength, vsiIDs.count)
            vsiIDs[sortedEnd..<end].sort(by: Self.isBefore)
            heads.append((sortedEnd, end))
            siftUp()
            sortedEnd = end
            // A short list has one block, and costs no step more.
            guard heads.count == 1, end == vsiIDs.count else { return nil }
        }
        guard let first = heads.first else { return nil }
        if first.place + 1 < first.end {
            heads[0].place += 1
        } else {
            let last = heads.removeLast()
            if !heads.isEmpty { heads[0] = last }
        }
        siftDown()
        return vsiIDs[first.place]
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        Self.isBefore(vsiIDs[heads[left].place], vsiIDs[heads[right].place])
    }

    private mutating func siftUp() {
        var child = heads.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heads.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2) where child < heads.count && isBefore(child, least) {
                least = child
            }
            guard least != parent else { return }
            heads.swapAt(parent, least)
            parent = least
        }
    }

    /// UUIDs first, as their digits sort before the names of the other formats.
    static func isBefore(_ left: VSIID, _ right: VSIID) -> Bool {
        if left.format != right.format {
            if left.format == .uuid || right.format == .uuid { return left.format == .uuid }
            return left.format.name < right.format.name
        }
        return (left.high, left.low) < (right.high, right.low)
    }
}

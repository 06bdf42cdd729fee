internal import EVBModel
internal import EVBPorts
internal import EVBWire

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

    /// Ports that are not begun, the first at the end.
    private var ports: [any VSISource]
    private var current: (any VSISource)?
    private var vsiIDs: [VSIID] = []
    private var place = 0
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

    private mutating func step() -> (any VSISource, VSIID)?? {
        while place == vsiIDs.count {
            guard let port = ports.popLast() else { return nil }
            current = port
            vsiIDs = port.vsiIDs.sorted(by: Self.isBefore)
            place = 0
        }
        defer { place += 1 }
        let vsiID = vsiIDs[place]
        // Its state before all the rest, which takes a hundred times as long to write.
        guard let port = current, state == nil || port.vsiState(vsiID) == state else { return .some(nil) }
        guard query.fitsAll || port.vsiTraits(vsiID).map({ query.fits(vsiID, $0) }) ?? false else { return .some(nil) }
        return .some((port, vsiID))
    }

    /// UUIDs first, as their digits sort before the names of the other formats.
    private static func isBefore(_ left: VSIID, _ right: VSIID) -> Bool {
        if left.format != right.format {
            if left.format == .uuid || right.format == .uuid { return left.format == .uuid }
            return left.format.name < right.format.name
        }
        return (left.high, left.low) < (right.high, right.low)
    }
}

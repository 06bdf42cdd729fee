internal import EVBWire

/// At least one VSI that looks for a link. Nearly always it is one for an address, of tens of thousands of addresses: that one
/// needs no memory of its own.
enum Seekers: Equatable, Sendable {
    case one(VSIID)
    indirect case several(Set<VSIID>)

    var all: Set<VSIID> {
        switch self {
        case .one(let vsiID): [vsiID]
        case .several(let vsiIDs): vsiIDs
        }
    }

    mutating func insert(_ vsiID: VSIID) {
        switch self {
        case .one(let only): if only != vsiID { self = .several([only, vsiID]) }
        case .several(var vsiIDs):
            // The set has one holder only, so that it is not copied.
            self = .one(vsiID)
            vsiIDs.insert(vsiID)
            self = .several(vsiIDs)
        }
    }

    /// Takes a VSI out.
    ///
    /// - Returns: Whether none is left.
    mutating func remove(_ vsiID: VSIID) -> Bool {
        switch self {
        case .one(let only): return only == vsiID
        case .several(var vsiIDs):
            self = .one(vsiID)
            vsiIDs.remove(vsiID)
            guard let first = vsiIDs.first else { return true }
            self = vsiIDs.count == 1 ? .one(first) : .several(vsiIDs)
            return false
        }
    }
}

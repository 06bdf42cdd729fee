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

    func with(_ vsiID: VSIID) -> Seekers { Seekers(all.union([vsiID])) ?? self }

    /// nil where none is left.
    func without(_ vsiID: VSIID) -> Seekers? { Seekers(all.subtracting([vsiID])) }

    private init?(_ vsiIDs: Set<VSIID>) {
        guard let first = vsiIDs.first else { return nil }
        self = vsiIDs.count == 1 ? .one(first) : .several(vsiIDs)
    }
}

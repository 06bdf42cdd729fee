internal import EVBWire

/// Who waits for something of VSIs, in their order. Of a burst's thousands no room is kept once none waits.
struct Waiters<Completion> {
    /// VSIs of which room is kept while none is waited for.
    private static var keptCapacity: Int { 64 }

    private var all: [VSIID: [Completion]] = [:]

    /// VSIs that there is room for without asking for more.
    var capacity: Int { all.capacity }

    /// Whether one waits for something of a VSI.
    func contains(_ vsiID: VSIID) -> Bool { all[vsiID] != nil }

    mutating func add(_ completion: Completion, for vsiID: VSIID) { all[vsiID, default: []].append(completion) }

    /// Takes those out who wait for something of a VSI.
    mutating func take(_ vsiID: VSIID) -> [Completion] {
        guard !all.isEmpty else { return [] }
        let found = all.removeValue(forKey: vsiID) ?? []
        if all.isEmpty, all.capacity > Self.keptCapacity { all = [:] }
        return found
    }
}

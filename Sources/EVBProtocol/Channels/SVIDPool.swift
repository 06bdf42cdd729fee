package import EVBWire

/// SVIDs that a bridge may give to channels.
package struct SVIDPool: Hashable, Sendable {
    /// Where the numbers lie, without order.
    package let ranges: [ClosedRange<UInt16>]

    /// Numbers that no channel may have are left out.
    package init(_ ranges: [ClosedRange<UInt16>]) {
        self.ranges = ranges.compactMap { range in
            range.overlaps(SVID.assignable) ? range.clamped(to: SVID.assignable) : nil
        }
    }

    /// Whether a channel may have this one.
    package func contains(_ svid: SVID) -> Bool { ranges.contains { $0.contains(svid.rawValue) } }

    /// Those that are not taken, the lowest first, and after all others those that wait.
    func free(without taken: Set<SVID>, last waiting: Set<SVID>) -> [SVID] {
        let free = Set(ranges.joined().map(SVID.init)).subtracting(taken)
        return free.subtracting(waiting).sorted() + free.intersection(waiting).sorted()
    }
}

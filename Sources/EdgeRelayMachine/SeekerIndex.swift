internal import EVBWire

/// Which VSIs look for a link with an address, of tens of thousands of VSIs and addresses.
///
/// It has the hashes of both and neither of them: what it finds may look for another address, and is looked at where it is kept. So it takes a
/// fifth of what a dictionary would. Both hashes are keyed (`KeyedHash`): no other process can choose names or addresses that collide.
struct SeekerIndex: Sendable {
    private struct Pair: Equatable {
        var address: UInt32
        /// 0 of no VSI.
        var seeker: UInt32

        static let empty = Pair(address: 0, seeker: 0)

        init(address: UInt32, seeker: UInt32) { (self.address, self.seeker) = (address, seeker) }

        init(_ address: MACAddress, _ vsiID: VSIID) {
            self.init(
                address: UInt32(truncatingIfNeeded: address.hashValue),
                seeker: SeekerIndex.hash(DenseDictionary<VSIID, LinkSlot>.hash(vsiID)))
        }
    }

    /// Places of which none are given back.
    private static let fewMax = 256

    /// Pairs of one address stand at its place or behind it, without a gap. A power of two, a quarter of them empty at least; none at all
    /// where there is no pair.
    private var pairs: [Pair] = []
    private var count = 0

    var isEmpty: Bool { count == 0 }

    private var mask: Int { pairs.count - 1 }

    /// The hash of a VSI by which it is in the index.
    private static func hash(_ hash: UInt32) -> UInt32 { max(hash, 1) }

    /// The VSIs that look for the address, and perhaps for another one.
    func seekers(of address: MACAddress, in slots: DenseDictionary<VSIID, LinkSlot>) -> Set<VSIID> {
        var found: Set<VSIID> = []
        guard count > 0 else { return found }
        let hash = UInt32(truncatingIfNeeded: address.hashValue)
        var place = Int(hash) & mask
        while pairs[place] != .empty {
            if pairs[place].address == hash {
                let seeker = pairs[place].seeker
                slots.forEachKey(hash: seeker) { found.insert($0) }
                // 0 is not told from 1.
                if seeker == 1 { slots.forEachKey(hash: 0) { found.insert($0) } }
            }
            place = (place + 1) & mask
        }
        return found
    }

    /// A VSI that did not do so looks for an address.
    mutating func add(_ vsiID: VSIID, seeking address: MACAddress) {
        if (count + 1) * 4 > pairs.count * 3 { setPlaces(max(16, pairs.count * 2)) }
        put(Pair(address, vsiID))
        count += 1
    }

    /// A VSI that did so looks for an address no more.
    mutating func remove(_ vsiID: VSIID, seeking address: MACAddress) {
        guard count > 0, var gap = place(of: Pair(address, vsiID)) else { return }
        count -= 1
        var next = (gap + 1) & mask
        while pairs[next] != .empty {
            // One moves into the gap unless its own place is behind it.
            let home = Int(pairs[next].address) & mask
            if (next - home) & mask >= (next - gap) & mask {
                pairs[gap] = pairs[next]
                gap = next
            }
            next = (next + 1) & mask
        }
        pairs[gap] = .empty
        if pairs.count > Self.fewMax, count * 16 < pairs.count { setPlaces(pairs.count / 4) }
    }

    private func place(of pair: Pair) -> Int? {
        var place = Int(pair.address) & mask
        while pairs[place] != .empty {
            if pairs[place] == pair { return place }
            place = (place + 1) & mask
        }
        return nil
    }

    private mutating func put(_ pair: Pair) {
        var place = Int(pair.address) & mask
        while pairs[place] != .empty { place = (place + 1) & mask }
        pairs[place] = pair
    }

    private mutating func setPlaces(_ count: Int) {
        let former = pairs
        pairs = Array(repeating: .empty, count: count)
        for pair in former where pair != .empty { put(pair) }
    }
}

internal import EVBWire
internal import LinuxSystem

/// Which addresses are not to send on a port now. Pure: it is told of VSIs, and tells what changes.
package struct ClosedAddresses {
    /// What of an address changes.
    struct Change: Equatable {
        package var address: HardwareAddress
        package var isClosed: Bool
    }

    /// The addresses of a VSI. Nearly all have one, of tens of thousands of VSIs: that one needs no memory of its own.
    enum Claim: Equatable {
        case oneOpen(HardwareAddress)
        case oneClosed(HardwareAddress)
        indirect case several(open: AddressSet, closed: AddressSet)

        init(open: AddressSet, closed: AddressSet) {
            if closed.isEmpty, let one = open.only {
                self = .oneOpen(one)
            } else if open.isEmpty, let one = closed.only {
                self = .oneClosed(one)
            } else {
                self = .several(open: open, closed: closed)
            }
        }

        var open: AddressSet {
            switch self {
            case .oneOpen(let address): AddressSet(address)
            case .oneClosed: []
            case .several(let open, _): open
            }
        }

        var closed: AddressSet {
            switch self {
            case .oneOpen: []
            case .oneClosed(let address): AddressSet(address)
            case .several(_, let closed): closed
            }
        }

        var all: AddressSet { open.union(closed) }
    }

    private(set) var claims = ClaimTable()
    private var counts = AddressCounts()
    /// What links keep closed whose VSIs were given up, by their indices; and the same the other way round.
    private var kept: [Int32: AddressSet] = [:]
    private var keepers: [HardwareAddress: Set<Int32>] = [:]
    /// Addresses of links that the host may not see, with the number of the last read of the port's table that does not
    /// count for them.
    private var unseen: [HardwareAddress: UInt64] = [:]
    /// Addresses that stay closed without a VSI, counted once for each link. Closing has no limit of its own: these count as
    /// filter entries, so that no VSIs are added beyond the limit of those.
    package private(set) var keptCount = 0
    /// The addresses of the host itself, which are never closed: the host would be cut off.
    private(set) var exempt: Set<HardwareAddress> = []
    /// Whether any address is closed.
    private(set) var isOn: Bool
    /// The addresses that are closed, as far as those who were told have followed.
    private(set) var current: Set<HardwareAddress> = []

    /// Room that the set of closed addresses keeps while none is closed.
    private static let keptCapacity = 256

    init(isOn: Bool) { self.isOn = isOn }

    /// Makes room for the addresses of so many VSIs at once.
    mutating func reserveCapacity(_ count: Int) {
        claims.reserveCapacity(count)
        counts.reserveCapacity(count)
    }

    /// Whether an address is to be closed.
    private func isClosed(_ address: HardwareAddress) -> Bool {
        guard isOn, !exempt.contains(address) else { return false }
        let count = counts[address]
        return count.closed > 0 && count.open == 0
    }

    /// Sets what a VSI says of its addresses.
    ///
    /// - Returns: What changes by it.
    mutating func set(_ vsiID: VSIID, open: AddressSet, closed: AddressSet) -> [Change] {
        let claim = Claim(open: open, closed: closed.subtracting(open))
        let former = claims.update(claim, of: vsiID)
        guard former != claim else { return [] }
        // The new one first: an address that only changes keeps its place.
        count(claim, by: 1)
        if let former { count(former, by: -1) }
        if !keepers.isEmpty || !unseen.isEmpty { for address in claim.all { releaseKept(address) } }
        return settle(former.map { claim.all.union($0.all) } ?? claim.all)
    }

    /// The addresses of a VSI that are to pass.
    func openAddresses(of vsiID: VSIID) -> AddressSet { claims[vsiID]?.open ?? [] }

    /// Whether a VSI has an address.
    func isOfVSI(_ address: HardwareAddress) -> Bool { counts[address].ofVSIs > 0 }

    /// Nothing is known of a VSI any more.
    mutating func forget(_ vsiID: VSIID) -> [Change] {
        guard let former = claims.remove(vsiID) else { return [] }
        count(former, by: -1)
        return settle(former.all)
    }

    /// A VSI is given up while its link stays: the addresses stay closed until the link is gone or a VSI claims them.
    mutating func handBack(_ vsiID: VSIID, link index: Int32) -> [Change] {
        guard let claim = claims[vsiID] else { return [] }
        let changes = keepClosed(claim.all, link: index)
        return changes + forget(vsiID)
    }

    // MARK: Without VSIs

    /// Keeps addresses closed for a link that no VSI has, beside those that it keeps closed already.
    mutating func keepClosed(_ addresses: AddressSet, link index: Int32) -> [Change] {
        let former = kept[index] ?? []
        let added = addresses.subtracting(former)
        guard !added.isEmpty else { return [] }
        kept[index] = former.union(added)
        for address in added {
            keepers[address, default: []].insert(index)
            countKept(address, by: 1)
        }
        return settle(added)
    }

    /// A link is gone.
    mutating func linkGone(_ index: Int32) -> [Change] {
        guard let former = kept.removeValue(forKey: index) else { return [] }
        for address in former {
            keepers[address]?.remove(index)
            if keepers[address]?.isEmpty == true { keepers[address] = nil }
            countKept(address, by: -1)
        }
        return settle(former)
    }

    /// Whether a link keeps its addresses closed.
    func keepsClosed(link index: Int32) -> Bool { kept[index] != nil }

    /// Whether an address stays closed for a link that the host may not see.
    var hasUnseen: Bool { !unseen.isEmpty }

    /// Keeps addresses closed for links that the host may not see.
    ///
    /// - Parameters:
    ///   - addresses: The addresses.
    ///   - read: The number of the last read of the port's table that may be too early to have them.
    /// - Returns: What changes by it.
    mutating func keepClosedUnseen(_ addresses: AddressSet, after read: UInt64) -> [Change] {
        for address in addresses {
            let former = unseen.updateValue(read, forKey: address)
            if let former { unseen[address] = max(former, read) } else { countKept(address, by: 1) }
        }
        return settle(addresses)
    }

    /// A link that keeps addresses closed has gone to another network namespace.
    mutating func linkDeparted(_ index: Int32, after read: UInt64) -> [Change] {
        let changes = keepClosedUnseen(kept[index] ?? [], after: read)
        return changes + linkGone(index)
    }

    /// The port's table was read: links that the host does not see have no other addresses.
    mutating func tableRead(_ number: UInt64, _ present: Set<HardwareAddress>) -> [Change] {
        let gone = unseen(goneBy: number, present)
        for address in gone {
            unseen[address] = nil
            countKept(address, by: -1)
        }
        return settle(gone)
    }

    /// The addresses that such a read opens, unless something else keeps them closed.
    func unseen(goneBy number: UInt64, _ present: Set<HardwareAddress>) -> [HardwareAddress] {
        unseen.filter { $0.value < number && !present.contains($0.key) }.map(\.key)
    }

    mutating func setOn(_ isOn: Bool) -> [Change] {
        guard isOn != self.isOn else { return [] }
        self.isOn = isOn
        return settle(counts.addresses)
    }

    mutating func setExempt(_ addresses: Set<HardwareAddress>) -> [Change] {
        guard addresses != exempt else { return [] }
        let concerned = exempt.union(addresses)
        exempt = addresses
        return settle(concerned)
    }

    /// The kernel has these addresses from an earlier run.
    ///
    /// - Returns: What changes to make them those that are wanted.
    mutating func adopt(_ former: Set<HardwareAddress>) -> [Change] {
        let wanted = current
        current = former
        return settle(former.union(wanted))
    }

    /// A VSI has an address that stayed closed without one: nothing else keeps it closed any more.
    private mutating func releaseKept(_ address: HardwareAddress) {
        if unseen.removeValue(forKey: address) != nil { countKept(address, by: -1) }
        for index in keepers.removeValue(forKey: address) ?? [] {
            let rest = kept[index, default: []].subtracting(AddressSet(address))
            kept[index] = rest.isEmpty ? nil : rest
            countKept(address, by: -1)
        }
    }

    private mutating func countKept(_ address: HardwareAddress, by step: Int32) {
        keptCount += Int(step)
        counts.add(AddressCounts.Count(closed: step), to: address)
    }

    private mutating func count(_ claim: Claim, by step: Int32) {
        let open = AddressCounts.Count(open: step, ofVSIs: step)
        let closed = AddressCounts.Count(closed: step, ofVSIs: step)
        switch claim {
        case .oneOpen(let address): counts.add(open, to: address)
        case .oneClosed(let address): counts.add(closed, to: address)
        case .several(let opened, let shut):
            for address in opened { counts.add(open, to: address) }
            for address in shut { counts.add(closed, to: address) }
        }
    }

    private mutating func settle(_ addresses: AddressSet) -> [Change] {
        guard let only = addresses.only else { return settle(addresses.asSet) }
        return settled(only).map { [$0] } ?? []
    }

    private mutating func settle(_ addresses: some Sequence<HardwareAddress>) -> [Change] {
        addresses.compactMap { settled($0) }.sorted { $0.address.value < $1.address.value }
    }

    private mutating func settled(_ address: HardwareAddress) -> Change? {
        let isWanted = isClosed(address)
        // Nearly always none is closed.
        guard isWanted || !current.isEmpty else { return nil }
        let isChanged = isWanted ? current.insert(address).inserted : current.remove(address) != nil
        // Of a burst thousands may have been closed.
        if current.isEmpty, current.capacity > Self.keptCapacity { current = [] }
        return isChanged ? Change(address: address, isClosed: isWanted) : nil
    }
}

internal import EVBWire
internal import LinuxSystem

/// Which addresses are not to send on a port now. Pure: it is told of VSIs, and tells what changes.
package struct ClosedAddresses {
    /// What of an address changes.
    struct Change: Equatable {
        package var address: HardwareAddress
        package var isClosed: Bool
    }

    /// Why an address is closed or open.
    private enum Holder: Hashable {
        case vsi(VSIID)
        /// A link whose VSI was given up.
        case link(Int32)
        /// A link that the host may not see has this address.
        case unseen(HardwareAddress)

        var isVSI: Bool { if case .vsi = self { true } else { false } }
    }

    /// The addresses of a holder. Nearly all have one, of tens of thousands of VSIs: that one needs no memory of its own.
    private enum Claim: Equatable {
        case oneOpen(HardwareAddress)
        case oneClosed(HardwareAddress)
        indirect case several(open: AddressSet, closed: AddressSet)

        init(open: AddressSet = [], closed: AddressSet = []) {
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

    private struct Count {
        var open: Int32 = 0
        var closed: Int32 = 0
        /// How many of these are VSIs' claims.
        var ofVSIs: Int32 = 0
    }

    private var claims: [Holder: Claim] = [:]
    private var counts: [HardwareAddress: Count] = [:]
    /// What keeps an address closed without a VSI.
    private var keepers: [HardwareAddress: Set<Holder>] = [:]
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

    init(isOn: Bool) { self.isOn = isOn }

    /// Makes room for the addresses of so many VSIs at once.
    mutating func reserveCapacity(_ count: Int) {
        claims.reserveCapacity(count)
        counts.reserveCapacity(count)
    }

    /// Whether an address is to be closed.
    private func isClosed(_ address: HardwareAddress) -> Bool {
        guard isOn, !exempt.contains(address), let count = counts[address] else { return false }
        return count.closed > 0 && count.open == 0
    }

    /// Sets what a VSI says of its addresses.
    ///
    /// - Returns: What changes by it.
    mutating func set(_ vsiID: VSIID, open: AddressSet, closed: AddressSet) -> [Change] {
        replace(.vsi(vsiID), Claim(open: open, closed: closed.subtracting(open)))
    }

    /// The addresses of a VSI that are to pass.
    func openAddresses(of vsiID: VSIID) -> AddressSet { claims[.vsi(vsiID)]?.open ?? [] }

    /// All addresses of a VSI.
    func addresses(of vsiID: VSIID) -> AddressSet { claims[.vsi(vsiID)]?.all ?? [] }

    /// Whether a VSI has an address.
    func isOfVSI(_ address: HardwareAddress) -> Bool { counts[address].map { $0.ofVSIs > 0 } ?? false }

    /// Nothing is known of a VSI any more.
    mutating func forget(_ vsiID: VSIID) -> [Change] { replace(.vsi(vsiID), nil) }

    /// A VSI is given up while its link stays: the addresses stay closed until the link is gone or a VSI claims them.
    mutating func handBack(_ vsiID: VSIID, link index: Int32) -> [Change] {
        guard claims[.vsi(vsiID)] != nil else { return [] }
        let changes = keepClosed(addresses(of: vsiID), link: index)
        return changes + forget(vsiID)
    }

    // MARK: Without VSIs

    /// Keeps addresses closed for a link that no VSI has, beside those that it keeps closed already.
    mutating func keepClosed(_ addresses: AddressSet, link index: Int32) -> [Change] {
        guard !addresses.isEmpty else { return [] }
        let kept = claims[.link(index)]?.closed ?? []
        return replace(.link(index), Claim(closed: kept.union(addresses)))
    }

    /// A link is gone.
    mutating func linkGone(_ index: Int32) -> [Change] { replace(.link(index), nil) }

    /// Whether a link keeps its addresses closed.
    func keepsClosed(link index: Int32) -> Bool { claims[.link(index)] != nil }

    /// Whether an address stays closed for a link that the host may not see.
    var hasUnseen: Bool { !unseen.isEmpty }

    /// Keeps addresses closed for links that the host may not see.
    ///
    /// - Parameters:
    ///   - addresses: The addresses.
    ///   - read: The number of the last read of the port's table that may be too early to have them.
    /// - Returns: What changes by it.
    mutating func keepClosedUnseen(_ addresses: AddressSet, after read: UInt64) -> [Change] {
        addresses.flatMap { address in
            unseen[address] = max(unseen[address] ?? 0, read)
            return replace(.unseen(address), Claim(closed: [address]))
        }
    }

    /// A link that keeps addresses closed has gone to another network namespace.
    mutating func linkDeparted(_ index: Int32, after read: UInt64) -> [Change] {
        let changes = keepClosedUnseen(claims[.link(index)]?.closed ?? [], after: read)
        return changes + linkGone(index)
    }

    /// The port's table was read: links that the host does not see have no other addresses.
    mutating func tableRead(_ number: UInt64, _ present: Set<HardwareAddress>) -> [Change] {
        unseen(goneBy: number, present).flatMap { replace(.unseen($0), nil) }
    }

    /// The addresses that such a read opens, unless something else keeps them closed.
    func unseen(goneBy number: UInt64, _ present: Set<HardwareAddress>) -> [HardwareAddress] {
        unseen.filter { $0.value < number && !present.contains($0.key) }.map(\.key)
    }

    mutating func setOn(_ isOn: Bool) -> [Change] {
        guard isOn != self.isOn else { return [] }
        self.isOn = isOn
        return settle(counts.keys)
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

    private mutating func replace(_ holder: Holder, _ claim: Claim?) -> [Change] {
        let old = claims[holder]
        guard old != claim else { return [] }
        claims[holder] = claim
        // The new one first: an address that only changes keeps its place.
        count(claim, by: 1, isVSI: holder.isVSI)
        count(old, by: -1, isVSI: holder.isVSI)
        register(holder, old, claim)
        let changes = release(claim, of: holder)
        return changes + settle((old?.all ?? []).union(claim?.all ?? []))
    }

    private mutating func register(_ holder: Holder, _ old: Claim?, _ new: Claim?) {
        guard !holder.isVSI else { return }
        keptCount += (new?.closed.count ?? 0) - (old?.closed.count ?? 0)
        for address in old?.closed ?? [] {
            keepers[address]?.remove(holder)
            if keepers[address]?.isEmpty == true { keepers[address] = nil }
        }
        for address in new?.closed ?? [] { keepers[address, default: []].insert(holder) }
        if case .unseen(let address) = holder, new == nil { unseen[address] = nil }
    }

    /// A VSI has addresses that stayed closed without one: nothing else keeps them closed any more.
    private mutating func release(_ claim: Claim?, of holder: Holder) -> [Change] {
        guard holder.isVSI, let claim, !keepers.isEmpty else { return [] }
        var changes: [Change] = []
        for address in claim.all {
            for keeper in keepers[address] ?? [] {
                guard let kept = claims[keeper] else { continue }
                let rest = kept.closed.subtracting(AddressSet(address))
                changes += replace(keeper, rest.isEmpty ? nil : Claim(open: kept.open, closed: rest))
            }
        }
        return changes
    }

    private mutating func count(_ claim: Claim?, by step: Int32, isVSI: Bool) {
        guard let claim else { return }
        for address in claim.all {
            var count = counts[address] ?? Count()
            if claim.open.contains(address) { count.open += step }
            if claim.closed.contains(address) { count.closed += step }
            if isVSI { count.ofVSIs += step }
            counts[address] = count.open > 0 || count.closed > 0 ? count : nil
        }
    }

    private mutating func settle(_ addresses: some Sequence<HardwareAddress>) -> [Change] {
        var changes: [Change] = []
        for address in addresses {
            let isWanted = isClosed(address)
            guard isWanted != current.contains(address) else { continue }
            if isWanted { current.insert(address) } else { current.remove(address) }
            changes.append(Change(address: address, isClosed: isWanted))
        }
        return changes.count < 2 ? changes : changes.sorted { $0.address.value < $1.address.value }
    }
}

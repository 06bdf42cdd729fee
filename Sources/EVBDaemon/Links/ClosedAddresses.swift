internal import EVBWire
internal import LinuxSystem

/// Which addresses are not to send on a port now. Pure: it is told of VSIs, and tells what changes.
struct ClosedAddresses {
    /// What of an address changes.
    struct Change: Equatable {
        var address: HardwareAddress
        var isClosed: Bool
    }

    /// Why an address is closed or open.
    private enum Holder: Hashable {
        case vsi(VSIID)
        /// A link whose VSI was given up.
        case link(Int32)
    }

    private struct Claim: Equatable {
        var open: Set<HardwareAddress> = []
        var closed: Set<HardwareAddress> = []
    }

    private struct Count {
        var open = 0
        var closed = 0
    }

    /// Links that were handed back with their VSIs given up, of which addresses are remembered.
    static let formerLinksMax = 16_384

    private var claims: [Holder: Claim] = [:]
    private var counts: [HardwareAddress: Count] = [:]
    /// The links without VSIs that keep an address closed.
    private var formerLinks: [HardwareAddress: Set<Int32>] = [:]
    private var formerLinkCount = 0
    /// The addresses of the host itself, which are never closed: the host would be cut off.
    private(set) var exempt: Set<HardwareAddress> = []
    /// Whether any address is closed.
    private(set) var isOn: Bool
    /// The addresses that are closed, as far as those who were told have followed.
    private(set) var current: Set<HardwareAddress> = []

    init(isOn: Bool) { self.isOn = isOn }

    /// Whether an address is to be closed.
    private func isClosed(_ address: HardwareAddress) -> Bool {
        guard isOn, !exempt.contains(address), let count = counts[address] else { return false }
        return count.closed > 0 && count.open == 0
    }

    /// Sets what a VSI says of its addresses.
    ///
    /// - Returns: What changes by it.
    mutating func set(_ vsiID: VSIID, open: Set<HardwareAddress>, closed: Set<HardwareAddress>) -> [Change] {
        replace(.vsi(vsiID), Claim(open: open, closed: closed.subtracting(open)))
    }

    /// The addresses of a VSI that are to pass.
    func openAddresses(of vsiID: VSIID) -> Set<HardwareAddress> { claims[.vsi(vsiID)]?.open ?? [] }

    /// Nothing is known of a VSI any more.
    mutating func forget(_ vsiID: VSIID) -> [Change] { replace(.vsi(vsiID), nil) }

    /// A VSI is given up while its link stays: the addresses stay closed until the link is gone or a VSI claims them.
    mutating func handBack(_ vsiID: VSIID, link index: Int32) -> [Change] {
        guard let claim = claims[.vsi(vsiID)] else { return [] }
        let changes = keepClosed(claim.open.union(claim.closed), link: index)
        return changes + forget(vsiID)
    }

    /// Keeps addresses closed for a link that no VSI has.
    mutating func keepClosed(_ addresses: Set<HardwareAddress>, link index: Int32) -> [Change] {
        guard claims[.link(index)] != nil || formerLinkCount < Self.formerLinksMax else { return [] }
        return replace(.link(index), Claim(closed: addresses))
    }

    /// A link is gone.
    mutating func linkGone(_ index: Int32) -> [Change] { replace(.link(index), nil) }

    /// Whether a link keeps its addresses closed.
    func keepsClosed(link index: Int32) -> Bool { claims[.link(index)] != nil }

    mutating func setOn(_ isOn: Bool) -> [Change] {
        self.isOn = isOn
        return settle(Array(counts.keys))
    }

    mutating func setExempt(_ addresses: Set<HardwareAddress>) -> [Change] {
        guard addresses != exempt else { return [] }
        let concerned = exempt.union(addresses)
        exempt = addresses
        return settle(Array(concerned))
    }

    /// The kernel has these addresses from an earlier run.
    ///
    /// - Returns: What changes to make them those that are wanted.
    mutating func adopt(_ former: Set<HardwareAddress>) -> [Change] {
        let wanted = current
        current = former
        return settle(Array(former.union(wanted)))
    }

    private mutating func replace(_ holder: Holder, _ claim: Claim?) -> [Change] {
        let old = claims[holder]
        guard old != claim else { return [] }
        claims[holder] = claim
        count(old, by: -1)
        count(claim, by: 1)
        if case .link(let index) = holder { register(index, old, claim) }
        let changes = release(claim, of: holder)
        let touched = [old, claim].compactMap { $0 }.flatMap { $0.open.union($0.closed) }
        return changes + settle(Array(Set(touched)))
    }

    private mutating func register(_ index: Int32, _ old: Claim?, _ new: Claim?) {
        formerLinkCount += (new == nil ? 0 : 1) - (old == nil ? 0 : 1)
        for address in old?.closed ?? [] {
            formerLinks[address]?.remove(index)
            if formerLinks[address]?.isEmpty == true { formerLinks[address] = nil }
        }
        for address in new?.closed ?? [] { formerLinks[address, default: []].insert(index) }
    }

    /// A VSI has addresses of a link that no VSI had: that link does not hold them any more.
    private mutating func release(_ claim: Claim?, of holder: Holder) -> [Change] {
        guard case .vsi = holder, let claim, !formerLinks.isEmpty else { return [] }
        var changes: [Change] = []
        for address in claim.open.union(claim.closed) {
            for index in formerLinks[address] ?? [] {
                guard var rest = claims[.link(index)] else { continue }
                rest.closed.remove(address)
                changes += replace(.link(index), rest.closed.isEmpty ? nil : rest)
            }
        }
        return changes
    }

    private mutating func count(_ claim: Claim?, by step: Int) {
        guard let claim else { return }
        for address in claim.open { counts[address, default: Count()].open += step }
        for address in claim.closed { counts[address, default: Count()].closed += step }
        for address in claim.open.union(claim.closed) {
            if let count = counts[address], count.open <= 0, count.closed <= 0 { counts[address] = nil }
        }
    }

    private mutating func settle(_ addresses: [HardwareAddress]) -> [Change] {
        var changes: [Change] = []
        for address in addresses {
            let isWanted = isClosed(address)
            guard isWanted != current.contains(address) else { continue }
            if isWanted { current.insert(address) } else { current.remove(address) }
            changes.append(Change(address: address, isClosed: isWanted))
        }
        return changes.sorted { $0.address.value < $1.address.value }
    }
}

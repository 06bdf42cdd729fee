// Whose an address is behind the bridge ports of one daemon: a (MAC address, VLAN) belongs to one VSI. Values only.

internal import EVBProtocol
internal import EVBWire

/// The addresses that VSIs hold on all bridge ports together.
///
/// A claim holds the addresses of one filter for one VSI on one port, until it is released. Claims of one VSI never stand in
/// each other's way, on whichever ports: where a VSI is, is the matter of ``VSIPlaces``.
struct AddressLedger {
    /// A VSI on a port.
    struct Holder: Hashable, Sendable {
        let vsiID: VSIID
        let port: String
    }

    /// Where addresses have to differ: one bridge.
    struct Domain: Hashable, Sendable {
        /// The bridge's interface index; 0 where a port is in no bridge.
        var bridgeIndex: Int32 = 0
        /// Whether the bridge tells VLANs apart. One that does not forwards by the MAC address alone.
        var filtersVLANs = false
    }

    /// Names a claim.
    struct Claim: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    /// Why an address cannot be had.
    enum Obstacle: Error, Hashable {
        /// Another VSI holds the address, in this VLAN; 0 is the VLAN of untagged frames.
        case held(MACAddress, vid: UInt16, by: Holder)
        /// The configuration keeps the address from all VSIs.
        case protected(MACAddress)
        /// The address is that of the bridge or of one of its ports.
        case own(MACAddress)
    }

    private struct Slot: Hashable {
        let claim: UInt64
        let vid: UInt16
    }

    /// The claims on one MAC address, and whether each may be shared. Most addresses have one, which costs no memory of its own.
    private struct Bucket {
        var first: (slot: Slot, isShared: Bool)?
        var others: [Slot: Bool] = [:]

        var isEmpty: Bool { first == nil && others.isEmpty }

        mutating func set(_ slot: Slot, _ isShared: Bool) {
            if first == nil || first?.slot == slot { first = (slot, isShared) } else { others[slot] = isShared }
        }

        mutating func remove(_ slot: Slot) {
            if first?.slot == slot { first = nil } else { others[slot] = nil }
        }

        func first(where isMeant: (Slot, Bool) -> Bool) -> Slot? {
            if let first, isMeant(first.slot, first.isShared) { return first.slot }
            return others.first { isMeant($0.key, $0.value) }?.key
        }
    }

    private struct Record {
        let holder: Holder
        let addresses: [Address]
    }

    private struct Address: Hashable {
        let mac: MACAddress
        let vid: UInt16
    }

    private var buckets: [MACAddress: Bucket] = [:]
    private var records: [UInt64: Record] = [:]
    private var lastNumber: UInt64 = 0

    /// Claims the addresses of a filter; entries without an address claim nothing.
    ///
    /// - Parameters:
    ///   - entries: the filter, with its null VIDs filled in as far as they are to be.
    ///   - holder: the VSI, and the port where it asks.
    ///   - isShared: whether the VSI's type lets an address be shared; another VSI has to be allowed to share it as well.
    ///   - domain: the bridge of each port.
    /// - Returns: the claim, for ``release(_:)``.
    /// - Throws: what is in the way of the first address that cannot be had. Nothing is claimed then.
    mutating func claim(
        _ entries: [FilterEntry], for holder: Holder, isShared: (MACAddress) -> Bool, domain: (String) -> Domain
    ) throws(Obstacle) -> Claim {
        try check(entries, for: holder, isShared: isShared, domain: domain)
        lastNumber &+= 1
        let addresses = Set(entries.compactMap { entry in entry.macAddress.map { Address(mac: $0, vid: entry.vid) } })
        records[lastNumber] = Record(holder: holder, addresses: Array(addresses))
        for address in addresses {
            buckets[address.mac, default: Bucket()].set(
                Slot(claim: lastNumber, vid: address.vid), isShared(address.mac))
        }
        return Claim(number: lastNumber)
    }

    /// Finds out whether the addresses of a filter could be claimed.
    func check(
        _ entries: [FilterEntry], for holder: Holder, isShared: (MACAddress) -> Bool, domain: (String) -> Domain
    ) throws(Obstacle) {
        let here = domain(holder.port)
        for entry in entries {
            guard let mac = entry.macAddress, let bucket = buckets[mac] else { continue }
            let isShared = isShared(mac)
            let rival = bucket.first { slot, isSharedThere in
                // The VLAN of untagged frames is the port's own, which may be any.
                let overlaps = !here.filtersVLANs || slot.vid == entry.vid || slot.vid == 0 || entry.vid == 0
                guard overlaps, !(isShared && isSharedThere), let other = records[slot.claim]?.holder else {
                    return false
                }
                return other.vsiID != holder.vsiID && domain(other.port).bridgeIndex == here.bridgeIndex
            }
            if let rival, let other = records[rival.claim]?.holder { throw .held(mac, vid: rival.vid, by: other) }
        }
    }

    /// Ends a claim; one that has ended changes nothing.
    mutating func release(_ claim: Claim) {
        guard let record = records.removeValue(forKey: claim.number) else { return }
        for address in record.addresses {
            buckets[address.mac]?.remove(Slot(claim: claim.number, vid: address.vid))
            if buckets[address.mac]?.isEmpty == true { buckets[address.mac] = nil }
        }
    }

    /// Ends all claims on a port.
    mutating func releaseAll(on port: String) {
        for (number, record) in records where record.holder.port == port { release(Claim(number: number)) }
    }

    /// Lets the addresses of a claim be shared, or no longer.
    ///
    /// - Throws: what is in the way. The claim stays as it was then.
    mutating func setSharing(
        _ claim: Claim, isShared: (MACAddress) -> Bool, domain: (String) -> Domain
    ) throws(Obstacle) {
        guard let record = records[claim.number] else { return }
        let entries = record.addresses.map { FilterEntry(vid: $0.vid, macAddress: $0.mac) }
        try check(entries, for: record.holder, isShared: isShared, domain: domain)
        for address in record.addresses {
            buckets[address.mac]?.set(Slot(claim: claim.number, vid: address.vid), isShared(address.mac))
        }
    }

    /// The VSIs on a port that hold what others hold too, as happens when a port comes into another bridge, or its bridge
    /// tells VLANs apart no longer.
    func conflicts(on port: String, domain: (String) -> Domain) -> [VSIID: Obstacle] {
        var found: [VSIID: Obstacle] = [:]
        for (number, record) in records where record.holder.port == port && found[record.holder.vsiID] == nil {
            let entries = record.addresses.map { FilterEntry(vid: $0.vid, macAddress: $0.mac) }
            do throws(Obstacle) {
                try check(
                    entries, for: record.holder, isShared: { isShared($0, number) }, domain: domain)
            } catch {
                found[record.holder.vsiID] = error
            }
        }
        return found
    }

    /// The VSIs that hold one of some addresses, each with one of those.
    func holders(of addresses: Set<MACAddress>) -> [Holder: MACAddress] {
        var found: [Holder: MACAddress] = [:]
        for record in records.values {
            for address in record.addresses where addresses.contains(address.mac) { found[record.holder] = address.mac }
        }
        return found
    }

    private func isShared(_ mac: MACAddress, _ claim: UInt64) -> Bool {
        guard let bucket = buckets[mac] else { return false }
        if let first = bucket.first, first.slot.claim == claim { return first.isShared }
        return bucket.others.first { $0.key.claim == claim }?.value ?? false
    }

    /// How many claims there are, and how many MAC addresses are claimed.
    var load: (claims: Int, addresses: Int) { (records.count, buckets.count) }
}

extension AddressLedger.Obstacle {
    /// What the station is told (802.1Q 41.2.3): another VSI may let its address go at any time, the configuration does not.
    /// What the VSI holds already stays.
    var refusal: Refusal {
        switch self {
        case .held, .own: Refusal(reason: .invalidFilter, isHard: false, isKept: true)
        case .protected: Refusal(reason: .invalidFilter, isHard: true, isKept: true)
        }
    }
}

extension AddressLedger.Obstacle: CustomStringConvertible {
    var description: String {
        switch self {
        case .held(let mac, 0, let holder): "address \(mac) belongs to VSI \(holder.vsiID) on \(holder.port)"
        case .held(let mac, let vid, let holder):
            "address \(mac) in VLAN \(vid) belongs to VSI \(holder.vsiID) on \(holder.port)"
        case .protected(let mac): "address \(mac) is protected (protected-macs)"
        case .own(let mac): "address \(mac) belongs to the bridge itself or to one of its ports"
        }
    }
}

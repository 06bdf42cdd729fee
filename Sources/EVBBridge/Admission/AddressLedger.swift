// Whose an address is behind the bridge ports of one daemon: a (MAC address, VLAN) belongs to one VSI. Values only.

package import EVBProtocol
package import EVBWire

/// The addresses that VSIs hold on all bridge ports together.
///
/// A claim holds the addresses of one filter for one VSI on one port, until it is released. Claims of one VSI never stand in
/// each other's way, on whichever ports: where a VSI is, is the matter of ``VSIPlaces``.
package struct AddressLedger {
    /// A VSI on a port.
    package struct Holder: Hashable, Sendable {
        package let vsiID: VSIID
        package let port: String
    }

    /// Where addresses have to differ: one bridge.
    struct Domain: Hashable, Sendable {
        /// The bridge's interface index; 0 where a port is in no bridge.
        var bridgeIndex: Int32 = 0
        /// Whether the bridge tells VLANs apart. One that does not forwards by the MAC address alone.
        var filtersVLANs = false
    }

    /// Names a claim.
    package struct Claim: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    /// Why an address cannot be had.
    package enum Obstacle: Error, Hashable {
        /// Another VSI holds the address, in this VLAN; 0 is the VLAN of untagged frames.
        case held(MACAddress, vid: UInt16, by: Holder)
        /// The configuration keeps the address from all VSIs.
        case protected(MACAddress)
        /// The address is that of the bridge or of one of its ports.
        case own(MACAddress)
    }

    private struct Address: Hashable {
        let mac: MACAddress
        let vid: UInt16
        var isShared: Bool
    }

    /// What claims one MAC address. Most addresses have one claim in one VLAN, which costs no memory of its own.
    private struct Bucket {
        /// The claim, as long as there has not been a second one.
        var only: (claim: UInt64, vid: UInt16, isShared: Bool)?
        /// All claims, once there has been a second one.
        var groups: [GroupKey: Group] = [:]

        var isEmpty: Bool { only == nil && groups.isEmpty }
    }

    /// Which claims on one address stand together. Thousands may share an address, and are one step for a VSI that may share it too.
    private struct GroupKey: Hashable {
        let port: String
        let isShared: Bool
    }

    /// The VSIs that claim one address on one port, by how many claims each does so.
    private struct Group {
        private var vsis: [VSIID: Int] = [:]
        private var vsisOfVLAN: [UInt16: [VSIID: Int]] = [:]

        var isEmpty: Bool { vsis.isEmpty }
        var vsiIDs: some Collection<VSIID> { vsis.keys }

        mutating func add(_ vsiID: VSIID, _ vid: UInt16) {
            vsis[vsiID, default: 0] += 1
            vsisOfVLAN[vid, default: [:]][vsiID, default: 0] += 1
        }

        mutating func remove(_ vsiID: VSIID, _ vid: UInt16) {
            Self.remove(vsiID, from: &vsis)
            Self.remove(vsiID, from: &vsisOfVLAN[vid, default: [:]])
            if vsisOfVLAN[vid]?.isEmpty == true { vsisOfVLAN[vid] = nil }
        }

        private static func remove(_ vsiID: VSIID, from counts: inout [VSIID: Int]) {
            guard let count = counts[vsiID] else { return }
            counts[vsiID] = count > 1 ? count - 1 : nil
        }

        /// Another VSI than this one, and a VLAN in which it has the address.
        ///
        /// - Parameters:
        ///   - vsiID: this one.
        ///   - vid: the VLAN in which the other stands in the way, as one of untagged frames does too; nil is any.
        /// - Returns: the other; nil where there is none.
        func another(than vsiID: VSIID, in vid: UInt16?) -> (VSIID, vid: UInt16)? {
            func other(_ counts: [VSIID: Int]?) -> VSIID? { counts?.first { $0.key != vsiID }?.key }
            guard let vid else {
                guard let found = other(vsis) else { return nil }
                return (found, vsisOfVLAN.first { $0.value[found] != nil }?.key ?? 0)
            }
            if let found = other(vsisOfVLAN[vid]) { return (found, vid) }
            return other(vsisOfVLAN[0]).map { ($0, 0) }
        }
    }

    private struct Record {
        let holder: Holder
        var addresses: [Address]

        /// What it claims, as a filter.
        var entries: [FilterEntry] { addresses.map { FilterEntry(vid: $0.vid, macAddress: $0.mac) } }
    }

    private var buckets = ShardedDictionary<MACAddress, Bucket>()
    private var records = ShardedDictionary<UInt64, Record>()
    private var claimsOfPort: [String: Set<UInt64>] = [:]
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
        let addresses = Set(
            entries.compactMap { entry in
                entry.macAddress.map { Address(mac: $0, vid: entry.vid, isShared: isShared($0)) }
            })
        records[lastNumber] = Record(holder: holder, addresses: Array(addresses))
        claimsOfPort[holder.port, default: []].insert(lastNumber)
        for address in addresses { add(address, lastNumber, holder) }
        return Claim(number: lastNumber)
    }

    private mutating func add(_ address: Address, _ claim: UInt64, _ holder: Holder) {
        guard buckets[address.mac] != nil else {
            buckets[address.mac] = Bucket(only: (claim, address.vid, address.isShared))
            return
        }
        if let first = buckets[address.mac]?.only, let owner = records[first.claim]?.holder {
            buckets[address.mac]?.only = nil
            group(Address(mac: address.mac, vid: first.vid, isShared: first.isShared), owner)
        }
        group(address, holder)
    }

    private mutating func group(_ address: Address, _ holder: Holder) {
        let key = GroupKey(port: holder.port, isShared: address.isShared)
        buckets[address.mac, default: Bucket()].groups[key, default: Group()].add(holder.vsiID, address.vid)
    }

    private mutating func remove(_ address: Address, _ holder: Holder) {
        let key = GroupKey(port: holder.port, isShared: address.isShared)
        if buckets[address.mac]?.only != nil {
            buckets[address.mac] = nil
        } else {
            buckets[address.mac]?.groups[key]?.remove(holder.vsiID, address.vid)
            if buckets[address.mac]?.groups[key]?.isEmpty == true { buckets[address.mac]?.groups[key] = nil }
            if buckets[address.mac]?.isEmpty == true { buckets[address.mac] = nil }
        }
    }

    /// Finds out whether the addresses of a filter could be claimed. What it costs does not grow with how many share an address.
    func check(
        _ entries: [FilterEntry], for holder: Holder, isShared: (MACAddress) -> Bool, domain: (String) -> Domain
    ) throws(Obstacle) {
        let here = domain(holder.port)
        for entry in entries {
            guard let mac = entry.macAddress, let bucket = buckets[mac] else { continue }
            // The VLAN of untagged frames is the port's own, which may be any.
            let vid = here.filtersVLANs && entry.vid != 0 ? entry.vid : nil
            let isShared = isShared(mac)
            if let only = bucket.only, let other = records[only.claim]?.holder {
                let overlaps = vid == nil || only.vid == vid || only.vid == 0
                guard overlaps, !(isShared && only.isShared) else { continue }
                guard other.vsiID != holder.vsiID, domain(other.port).bridgeIndex == here.bridgeIndex else { continue }
                throw .held(mac, vid: only.vid, by: other)
            }
            for (key, group) in bucket.groups where !(isShared && key.isShared) {
                guard let rival = group.another(than: holder.vsiID, in: vid) else { continue }
                guard domain(key.port).bridgeIndex == here.bridgeIndex else { continue }
                throw .held(mac, vid: rival.vid, by: Holder(vsiID: rival.0, port: key.port))
            }
        }
    }

    /// Ends a claim; one that has ended changes nothing.
    mutating func release(_ claim: Claim) {
        guard let record = records.removeValue(forKey: claim.number) else { return }
        claimsOfPort[record.holder.port]?.remove(claim.number)
        if claimsOfPort[record.holder.port]?.isEmpty == true { claimsOfPort[record.holder.port] = nil }
        for address in record.addresses { remove(address, record.holder) }
    }

    /// Ends all claims on a port.
    mutating func releaseAll(on port: String) {
        for number in claimsOfPort[port] ?? [] { release(Claim(number: number)) }
    }

    /// Lets the addresses of a claim be shared, or no longer.
    ///
    /// - Throws: what is in the way. The claim stays as it was then.
    mutating func setSharing(
        _ claim: Claim, isShared: (MACAddress) -> Bool, domain: (String) -> Domain
    ) throws(Obstacle) {
        guard var record = records[claim.number] else { return }
        try check(record.entries, for: record.holder, isShared: isShared, domain: domain)
        for place in record.addresses.indices {
            let isShared = isShared(record.addresses[place].mac)
            guard isShared != record.addresses[place].isShared else { continue }
            remove(record.addresses[place], record.holder)
            record.addresses[place].isShared = isShared
            add(record.addresses[place], claim.number, record.holder)
        }
        records[claim.number] = record
    }

    /// The VSIs on a port that hold what others hold too, as happens when a port comes into another bridge, or its bridge
    /// tells VLANs apart no longer.
    func conflicts(on port: String, domain: (String) -> Domain) -> [VSIID: Obstacle] {
        var found: [VSIID: Obstacle] = [:]
        // Of each port once: it takes longer to find out than all else here.
        let domains = Dictionary(uniqueKeysWithValues: claimsOfPort.keys.map { ($0, domain($0)) })
        for number in claimsOfPort[port] ?? [] {
            guard let record = records[number], found[record.holder.vsiID] == nil else { continue }
            do throws(Obstacle) {
                let shared = Set(record.addresses.lazy.filter(\.isShared).map(\.mac))
                try check(
                    record.entries, for: record.holder, isShared: { shared.contains($0) },
                    domain: { domains[$0] ?? Domain() })
            } catch {
                found[record.holder.vsiID] = error
            }
        }
        return found
    }

    /// The VSIs that hold one of some addresses, each with one of those.
    func holders(of addresses: Set<MACAddress>) -> [Holder: MACAddress] {
        var found: [Holder: MACAddress] = [:]
        for mac in addresses {
            guard let bucket = buckets[mac] else { continue }
            if let holder = bucket.only.flatMap({ records[$0.claim]?.holder }) { found[holder] = mac }
            for (key, group) in bucket.groups {
                for vsiID in group.vsiIDs { found[Holder(vsiID: vsiID, port: key.port)] = mac }
            }
        }
        return found
    }

    /// How many claims there are, and how many MAC addresses are claimed.
    var load: (claims: Int, addresses: Int) { (records.count, buckets.count) }
}

extension AddressLedger.Obstacle {
    /// What the station is told (802.1Q 41.2.3): another VSI may let its address go at any time, the configuration does not.
    /// What the VSI holds already stays.
    package var refusal: Refusal {
        switch self {
        case .held, .own: Refusal(reason: .invalidFilter, isHard: false, isKept: true)
        case .protected: Refusal(reason: .invalidFilter, isHard: true, isKept: true)
        }
    }
}

extension AddressLedger.Obstacle: CustomStringConvertible {
    package var description: String {
        switch self {
        case .held(let mac, 0, let holder): "address \(mac) belongs to VSI \(holder.vsiID) on \(holder.port)"
        case .held(let mac, let vid, let holder):
            "address \(mac) in VLAN \(vid) belongs to VSI \(holder.vsiID) on \(holder.port)"
        case .protected(let mac): "address \(mac) is protected (protected-macs)"
        case .own(let mac): "address \(mac) belongs to the bridge itself or to one of its ports"
        }
    }
}

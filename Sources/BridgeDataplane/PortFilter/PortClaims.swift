// What is wanted of the kernel on one bridge port, and by whom. Values only: PortEnforcer puts it into force.

package import EVBSettings
package import EVBWire

/// One thing that a bridge port can have in force.
package enum Imposition: Hashable, Sendable {
    /// Frames from this address pass, whatever they are.
    case station(MACAddress)
    /// Untagged frames from this address pass; nil is every address.
    case untagged(MACAddress?)
    /// Frames from this address with the tag of this VLAN pass; nil is every address.
    case tagged(MACAddress?, UInt16)
    /// What this address sends is limited.
    case rate(MACAddress)
    /// There is a VSI in this VLAN: stations may send in it too.
    case served(UInt16)
    /// The bridge forwards frames to this address here; VLAN 0 where it tells none apart.
    case forwarding(MACAddress, UInt16)
    /// The port is a member of this VLAN.
    case member(UInt16)
    /// The bridge learns nothing from what comes in by the port.
    case quiet
    /// The bridge's VXLAN device carries this VNI.
    case network(UInt32)
    /// The VXLAN device is a member of this VLAN, for a VNI.
    case carried(UInt16, UInt32)
    /// The bridge maps this VLAN to a VNI, at the VXLAN device.
    case tunnel(UInt16, UInt32)
    /// What comes in from this address in this VLAN is counted; VLAN 0 is what has no tag.
    case sent(MACAddress, UInt16)
    /// What goes out to it is counted.
    case received(MACAddress, UInt16)

    /// Whether it is a rule for frames, which nftables has; the rest is the bridge's.
    var isRule: Bool {
        switch self {
        case .station, .untagged, .tagged, .rate, .served, .sent, .received: true
        case .forwarding, .member, .quiet, .network, .carried, .tunnel: false
        }
    }

    /// Whether the VXLAN device has it, for all ports of the bridge together.
    var isOfOverlay: Bool {
        switch self {
        case .network, .carried, .tunnel: true
        default: false
        }
    }

    /// Whether it only counts, and lets nothing pass.
    var isCounter: Bool {
        switch self {
        case .sent, .received: true
        case .station, .untagged, .tagged, .rate, .served, .forwarding, .member, .quiet, .network, .carried, .tunnel:
            false
        }
    }
}

/// How an imposition is meant.
package enum ImpositionValue: Hashable, Sendable {
    /// There is nothing more to say.
    case plain
    /// Frames pass if they have one of these EtherTypes; nil is any.
    case pass(Set<UInt16>?)
    /// Octets a second.
    case rate(UInt64)
}

/// Names a claim.
package struct ClaimToken: Hashable, Sendable {
    package let number: UInt64

    package init(number: UInt64) {
        self.number = number
    }

    /// What an evbd before this one has imposed, until it is claimed anew.
    package static let inherited = ClaimToken(number: 0)
    /// What the other ports of the bridge ask for.
    package static let fabric = ClaimToken(number: .max)
}

/// All claims on one port. What several claim is in force once, as the latest of them wants it, until the last of them goes.
struct PortClaims {
    /// What one claim wants, in the order of its impositions.
    private struct Claim {
        var items: [PackedImposition]
        /// The values, by number.
        var values: [UInt32]

        func value(of item: PackedImposition) -> UInt32? {
            var (low, high) = (0, items.count)
            while low < high {
                let middle = (low + high) / 2
                if items[middle] < item { low = middle + 1 } else { high = middle }
            }
            return low < items.count && items[low] == item ? values[low] : nil
        }
    }

    private var claims: [ClaimToken: Claim] = [:]
    /// The latest claim of each imposition.
    private var holders: [PackedImposition: ClaimToken] = [:]
    /// The claims before it, the oldest first, where there are any.
    private var formerHolders: [PackedImposition: [ClaimToken]] = [:]
    private var values = ImpositionValues()

    /// Adds a claim, or replaces the one of that name.
    mutating func set(_ token: ClaimToken, _ items: [Imposition: ImpositionValue]) {
        set(token, ImpositionTable(items))
    }

    /// Adds a claim, or replaces the one of that name.
    mutating func set(_ token: ClaimToken, _ items: ImpositionTable) {
        remove(token)
        let sorted = items.map { (item: PackedImposition($0.key), value: $0.value) }.sorted { $0.item < $1.item }
        claims[token] = Claim(items: sorted.map(\.item), values: sorted.map { values.number(of: $0.value) })
        for (item, _) in sorted {
            if let former = holders.updateValue(token, forKey: item) {
                formerHolders[item, default: []].append(former)
            }
        }
    }

    /// Removes a claim.
    ///
    /// - Returns: what it had claimed; empty where there is no such claim.
    @discardableResult
    mutating func remove(_ token: ClaimToken) -> Set<Imposition> {
        guard let claim = claims.removeValue(forKey: token) else { return [] }
        for item in claim.items { release(item, by: token) }
        return Set(claim.items.lazy.map(\.imposition))
    }

    /// Whether anything is there of an evbd before this one that has not been claimed.
    var hasInherited: Bool { claims[.inherited] != nil }

    /// Ends what is inherited of some impositions: whichever VSI claims them has them alone, and what no VSI claims goes.
    ///
    /// Goes through all that is inherited: once for many impositions, not once for each.
    ///
    /// - Returns: what was inherited of them.
    mutating func disinherit(_ items: some Sequence<Imposition>) -> Set<Imposition> {
        guard let inherited = claims[.inherited] else { return [] }
        let gone = Set(items.lazy.map { PackedImposition($0) }.filter { inherited.value(of: $0) != nil })
        guard !gone.isEmpty else { return [] }
        let kept = inherited.items.indices.filter { !gone.contains(inherited.items[$0]) }
        let rest = Claim(items: kept.map { inherited.items[$0] }, values: kept.map { inherited.values[$0] })
        claims[.inherited] = kept.isEmpty ? nil : rest
        for item in gone { release(item, by: .inherited) }
        return Set(gone.lazy.map(\.imposition))
    }

    /// What is inherited of the frames of some addresses, and of nothing else.
    ///
    /// - Parameter entries: the addresses, each in a VLAN; VLAN 0 is in every one.
    /// - Returns: those impositions.
    func inherited(of entries: [FilterEntry]) -> Set<Imposition> {
        guard let inherited = claims[.inherited] else { return [] }
        var wanted: [MACAddress: Set<UInt16>] = [:]
        for entry in entries {
            if let address = entry.macAddress { wanted[address, default: []].insert(entry.vid) }
        }
        func isMeant(_ address: MACAddress, _ vid: UInt16) -> Bool {
            guard let vids = wanted[address] else { return false }
            return vid == 0 || vids.contains(0) || vids.contains(vid)
        }
        var found: Set<Imposition> = []
        // What other addresses and VLANs have in common with these stays with them.
        var others: (addresses: Set<MACAddress>, vids: Set<UInt16>) = ([], [])
        var vids: Set<UInt16> = []
        var networks: [UInt16: UInt32] = [:]
        for item in inherited.items.lazy.map(\.imposition) {
            switch item {
            // Untagged frames are of an address, whatever its VLANs.
            case .sent(_, 0), .received(_, 0): break
            case .tagged(let address?, let vid), .forwarding(let address, let vid), .sent(let address, let vid),
                .received(let address, let vid):
                if isMeant(address, vid) {
                    found.insert(item)
                    vids.insert(vid)
                } else {
                    others.addresses.insert(address)
                    others.vids.insert(vid)
                }
            case .tagged(nil, let vid): others.vids.insert(vid)
            case .carried(let vid, let vni), .tunnel(let vid, let vni): networks[vid] = vni
            case .station, .untagged, .rate, .served, .member, .quiet, .network: break
            }
        }
        for address in wanted.keys where !others.addresses.contains(address) {
            found.formUnion([.untagged(address), .rate(address), .sent(address, 0), .received(address, 0)])
        }
        for vid in vids.subtracting(others.vids) {
            found.formUnion([.member(vid), .served(vid)])
            if let vni = networks[vid] { found.formUnion([.carried(vid, vni), .tunnel(vid, vni), .network(vni)]) }
        }
        return found.filter { inherited.value(of: PackedImposition($0)) != nil }
    }

    /// Removes a part of a claim, or the claim if it is not more than that.
    ///
    /// - Returns: what is claimed no more.
    mutating func remove(_ token: ClaimToken, atMost limit: Int) -> Set<Imposition> {
        guard let count = claims[token]?.items.count, count > limit else { return remove(token) }
        guard let part = claims[token]?.items.suffix(limit) else { return [] }
        claims[token]?.items.removeLast(limit)
        claims[token]?.values.removeLast(limit)
        for item in part { release(item, by: token) }
        return Set(part.lazy.map(\.imposition))
    }

    private mutating func release(_ item: PackedImposition, by token: ClaimToken) {
        if holders[item] != token {
            formerHolders[item]?.removeAll { $0 == token }
        } else {
            holders[item] = formerHolders[item]?.popLast()
        }
        if formerHolders[item]?.isEmpty == true { formerHolders[item] = nil }
    }

    /// Whether there is such a claim.
    func contains(_ token: ClaimToken) -> Bool { claims[token] != nil }

    /// Whose claim decides on an imposition.
    func holder(of item: Imposition) -> ClaimToken? { holders[PackedImposition(item)] }

    /// What is wanted of an imposition; nil is that it goes.
    func wanted(_ item: Imposition) -> ImpositionValue? {
        let item = PackedImposition(item)
        return holders[item].flatMap { claims[$0]?.value(of: item) }.map { values[$0] }
    }

    /// What a claim wants.
    func items(of token: ClaimToken) -> Set<Imposition> {
        Set((claims[token]?.items ?? []).lazy.map(\.imposition))
    }
}

/// What a bridge makes of its port, as far as it matters to what is imposed there.
struct BridgeView: Sendable, Equatable {
    var bridgeIndex: Int32
    var portIndex: Int32
    /// Whether the bridge tells VLANs apart.
    var filtersVLANs: Bool
    var vlans: Set<UInt16> = []
    /// The VLAN of untagged frames.
    var pvid: UInt16?

    /// The tags that frames of a filter entry have on the wire: VLANs, and 0 for none.
    func tags(of vid: UInt16) -> [UInt16] {
        PortTags(filtersVLANs: filtersVLANs, pvid: pvid).tags(of: vid)
    }
}

/// How a bridge port tells VLANs apart on the wire.
package struct PortTags: Sendable, Equatable {
    /// Whether the bridge tells VLANs apart.
    package var filtersVLANs: Bool
    /// The VLAN of untagged frames.
    package var pvid: UInt16?

    package init(filtersVLANs: Bool, pvid: UInt16?) {
        self.filtersVLANs = filtersVLANs
        self.pvid = pvid
    }

    /// The tags that frames of a filter entry have on the wire.
    ///
    /// - Parameter vid: the entry's VLAN; 0 is the port's own.
    /// - Returns: VLANs, and 0 for frames without a tag. A bridge that does not tell VLANs apart takes untagged frames for any of
    ///   them.
    package func tags(of vid: UInt16) -> [UInt16] {
        guard filtersVLANs else { return vid == 0 ? [0] : [0, vid] }
        let own = vid != 0 ? vid : pvid ?? 0
        return own == pvid ? [0, own] : [own]
    }
}

/// A VSI's filter with what is to be imposed on it: what a grant asks of the kernel.
package struct GrantedFrames: Sendable, Equatable {
    package var entries: [FilterEntry]
    package var profile: VSIProfile
    /// The virtual network of each VLAN that has one.
    package var networks: [UInt16: UInt32]
    /// The VXLAN device that carries them; nil is the one of the bridge that can.
    package var overlayDevice: String?

    package init(
        entries: [FilterEntry], profile: VSIProfile, networks: [UInt16: UInt32] = [:], overlayDevice: String? = nil
    ) {
        self.entries = entries
        self.profile = profile
        self.networks = networks
        self.overlayDevice = overlayDevice
    }

    /// Why a grant cannot be put into force on this port, whatever the kernel would say.
    package struct Obstacle: Error, CustomStringConvertible {
        package let description: String
    }

    /// Whether only frames can tell where some of the addresses are.
    var needLearning: Bool { entries.contains { $0.macAddress.map { profile.shares($0) } ?? true } }

    /// The impositions that a grant comes to on a port.
    ///
    /// A bridge that does not filter VLANs cannot tell to which VLAN an untagged frame belongs: there it is taken for any that
    /// the VSI may use. One that does takes it for the port's PVID.
    func impositions(at bridge: BridgeView) throws(Obstacle) -> [Imposition: ImpositionValue] {
        var items: [Imposition: ImpositionValue] = [:]
        let passes = ImpositionValue.pass(profile.etherTypes)
        for (vid, vni) in networks {
            items[.network(vni)] = .plain
            // In a bridge without VLANs the whole bridge is one network.
            guard bridge.filtersVLANs else { continue }
            guard let vid = vid != 0 ? vid : bridge.pvid else { continue }
            items[.carried(vid, vni)] = .plain
            items[.tunnel(vid, vni)] = .plain
        }
        for entry in entries {
            let source = profile.antiSpoofing ? entry.macAddress : nil
            // Where a shared address is, only its frames tell.
            let forwarded = entry.macAddress.flatMap { profile.shares($0) ? nil : $0 }
            if bridge.filtersVLANs {
                guard let vid = entry.vid != 0 ? entry.vid : bridge.pvid else {
                    throw Obstacle(
                        description: "the filter names no VLAN, and the port has none for untagged frames (PVID)")
                }
                items[.member(vid)] = .plain
                items[.tagged(source, vid)] = passes
                items[.served(vid)] = .plain
                if vid == bridge.pvid { items[.untagged(source)] = passes }
                if let address = forwarded { items[.forwarding(address, vid)] = .plain }
            } else {
                items[.untagged(source)] = passes
                if entry.vid != 0 {
                    items[.tagged(source, entry.vid)] = passes
                    items[.served(entry.vid)] = .plain
                }
                if let address = forwarded { items[.forwarding(address, 0)] = .plain }
            }
            if let address = entry.macAddress {
                if let rate = profile.octetsPerSecond { items[.rate(address)] = .rate(rate) }
                for vid in bridge.tags(of: entry.vid) {
                    items[.sent(address, vid)] = .plain
                    items[.received(address, vid)] = .plain
                }
            }
        }
        return items
    }
}

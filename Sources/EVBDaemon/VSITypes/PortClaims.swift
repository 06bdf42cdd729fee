// What is wanted of the kernel on one bridge port, and by whom. Values only: PortEnforcer puts it into force.

internal import EVBWire

/// One thing that a bridge port can have in force.
enum Imposition: Hashable, Sendable {
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

    /// Whether it is a rule for frames, which nftables has; the rest is the bridge's.
    var isRule: Bool {
        switch self {
        case .station, .untagged, .tagged, .rate, .served: true
        case .forwarding, .member: false
        }
    }
}

/// How an imposition is meant.
enum ImpositionValue: Hashable, Sendable {
    /// There is nothing more to say.
    case plain
    /// Frames pass if they have one of these EtherTypes; nil is any.
    case pass(Set<UInt16>?)
    /// Octets a second.
    case rate(UInt64)
}

/// Names a claim.
struct ClaimToken: Hashable, Sendable {
    let number: UInt64

    /// What an evbd before this one has imposed, until it is claimed anew.
    static let inherited = ClaimToken(number: 0)
}

/// All claims on one port. What several claim is in force once, as the latest of them wants it, until the last of them goes.
struct PortClaims {
    private var claims: [ClaimToken: [Imposition: ImpositionValue]] = [:]
    private var holders: [Imposition: [ClaimToken]] = [:]

    /// Adds a claim, or replaces the one of that name.
    mutating func set(_ token: ClaimToken, _ items: [Imposition: ImpositionValue]) {
        remove(token)
        claims[token] = items
        for item in items.keys { holders[item, default: []].append(token) }
    }

    /// Removes a claim.
    ///
    /// - Returns: what it had claimed; empty where there is no such claim.
    @discardableResult
    mutating func remove(_ token: ClaimToken) -> [Imposition: ImpositionValue] {
        guard let items = claims.removeValue(forKey: token) else { return [:] }
        for item in items.keys {
            holders[item]?.removeAll { $0 == token }
            if holders[item]?.isEmpty == true { holders[item] = nil }
        }
        return items
    }

    /// Whether anything is there of an evbd before this one that has not been claimed.
    var hasInherited: Bool { claims[.inherited] != nil }

    /// Ends what is inherited of some impositions: whoever claims them now has them alone, and what nobody claims goes.
    ///
    /// - Returns: what was inherited of them.
    mutating func disinherit(_ items: some Sequence<Imposition>) -> Set<Imposition> {
        guard claims[.inherited] != nil else { return [] }
        var lost: Set<Imposition> = []
        for item in items where claims[.inherited]?.removeValue(forKey: item) != nil {
            lost.insert(item)
            holders[item]?.removeAll { $0 == .inherited }
            if holders[item]?.isEmpty == true { holders[item] = nil }
        }
        if claims[.inherited]?.isEmpty == true { claims[.inherited] = nil }
        return lost
    }

    /// What is inherited of the frames of some addresses, and of nothing else.
    ///
    /// - Parameter entries: the addresses, each in a VLAN; VLAN 0 is in every one.
    /// - Returns: those impositions.
    func inherited(of entries: [FilterEntry]) -> Set<Imposition> {
        let inherited = self[.inherited]
        guard !inherited.isEmpty else { return [] }
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
        for item in inherited.keys {
            switch item {
            case .tagged(let address?, let vid), .forwarding(let address, let vid):
                if isMeant(address, vid) {
                    found.insert(item)
                    vids.insert(vid)
                } else {
                    others.addresses.insert(address)
                    others.vids.insert(vid)
                }
            case .tagged(nil, let vid): others.vids.insert(vid)
            case .station, .untagged, .rate, .served, .member: break
            }
        }
        for address in wanted.keys where !others.addresses.contains(address) {
            found.formUnion([.untagged(address), .rate(address)])
        }
        for vid in vids.subtracting(others.vids) { found.formUnion([.member(vid), .served(vid)]) }
        return found.filter { inherited[$0] != nil }
    }

    /// Whose claim decides on an imposition.
    func holder(of item: Imposition) -> ClaimToken? { holders[item]?.last }

    /// What is wanted of an imposition; nil is that it goes.
    func wanted(_ item: Imposition) -> ImpositionValue? {
        holder(of: item).flatMap { claims[$0]?[item] }
    }

    /// What a claim wants.
    subscript(_ token: ClaimToken) -> [Imposition: ImpositionValue] { claims[token] ?? [:] }
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
}

/// A VSI's filter with what is to be imposed on it: what a grant asks of the kernel.
struct GrantedFrames: Sendable, Equatable {
    var entries: [FilterEntry]
    var profile: VSIProfile

    /// Why a grant cannot be put into force on this port, whatever the kernel would say.
    struct Obstacle: Error, CustomStringConvertible {
        let description: String
    }

    /// The impositions that a grant comes to on a port.
    ///
    /// A bridge that does not filter VLANs cannot tell to which VLAN an untagged frame belongs: there it is taken for any that
    /// the VSI may use. One that does takes it for the port's PVID.
    func impositions(at bridge: BridgeView) throws(Obstacle) -> [Imposition: ImpositionValue] {
        var items: [Imposition: ImpositionValue] = [:]
        let passes = ImpositionValue.pass(profile.etherTypes)
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
            if let address = entry.macAddress, let rate = profile.octetsPerSecond {
                items[.rate(address)] = .rate(rate)
            }
        }
        return items
    }
}

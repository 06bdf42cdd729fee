internal import EVBWire

/// Which virtual network each VID of a port stands for, while both sides are ends of a network virtualization edge (802.1Qcy, RFC
/// 8394): a local VID belongs to one network at a time, or frames of two would mix.
struct NetworkBindings {
    /// The greatest group ID that names a virtual network: the VN ID has 24 bits, and the top octet is 0.
    static let networkMax: UInt32 = 0xFF_FFFF

    /// Whether VIDs are bound at all; without it nothing is kept.
    var isOn = false { didSet { if !isOn { (holdings, uses) = ([:], [:]) } } }
    /// The networks of each slot that has any.
    private var holdings: [Int: [UInt16: UInt32]] = [:]
    private var uses: [UInt16: (network: UInt32, count: Int)] = [:]

    /// Notes what a slot holds; nil is nothing.
    mutating func set(_ slot: Int, _ filter: FilterInfo?) {
        guard isOn else { return }
        let held = filter.map { Self.networks(of: $0).bindings } ?? [:]
        let former = holdings[slot] ?? [:]
        guard held != former else { return }
        for vid in former.keys {
            guard let use = uses[vid] else { continue }
            uses[vid] = use.count > 1 ? (use.network, use.count - 1) : nil
        }
        for (vid, network) in held { uses[vid] = (network, (uses[vid]?.count ?? 0) + 1) }
        holdings[slot] = held.isEmpty ? nil : held
    }

    /// Whether a filter would give a VID to a second network.
    func contradict(_ filter: FilterInfo, of slot: Int) -> Bool {
        guard isOn else { return false }
        let (bindings, isSound) = Self.networks(of: filter)
        let own = holdings[slot] ?? [:]
        return !isSound
            || bindings.contains { vid, network in
                guard let use = uses[vid], use.network != network else { return false }
                // What the slot has alone goes with the change.
                return use.count > (own[vid] == nil ? 0 : 1)
            }
    }

    private static func networks(of filter: FilterInfo) -> (bindings: [UInt16: UInt32], isSound: Bool) {
        var bindings: [UInt16: UInt32] = [:]
        var isSound = true
        for entry in filter.entries where entry.vid != 0 {
            guard let network = entry.groupID else { continue }
            if let other = bindings.updateValue(network, forKey: entry.vid), other != network { isSound = false }
        }
        return (bindings, isSound)
    }
}

extension FilterInfo {
    /// A group ID of the filter that is no VN ID; nil where all are.
    var groupBeyondNetworks: UInt32? {
        entries.lazy.compactMap(\.groupID).first { $0 > NetworkBindings.networkMax }
    }
}

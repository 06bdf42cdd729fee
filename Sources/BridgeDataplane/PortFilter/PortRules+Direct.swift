internal import EVBSettings
internal import EVBWire
internal import LinuxSystem
internal import Nftables

// Elements for the kernel itself: the same as the commands of PortRules.swift say to nft.

extension PortRules {
    /// The changes that take elements out and put others in, those that are taken out before.
    ///
    /// - Parameters:
    ///   - deletions: Elements that are there. One that is not has the kernel refuse all.
    ///   - additions: Elements that are not there, or have the same value, or are among the deletions.
    /// - Returns: The changes in the table of all ports.
    func changes(
        deletions: some Sequence<Imposition>, additions: some Sequence<(item: Imposition, value: ImpositionValue)>
    ) -> TableChanges {
        var keys: [Collection: [ElementKey]] = [:]
        for item in deletions { keys[collection(of: item), default: []].append(key(item)) }
        var elements: [Collection: [SetElement]] = [:]
        for (item, value) in additions {
            elements[collection(of: item), default: []].append(SetElement(key(item), Self.value(value)))
        }
        return TableChanges(
            TableID(.bridge, Self.tableName),
            keys.map { .remove(set: name($0.key), $0.value) } + elements.map { .add(set: name($0.key), $0.value) })
    }

    private func key(_ item: Imposition) -> ElementKey {
        switch item {
        case .station(let address), .rate(let address), .untagged(let address?), .sent(let address, 0),
            .received(let address, 0):
            ElementKey(Self.part(address))
        case .untagged(nil), .quiet: ElementKey(.interface(port))
        case .tagged(let address?, let vid), .forwarding(let address, let vid), .sent(let address, let vid),
            .received(let address, let vid):
            ElementKey(Self.part(address), .vlan(vid))
        case .tagged(nil, let vid), .served(let vid), .member(let vid): ElementKey(.vlan(vid))
        case .network(let vni): ElementKey(.mark(vni))
        case .carried(let vid, let vni), .tunnel(let vid, let vni): ElementKey(.vlan(vid), .mark(vni))
        }
    }

    private static func part(_ address: MACAddress) -> ElementKey.Part { .address(HardwareAddress(address.rawValue)) }

    private static func value(_ value: ImpositionValue) -> ElementValue {
        switch value {
        case .plain: .plain
        case .rate(let octets): .limit(octetsPerSecond: octets, burst: burst)
        case .pass(nil): .accept
        case .pass(let types?): .goto(chain(of: types))
        }
    }
}

// Impositions in few octets each: there may be several for each of a quarter of a million filter entries.

internal import EVBWire

/// An imposition in one word: the kind in the highest 4 bits, then 48 of the MAC address, then 12 of the VLAN.
///
/// The order is that of taking away, from the end: what lets frames pass goes before the limit of them, and a forwarding entry
/// before its VLAN, without which the kernel would not remove it; a virtual network goes last of all.
package struct PackedImposition: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(_ item: Imposition) {
        func word(_ kind: UInt64, _ address: MACAddress?, _ vid: UInt16) -> UInt64 {
            kind << 60 | (address?.rawValue ?? 0) << 12 | UInt64(vid & 0x0FFF)
        }
        func word(_ kind: UInt64, _ vni: UInt32, _ vid: UInt16) -> UInt64 {
            kind << 60 | UInt64(vni) << 12 | UInt64(vid & 0x0FFF)
        }
        rawValue =
            switch item {
            case .network(let vni): word(0, vni, 0)
            case .carried(let vid, let vni): word(1, vni, vid)
            case .tunnel(let vid, let vni): word(2, vni, vid)
            case .member(let vid): word(3, nil, vid)
            case .served(let vid): word(4, nil, vid)
            case .forwarding(let address, let vid): word(5, address, vid)
            case .rate(let address): word(6, address, 0)
            case .station(let address): word(7, address, 0)
            case .untagged(nil): word(8, nil, 0)
            case .untagged(let address?): word(9, address, 0)
            case .tagged(nil, let vid): word(10, nil, vid)
            case .tagged(let address?, let vid): word(11, address, vid)
            case .quiet: word(12, nil, 0)
            case .sent(let address, let vid): word(13, address, vid)
            case .received(let address, let vid): word(14, address, vid)
            }
    }

    package var imposition: Imposition {
        let address = MACAddress(truncating: rawValue >> 12)
        let vni = UInt32(truncatingIfNeeded: rawValue >> 12)
        let vid = UInt16(truncatingIfNeeded: rawValue & 0x0FFF)
        return switch rawValue >> 60 {
        case 0: .network(vni)
        case 1: .carried(vid, vni)
        case 2: .tunnel(vid, vni)
        case 3: .member(vid)
        case 4: .served(vid)
        case 5: .forwarding(address, vid)
        case 6: .rate(address)
        case 7: .station(address)
        case 8: .untagged(nil)
        case 9: .untagged(address)
        case 10: .tagged(nil, vid)
        case 11: .tagged(address, vid)
        case 12: .quiet
        case 13: .sent(address, vid)
        default: .received(address, vid)
        }
    }

    package static func < (left: PackedImposition, right: PackedImposition) -> Bool { left.rawValue < right.rawValue }
}

/// Values of impositions by number. There are as many as VSI types have ways to say it, whatever the number of addresses.
struct ImpositionValues: Sendable {
    private var numbers: [ImpositionValue: UInt32] = [:]
    private var values: [ImpositionValue] = []

    /// The number of a value, a new one if need be.
    mutating func number(of value: ImpositionValue) -> UInt32 {
        if let number = numbers[value] { return number }
        let number = UInt32(values.count)
        numbers[value] = number
        values.append(value)
        return number
    }

    subscript(_ number: UInt32) -> ImpositionValue { values[Int(number)] }
}

/// Impositions with their values: a dictionary in a fraction of its room.
package struct ImpositionTable: Sequence, Sendable {
    private var numbers: [PackedImposition: UInt32] = [:]
    private var values = ImpositionValues()
    /// How many only count.
    private var counters = 0

    init() {}

    init(_ items: [Imposition: ImpositionValue]) {
        numbers.reserveCapacity(items.count)
        for (item, value) in items { self[item] = value }
    }

    var isEmpty: Bool { numbers.isEmpty }
    var count: Int { numbers.count }
    /// Without those that only count.
    var enforcedCount: Int { numbers.count - counters }
    var keys: some Sequence<Imposition> { numbers.keys.lazy.map(\.imposition) }

    subscript(_ item: Imposition) -> ImpositionValue? {
        get { numbers[PackedImposition(item)].map { values[$0] } }
        set {
            let key = PackedImposition(item)
            if item.isCounter, (numbers[key] == nil) != (newValue == nil) { counters += newValue == nil ? -1 : 1 }
            numbers[key] = newValue.map { values.number(of: $0) }
        }
    }

    package func makeIterator() -> AnyIterator<(key: Imposition, value: ImpositionValue)> {
        let values = values
        var iterator = numbers.makeIterator()
        return AnyIterator { iterator.next().map { ($0.key.imposition, values[$0.value]) } }
    }
}

// Changes of nftables as values that go to the kernel as they are. libnftables reads all tables of a host back for each transaction,
// whose cost so grows with what is there; these need nothing read back.

public import LinuxSystem

/// A table of nftables.
public struct TableID: Sendable, Hashable {
    /// Families of tables, by the numbers NFPROTO_*.
    public enum Family: UInt8, Sendable {
        case netdev = 5
        case bridge = 7

        /// In nft's language.
        var word: String {
            switch self {
            case .netdev: "netdev"
            case .bridge: "bridge"
            }
        }
    }

    public let family: Family
    public let name: String

    public init(_ family: Family, _ name: String) {
        self.family = family
        self.name = name
    }
}

/// The key of a set's element, in the octets that the kernel compares.
public struct ElementKey: Sendable, Hashable {
    /// A key, or a part of a concatenation.
    public enum Part: Sendable {
        /// `ether_addr`
        case address(HardwareAddress)
        /// A VLAN of 0 to 4095, in network order.
        case vlan(UInt16)
        /// `mark`, in the order of the host.
        case mark(UInt32)
        /// `ifname`, of at most 15 octets.
        case interface(String)

        fileprivate var octets: [UInt8] {
            switch self {
            case .address(let address): return address.octets
            case .vlan(let vid): return withUnsafeBytes(of: vid.bigEndian, Array.init)
            case .mark(let mark): return withUnsafeBytes(of: mark, Array.init)
            case .interface(let name):
                let octets = Array(name.utf8.prefix(15))
                return octets + [UInt8](repeating: 0, count: 16 - octets.count)
            }
        }
    }

    public let octets: [UInt8]

    /// A key of one part, or a concatenation, in which each part takes up a multiple of four octets.
    public init(_ parts: Part...) {
        guard parts.count > 1 else {
            octets = parts.first?.octets ?? []
            return
        }
        octets = parts.reduce(into: []) { octets, part in
            octets += part.octets
            while octets.count % 4 != 0 { octets.append(0) }
        }
    }
}

/// What an element has beside its key.
public enum ElementValue: Sendable, Hashable {
    /// Nothing. In a set whose elements count the kernel itself gives it a counter.
    case plain
    /// The verdict `accept`.
    case accept
    /// The verdict `goto` a chain of the table.
    case goto(String)
    /// `limit rate over N bytes/second burst M bytes`
    case limit(octetsPerSecond: UInt64, burst: UInt32)
}

/// An element of a set or map.
public struct SetElement: Sendable, Hashable {
    public var key: ElementKey
    public var value: ElementValue

    public init(_ key: ElementKey, _ value: ElementValue = .plain) {
        self.key = key
        self.value = value
    }
}

/// Where a chain of the family netdev meets frames.
public struct DeviceHook: Sendable, Hashable {
    /// By the numbers NF_NETDEV_*.
    public enum Direction: UInt32, Sendable {
        case ingress = 0
        case egress = 1
    }

    public var direction: Direction
    public var device: String
    public var priority: Int32

    public init(_ direction: Direction, device: String, priority: Int32) {
        self.direction = direction
        self.device = device
        self.priority = priority
    }
}

/// A change in a table. What nft would say of it is at each case.
public enum TableChange: Sendable, Hashable {
    /// `add element`: one that is there with this value is no mistake.
    case add(set: String, [SetElement])
    /// `delete element`: ENOENT where one is not there.
    case remove(set: String, [ElementKey])
    /// `add element` and `delete element` of a set of `ether_addr`.
    case addAddresses(set: String, [HardwareAddress])
    case removeAddresses(set: String, [HardwareAddress])
    /// `add chain`, of type filter where it has a hook: one that is there is no mistake.
    case addChain(String, DeviceHook? = nil)
    /// `create chain`, of type filter: EEXIST where one of that name is there.
    case createChain(String, DeviceHook)
    /// `flush chain`
    case flushChain(String)
    /// `delete chain`
    case removeChain(String)
    /// `add rule CHAIN jump TARGET`
    case addJump(chain: String, target: String)
}

/// Changes in one table.
public struct TableChanges: Sendable, Hashable {
    public var table: TableID
    public var changes: [TableChange]

    public init(_ table: TableID, _ changes: [TableChange]) {
        self.table = table
        self.changes = changes
    }
}

/// Changes a set of addresses, whichever of them are in it. As commands it is written where they are needed only.
public struct AddressSetChange: Sendable, Hashable {
    public var table: TableID
    public var set: String
    /// The addresses that are to be in the set, and those that are not.
    public var adding: [HardwareAddress]
    public var removing: [HardwareAddress]

    public init(_ table: TableID, set: String, adding: [HardwareAddress], removing: [HardwareAddress]) {
        self.table = table
        self.set = set
        self.adding = adding
        self.removing = removing
    }

    /// In nft's language; declares the set too.
    public var commands: String {
        let place = "\(table.family.word) \(table.name) \(set)"
        var lines = ["add set \(place) { type ether_addr; }"]
        // The kernel refuses to remove an element that is not there.
        if !(adding + removing).isEmpty { lines.append("add element \(place) { \(Self.list(adding + removing)) }") }
        if !removing.isEmpty { lines.append("delete element \(place) { \(Self.list(removing)) }") }
        return lines.joined(separator: "\n")
    }

    private static func list(_ addresses: [HardwareAddress]) -> String {
        addresses.map(\.description).joined(separator: ", ")
    }

    /// For the kernel itself, where the set is there.
    public var direct: TableChanges {
        var changes = [TableChange.addAddresses(set: set, adding + removing)]
        if !removing.isEmpty { changes.append(.removeAddresses(set: set, removing)) }
        return TableChanges(table, changes)
    }
}

/// Some hardware addresses, each once. One address, as nearly every VSI has, takes no memory beside the value itself.
public struct AddressSet: Sequence, ExpressibleByArrayLiteral, Hashable, Sendable {
    /// Each set has one form only, so that equal sets are equal values.
    private enum Storage: Hashable, Sendable {
        case none
        case one(HardwareAddress)
        /// Two or more.
        case several(Set<HardwareAddress>)
    }

    private let storage: Storage

    private init(storage: Storage) { self.storage = storage }

    /// Takes the addresses of a set.
    public init(_ addresses: Set<HardwareAddress>) {
        switch addresses.count {
        case 0: storage = .none
        case 1: storage = addresses.first.map(Storage.one) ?? .none
        default: storage = .several(addresses)
        }
    }

    /// A single address.
    public init(_ address: HardwareAddress) { storage = .one(address) }

    public init(arrayLiteral addresses: HardwareAddress...) {
        self.init(storage: addresses.isEmpty ? .none : AddressSet(Set(addresses)).storage)
    }

    /// How many they are.
    public var count: Int {
        switch storage {
        case .none: 0
        case .one: 1
        case .several(let addresses): addresses.count
        }
    }

    /// The address that is the only one; nil where there are several, or none.
    public var only: HardwareAddress? {
        if case .one(let address) = storage { address } else { nil }
    }

    /// Whether there is none.
    public var isEmpty: Bool { if case .none = storage { true } else { false } }

    /// The same as a set of the library's.
    public var asSet: Set<HardwareAddress> {
        switch storage {
        case .none: []
        case .one(let address): [address]
        case .several(let addresses): addresses
        }
    }

    public func contains(_ address: HardwareAddress) -> Bool {
        switch storage {
        case .none: false
        case .one(let only): only == address
        case .several(let addresses): addresses.contains(address)
        }
    }

    /// The addresses of both.
    public func union(_ other: AddressSet) -> AddressSet {
        switch (storage, other.storage) {
        case (_, .none): self
        case (.none, _): other
        case (.one(let own), .one(let others)) where own == others: self
        default: AddressSet(asSet.union(other.asSet))
        }
    }

    /// These addresses but those of the other.
    public func subtracting(_ other: AddressSet) -> AddressSet {
        switch storage {
        case .none: self
        case .one(let address): other.contains(address) ? [] : self
        case .several(let addresses): AddressSet(addresses.subtracting(other))
        }
    }

    /// Whether the other has all of these.
    public func isSubset(of other: AddressSet) -> Bool { allSatisfy(other.contains) }

    /// Whether the other has none of these.
    public func isDisjoint(with other: Set<HardwareAddress>) -> Bool { !contains(where: other.contains) }

    public func makeIterator() -> Iterator {
        switch storage {
        case .none: Iterator(only: nil, several: nil)
        case .one(let address): Iterator(only: address, several: nil)
        case .several(let addresses): Iterator(only: nil, several: addresses.makeIterator())
        }
    }

    /// Goes through the addresses, in no order.
    public struct Iterator: IteratorProtocol {
        fileprivate var only: HardwareAddress?
        fileprivate var several: Set<HardwareAddress>.Iterator?

        public mutating func next() -> HardwareAddress? {
            if several != nil { return several?.next() }
            defer { only = nil }
            return only
        }
    }
}

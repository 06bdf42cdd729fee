package import EVBWire

/// Addresses of a link, in their order.
///
/// Nearly all links that other processes create are sought by the two forms of one address, those of tens of thousands of VSIs: one
/// and two addresses need no memory of their own.
package struct LinkAddresses: RandomAccessCollection, ExpressibleByArrayLiteral, Equatable, Sendable {
    private enum Storage: Equatable, Sendable {
        case one(MACAddress)
        case two(MACAddress, MACAddress)
        /// Any other number of them.
        case several([MACAddress])
    }

    private let storage: Storage

    /// Takes addresses in their order.
    package init(_ addresses: [MACAddress]) {
        storage =
            switch addresses.count {
            case 1: .one(addresses[0])
            case 2: .two(addresses[0], addresses[1])
            default: .several(addresses)
            }
    }

    /// Takes two addresses.
    package init(_ first: MACAddress, _ second: MACAddress) { storage = .two(first, second) }

    package init(arrayLiteral addresses: MACAddress...) { self.init(addresses) }

    package var startIndex: Int { 0 }

    package var endIndex: Int {
        switch storage {
        case .one: 1
        case .two: 2
        case .several(let addresses): addresses.count
        }
    }

    package subscript(position: Int) -> MACAddress {
        precondition(indices.contains(position), "a link with \(count) addresses has none at \(position)")
        return switch storage {
        case .one(let address): address
        case .two(let first, let second): position == 0 ? first : second
        case .several(let addresses): addresses[position]
        }
    }

    /// Calls back with each in its order. What the library has for collections looks the type up at each step where that is another
    /// room's.
    package func forEach(_ body: (MACAddress) -> Void) {
        switch storage {
        case .one(let address): body(address)
        case .two(let first, let second):
            body(first)
            body(second)
        case .several(let addresses): for address in addresses { body(address) }
        }
    }
}

package import EVBWire

/// Addresses of a link, in their order.
///
/// Nearly all links that other processes create are sought by the two forms of one address, those of tens of thousands of VSIs: one
/// address, with its other form or without, needs no memory of its own.
package struct LinkAddresses: RandomAccessCollection, ExpressibleByArrayLiteral, Equatable, Sendable {
    /// Each list has one form only, so that equal lists are equal values.
    private enum Storage: Equatable, Sendable {
        case one(MACAddress)
        /// The address, and the form that libvirt gives to a tap.
        case bothForms(MACAddress)
        /// Any others.
        case several([MACAddress])
    }

    private let storage: Storage

    /// Takes addresses in their order.
    package init(_ addresses: [MACAddress]) {
        storage =
            switch addresses.count {
            case 1: .one(addresses[0])
            case 2 where addresses[1] == Self.tapForm(of: addresses[0]): .bothForms(addresses[0])
            default: .several(addresses)
            }
    }

    /// Takes an address, and the form of it that libvirt gives to a tap.
    package init(bothFormsOf address: MACAddress) { storage = .bothForms(address) }

    package init(arrayLiteral addresses: MACAddress...) { self.init(addresses) }

    /// The address that libvirt gives to the tap of a machine: the first octet is FE, so that a bridge does not take it for its own.
    package static func tapForm(of address: MACAddress) -> MACAddress {
        MACAddress(truncating: address.rawValue & 0x00FF_FFFF_FFFF | 0xFE00_0000_0000)
    }

    package var startIndex: Int { 0 }

    package var endIndex: Int {
        switch storage {
        case .one: 1
        case .bothForms: 2
        case .several(let addresses): addresses.count
        }
    }

    package subscript(position: Int) -> MACAddress {
        precondition(indices.contains(position), "a link with \(count) addresses has none at \(position)")
        return switch storage {
        case .one(let address): address
        case .bothForms(let address): position == 0 ? address : Self.tapForm(of: address)
        case .several(let addresses): addresses[position]
        }
    }

    /// Calls back with each in its order. What the library has for collections looks the type up at each step where that is another
    /// room's.
    package func forEach(_ body: (MACAddress) -> Void) {
        switch storage {
        case .one(let address): body(address)
        case .bothForms(let address):
            body(address)
            body(Self.tapForm(of: address))
        case .several(let addresses): for address in addresses { body(address) }
        }
    }
}

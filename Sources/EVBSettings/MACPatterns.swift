// Which MAC addresses an operator means, one by one or by their beginnings.

package import EVBWire

/// Addresses that begin alike.
package struct MACPattern: Sendable, Hashable {
    package var address: MACAddress
    /// How many of its bits count, 1 to 48; 0 only for every address.
    package var prefixLength: Int

    package init(address: MACAddress, prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }

    /// Every address.
    package static let all = MACPattern(address: MACAddress(truncating: 0), prefixLength: 0)

    /// The bits that count.
    var mask: UInt64 { Self.mask(prefixLength) }

    static func mask(_ prefixLength: Int) -> UInt64 { ~0 << UInt64(48 - prefixLength) & 0xFFFF_FFFF_FFFF }

    package func matches(_ other: MACAddress) -> Bool { (other.rawValue ^ address.rawValue) & mask == 0 }
}

extension MACPattern: LosslessStringConvertible {
    /// Reads an address, or an address and a prefix length after a slash; the bits behind the prefix are zero.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = MACAddress(String(parts[0])) else { return nil }
        var length = 48
        if parts.count == 2 {
            guard let number = Int(parts[1]), (1...48).contains(number), parts[1].allSatisfy(\.isNumber) else {
                return nil
            }
            length = number
        }
        self.init(address: address, prefixLength: length)
        guard address.rawValue & ~mask == 0 else { return nil }
    }

    package var description: String { prefixLength == 48 ? address.description : "\(address)/\(prefixLength)" }
}

/// A list of addresses and of beginnings of some, in the order of a file.
///
/// To look for an address takes one lookup for each length of a beginning that is in the list, of which there are at most 49.
package struct MACPatterns: Sendable, Hashable {
    private var patterns: [MACPattern] = []
    /// The bits that count, by how many they are.
    private var prefixes: [Int: Set<UInt64>] = [:]

    package mutating func append(_ pattern: MACPattern) {
        patterns.append(pattern)
        prefixes[pattern.prefixLength, default: []].insert(pattern.address.rawValue & pattern.mask)
    }

    /// Whether the list means an address.
    package func matches(_ address: MACAddress) -> Bool {
        prefixes.contains { length, beginnings in
            beginnings.contains(address.rawValue & MACPattern.mask(length))
        }
    }

    /// How many lookups it takes to find an address at the most.
    var lookupsMax: Int { prefixes.count }

    package static func == (left: MACPatterns, right: MACPatterns) -> Bool { left.patterns == right.patterns }
    package func hash(into hasher: inout Hasher) { hasher.combine(patterns) }
}

extension MACPatterns: RandomAccessCollection {
    package var startIndex: Int { patterns.startIndex }
    package var endIndex: Int { patterns.endIndex }
    package subscript(place: Int) -> MACPattern { patterns[place] }
}

extension MACPatterns: ExpressibleByArrayLiteral {
    package init(_ patterns: some Sequence<MACPattern>) {
        for pattern in patterns { append(pattern) }
    }

    package init(arrayLiteral patterns: MACPattern...) { self.init(patterns) }
}

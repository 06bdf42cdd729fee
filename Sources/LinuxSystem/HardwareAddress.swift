/// A 48-bit MAC address.
public struct HardwareAddress: Hashable, Sendable, CustomStringConvertible {
    /// The six octets as a number: the first on the wire is the most significant of the low 48 bits.
    public let value: UInt64

    /// Creates an address from a number; bits above the 48th are dropped.
    public init(_ value: UInt64) {
        self.value = value & 0xFFFF_FFFF_FFFF
    }

    /// Creates an address from exactly six octets in the order of the wire, else gives nil.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 6 else {
            return nil
        }
        self.init(octets.reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// What tables ask for; Swift makes it by SipHash where a type has none.
    public func _rawHashValue(seed: Int) -> Int { AddressHash.value(value, seed: seed) }

    /// The six octets in the order of the wire.
    public var octets: [UInt8] {
        (0..<6).map { UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * $0)) }
    }

    /// For people: `01:80:c2:00:00:00`.
    public var description: String {
        // Rules name thousands of addresses, so that none of it is a text of its own.
        String(unsafeUninitializedCapacity: 17) { text in
            for place in 0..<6 {
                let octet = UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * place))
                text[3 * place] = Self.digit(octet >> 4)
                text[3 * place + 1] = Self.digit(octet & 15)
                if place < 5 { text[3 * place + 2] = UInt8(ascii: ":") }
            }
            return 17
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &- 10 &+ value
    }
}

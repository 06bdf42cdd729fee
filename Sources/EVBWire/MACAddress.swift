/// A 48-bit MAC address.
public struct MACAddress: Hashable, Sendable, Comparable {
    /// The address in the low 48 bits, first octet highest.
    public let rawValue: UInt64

    /// Takes the low 48 bits of `value`.
    public init(truncating value: UInt64) {
        rawValue = value & 0xFFFF_FFFF_FFFF
    }

    /// Takes six octets in the order of transmission; nil for any other number of them.
    public init?(octets: some Collection<UInt8>) {
        guard octets.count == 6 else { return nil }
        self.init(truncating: octets.reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// What tables ask for; Swift makes it by SipHash where a type has none.
    public func _rawHashValue(seed: Int) -> Int { KeyedHash.value(rawValue, 0, 0, seed: seed) }

    /// The six octets in the order of transmission.
    public var octets: [UInt8] {
        (0..<6).map { UInt8(truncatingIfNeeded: rawValue >> UInt64(40 - 8 * $0)) }
    }

    /// Whether the individual/group bit is set.
    public var isGroup: Bool { rawValue & 0x0100_0000_0000 != 0 }

    /// Whether this can be the address of one station: not a group address, not all zero.
    public var isIndividual: Bool { !isGroup && rawValue != 0 }

    public static func < (left: MACAddress, right: MACAddress) -> Bool {
        left.rawValue < right.rawValue
    }

    /// 01-80-C2-00-00-0E: LLDP's nearest bridge; the draft dialect's ECP.
    public static let nearestBridge = MACAddress(truncating: 0x0180_C200_000E)
    /// 01-80-C2-00-00-03: LLDP's nearest non-TPMR bridge, which CDCP uses.
    public static let nearestNonTPMRBridge = MACAddress(truncating: 0x0180_C200_0003)
    /// 01-80-C2-00-00-00: LLDP's nearest customer bridge, which the EVB TLV and ECP use (802.1Q clause 43, D.2.12).
    public static let nearestCustomerBridge = MACAddress(truncating: 0x0180_C200_0000)
}

extension MACAddress: LosslessStringConvertible {
    /// Reads six octets with colons between them; nil for any other text.
    package init?(text: UnsafeBufferPointer<UInt8>) {
        guard let value = HexadecimalText.value(of: text, octets: 6, separator: ":", after: { _ in true }) else {
            return nil
        }
        self.init(truncating: value.low)
    }

    /// Reads six pairs of hexadecimal digits, parted by colons or by hyphens.
    public init?(_ text: String) {
        // As nearly all are written.
        if let value = HexadecimalText.value(of: text.utf8, octets: 6, separator: ":", after: { _ in true }) {
            self.init(truncating: value.low)
            return
        }
        let separator: Character = text.contains("-") ? "-" : ":"
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var octets: [UInt8] = []
        for part in parts {
            guard part.count == 2, part.allSatisfy(\.isHexDigit), let octet = UInt8(part, radix: 16) else { return nil }
            octets.append(octet)
        }
        self.init(octets: octets)
    }

    /// Octets that the memory for ``write(to:)`` has at the least.
    package static let textMax = 18

    /// Writes ``description``.
    ///
    /// - Returns: how many octets were written.
    package func write(to memory: UnsafeMutableBufferPointer<UInt8>) -> Int {
        HexadecimalText.write(
            6, separator: ":", after: { _ in true }, { UInt8(truncatingIfNeeded: rawValue >> UInt64(40 - 8 * $0)) },
            to: memory)
    }

    public var description: String {
        HexadecimalText.text(6, separator: ":", after: { _ in true }) {
            UInt8(truncatingIfNeeded: rawValue >> UInt64(40 - 8 * $0))
        }
    }
}

/// Two lowercase hexadecimal digits.
func hexadecimal(_ octet: UInt8) -> String {
    let digits = String(octet, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
}

/// The name of the VSI manager that holds a VSI's type (802.1Q 41.1.3): 16 octets. All zero leaves the choice to the
/// bridge.
public struct VSIManagerID: Hashable, Sendable {
    /// Octets 0 to 7, big-endian.
    public let high: UInt64
    /// Octets 8 to 15, big-endian.
    public let low: UInt64

    /// The bridge's own default manager.
    public static let unspecified = VSIManagerID(high: 0, low: 0)

    /// Where an ID of one octet, as libvirt has them, stands among the sixteen. Public sources do not settle it.
    public enum Placement: Sendable, Hashable {
        /// In octet 0, as lldpad puts it.
        case first
        /// In octet 15, as a number of sixteen octets would have it.
        case last
    }

    /// Joins sixteen octets given as two numbers.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Takes sixteen octets in the order of transmission; nil for any other number of them.
    public init?(octets: [UInt8]) {
        guard let words = SixteenOctets.words(octets) else { return nil }
        self.init(high: words.high, low: words.low)
    }

    /// An ID of one octet.
    public init(short: UInt8, placement: Placement) {
        switch placement {
        case .first: self.init(high: UInt64(short) << 56, low: 0)
        case .last: self.init(high: 0, low: UInt64(short))
        }
    }

    /// Reads an ID that a person wrote: a number of 0 to 255 (placed by `placement`), a UUID or 32 hexadecimal digits, an
    /// IPv4 address (mapped into IPv6, as HPE's switches read it), an IPv6 address, or up to 16 printable ASCII characters
    /// (placed at the front).
    public init?(_ text: String, placement: Placement) {
        if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), text.count <= 3 {
            guard let short = UInt8(text) else { return nil }
            self.init(short: short, placement: placement)
        } else if let uuid = VSIID("uuid:" + text) {
            self.init(high: uuid.high, low: uuid.low)
        } else if let address = IPAddress.ipv4(text) {
            self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(address))
        } else if text.contains(":"), let octets = IPAddress.ipv6(text), let words = SixteenOctets.words(octets) {
            self.init(high: words.high, low: words.low)
        } else {
            // A mistyped number or address is no name.
            guard !text.contains(":"), !text.allSatisfy({ $0 == "." || $0.isNumber }) else { return nil }
            let octets = Array(text.utf8)
            guard (1...16).contains(octets.count), octets.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
            guard let words = SixteenOctets.words(octets + [UInt8](repeating: 0, count: 16 - octets.count)) else {
                return nil
            }
            self.init(high: words.high, low: words.low)
        }
    }

    /// The sixteen octets in the order of transmission.
    public var octets: [UInt8] { SixteenOctets.octets(high: high, low: low) }

    /// The octet at a place of 0 to 15.
    package func octet(at place: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (place < 8 ? high : low) >> UInt64(56 - 8 * (place & 7)))
    }

    init(from reader: inout ByteReader) throws(WireError) {
        high = try reader.uint64(.managerID)
        low = try reader.uint64(.managerID)
    }

    func write(to writer: inout ByteWriter) {
        writer.uint64(high)
        writer.uint64(low)
    }
}

extension VSIManagerID: CustomStringConvertible {
    /// A number where one octet at either end says all, text where it is text, an IPv4 address, or 32 hexadecimal digits.
    public var description: String {
        if low == 0, high & 0x00FF_FFFF_FFFF_FFFF == 0 { return String(high >> 56) }
        if high == 0, low <= 0xFF { return String(low) }
        let octets = octets
        if high == 0, low >> 32 == 0xFFFF { return octets.suffix(4).map { String($0) }.joined(separator: ".") }
        let text = octets.prefix { $0 != 0 }
        let isText = text.allSatisfy { (0x21...0x7E).contains($0) } && octets[text.count...].allSatisfy { $0 == 0 }
        if isText, !text.isEmpty { return String(decoding: text, as: UTF8.self) }
        return octets.map(hexadecimal).joined()
    }
}

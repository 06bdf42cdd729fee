/// The VSIID of a container's interface: a UUID of version 8, made of the names of network, container and interface alone.
///
/// The plugin keeps no files. At each call it works out the same VSIID, and it knows the VSIs of a network by the first half.
package struct AttachmentID: Hashable, Sendable {
    let network: UInt64
    let attachment: UInt64

    /// - Parameters:
    ///   - network: the name of the network.
    ///   - attachment: container and interface.
    package init(network: String, _ attachment: Attachment) {
        // Version 8 stands in bits 12 to 15 of the first half, the variant in the highest two of the second (RFC 9562).
        self.network = Self.hash([network]) & ~0xF000 | 0x8000
        self.attachment = Self.hash([network, attachment.container, attachment.interface]) & ~(3 << 62) | 1 << 63
    }

    private init(_ network: UInt64, _ attachment: UInt64) {
        (self.network, self.attachment) = (network, attachment)
    }

    /// Reads a UUID as ``text`` writes it; nil for what is none.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        guard let high = UInt64(parts[0...2].joined(), radix: 16), let low = UInt64(parts[3...4].joined(), radix: 16)
        else { return nil }
        self.init(high, low)
    }

    /// As evbd writes a UUID.
    package var text: String {
        let digits = [network, attachment].map { half in
            let text = String(half, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }.joined()
        var (parts, rest): ([Substring], Substring) = ([], digits[...])
        for length in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return parts.joined(separator: "-")
    }

    /// A unicast address of local administration, the same at each start of the container.
    package var address: String {
        (0..<6).map { position in
            let octet = UInt8(truncatingIfNeeded: attachment >> (8 * (5 - UInt64(position))))
            let text = String(position == 0 ? octet & 0xFC | 0x02 : octet, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined(separator: ":")
    }

    /// FNV-1a of 64 bits over the names with their ends. Who names containers may do all to them, so that no key is needed.
    private static func hash(_ names: [String]) -> UInt64 {
        var value: UInt64 = 0xCBF2_9CE4_8422_2325
        for name in names {
            for octet in Array(name.utf8) + [0] { value = (value ^ UInt64(octet)) &* 0x100_0000_01B3 }
        }
        // FNV leaves the high bits of short texts alike; one more mixing spreads them.
        value ^= value >> 32
        value &*= 0xD6E8_FEB8_6659_FD93
        return value ^ value >> 32
    }
}

/// The usual texts of IP addresses, read without the C library so that `EVBWire` stays pure.
package enum IPAddress {
    /// The octets of an address in one of the usual texts, 4 or 16; nil for any other text.
    package static func octets(of text: String) -> [UInt8]? {
        guard let address = ipv4(text) else { return ipv6(text) }
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address >> UInt32($0)) }
    }

    /// Reads four decimal numbers of 0 to 255 parted by dots.
    static func ipv4(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy(\.isNumber), let octet = UInt8(part) else {
                return nil
            }
            address = address << 8 | UInt32(octet)
        }
        return address
    }

    /// Reads an IPv6 address, with `::` at most once and with a dotted IPv4 address allowed at its end (RFC 4291 2.2).
    static func ipv6(_ text: String) -> [UInt8]? {
        guard let gap = text.range(of: "::") else {
            guard let groups = groups(text), groups.count == 8 else { return nil }
            return octets(groups)
        }
        guard let front = groups(text[..<gap.lowerBound], isEnd: false), let back = groups(text[gap.upperBound...])
        else {
            return nil
        }
        let missing = 8 - front.count - back.count
        guard missing >= 1 else { return nil }
        return octets(front + [UInt16](repeating: 0, count: missing) + back)
    }

    private static func groups(_ text: some StringProtocol, isEnd: Bool = true) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if isEnd, index == parts.count - 1, let address = ipv4(part) {
                groups += [UInt16(truncatingIfNeeded: address >> 16), UInt16(truncatingIfNeeded: address)]
            } else {
                guard (1...4).contains(part.count), part.allSatisfy(\.isHexDigit), let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups.count <= 8 ? groups : nil
    }

    private static func octets(_ groups: [UInt16]) -> [UInt8] {
        groups.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }

    /// Writes sixteen octets as RFC 5952 asks: lowercase, no leading zeros, the longest run of zeros as `::`.
    static func text(ipv6 octets: [UInt8]) -> String {
        let groups = stride(from: 0, to: octets.count - 1, by: 2).map {
            UInt16(octets[$0]) << 8 | UInt16(octets[$0 + 1])
        }
        var best = 0..<0
        var start = 0
        while start < groups.count {
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        let digits = groups.map { String($0, radix: 16) }
        guard !best.isEmpty else { return digits.joined(separator: ":") }
        let (front, back) = (digits[..<best.lowerBound], digits[best.upperBound...])
        return front.joined(separator: ":") + "::" + back.joined(separator: ":")
    }
}

extension StringProtocol {
    /// Where `needle` first occurs; the standard library's own search needs Foundation or a regular expression.
    fileprivate func range(of needle: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) {
                return start..<index(start, offsetBy: needle.count)
            }
            start = index(after: start)
        }
        return nil
    }
}

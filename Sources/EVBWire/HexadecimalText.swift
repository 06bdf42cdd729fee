// Octets as hexadecimal digits. Thousands of VSIIDs and addresses become texts in a burst, so that none of it makes a text for each octet.

/// Texts of a few octets, written into one piece of memory.
enum HexadecimalText {
    /// Writes octets as lowercase digits.
    ///
    /// - Parameters:
    ///   - octets: how many octets there are.
    ///   - separator: stands between groups of octets.
    ///   - isGroupEnd: whether a separator follows the octet at a place; never asked for the last one.
    ///   - octet: the octet at a place.
    /// - Returns: two digits for each octet, and the separators.
    @inline(__always) static func text(
        _ octets: Int, separator: Unicode.Scalar, after isGroupEnd: (Int) -> Bool, _ octet: (Int) -> UInt8
    ) -> String {
        String(unsafeUninitializedCapacity: 3 * octets) {
            write(octets, separator: separator, after: isGroupEnd, octet, to: $0)
        }
    }

    /// Writes the same into a piece of memory of at least three octets for each.
    ///
    /// - Returns: how many octets the text has.
    @inline(__always) static func write(
        _ octets: Int, separator: Unicode.Scalar, after isGroupEnd: (Int) -> Bool, _ octet: (Int) -> UInt8,
        to buffer: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        precondition(buffer.count >= 3 * octets)
        guard var end = buffer.baseAddress else { return 0 }
        let start = end
        for place in 0..<octets {
            let value = octet(place)
            end[0] = digit(value >> 4)
            end[1] = digit(value & 15)
            end += 2
            if place < octets - 1, isGroupEnd(place) {
                end.pointee = UInt8(truncatingIfNeeded: separator.value)
                end += 1
            }
        }
        return end - start
    }

    /// Reads exactly so many octets, of lowercase or uppercase digits with nothing else between them than separators where `isGroupEnd`
    /// says; nil for any other text.
    static func value(
        of text: some Collection<UInt8>, octets: Int, separator: Unicode.Scalar, after isGroupEnd: (Int) -> Bool
    ) -> (high: UInt64, low: UInt64)? {
        var (high, low) = (UInt64(0), UInt64(0))
        var digits = text.makeIterator()
        for place in 0..<octets {
            guard let first = digits.next().flatMap(nibble), let second = digits.next().flatMap(nibble) else {
                return nil
            }
            (high, low) = (high << 8 | low >> 56, low << 8 | first << 4 | second)
            guard place < octets - 1, isGroupEnd(place) else { continue }
            guard digits.next() == UInt8(truncatingIfNeeded: separator.value) else { return nil }
        }
        return digits.next() == nil ? (high, low) : nil
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &- 10 &+ value
    }

    private static func nibble(_ digit: UInt8) -> UInt64? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(digit &- UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(digit &- UInt8(ascii: "a") &+ 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(digit &- UInt8(ascii: "A") &+ 10)
        default: nil
        }
    }
}

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
        var areDigits: UInt8 = 1
        var digits = text.makeIterator()
        for place in 0..<octets {
            guard let first = digits.next(), let second = digits.next() else { return nil }
            (high, low) = (high << 8 | low >> 56, low << 8 | nibble(first) << 4 | nibble(second))
            // All are looked at before it is asked: whether a digit is a letter no processor can foresee.
            areDigits = isDigit(first) & isDigit(second) & areDigits
            guard place < octets - 1, isGroupEnd(place) else { continue }
            guard digits.next() == UInt8(truncatingIfNeeded: separator.value) else { return nil }
        }
        return areDigits == 1 && digits.next() == nil ? (high, low) : nil
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "a") &- 10 &+ value
    }

    /// What a digit is worth: the letters have a bit of 64, and end in 1 to 6.
    @inline(__always) private static func nibble(_ digit: UInt8) -> UInt64 {
        UInt64(digit & 15 &+ (digit >> 6) &* 9) & 15
    }

    @inline(__always) private static func isDigit(_ octet: UInt8) -> UInt8 {
        let isNumber = octet &- UInt8(ascii: "0") < 10
        let isLetter = (octet | 0x20) &- UInt8(ascii: "a") < 6
        return (isNumber ? 1 : 0) | (isLetter ? 1 : 0)
    }
}

/// Hashes of the few octets that identifiers have.
///
/// A request looks into tables of VSIs and addresses some two hundred times, and SipHash, which Swift has for any value, takes a tenth of its
/// instructions. As with SipHash, which identifiers fall on one place of a table is not known to who chooses them: the keys are random in
/// each process, and each table has a seed of its own.
enum KeyedHash {
    private static let keys = (key(1), key(2), key(3) | 1)

    /// From Swift's own seed, so that its hashes are those of the run before where it is told so (SWIFT_DETERMINISTIC_HASHING).
    private static func key(_ number: Int) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(number)
        return UInt64(truncatingIfNeeded: hasher.finalize())
    }

    /// The hash of two words and an octet.
    static func value(_ first: UInt64, _ second: UInt64, _ third: UInt8, seed: Int) -> Int {
        let start = UInt64(truncatingIfNeeded: seed)
        let mixed = folded(first ^ keys.0 ^ start, second ^ keys.1)
        return Int(truncatingIfNeeded: folded(mixed ^ UInt64(third) ^ start, keys.2))
    }

    /// Both halves of the product as one word: each octet of it depends on all of both.
    private static func folded(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}

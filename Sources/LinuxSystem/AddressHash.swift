/// Hashes of hardware addresses.
///
/// Each association looks its address up some sixty times, and SipHash, which Swift has for any value, takes five times as long as this. As
/// with SipHash, which addresses fall on one place of a table is not known to who chooses them: the keys are random in each process, and
/// each table has a seed of its own.
enum AddressHash {
    private static let keys = (key(1), key(2) | 1, key(3) | 1)

    /// From Swift's own seed, so that its hashes are those of the run before where it is told so (SWIFT_DETERMINISTIC_HASHING).
    private static func key(_ number: Int) -> UInt64 {
        var hasher = Hasher()
        hasher.combine("hardware address")
        hasher.combine(number)
        return UInt64(truncatingIfNeeded: hasher.finalize())
    }

    static func value(_ address: UInt64, seed: Int) -> Int {
        let start = UInt64(truncatingIfNeeded: seed)
        return Int(truncatingIfNeeded: folded(folded(address ^ keys.0 ^ start, keys.1) ^ start, keys.2))
    }

    /// Both halves of the product as one word: each octet of it depends on all of both.
    private static func folded(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}

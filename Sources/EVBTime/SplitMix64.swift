/// The generator of Steele, Lea and Flood: small, fast, and the same everywhere, so that a seed is all that a run needs.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Starts the sequence that `seed` names.
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// The generator's mixing step: each bit of the result depends on all bits of `word`.
    package static func mix(_ word: UInt64) -> UInt64 {
        var mixed = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

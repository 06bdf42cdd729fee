/// How often something took how long, in fixed buckets. A sample takes no memory.
public struct DurationHistogram: Hashable, Sendable {
    /// Which durations are told apart.
    public enum Scale: Hashable, Sendable {
        /// From 100 us to 10 s: a turn of the loop, which is to be over in 2 ms.
        case turn
        /// From 100 us to 10 s: an answer of the neighbour's.
        case exchange
        /// From 1 ms to 1 min: what several exchanges and decisions take.
        case procedure

        /// The upper ends of the buckets, which belong to them; above the last there is one more bucket.
        package var bounds: [Interval] {
            switch self {
            case .turn: Self.turnBounds
            case .exchange: Self.exchangeBounds
            case .procedure: Self.procedureBounds
            }
        }

        private static let turnBounds = microseconds(
            100, 250, 500, 1000, 1500, 2000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
            10_000_000)
        private static let exchangeBounds = microseconds(
            100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
            10_000_000)
        private static let procedureBounds = microseconds(
            1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
            10_000_000, 30_000_000, 60_000_000)

        private static func microseconds(_ counts: UInt64...) -> [Interval] {
            counts.map { Interval(nanoseconds: $0 * 1000) }
        }
    }

    package let scale: Scale
    /// A bucket for each bound, and one above them.
    private var buckets = SIMD16<UInt64>(repeating: 0)
    /// The sum of all samples; it wraps after 584 years.
    package private(set) var sum: UInt64 = 0
    package private(set) var longest = Interval(nanoseconds: 0)

    /// Starts at zero.
    public init(_ scale: Scale) { self.scale = scale }

    /// Samples in each bucket, those of other buckets not among them.
    package var counts: [UInt64] { (0..<buckets.scalarCount).map { buckets[$0] } }

    /// Counts a sample.
    package mutating func record(_ interval: Interval) {
        let bounds = scale.bounds
        var bucket = 0
        while bucket < bounds.count, bounds[bucket] < interval { bucket += 1 }
        buckets[bucket] &+= 1
        sum &+= interval.nanoseconds
        longest = max(longest, interval)
    }
}

public import EVBTime

/// What a run of the edge relay over a simulated kernel is made of; everything else follows from the seed.
public struct DataplaneOptions: Sendable {
    public var seed: UInt64
    /// How long things go wrong, in simulated time.
    public var turmoil: Interval
    public var vsis: Int
    /// Thousandths of the kernel's news that are lost.
    public var lossThousandths: Int
    /// Thousandths of the operations that the kernel refuses.
    public var refusalThousandths: Int

    /// The seed says how much goes wrong.
    public init(seed: UInt64, turmoil: Interval = .seconds(600), vsis: Int = 6) {
        self.seed = seed
        self.turmoil = turmoil
        self.vsis = max(vsis, 1)
        var random = SplitMix64(seed: ~seed)
        lossThousandths = random.flag() ? random.within(1...200) : 0
        refusalThousandths = random.flag() ? random.within(1...200) : 0
    }
}

/// How a run ended.
public struct DataplaneReport: Sendable {
    public let seed: UInt64
    public let events: UInt64
    /// How often a link was set up for a VSI.
    public let openings: UInt64
    /// Simulated time.
    public let seconds: Int
    public let violation: Violation?
}

/// An edge relay over a simulated kernel, from its seed to its end.
public enum DataplaneSimulation {
    /// Runs one world.
    ///
    /// - Parameters:
    ///   - options: The seed and the size.
    ///   - trace: Takes every line of the trace as it comes.
    /// - Returns: How it ended; the same for the same options, always.
    public static func run(_ options: DataplaneOptions, trace: ((String) -> Void)? = nil) -> DataplaneReport {
        var world = DataplaneWorld(options: options, listener: trace)
        return world.run()
    }

    /// Runs one world of virtual functions: a card that refuses, and is lost and found again, in place of a kernel with links.
    ///
    /// - Parameters: as those of `run`; `lossThousandths` is of no use.
    public static func runFunctions(
        _ options: DataplaneOptions, trace: ((String) -> Void)? = nil
    ) -> DataplaneReport {
        var world = FunctionWorld(options: options, listener: trace)
        return world.run()
    }
}

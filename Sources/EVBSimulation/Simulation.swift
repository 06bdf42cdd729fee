/// A simulated world from its seed to its end.
public enum Simulation {
    /// Runs one world.
    ///
    /// - Parameters:
    ///   - options: the seed and the size.
    ///   - trace: takes every line of the trace as it comes.
    /// - Returns: how it ended; the same for the same options, always.
    public static func run(_ options: SimulationOptions, trace: ((String) -> Void)? = nil) -> SimulationReport {
        var world = World(options: options, listener: trace)
        return world.run()
    }
}

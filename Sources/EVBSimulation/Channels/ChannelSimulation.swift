public import EVBTime

/// What can go wrong on an uplink with S-channels; each can be left out.
public enum ChannelFault: String, CaseIterable, Sendable, Hashable {
    /// Frames are lost.
    case loss
    /// Frames come twice.
    case duplicate
    /// Frames overtake each other.
    case reorder
    /// Frames take their time.
    case delay
    /// The link carries nothing for a while, and neither side hears of it.
    case cut
    /// The link goes down and comes back.
    case flap
    /// The station ends and starts again.
    case stationRestart = "station-restart"
    /// The bridge ends and starts again.
    case bridgeRestart = "bridge-restart"
    /// A side that starts again has no memory of SVIDs.
    case forget
    /// Another neighbour speaks CDCP, and lies.
    case liar
    /// LLDPDUs under a true neighbour's name and address say something else: another role, stolen SVIDs, broken TLVs.
    case spoof
    /// Channels are added and dropped, and SVIDs are asked for.
    case configure
    /// The bridge's SVID pool changes.
    case pool
    /// The number of channels that a side bears changes.
    case capacity
    /// Managers take back what they wanted.
    case withdraw
    /// An operator takes VSIs back on the bridge.
    case retract
}

/// What a run of an uplink with S-channels is made of; everything else follows from the seed.
public struct ChannelOptions: Sendable {
    public var seed: UInt64
    /// How long things go wrong, in simulated time; a quiet time follows in which all has to come right.
    public var turmoil: Interval
    /// Channels that the station may have, the default one left out.
    public var channels: Int
    /// VSIs that are wanted in a channel at most.
    public var vsis: Int
    /// What may go wrong; a run takes some of it, by its seed.
    public var faults: Set<ChannelFault>

    /// Joins the settings of a run. At most 100 channels count.
    public init(
        seed: UInt64, turmoil: Interval = .seconds(3600), channels: Int = 4, vsis: Int = 2,
        faults: Set<ChannelFault> = Set(ChannelFault.allCases)
    ) {
        self.seed = seed
        self.turmoil = turmoil
        self.channels = min(max(channels, 1), 100)
        self.vsis = max(vsis, 1)
        self.faults = faults
    }
}

/// How a run ended.
public struct ChannelReport: Sendable {
    public let seed: UInt64
    /// Simulated time.
    public let time: Interval
    public let events: UInt64
    /// How often a channel came up on the station.
    public let channelsUp: UInt64
    /// How often a channel got another SVID on the station.
    public let moves: UInt64
    /// How often VSIs were reported associated.
    public let associations: UInt64
    public let violation: Violation?
}

/// An uplink with S-channels, from its seed to its end.
public enum ChannelSimulation {
    /// Runs one world.
    ///
    /// - Parameters:
    ///   - options: The seed and the size.
    ///   - trace: Takes every line of the trace as it comes.
    /// - Returns: How it ended; the same for the same options, always.
    public static func run(_ options: ChannelOptions, trace: ((String) -> Void)? = nil) -> ChannelReport {
        var world = ChannelWorld(options: options, listener: trace)
        return world.run()
    }
}

public import EVBTime

/// What can go wrong in a simulated world; each can be left out.
public enum Fault: String, CaseIterable, Sendable, Hashable {
    /// Frames are lost.
    case loss
    /// Frames come twice.
    case duplicate
    /// Frames overtake each other.
    case reorder
    /// Frames take their time.
    case delay
    /// Bits of frames are flipped.
    case corrupt
    /// A link carries nothing for a while, and neither side is told.
    case cut
    /// A link goes down and comes back.
    case flap
    /// A station's daemon dies and comes back, with or without the memory of what is wanted.
    case stationCrash = "station-crash"
    /// The bridge dies and comes back without any memory.
    case bridgeReboot = "bridge-reboot"
    /// A side says good-bye and comes back.
    case shutdown
    /// An operator takes VSIs back on the bridge.
    case retract
    /// Managers withdraw what they wanted.
    case withdraw
    /// Managers want another filter or another target.
    case change
    /// Decisions take long, some longer than resourceWaitDelay.
    case slow
    /// Requests are refused, in all ways.
    case refuse
    /// The bridge sets Keep also where nothing was granted before.
    case falseKeep = "false-keep"
    /// Timers and capabilities are configured anew, on both sides.
    case configure
    /// The bridge allows fewer VSIs than are wanted.
    case shortage
    /// The pre-standard draft is spoken, because one side or both are told to.
    case draft
    /// Either side is told to speak another dialect.
    case dialect
    /// Another bridge takes the place of the one that there was, on a link that stays up.
    case replaceBridge = "replace-bridge"
    /// A false bridge speaks beside the true one.
    case falseBridge = "false-bridge"
    /// The address of a side's interface changes.
    case changeAddress = "change-address"
}

/// What a run is made of; everything else follows from the seed.
public struct SimulationOptions: Sendable {
    public var seed: UInt64
    /// How long things go wrong, in simulated time; a quiet time follows in which all has to come right.
    public var turmoil: Interval
    /// Stations, each on a port of the bridge.
    public var stations: Int
    /// VSIs that a station wants at most.
    public var vsis: Int
    /// What may go wrong; a run takes some of it, by its seed.
    public var faults: Set<Fault>
    /// Whether the bridge needs an ack timer for each answer, and what it says to a longer keep-alive period; nil for one that
    /// answers at once.
    public var slowBridge: SlowBridge?

    /// A bridge that sends one PDU for each ack timer, with one answer.
    public enum SlowBridge: String, Sendable, CaseIterable {
        /// It takes the station's keep-alive period where that is longer.
        case follows
        /// It keeps its own, and says so.
        case keepsOwn = "keeps-own"
    }

    /// Joins the settings of a run.
    public init(
        seed: UInt64, turmoil: Interval = .seconds(3600), stations: Int = 2, vsis: Int = 6,
        faults: Set<Fault> = Set(Fault.allCases), slowBridge: SlowBridge? = nil
    ) {
        self.seed = seed
        self.turmoil = turmoil
        self.stations = max(stations, 1)
        self.vsis = max(vsis, 1)
        self.faults = faults
        self.slowBridge = slowBridge
    }
}

/// How a run ended.
public struct SimulationReport: Sendable {
    public let seed: UInt64
    /// Simulated time times stations.
    public let stationTime: Interval
    /// Frames, deadlines, decisions and faults that were worked off.
    public let events: UInt64
    /// How often VSIs were reported associated.
    public let associations: UInt64
    public let violation: Violation?
}

/// A rule that did not hold.
public struct Violation: Error, Sendable, CustomStringConvertible {
    /// The rule, in one line.
    public let rule: String
    /// What was seen instead.
    public let detail: String
    public let seed: UInt64
    public let time: Instant
    public let station: Int
    /// The last that happened on the station's link, oldest first.
    public let trace: [String]

    public var description: String {
        """
        seed \(seed), at \(Trace.text(time)), station \(station): \(rule)
          \(detail)
        \(trace.map { "  " + $0 }.joined(separator: "\n"))
        """
    }
}

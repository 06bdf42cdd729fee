public import JSON

/// Frames in one direction, as far as they are counted.
public struct TrafficCounts: Codable, Sendable, Equatable {
    public var frames: Int
    public var octets: Int
    /// Frames that were dropped; nil where that is not counted for each VSI.
    @Nullable public var drops: Int?

    /// Makes counts.
    public init(frames: Int, octets: Int, drops: Int?) {
        self.frames = frames
        self.octets = octets
        self._drops = Nullable(wrappedValue: drops)
    }
}

/// What a VSI's machine sends and receives, since its link or its rules are there.
public struct VSITraffic: Codable, Sendable, Equatable {
    /// What the machine has sent; nil where it is not counted.
    @Nullable public var sent: TrafficCounts?
    /// What the machine has received; nil where it is not counted.
    @Nullable public var received: TrafficCounts?

    /// Joins both directions.
    public init(sent: TrafficCounts?, received: TrafficCounts?) {
        self._sent = Nullable(wrappedValue: sent)
        self._received = Nullable(wrappedValue: received)
    }
}

/// The numbers of a VSI.
public struct VSIMetrics: Codable, Sendable, Equatable {
    public var port: String
    public var role: PortRole
    public var vsiID: String
    public var traffic: VSITraffic

    /// Joins the numbers.
    public init(port: String, role: PortRole, vsiID: String, traffic: VSITraffic) {
        self.port = port
        self.role = role
        self.vsiID = vsiID
        self.traffic = traffic
    }
}

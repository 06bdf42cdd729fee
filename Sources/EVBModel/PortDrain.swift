/// That a station's port is out of service for a while.
public struct PortDrain: Codable, Sendable, Equatable {
    /// How long a port can be drained, in seconds.
    public static let secondsRange = 1...604_800
    /// How long it is where nothing is said.
    public static let secondsDefault = 7200

    /// Since when, in milliseconds since 1970 (UTC).
    public var sinceMilliseconds: Int
    /// When it ends by itself.
    public var untilMilliseconds: Int
    /// Who wanted it.
    public var by: String

    /// Makes a drain.
    public init(sinceMilliseconds: Int, untilMilliseconds: Int, by: String) {
        self.sinceMilliseconds = sinceMilliseconds
        self.untilMilliseconds = untilMilliseconds
        self.by = by
    }
}

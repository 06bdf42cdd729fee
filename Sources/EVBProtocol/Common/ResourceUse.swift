/// A bound on what VSIs may take, by its name in the configuration.
public enum ResourceLimit: String, Hashable, Sendable, CaseIterable {
    /// VSIs of one port.
    case vsisPerPort = "vsis-per-port"
    /// VSIs of all ports together.
    case vsis
    /// Filter entries of all VSIs of all ports together.
    case filterEntries = "filter-entries"
}

/// What VSIs take: how many there are, and how many filter entries they have.
public struct ResourceUse: Hashable, Sendable {
    public var vsis: Int
    /// For each VSI the entries that it asks for or the ones that it holds, whichever are more.
    public var filterEntries: Int

    /// Nothing, unless told otherwise.
    public init(vsis: Int = 0, filterEntries: Int = 0) {
        self.vsis = vsis
        self.filterEntries = filterEntries
    }
}

/// What the VSIs of one port may take in all: what there is, less what other ports have.
public struct ResourceRoom: Hashable, Sendable {
    public var vsis: Int
    public var filterEntries: Int

    /// Room without end, unless told otherwise.
    public init(vsis: Int = .max, filterEntries: Int = .max) {
        self.vsis = vsis
        self.filterEntries = filterEntries
    }
}

// What a new configuration makes of the ports, before it is taken or after.

/// What a configuration changes.
public struct ReloadReport: Codable, Sendable, Equatable {
    /// Whether it is in force now; false after a dry run.
    public var isApplied: Bool
    /// The ports of the configuration in force and of the file, in the order of the names.
    public var ports: [PortReload]
    /// VSIs that end by it.
    public var endedVSIs: Int
    /// What is worth a look in the file, or takes a restart, each as a sentence without a stop.
    public var warnings: [String]

    /// Makes a report.
    public init(isApplied: Bool, ports: [PortReload], warnings: [String]) {
        self.isApplied = isApplied
        self.ports = ports
        self.endedVSIs = ports.reduce(0) { $0 + $1.endedVSIs }
        self.warnings = warnings
    }
}

/// What a configuration makes of one port.
public struct PortReload: Codable, Sendable, Equatable {
    /// The kinds of changes.
    public enum Change: String, Codable, Sendable, CaseIterable {
        /// The file has the port, and evbd does not run it yet.
        case added
        /// The file has the port no more.
        case removed
        /// The port ends and starts again, as another one: its role has changed, or who decides on VSIs.
        case replaced
        /// The port goes on with other settings.
        case changed
        case kept
    }

    /// The interface of the port.
    public var interface: String
    /// What becomes of it.
    public var change: Change
    /// VSIs of the port that end by it.
    public var endedVSIs: Int

    /// Makes the change of a port.
    public init(interface: String, change: Change, endedVSIs: Int) {
        self.interface = interface
        self.change = change
        self.endedVSIs = endedVSIs
    }
}

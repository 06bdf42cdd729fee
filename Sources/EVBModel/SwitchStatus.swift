public import JSON

/// The Open vSwitch that a station's port is in, as its database says.
public struct SwitchStatus: Codable, Sendable, Equatable {
    /// What forwards frames.
    public enum Datapath: String, Codable, Sendable, CaseIterable {
        case kernel, userspace
    }

    /// The bridge.
    public var bridge: String
    public var datapath: Datapath
    /// For how long the database has been followed without a break, in whole seconds; nil while it cannot be asked.
    @Nullable public var connectedSeconds: Int?
    /// Why the database cannot be asked; nil while it can.
    @Nullable public var reason: String?

    /// Makes the status.
    public init(bridge: String, datapath: Datapath, connectedSeconds: Int? = nil, reason: String? = nil) {
        self.bridge = bridge
        self.datapath = datapath
        self._connectedSeconds = Nullable(wrappedValue: connectedSeconds)
        self._reason = Nullable(wrappedValue: reason)
    }
}

public import EVBWire

/// What is shown of a station's port again and again: a small part of ``StationPortSnapshot``, at a small part of its cost.
public struct StationPortBrief: Sendable {
    public let isLinkUp: Bool
    public let peer: EVBPeer?
    public let dialect: WireDialect
    public let timers: OperationalTimers
    public let reflectiveRelay: ReflectiveRelayStatus
    /// The bridge has answered the request for reflective relay, and does not reflect.
    public let isRelayRefused: Bool
}

/// What is shown of a bridge's port again and again: a small part of ``BridgePortSnapshot``, at a small part of its cost.
public struct BridgePortBrief: Sendable {
    public let isLinkUp: Bool
    public let station: EVBPeer?
    public let dialect: WireDialect
    public let timers: OperationalTimers
    public let reflectsFrames: Bool
}

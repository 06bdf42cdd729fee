// What Capture streams.

public import JSON

/// A frame of LLDP or ECP that a port has sent or received, and the port's view of it.
public struct CapturedFrame: Codable, Sendable, Equatable {
    /// Which way a frame went.
    public enum Direction: String, Codable, Sendable, CaseIterable {
        case received
        case sent
    }

    /// When the kernel received it, or was given it to send, in nanoseconds since 1970 (UTC).
    public var timeNanoseconds: Int
    /// Which way it went.
    public var direction: Direction
    /// Its octets as hexadecimal digits, from the destination address on, with the VLAN tag that it bore, and without the check sequence.
    public var octets: String
    /// How many octets it had on the wire; more than there are where it was cut.
    public var length: Int
    /// The port has left it; the last sentences of the view say why.
    public var ignored: Bool
    /// What the frame says, and what became of it: sentences for people, of at most 2 KiB in all.
    public var view: [String]

    /// Makes a frame.
    public init(
        timeNanoseconds: Int, direction: Direction, octets: String, length: Int, ignored: Bool, view: [String]
    ) {
        self.timeNanoseconds = timeNanoseconds
        self.direction = direction
        self.octets = octets
        self.length = length
        self.ignored = ignored
        self.view = view
    }
}

/// Where a capture is made.
public struct CaptureStart: Codable, Sendable, Equatable {
    /// The interface by the name that the kernel shows.
    public var interface: String
    /// The side that the port plays.
    public var role: PortRole
    /// The address of the interface; nil while it is not there.
    @Nullable public var address: String?
    /// The version of evbd.
    public var version: String

    /// Makes a start.
    public init(interface: String, role: PortRole, address: String?, version: String) {
        self.interface = interface
        self.role = role
        self._address = Nullable(wrappedValue: address)
        self.version = version
    }
}

/// One thing that a capture tells: its start first, then frames and notices.
public struct CaptureEvent: Codable, Sendable, Equatable {
    /// Where it is made; in the first event alone.
    @Nullable public var start: CaptureStart?
    /// A frame.
    @Nullable public var frame: CapturedFrame?
    /// Something about the port that a person who captures should know.
    @Nullable public var notice: String?
    /// Frames that found no room since the capture began, as the client reads more slowly than they come.
    public var lost: Int
    /// Frames that the kernel dropped before evbd could read them, since the capture began.
    public var dropped: Int

    /// Makes an event.
    public init(
        start: CaptureStart? = nil, frame: CapturedFrame? = nil, notice: String? = nil, lost: Int = 0, dropped: Int = 0
    ) {
        self._start = Nullable(wrappedValue: start)
        self._frame = Nullable(wrappedValue: frame)
        self._notice = Nullable(wrappedValue: notice)
        self.lost = lost
        self.dropped = dropped
    }
}

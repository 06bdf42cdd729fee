// What operators do to VSIs and ports beside asking for them: the part of the interface's description, and the parameters.

public import EVBModel
public import JSON

extension ControlInterface {
    static let operations = """

        # Asks the bridge at once for a VSI that was refused, hard or not, or whose next try is due later. wait as in
        # Associate.
        method Retry(vsiID: string, port: ?string, wait: ?int) -> (vsi: VSI)

        # Asks at once for all such VSIs, or for those of a port, and answers how many these are. Nothing is waited for.
        method RetryAll(port: ?string) -> (retried: int)

        # Something that happened to a VSI, once or count times alike, first and last at these times. number: its place among
        # the VSI's events. kind: requested, restored, withdrawn, retried, asked, asked-again, granted, refused, refused-hard,
        # refused-kept, unacknowledged, unanswered, unaskable, mismatched, taken-back, lost, waiting, link-up, link-cut,
        # link-failed, released, ended, note. reason as in VSI.
        type HistoryEvent (
          number: int,
          timeMilliseconds: int,
          lastMilliseconds: int,
          count: int,
          kind: string,
          reason: ?string,
          message: string
        )

        # What has happened to a VSI on a port. leftOut: how many earlier events are not kept. state as in VSI, null where evbd
        # does not know it any more. next: how it stands and what comes next, at nextMilliseconds where that has a time.
        type History (
          vsiID: string,
          port: string,
          leftOut: int,
          events: []HistoryEvent,
          state: ?string,
          next: string,
          nextMilliseconds: ?int,
          nowMilliseconds: int
        )

        # What has happened to a VSI, on each port that it is or was on, also if it is gone.
        method GetHistory(vsiID: string, port: ?string) -> (histories: []History)

        # That a station's port is out of service, in milliseconds since 1970. by: who wanted it.
        type PortDrain (sinceMilliseconds: int, untilMilliseconds: int, by: string)

        # Takes a station's port out of service, for maintenance of the bridge: the bridge is asked to release all VSIs, their
        # links are set down, and all stays wanted. It ends by itself after seconds (1 to 604800, default 7200). On a port that is
        # drained it sets another end.
        method Drain(port: string, seconds: ?int) -> (port: Port)

        # Takes a port back into service: all of its VSIs are asked for.
        method EndDrain(port: string) -> (port: Port)

        # The VSI does not have to be asked for again (the bridge holds it, or is being asked), or cannot be.
        error NothingToRetry (port: string, vsiID: string, message: string, hint: string)

        """
}

/// The parameters of Retry.
public struct RetryRequest: Codable, Sendable, Equatable {
    /// The VSIID, as in ``VSIRequest``.
    public var vsiID: String
    /// The port; nil for wherever the VSI is.
    @Nullable public var port: String?
    /// How long to wait for the bridge, in milliseconds, 0 to 3600000; 0 answers at once.
    public var waitMilliseconds: Int

    /// Makes a request.
    public init(vsiID: String, port: String? = nil, waitMilliseconds: Int = 0) {
        self.vsiID = vsiID
        self._port = Nullable(wrappedValue: port)
        self.waitMilliseconds = waitMilliseconds
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case vsiID, port
        case waitMilliseconds = "wait"
    }

    /// Reads a request and checks every range.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        vsiID = try container.name(.vsiID, longest: 64)
        _port = try container.interfaceOrNull(.port)
        waitMilliseconds = try container.wait(.waitMilliseconds)
    }
}

/// The parameters of RetryAll.
public struct RetryAllRequest: Codable, Sendable, Equatable {
    /// Only VSIs on this port; nil for all.
    @Nullable public var port: String?

    /// Makes a request.
    public init(port: String? = nil) {
        self._port = Nullable(wrappedValue: port)
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case port
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        _port = try decoder.container(keyedBy: CodingKeys.self).interfaceOrNull(.port)
    }
}

/// The parameters of GetHistory.
public struct GetHistoryRequest: Codable, Sendable, Equatable {
    /// The VSIID, as in ``VSIRequest``.
    public var vsiID: String
    /// The port; nil for all.
    @Nullable public var port: String?

    /// Makes a request.
    public init(vsiID: String, port: String? = nil) {
        self.vsiID = vsiID
        self._port = Nullable(wrappedValue: port)
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case vsiID, port
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        vsiID = try container.name(.vsiID, longest: 64)
        _port = try container.interfaceOrNull(.port)
    }
}

/// The parameters of Drain.
public struct DrainRequest: Codable, Sendable, Equatable {
    /// The port, one in the role station.
    public var port: String
    /// How long, in seconds, in ``PortDrain/secondsRange``.
    public var seconds: Int

    /// Makes a request.
    public init(port: String, seconds: Int = PortDrain.secondsDefault) {
        self.port = port
        self.seconds = seconds
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case port, seconds
    }

    /// Reads a request and checks the range.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        port = try container.interface(.port)
        seconds = try container.integer(.seconds, in: PortDrain.secondsRange) ?? PortDrain.secondsDefault
    }
}

/// The parameters of EndDrain.
public struct EndDrainRequest: Codable, Sendable, Equatable {
    /// The port.
    public var port: String

    /// Makes a request.
    public init(port: String) {
        self.port = port
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case port
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        port = try decoder.container(keyedBy: CodingKeys.self).interface(.port)
    }
}

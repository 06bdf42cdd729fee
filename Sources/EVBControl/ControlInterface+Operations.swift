// What operators do to VSIs and ports beside asking for them: the part of the interface's description, and the parameters.

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

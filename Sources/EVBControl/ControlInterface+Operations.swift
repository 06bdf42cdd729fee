// What operators do to VSIs and ports beside asking for them: the part of the interface's description, and the parameters.

public import EVBModel
public import JSON

extension ControlInterface {
    static let operations = """

        # The VNI of a VLAN of a VSI, at a bridge.
        type Network (vlan: int, vni: int)

        # An organizationally specific TLV to send with a request: the OUI, six hexadecimal digits, and its octets in them.
        type Organizational (oui: string, data: string)

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
        # links are set down, and all stays wanted. It ends by itself after seconds (1 to 604800, default 7200). On a port that
        # is drained it sets another end.
        method Drain(port: string, seconds: ?int) -> (port: Port)

        # Takes a port back into service: all of its VSIs are asked for.
        method EndDrain(port: string) -> (port: Port)

        # What a bridge did with requests of one kind. outcome: granted, or of the first that was not: refused, unanswered,
        # unacknowledged, unaskable, mismatched, taken-back, lost. PDUs are ECPDUs; times count from the first command.
        # phase: pre-associate, associate, unknown-change, unknown-type, batch, silence, release.
        type ProbeStep (
          name: string,
          phase: ?string,
          asked: int,
          granted: int,
          sentPDUs: int,
          largestSent: int,
          answerPDUs: int,
          largestAnswer: int,
          repeats: int,
          firstMicroseconds: ?int,
          lastMicroseconds: ?int,
          outcome: string,
          reason: ?string,
          reasonCode: ?int,
          hard: ?bool,
          keep: ?bool
        )

        # What became of a VSI that was not kept alive: after how long the bridge has to take it back, and did.
        type KeepAliveTrial (expectedMilliseconds: int, waitedMilliseconds: int, droppedMilliseconds: ?int)

        # What a probe has found out. keepAlive: followed, not-followed, own-is-longer, unknown. verdict: granted, partly,
        # refused, unanswered.
        type ProbeReport (
          port: string,
          neighbour: ?Neighbour,
          dialect: (auto, ratified, draft),
          evbTLV: EVBTLVs,
          keepAlive: string,
          steps: []ProbeStep,
          isComplete: bool,
          managerID: ?string,
          typeID: ?int,
          typeVersion: ?int,
          keepAliveTrial: ?KeepAliveTrial,
          verdict: ?string,
          conclusion: ?string
        )

        # Finds out what the bridge of a station's port can do, by VSIs of its own with addresses that no machine has: they are
        # pre-associated, one of them is associated, changed and asked for with a type that does not exist, and all are
        # de-associated, also when the client goes. vsis: how many at once, 2 to 64, default 8. keepAlive: one more is
        # associated and not kept alive, to see when the bridge takes it back; for ten minutes at most.
        method Probe(
          port: string,
          managerID: ?string,
          typeID: ?int,
          typeVersion: ?int,
          vlan: ?int,
          vsis: ?int,
          keepAlive: ?bool
        ) -> (probe: ProbeReport)

        # The VSI does not have to be asked for again (the bridge holds it, or is being asked), or cannot be.
        error NothingToRetry (port: string, vsiID: string, message: string, hint: string)

        """
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

/// The parameters of Probe.
public struct ProbeRequest: Codable, Sendable, Equatable {
    /// VSIs that are asked for at once.
    public static let vsisRange = 2...64

    /// The port, one in the role station.
    public var port: String
    /// The manager ID; nil leaves the choice to the bridge. The service reads it.
    @Nullable public var managerID: String?
    /// The VSI type that the test VSIs are to have.
    public var typeID: Int
    public var typeVersion: Int
    /// Their VLAN; 0 leaves it to the bridge.
    public var vlan: Int
    public var vsis: Int
    /// Whether it is tried what becomes of a VSI that is not kept alive, which takes as long as the bridge waits.
    public var keepAlive: Bool

    /// Makes a request.
    public init(
        port: String, managerID: String? = nil, typeID: Int = 1, typeVersion: Int = 0, vlan: Int = 0, vsis: Int = 8,
        keepAlive: Bool = false
    ) {
        self.keepAlive = keepAlive
        self.port = port
        self._managerID = Nullable(wrappedValue: managerID)
        self.typeID = typeID
        self.typeVersion = typeVersion
        self.vlan = vlan
        self.vsis = vsis
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case port, managerID, typeID, typeVersion, vlan, vsis, keepAlive
    }

    /// Reads a request and checks every range.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        var manager: String?
        if try container.contains(.managerID) && !container.decodeNil(forKey: .managerID) {
            manager = try container.name(.managerID, longest: 64)
        }
        self.init(
            port: try container.interface(.port), managerID: manager,
            typeID: try container.integer(.typeID, in: 0...0xFF_FFFF) ?? 1,
            typeVersion: try container.integer(.typeVersion, in: 0...255) ?? 0,
            vlan: try container.integer(.vlan, in: 0...4094) ?? 0,
            vsis: try container.integer(.vsis, in: Self.vsisRange) ?? 8,
            keepAlive: try container.decodeIfPresent(Bool.self, forKey: .keepAlive) ?? false)
    }
}

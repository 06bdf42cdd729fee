public import JSON

/// What a probe has found out about a bridge.
public struct ProbeReport: Codable, Sendable, Equatable {
    /// What a step of the probe is for.
    public enum Phase: String, Codable, Sendable, CaseIterable {
        case preAssociate = "pre-associate"
        case associate
        /// An association is to change to a type that does not exist.
        case unknownChange = "unknown-change"
        /// A type that does not exist is asked for.
        case unknownType = "unknown-type"
        /// Several VSIs are asked for at once.
        case batch
        /// A VSI is associated that gets no keep-alive.
        case silence
        /// All is given back.
        case release
    }

    /// What became of a VSI that was not kept alive.
    public struct KeepAliveTrial: Codable, Sendable, Equatable {
        /// After how long the bridge has to take it back, by the timers in force.
        public var expectedMilliseconds: Int
        /// How long was waited.
        public var waitedMilliseconds: Int
        /// After how long the bridge took it back; nil where it did not.
        @Nullable public var droppedMilliseconds: Int?

        /// Makes a trial.
        public init(expectedMilliseconds: Int, waitedMilliseconds: Int, droppedMilliseconds: Int?) {
            self.expectedMilliseconds = expectedMilliseconds
            self.waitedMilliseconds = waitedMilliseconds
            self._droppedMilliseconds = Nullable(wrappedValue: droppedMilliseconds)
        }
    }

    /// What the bridge did with one request, or with several of one kind.
    public struct Step: Codable, Sendable, Equatable {
        /// What was asked, for people.
        public var name: String
        /// What for; an older evbd does not say.
        @Nullable public var phase: Phase?
        /// VSIs asked for, and those that the bridge granted, or released.
        public var asked: Int
        public var granted: Int
        /// ECPDUs in which the commands were sent, and the most commands in one.
        public var sentPDUs: Int
        public var largestSent: Int
        /// ECPDUs in which answers came, and the most answers in one.
        public var answerPDUs: Int
        public var largestAnswer: Int
        /// Commands that were sent again.
        public var repeats: Int
        /// From the first command to the first answer, and to the last; nil where none came.
        @Nullable public var firstMicroseconds: Int?
        @Nullable public var lastMicroseconds: Int?
        /// Of the first that was not granted: granted, refused, unanswered, unacknowledged and so on.
        public var outcome: String
        /// Of a refusal, in words and as a number.
        @Nullable public var reason: VSIReason?
        @Nullable public var reasonCode: Int?
        @Nullable public var hard: Bool?
        @Nullable public var keep: Bool?

        /// Makes a step in which nothing has happened yet.
        public init(_ phase: Phase, name: String, asked: Int) {
            self.name = name
            self._phase = Nullable(wrappedValue: phase)
            self.asked = asked
            granted = 0
            sentPDUs = 0
            largestSent = 0
            answerPDUs = 0
            largestAnswer = 0
            repeats = 0
            outcome = "granted"
            self._firstMicroseconds = Nullable(wrappedValue: nil)
            self._lastMicroseconds = Nullable(wrappedValue: nil)
            self._reason = Nullable(wrappedValue: nil)
            self._reasonCode = Nullable(wrappedValue: nil)
            self._hard = Nullable(wrappedValue: nil)
            self._keep = Nullable(wrappedValue: nil)
        }
    }

    /// What the bridge does with a keep-alive period (RKA) that the station offers.
    public enum KeepAlive: String, Codable, Sendable, CaseIterable {
        /// It shows the station's as the one in force. Some do so too where both are alike.
        case followed
        /// It keeps to its own shorter one.
        case notFollowed = "not-followed"
        /// Its own is as long or longer, so that nothing can be said.
        case ownIsLonger = "own-is-longer"
        case unknown
    }

    public var port: String
    /// The bridge as LLDP has it; nil where it is gone.
    @Nullable public var neighbour: NeighbourStatus?
    public var dialect: PortDialect
    /// The EVB TLVs of both sides.
    public var evbTLV: EVBTLVPair
    public var keepAlive: KeepAlive
    public var steps: [Step]
    /// Whether the probe came to its end in time.
    public var isComplete: Bool
    /// The manager that was asked for; nil leaves it to the bridge. An older evbd says neither that nor the type.
    @Nullable public var managerID: String?
    @Nullable public var typeID: Int?
    @Nullable public var typeVersion: Int?
    /// What became of a VSI that was not kept alive; nil where that was not tried.
    @Nullable public var keepAliveTrial: KeepAliveTrial?
    /// What the probe comes to; an older evbd draws no conclusion.
    @Nullable public var verdict: Verdict?
    /// The same in words, with what to do.
    @Nullable public var conclusion: String?

    /// Makes a report, and draws its conclusion.
    public init(
        port: String, neighbour: NeighbourStatus?, dialect: PortDialect, evbTLV: EVBTLVPair, steps: [Step],
        isComplete: Bool, managerID: String? = nil, typeID: Int, typeVersion: Int, keepAliveTrial: KeepAliveTrial? = nil
    ) {
        self._managerID = Nullable(wrappedValue: managerID)
        self._typeID = Nullable(wrappedValue: typeID)
        self._typeVersion = Nullable(wrappedValue: typeVersion)
        self._keepAliveTrial = Nullable(wrappedValue: keepAliveTrial)
        self._verdict = Nullable(wrappedValue: nil)
        self._conclusion = Nullable(wrappedValue: nil)
        self.port = port
        self._neighbour = Nullable(wrappedValue: neighbour)
        self.dialect = dialect
        self.evbTLV = evbTLV
        self.steps = steps
        self.isComplete = isComplete
        keepAlive =
            switch (evbTLV.local, evbTLV.remote) {
            case (let local?, let remote?) where local.rkaOrigin == .local && remote.rka < local.rka: .notFollowed
            case (let local?, let remote?)
            where local.rkaOrigin == .local && remote.rka == local.rka && remote.rkaOrigin == .remote: .followed
            case (_?, _?): .ownIsLonger
            default: .unknown
            }
        conclude()
    }
}

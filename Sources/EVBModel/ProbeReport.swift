public import JSON

/// What a probe has found out about a bridge.
public struct ProbeReport: Codable, Sendable, Equatable {
    /// What the bridge did with one request, or with several of one kind.
    public struct Step: Codable, Sendable, Equatable {
        /// What was asked, for people.
        public var name: String
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
        public init(name: String, asked: Int) {
            self.name = name
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

    /// Makes a report.
    public init(
        port: String, neighbour: NeighbourStatus?, dialect: PortDialect, evbTLV: EVBTLVPair, steps: [Step],
        isComplete: Bool
    ) {
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
    }
}

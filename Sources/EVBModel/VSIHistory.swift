// What has happened to a VSI, as `evbctl why` shows it.

public import JSON

/// Something that happened to a VSI, once or several times alike.
public struct VSIHistoryEvent: Codable, Sendable, Equatable {
    /// What happened.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A manager, or at a bridge's port the station, wants it; the detail tells who and what.
        case requested
        /// evbd has started, and its store has the VSI.
        case restored
        /// A manager wants it no more.
        case withdrawn
        /// An operator has it asked for again.
        case retried
        /// A command was sent to the bridge.
        case asked
        /// The command was sent once more, as no answer came.
        case askedAgain = "asked-again"
        /// The bridge granted the command.
        case granted
        case refused
        /// Refused with Hard: evbd does not ask again by itself.
        case refusedHard = "refused-hard"
        /// Refused with Keep: the VSI is as it was before the request.
        case refusedKept = "refused-kept"
        /// The command was sent, and the bridge's ECP did not acknowledge it.
        case unacknowledged
        /// The command was acknowledged, and not answered in time.
        case unanswered
        /// It cannot be asked of this bridge.
        case unaskable
        /// The answer did not fit the request.
        case mismatched
        /// The bridge has changed or ended it unasked.
        case takenBack = "taken-back"
        /// The peer is lost, and with it what was granted.
        case lost
        /// No bridge was heard in time; the request stands.
        case waiting
        case linkUp = "link-up"
        case linkCut = "link-cut"
        case linkFailed = "link-failed"
        /// The peer has released it, or it was released here.
        case released
        /// Nothing is known of it any more.
        case ended
        case note
    }

    /// Place among the events of the VSI, from 1; events that were left out are counted.
    public var number: Int
    /// When it happened first, in milliseconds since 1970 (UTC).
    public var timeMilliseconds: Int
    /// When it happened last.
    public var lastMilliseconds: Int
    /// How often it happened.
    public var count: Int
    public var kind: Kind
    /// The bridge's reason, or evbd's.
    @Nullable public var reason: VSIReason?
    /// A sentence for people.
    public var message: String

    /// Makes an event.
    public init(
        number: Int, timeMilliseconds: Int, lastMilliseconds: Int, count: Int, kind: Kind, reason: VSIReason? = nil,
        message: String
    ) {
        self.number = number
        self.timeMilliseconds = timeMilliseconds
        self.lastMilliseconds = lastMilliseconds
        self.count = count
        self.kind = kind
        self._reason = Nullable(wrappedValue: reason)
        self.message = message
    }
}

/// The history of a VSI on one port, and how it stands.
public struct VSIHistory: Codable, Sendable, Equatable {
    public var vsiID: String
    public var port: String
    /// Events before the first that is shown, which are not kept any more.
    public var leftOut: Int
    /// In the order in which they happened first.
    public var events: [VSIHistoryEvent]
    /// The state now; nil where evbd does not know the VSI any more.
    @Nullable public var state: VSIState?
    /// How it stands and what comes next, as a sentence for people.
    public var next: String
    /// When that comes, in milliseconds since 1970 (UTC); nil where no time is set.
    @Nullable public var nextMilliseconds: Int?
    /// evbd's time.
    public var nowMilliseconds: Int

    /// Makes a history.
    public init(
        vsiID: String, port: String, leftOut: Int, events: [VSIHistoryEvent], state: VSIState?, next: String,
        nextMilliseconds: Int?, nowMilliseconds: Int
    ) {
        self.vsiID = vsiID
        self.port = port
        self.leftOut = leftOut
        self.events = events
        self._state = Nullable(wrappedValue: state)
        self.next = next
        self._nextMilliseconds = Nullable(wrappedValue: nextMilliseconds)
        self.nowMilliseconds = nowMilliseconds
    }
}

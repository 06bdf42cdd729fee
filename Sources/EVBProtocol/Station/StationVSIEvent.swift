public import EVBTime
public import EVBWire

/// What happens to a VSI, for whoever shows, programs or wants it.
public enum StationVSIEvent: Hashable, Sendable {
    /// Its state has changed.
    case changed(VSIChange)
    /// A request for it has ended; each that was taken ends once.
    case ended(VSIID, RequestOutcome)
    /// Nothing is known of it any more.
    case forgotten(VSIID)

    /// Whose event it is.
    public var vsiID: VSIID {
        switch self {
        case .changed(let change): change.vsiID
        case .ended(let vsiID, _), .forgotten(let vsiID): vsiID
        }
    }
}

/// A change of a VSI's state.
public struct VSIChange: Hashable, Sendable {
    public let vsiID: VSIID
    public let from: VSIState
    public let to: VSIState
    /// Why, where there is something to say.
    public let reason: VSIReason?

    /// Joins the parts of a change.
    public init(vsiID: VSIID, from: VSIState, to: VSIState, reason: VSIReason?) {
        self.vsiID = vsiID
        self.from = from
        self.to = to
        self.reason = reason
    }
}

/// A VSI as it stands.
public struct StationVSISnapshot: Sendable, Hashable {
    /// What its manager wants.
    public let request: VSIRequest
    public let state: VSIState
    public let reason: VSIReason?
    /// The filter in force, with the VLANs that the bridge filled in; the one asked for while nothing is granted.
    public let filter: FilterInfo
    /// It is being de-associated.
    public let isWithdrawn: Bool
    /// When its manager first asked for it.
    public let createdAt: Instant
    /// The command that is under way with the bridge, or else the one in force; nil for neither.
    public let command: VDPCommand?
    /// operCmd: the command that the bridge has granted and not taken back; nil is vsiState DEASSOC (802.1Q 41.5.5.14).
    public let operCommand: VDPCommand?
    /// The bridge's latest answer about it; nil before the first.
    public let answer: VSIAnswer?
    /// How its commands have ended.
    public let counters: VSICommandCounters
}

/// How a VSI stands, for those who need no more of it: of each request that is asked some ten times.
public struct StationVSIStanding: Sendable, Hashable {
    public let state: VSIState
    /// It is being de-associated.
    public let isWithdrawn: Bool
}

/// What a bridge's answer about a VSI said of the command (802.1Q 41.2.3).
public struct VSIAnswer: Hashable, Sendable {
    /// Keep and Hard, as they came, and the reason.
    public let status: VDPStatus
    /// The reason as it stood on the wire; the draft's codes are not those of the ratified VDP.
    public let reasonCode: UInt8

    init(_ status: VDPStatus, in dialect: WireDialect) {
        self.status = status
        reasonCode = dialect == .draft ? status.reason.draftCode : status.reason.rawValue
    }
}

/// How the commands of one VSI have ended since its manager first asked for it. All of these wrap.
public struct VSICommandCounters: Hashable, Sendable {
    /// Granted (the MIB's VDPCommandsSucceeded).
    public var succeeded: UInt32 = 0
    /// Failed, for whatever reason (VDPCommandsFailed).
    public var failed: UInt32 = 0
    /// Refused with Keep, among the failed ones (VDPCommandReverts).
    public var reverted: UInt32 = 0
}

/// What VDP has counted on a port since it was set up. All of these wrap.
public struct StationVDPStatistics: Hashable, Sendable {
    /// Commands that the bridge granted (the MIB's VDPCommandsSucceeded, over all VSIs).
    public var commandsSucceeded: UInt64 = 0
    /// Commands that failed (VDPCommandsFailed).
    public var commandsFailed: UInt64 = 0
    /// Refusals with Keep (VDPCommandReverts).
    public var commandReverts: UInt64 = 0
    /// Keep-alives sent.
    public var keepAlives: UInt64 = 0
    /// Commands sent again because no answer came.
    public var repeats: UInt64 = 0
    /// Times that the bridge left some of several VSIs unanswered, and was asked more slowly from then on.
    public var stalls: UInt64 = 0
    /// TLVs from the bridge that nobody waited for.
    public var unsolicited: UInt64 = 0
    /// TLVs about VSIs that are not known.
    public var unknownVSI: UInt64 = 0
    /// Answers that were about another manager, type or filter.
    public var mismatchedAnswers: UInt64 = 0
    /// TLVs and PDUs that were not what they claim to be.
    public var malformed: UInt64 = 0
    /// From a manager's request for an association to the bridge's grant.
    public var associationTimes = DurationHistogram(.procedure)

    /// Starts at zero.
    public init() {}
}

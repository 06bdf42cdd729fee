public import EVBWire

/// What a manager wants for a VSI.
public struct VSIRequest: Hashable, Sendable {
    public var vsiID: VSIID
    public var managerID: VSIManagerID
    /// The filter as it is asked for; null VIDs in it are filled in by the bridge.
    public var filter: FilterInfo
    /// Organizationally specific TLVs to send along.
    public var organizational: [OrganizationalInformation]
    /// The VSI type ID, 24 bits.
    public var typeID: UInt32
    public var typeVersion: UInt8
    /// How far the VSI is to be bound.
    public var target: Target
    public var hint: Hint
    public var persistence: Persistence
    /// Whether keep-alives hold it at the bridge. A probe does without, to see what the bridge does then.
    public var isKeptAlive = true

    /// How far a VSI is to be bound; each includes those before it.
    public enum Target: Sendable, Hashable, Comparable {
        case preAssociated
        case preAssociatedWithReservation
        case associated

        /// The command that asks for it.
        public var command: VDPCommand {
            switch self {
            case .preAssociated: .preAssociate
            case .preAssociatedWithReservation: .preAssociateWithReservation
            case .associated: .associate
            }
        }
    }

    /// What the bridge may want to know of a migration (802.1Q 41.2.3).
    public enum Hint: Sendable, Hashable {
        case none
        /// M: the VSI's user is on its way to here.
        case migrating
        /// S: the VSI's user is suspended.
        case suspended

        var status: VDPStatus {
            switch self {
            case .none: []
            case .migrating: .migrating
            case .suspended: .suspended
            }
        }
    }

    /// How long a manager wants what it wants.
    public enum Persistence: Sendable, Hashable {
        /// Until it is withdrawn: what fails is tried again, unless the bridge says that it never will succeed.
        case untilWithdrawn
        /// Once: a failure ends it, and the manager asks anew if it still wants it, as libvirt does.
        case once
    }

    /// Joins the parts of a request; of the type ID 24 bits count.
    public init(
        vsiID: VSIID, target: Target, managerID: VSIManagerID, typeID: UInt32, typeVersion: UInt8, filter: FilterInfo,
        hint: Hint = .none, organizational: [OrganizationalInformation] = [],
        persistence: Persistence = .untilWithdrawn
    ) {
        self.vsiID = vsiID
        self.target = target
        self.managerID = managerID
        self.typeID = typeID & 0xFF_FFFF
        self.typeVersion = typeVersion
        self.filter = filter
        self.hint = hint
        self.organizational = organizational
        self.persistence = persistence
    }

    /// The TLV that carries `command` for this VSI with `filter` in place of the one asked for.
    func tlv(_ command: VDPCommand, filter: FilterInfo) -> VSITLV {
        Self.tlv(
            command, vsiID, typeID: typeID, typeVersion: typeVersion, hint: hint, filter: filter,
            organizational: organizational)
    }

    @inline(__always) static func tlv(
        _ command: VDPCommand, _ vsiID: VSIID, typeID: UInt32, typeVersion: UInt8, hint: Hint, filter: FilterInfo,
        organizational: [OrganizationalInformation]
    ) -> VSITLV {
        VSITLV(
            command: command, status: command == .deAssociate ? [] : hint.status, typeID: typeID,
            typeVersion: typeVersion, vsiID: vsiID, filter: filter,
            organizational: command == .deAssociate ? [] : organizational)
    }

    /// Whether an answer's manager, type and version are those of a request; what either side left zero matches anything (802.1Q 41.5).
    @inline(__always) static func agree(
        _ own: (VSIManagerID, UInt32, UInt8), _ others: (VSIManagerID, UInt32, UInt8)
    ) -> Bool {
        func agree<Value: Equatable>(_ own: Value, _ other: Value, zero: Value) -> Bool {
            own == other || own == zero || other == zero
        }
        return agree(own.0, others.0, zero: .unspecified) && agree(own.1, others.1, zero: 0)
            && agree(own.2, others.2, zero: 0)
    }

    /// Whether the bridge's filter grants the one that is asked for (``EVBWire/FilterInfo/isGranted(by:)``).
    func isGranted(by granted: FilterInfo) -> Bool { filter.isGranted(by: granted) }
}

extension FilterInfo {
    /// Whether the bridge's filter grants this one: every entry is there, with any VLAN for a null VID and at least one for
    /// each, and nothing else is. VID 4095 is none.
    func isGranted(by granted: FilterInfo) -> Bool {
        func covers(_ asked: FilterEntry, _ given: FilterEntry) -> Bool {
            asked.macAddress == given.macAddress && asked.groupID == given.groupID
                && (asked.vid == 0 ? given.vid != 0x0FFF : asked.vid == given.vid)
        }
        guard granted.format == format else { return false }
        if let asked = entries.only, let given = granted.entries.only { return covers(asked, given) }
        return entries.allSatisfy { asked in granted.entries.contains { covers(asked, $0) } }
            && granted.entries.allSatisfy { given in entries.contains { covers($0, given) } }
    }
}

/// Why a request is not taken.
public enum VSIRequestError: Error, Equatable, Sendable {
    /// The port has as many VSIs as it may have.
    case tooManyVSIs(limit: Int)
    /// All ports together have as many VSIs or filter entries as they may have.
    case noRoom(ResourceLimit)
    /// A VSI cannot go back from what the bridge has granted; it would have to be de-associated first (802.1Q 41.5).
    case goesBackward(from: VDPCommand)
    /// Filter and organizationally specific TLVs do not fit one frame of the port: octets needed, and octets there are.
    case tooLong(Int, most: Int)
    /// No such VSI is known on the port.
    case unknownVSI
    /// The group ID is no VN ID of 24 bits, which it has to be on a port that says EVB mode 3.
    case groupBeyondNetworks(UInt32)
}

/// How far a VSI is bound, as managers are told.
public enum VSIState: String, Sendable, Hashable, CaseIterable {
    case deassociated
    /// A command is under way, or waits for a bridge to be heard.
    case pending
    case preassociated
    case preassociatedWithReservation = "preassociated-rr"
    case associated
}

/// Why a VSI is in its state, as managers are told.
public enum VSIReason: String, Sendable, Hashable, CaseIterable {
    case success
    case invalidFormat = "invalid-format"
    case insufficientResources = "insufficient-resources"
    case managerUnreachable = "manager-unreachable"
    case otherFailure = "other-failure"
    case invalidFilter = "invalid-vid-group-mac"
    /// The bridge did not answer in time.
    case timeout
    /// The bridge took back what it had granted.
    case bridgeDeassociated = "bridge-deassociated"
    /// No EVB bridge is heard on the port.
    case bridgeLost = "bridge-lost"
    /// The bridge cannot answer about so many VSIs within the keep-alive period.
    case bridgeOverloaded = "bridge-overloaded"
    /// The port is out of service for a while.
    case drained

    /// The reason for a bridge's code; one that is not known counts as another failure (802.1Q 41.2.3).
    public init(_ reason: VDPReason) {
        self =
            switch reason {
            case .success: .success
            case .invalidFormat: .invalidFormat
            case .insufficientResources: .insufficientResources
            case .managerUnreachable: .managerUnreachable
            case .invalidFilter: .invalidFilter
            default: .otherFailure
            }
    }
}

/// A bridge's refusal.
public struct Refusal: Hashable, Sendable {
    /// The bridge's code, as it came.
    public let reason: VDPReason
    /// The bridge says that the same request will always fail.
    public let isHard: Bool
    /// The VSI stays as it was before the request.
    public let isKept: Bool

    /// Joins the parts of a refusal.
    public init(reason: VDPReason, isHard: Bool, isKept: Bool) {
        self.reason = reason
        self.isHard = isHard
        self.isKept = isKept
    }
}

/// How a request ended. Every request that was taken ends once.
public enum RequestOutcome: Hashable, Sendable {
    /// The bridge granted it.
    case granted
    case refused(Refusal)
    /// The bridge answered with something else than was asked for; what it holds has been released.
    case mismatched
    /// The bridge did not answer in time.
    case timedOut
    /// No EVB bridge was heard on the port in time.
    case noBridge
    /// The bridge de-associated the VSI instead.
    case bridgeDeassociated
    /// The filter has group IDs, and the bridge cannot use them.
    case groupIDsUnavailable
    /// The dialect that the bridge speaks cannot say what is asked for.
    case inexpressible(DialectLimit)
    /// The bridge has as many VSIs as it can answer about within the keep-alive period, and keeps to that period.
    case bridgeOverloaded
    /// The VSI is de-associated, as was asked for.
    case released
    /// A later request for the same VSI took its place.
    case superseded
}

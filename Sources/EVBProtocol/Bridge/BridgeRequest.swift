public import EVBTime
public import EVBWire

/// What a station asks for a VSI, as it is put before whoever decides.
public struct BridgeRequest: Hashable, Sendable {
    /// The command: any but the De-Associate, which needs no decision.
    public var command: VDPCommand
    public var vsiID: VSIID
    public var managerID: VSIManagerID
    /// The VSI type ID, 24 bits.
    public var typeID: UInt32
    public var typeVersion: UInt8
    /// The filter as it is asked for; null VIDs in it are to be filled in.
    public var filter: FilterInfo
    /// What the station tells of a migration: M and S.
    public var hint: VSIRequest.Hint
    /// Organizationally specific TLVs that came along.
    public var organizational: [OrganizationalInformation]
    /// What has been granted for the VSI before and still holds.
    public var holding: BridgeGrant?

    init(_ tlv: VSITLV, from manager: VSIManagerID, holding: BridgeGrant?) {
        command = tlv.command
        vsiID = tlv.vsiID
        managerID = manager
        typeID = tlv.typeID
        typeVersion = tlv.typeVersion
        filter = tlv.filter
        hint = tlv.status.contains(.migrating) ? .migrating : tlv.status.contains(.suspended) ? .suspended : .none
        organizational = tlv.organizational
        self.holding = holding
    }

    /// Whether `other`, which came later, asks for the same: the command aside, with this filter or with the one that was
    /// granted for it. What it tells of a migration is no attribute, and a keep-alive may leave organizational TLVs out.
    func isRepeated(by other: VSITLV, from manager: VSIManagerID, granted: FilterInfo?) -> Bool {
        managerID == manager && typeID == other.typeID && typeVersion == other.typeVersion
            && (other.organizational.isEmpty || other.organizational == organizational)
            && (other.filter == filter || other.filter == granted)
    }
}

/// What a bridge has granted to a VSI.
public struct BridgeGrant: Hashable, Sendable {
    public let command: VDPCommand
    /// The filter that holds, with the VLANs that were filled in.
    public let filter: FilterInfo
}

/// Names a decision that is awaited. One request, even a repeated one, has one ticket; a changed request has another.
public struct DecisionTicket: Hashable, Sendable {
    public let number: UInt64
}

/// What is decided on a request.
public enum BridgeDecision: Hashable, Sendable {
    /// Granted, with this filter: the one asked for, with VLANs in the place of null VIDs.
    case grant(FilterInfo)
    /// Refused. Keep counts only where something has been granted before.
    case refuse(Refusal)
}

/// What happens to a VSI on a bridge's port, for whoever shows it or puts it into force.
public enum BridgeVSIEvent: Hashable, Sendable {
    /// Granted, or granted something else than before: this is to be in force.
    case bound(VSIID, BridgeGrant)
    /// Nothing holds any more, and this is why.
    case released(VSIID, VDPBridgeMachine.Release)
    /// The station has de-associated a VSI, of this filter, for which nothing held.
    case departed(VSIID, FilterInfo)
}

/// A VSI on a bridge's port as it stands.
public struct BridgeVSISnapshot: Hashable, Sendable {
    public let vsiID: VSIID
    public let state: VDPBridgeMachine.State
    /// What holds.
    public let grant: BridgeGrant?
    /// The request that it was granted for.
    public let request: BridgeRequest?
    /// What is being decided.
    public let pending: BridgeRequest?
    /// When the station first asked for it.
    public let createdAt: Instant
    /// What the station was told last; nil before anything was.
    public let answer: VSIAnswer?
    public let counters: VSICommandCounters
}

/// What VDP has counted on a bridge's port since it was set up. All of these wrap.
public struct BridgeVDPStatistics: Hashable, Sendable {
    /// Commands granted (the MIB's VDPCommandsSucceeded, over all VSIs), keep-alives not among them.
    public var commandsSucceeded: UInt64 = 0
    /// Commands refused (VDPCommandsFailed).
    public var commandsFailed: UInt64 = 0
    /// Refusals with Keep (VDPCommandReverts).
    public var commandReverts: UInt64 = 0
    /// Keep-alives answered.
    public var keepAlives: UInt64 = 0
    /// VSIs given up because nothing was heard of them.
    public var keepAliveTimeouts: UInt64 = 0
    /// Requests refused because nobody decided in time.
    public var resourceWaitTimeouts: UInt64 = 0
    /// Requests refused because the port has as many VSIs as it may have.
    public var tableFull: UInt64 = 0
    /// Requests refused because all ports together have as many VSIs as they may have.
    public var allTablesFull: UInt64 = 0
    /// Requests refused because all VSIs together have as many filter entries as they may have.
    public var filtersFull: UInt64 = 0
    /// Answers given up because ECP could not get them across.
    public var answersLost: UInt64 = 0
    /// TLVs from the station that are answers themselves.
    public var unsolicited: UInt64 = 0
    /// TLVs and PDUs that were not what they claim to be.
    public var malformed: UInt64 = 0
    /// From the arrival of a request for an association to the decision that grants it.
    public var associationTimes = DurationHistogram(.procedure)

    /// Starts at zero.
    public init() {}
}

// What evbd tells of a VSI: VSI of the interface. Keys as in interface.md; a key without a value is null.

public import JSON

/// In which state a VSI is.
public enum VSIState: String, Codable, Sendable, CaseIterable {
    case deassociated
    /// A request is on its way, or waits for a bridge.
    case pending
    case preassociated
    /// Pre-associated with resource reservation.
    case preassociatedRR = "preassociated-rr"
    case associated
}

/// Why a VSI is in its state: what the bridge said last, or why it could not.
public enum VSIReason: String, Codable, Sendable, CaseIterable {
    case success
    case invalidFormat = "invalid-format"
    case insufficientResources = "insufficient-resources"
    case managerUnreachable = "manager-unreachable"
    case otherFailure = "other-failure"
    case invalidVIDGroupMAC = "invalid-vid-group-mac"
    /// The bridge did not answer in time.
    case timeout
    /// The bridge de-associated it.
    case bridgeDeassociated = "bridge-deassociated"
    /// The bridge, or the link to it, was lost.
    case bridgeLost = "bridge-lost"
    /// The bridge cannot answer about so many VSIs within the keep-alive period.
    case bridgeOverloaded = "bridge-overloaded"
    /// The port is out of service for a while, as an operator wants.
    case drained
}

/// How a VSIID is to be read.
public enum VSIIDFormat: String, Codable, Sendable, CaseIterable {
    case ipv4, ipv6, mac, local, uuid
}

/// One entry of a filter: the frames that belong to the VSI.
public struct VSIFilter: Codable, Sendable, Equatable {
    /// The MAC address, as `52:54:00:00:c7:3e`.
    @Nullable public var mac: String?
    /// The VID, 1 to 4094; 0 asks the bridge for one.
    @Nullable public var vlan: Int?
    /// The priority code point, 0 to 7.
    @Nullable public var pcp: Int?
    /// The GroupID, 0 to 4294967295.
    @Nullable public var group: Int?

    /// Makes an entry; the server checks the ranges of what a client sends.
    public init(mac: String? = nil, vlan: Int? = nil, pcp: Int? = nil, group: Int? = nil) {
        self._mac = Nullable(wrappedValue: mac)
        self._vlan = Nullable(wrappedValue: vlan)
        self._pcp = Nullable(wrappedValue: pcp)
        self._group = Nullable(wrappedValue: group)
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case mac, vlan, pcp, group
    }
}

/// What kind of link a VSI has.
public enum LinkKind: String, Codable, Sendable, CaseIterable {
    case macvtap, macvlan
}

/// In which mode a macvtap or macvlan relays.
public enum LinkMode: String, Codable, Sendable, CaseIterable {
    case vepa, bridge, `private`, passthru, source
}

/// The network link of a VSI.
public struct VSILink: Codable, Sendable, Equatable {
    /// Its interface name.
    public var name: String
    /// Its kind; in a request, nil means macvtap, or whatever link of that name is in the bridge that the port is in.
    @Nullable public var kind: LinkKind?
    /// Its mode; in a request, nil lets it follow the negotiated edge relay.
    @Nullable public var mode: LinkMode?

    /// Makes a link.
    public init(name: String, kind: LinkKind? = nil, mode: LinkMode? = nil) {
        self.name = name
        self._kind = Nullable(wrappedValue: kind)
        self._mode = Nullable(wrappedValue: mode)
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case name, kind, mode
    }
}

/// Something about a VSI's link that its machine will notice, though the VSI is in order.
public struct VSIWarning: Codable, Sendable, Equatable {
    /// What it is.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// The bridge reflects frames, and the mode of the link gives a machine its own broadcasts back.
        case hearsItself = "hears-itself"
        /// The link takes frames for some addresses of the filter only.
        case unreachableAddresses = "unreachable-addresses"
    }

    /// What it is.
    public var kind: Kind
    /// The same for people.
    public var message: String
    /// What to do about it.
    public var hint: String

    /// Makes a warning.
    public init(kind: Kind, message: String, hint: String) {
        self.kind = kind
        self.message = message
        self.hint = hint
    }
}

/// A VSI, as `evbctl vsi list` shows it.
public struct VSIStatus: Codable, Sendable, Equatable {
    /// Its VSIID, in the way in which its format is written.
    public var vsiID: String
    /// How the VSIID is to be read.
    public var vsiIDFormat: VSIIDFormat
    /// The port that it is on.
    public var port: String
    /// Its manager ID; nil where the bridge is to use its own.
    @Nullable public var managerID: String?
    /// Its VSI type (VTID), 24 bits.
    public var typeID: Int
    /// The version of its type, 0 to 255.
    public var typeVersion: Int
    /// In which state it is.
    public var state: VSIState
    /// Why; nil before there is anything to say.
    @Nullable public var reason: VSIReason?
    /// Its filter; the bridge's, once it has answered.
    public var filters: [VSIFilter]
    /// Its link, made by evbd or adopted; nil while there is none.
    @Nullable public var link: VSILink?
    /// What its machine will notice.
    @Listed public var warnings: [VSIWarning]

    /// Makes the status of a VSI.
    public init(
        vsiID: String, vsiIDFormat: VSIIDFormat, port: String, managerID: String?, typeID: Int, typeVersion: Int,
        state: VSIState, reason: VSIReason?, filters: [VSIFilter], link: VSILink?, warnings: [VSIWarning] = []
    ) {
        self.vsiID = vsiID
        self.vsiIDFormat = vsiIDFormat
        self.port = port
        self._managerID = Nullable(wrappedValue: managerID)
        self.typeID = typeID
        self.typeVersion = typeVersion
        self.state = state
        self._reason = Nullable(wrappedValue: reason)
        self.filters = filters
        self._link = Nullable(wrappedValue: link)
        self._warnings = Listed(wrappedValue: warnings)
    }
}

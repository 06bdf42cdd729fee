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

/// How far a request that was not answered has come.
public enum AnswerStage: String, Codable, Sendable, CaseIterable {
    /// It has not left this host.
    case notSent = "not-sent"
    /// It was sent, and the bridge's ECP has not acknowledged it.
    case notAcknowledged = "not-acknowledged"
    /// The bridge's ECP has acknowledged it, and its VDP has not answered.
    case notAnswered = "not-answered"
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

/// The virtual network that a VLAN of a VSI stands for.
public struct VSINetwork: Codable, Sendable, Equatable {
    /// The VLAN, as the bridge has it.
    public var vlan: Int
    /// The VNI, 1 to 16777215.
    public var vni: Int

    /// Makes a network.
    public init(vlan: Int, vni: Int) {
        self.vlan = vlan
        self.vni = vni
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
    /// The text by which people know it; nil without one.
    @Nullable public var label: String?
    /// The link that is wanted, while there is none.
    @Nullable public var requestedLink: VSILink?
    /// When a request that failed is made again, in milliseconds from now; nil where none is to be.
    @Nullable public var retryInMilliseconds: Int?
    /// The virtual networks that it is in, at a bridge whose VSI types say so.
    @Listed public var networks: [VSINetwork]

    /// Makes the status of a VSI.
    public init(
        vsiID: String, vsiIDFormat: VSIIDFormat, port: String, managerID: String?, typeID: Int, typeVersion: Int,
        state: VSIState, reason: VSIReason?, filters: [VSIFilter], link: VSILink?, warnings: [VSIWarning] = [],
        label: String? = nil, requestedLink: VSILink? = nil, retryInMilliseconds: Int? = nil,
        networks: [VSINetwork] = []
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
        self._label = Nullable(wrappedValue: label)
        self._requestedLink = Nullable(wrappedValue: requestedLink)
        self._retryInMilliseconds = Nullable(wrappedValue: retryInMilliseconds)
        self._networks = Listed(wrappedValue: networks)
    }
}

extension VSIReason {
    /// The reason in words, with the number that the bridge's answer had, where that is known.
    package func words(code: Int?) -> String {
        let number = code.map { "reason \($0), " } ?? ""
        return "\(number)\(rawValue): \(meaning)"
    }

    private var meaning: String {
        switch self {
        case .success: "no reason is given"
        case .invalidFormat: "the bridge does not understand the request"
        case .insufficientResources: "the bridge has no resources for it"
        case .managerUnreachable: "the bridge cannot reach the VSI manager, or does not know it"
        case .otherFailure:
            "the bridge gives no better reason, as the standard has none for a VSI type or version that it does not know"
        case .invalidVIDGroupMAC: "the bridge does not allow its VLAN, group or MAC address"
        case .timeout: "the bridge has not answered in time"
        case .bridgeDeassociated: "the bridge has taken it back"
        case .bridgeLost: "the bridge was lost"
        case .bridgeOverloaded: "the bridge has as many VSIs as it can keep alive"
        case .drained: "its port is drained"
        }
    }

    /// What an operator can do about it, at the bridge or on this host.
    package var remedy: String {
        switch self {
        case .success: "see the log of evbd"
        case .invalidFormat: "see the bridge's log; compare the dialects by evbctl port show"
        case .insufficientResources: "end VSIs that are not needed, or raise the limit at the bridge"
        case .managerUnreachable:
            "associate the VSI with the manager ID that the bridge has (--manager), or look at the bridge's way to that manager"
        case .otherFailure:
            "make the VSI type and version known to the bridge, or associate the VSI again with the right ones; see the bridge's log"
        case .invalidVIDGroupMAC: "allow them at the bridge for this VSI type, or correct the filter"
        case .timeout: "see evbctl port show"
        case .bridgeDeassociated: "see the bridge's log for the reason"
        case .bridgeLost: "see evbctl port show"
        case .bridgeOverloaded: "give the bridge a shorter ack timer (RTE) or a longer keep-alive period (RKA)"
        case .drained: "evbctl drain PORT --end"
        }
    }
}

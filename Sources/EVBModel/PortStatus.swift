// What evbd tells of itself and of its ports. The keys are a promise (interface.md): names of properties are names of
// keys, and a key without a value is null.

public import JSON

/// Which side of the link a port is.
public enum PortRole: String, Codable, Sendable, CaseIterable {
    case station, bridge
}

/// Which generation of the protocols a port speaks.
public enum PortDialect: String, Codable, Sendable, CaseIterable {
    /// Not decided: it follows the bridge, and no bridge has been heard.
    case auto
    /// IEEE 802.1Qbg as ratified.
    case ratified
    /// The draft that lldpad calls `evbCfg`.
    case draft
}

/// The daemon itself.
public struct DaemonStatus: Codable, Sendable, Equatable {
    /// The daemon's version.
    public var version: String
    /// Its process.
    public var pid: Int
    /// How long it has been running, in whole seconds.
    public var uptimeSeconds: Int

    /// Makes the status of a daemon.
    public init(version: String, pid: Int, uptimeSeconds: Int) {
        self.version = version
        self.pid = pid
        self.uptimeSeconds = uptimeSeconds
    }
}

/// What `evbctl status` shows.
public struct StatusReport: Codable, Sendable, Equatable {
    /// The daemon itself.
    public var daemon: DaemonStatus
    /// Its ports, in the order of the configuration.
    public var ports: [PortStatus]
    /// What an operator should know beside that.
    public var notes: [StatusNote]
    /// What is wrong now: the daemon's own problems, and then those of the ports in their order. Of many it has some.
    public var problems: [PortProblem]
    /// The servers of VSI types.
    public var typeServers: [TypeServerStatus]

    /// Makes a report.
    public init(
        daemon: DaemonStatus, ports: [PortStatus], notes: [StatusNote] = [], problems: [PortProblem] = [],
        typeServers: [TypeServerStatus] = []
    ) {
        self.typeServers = typeServers
        self.daemon = daemon
        self.ports = ports
        self.notes = notes
        self.problems = problems
    }

    /// Reads a report; an older daemon has no notes, no problems, or no servers.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            daemon: try container.decode(DaemonStatus.self, forKey: .daemon),
            ports: try container.decode([PortStatus].self, forKey: .ports),
            notes: try container.decodeIfPresent([StatusNote].self, forKey: .notes) ?? [],
            problems: try container.decodeIfPresent([PortProblem].self, forKey: .problems) ?? [],
            typeServers: try container.decodeIfPresent([TypeServerStatus].self, forKey: .typeServers) ?? [])
    }
}

/// The EVB peer of a port.
public struct PeerStatus: Codable, Sendable, Equatable {
    /// Its LLDP chassis ID, for people.
    public var chassisID: String
    /// Its LLDP port ID, for people.
    public var portID: String
    /// The EVB mode that its EVB TLV tells: `not-supported`, `bridge`, `station` or `nvo3`.
    public var evbMode: String

    /// Makes the status of a peer.
    public init(chassisID: String, portID: String, evbMode: String) {
        self.chassisID = chassisID
        self.portID = portID
        self.evbMode = evbMode
    }
}

/// Reflective relay on a port.
public struct ReflectiveRelayStatus: Codable, Sendable, Equatable {
    /// What the bridge says to it.
    public enum Grant: String, Codable, Sendable, CaseIterable {
        case granted, refused, unknown
        /// The station does not ask for it, and the bridge does not reflect.
        case notRequested = "not-requested"
    }

    /// Whether the station asks for it (RRREQ).
    public var requested: Bool
    /// What the bridge says (RRCTR); unknown until one is heard.
    public var status: Grant

    /// Makes the status of reflective relay.
    public init(requested: Bool, status: Grant) {
        self.requested = requested
        self.status = status
    }
}

/// The operational values of EVB: what both sides agreed on.
public struct TimerStatus: Codable, Sendable, Equatable {
    /// R: how often an ECPDU is sent again; 0 to 7.
    public var retries: Int
    /// RTE: the acknowledgement timer is 10 us x 2^RTE; 0 to 31.
    public var rte: Int
    /// RWD: the bridge may take 10 us x 2^RWD; 0 to 31.
    public var rwd: Int
    /// RKA: keep-alives come every 10 us x 2^RKA; 0 to 31.
    public var rka: Int

    /// Makes a set of values.
    public init(retries: Int, rte: Int, rwd: Int, rka: Int) {
        self.retries = retries
        self.rte = rte
        self.rwd = rwd
        self.rka = rka
    }
}

/// How many VSIs of a port are in which state.
public struct VSICounts: Codable, Sendable, Equatable {
    public var associated: Int
    /// Pre-associated, with resource reservation or without.
    public var preassociated: Int
    /// Waiting for an answer of the bridge.
    public var pending: Int
    /// Wanted and not associated.
    public var deassociated: Int

    /// Makes a set of counts.
    public init(associated: Int = 0, preassociated: Int = 0, pending: Int = 0, deassociated: Int = 0) {
        self.associated = associated
        self.preassociated = preassociated
        self.pending = pending
        self.deassociated = deassociated
    }

    /// VSIs in any state.
    public var all: Int { associated + preassociated + pending + deassociated }
}

/// How a port's interface stands.
public enum PortLinkState: String, Codable, Sendable, CaseIterable {
    case up, down
    /// There is no interface of that name.
    case missing
}

/// A port in brief: PORT of the interface.
public struct PortStatus: Codable, Sendable, Equatable {
    /// The network interface.
    public var interface: String
    /// Which side of the link it is.
    public var role: PortRole
    /// Whether the link is up.
    public var linkUp: Bool
    /// How the interface stands; an older evbd does not say.
    @Nullable public var linkState: PortLinkState?
    /// Which dialect is spoken.
    public var dialect: PortDialect
    /// The EVB peer; nil while none is heard.
    @Nullable public var peer: PeerStatus?
    /// Reflective relay.
    public var reflectiveRelay: ReflectiveRelayStatus
    /// The operational values.
    public var timers: TimerStatus
    /// How many VSIs are in which state.
    public var vsis: VSICounts
    /// What a bridge port does wrong on purpose; nil while it behaves.
    @Nullable public var misbehaviour: Misbehaviour?
    /// That a station's port is out of service for a while; nil while it is in service.
    @Nullable public var drain: PortDrain?
    /// Which S-channel the port is; nil for one that is none, or channel 1.
    @Nullable public var channel: SChannelStatus?

    /// Makes the status of a port.
    public init(
        interface: String, role: PortRole, linkUp: Bool, linkState: PortLinkState? = nil, dialect: PortDialect,
        peer: PeerStatus?, reflectiveRelay: ReflectiveRelayStatus, timers: TimerStatus, vsis: VSICounts,
        misbehaviour: Misbehaviour? = nil, drain: PortDrain? = nil, channel: SChannelStatus? = nil
    ) {
        self.interface = interface
        self.role = role
        self.linkUp = linkUp
        self._linkState = Nullable(wrappedValue: linkState)
        self.dialect = dialect
        self._peer = Nullable(wrappedValue: peer)
        self.reflectiveRelay = reflectiveRelay
        self.timers = timers
        self.vsis = vsis
        self._misbehaviour = Nullable(wrappedValue: misbehaviour)
        self._drain = Nullable(wrappedValue: drain)
        self._channel = Nullable(wrappedValue: channel)
    }
}

// What `evbctl port show` tells beyond PORT, and the counters.

/// An EVB TLV, field by field under the standard's names.
public struct EVBTLVStatus: Codable, Sendable, Equatable {
    /// Whose value a timer shows (ROL).
    public enum Origin: String, Codable, Sendable, CaseIterable {
        /// The sender's own.
        case local
        /// Taken from the other side.
        case remote
    }

    /// What the station says of reflective relay (RRSTAT).
    public enum RelayState: String, Codable, Sendable, CaseIterable {
        case off, on, unknown
    }

    /// The EVB mode: `not-supported`, `bridge`, `station` or `nvo3`.
    public var evbMode: String
    /// BGID: the bridge can use GroupIDs.
    public var bgid: Bool
    /// RRCAP: the bridge can do reflective relay here.
    public var rrcap: Bool
    /// RRCTR: the bridge does reflective relay here now.
    public var rrctr: Bool
    /// SGID: the station can use GroupIDs.
    public var sgid: Bool
    /// RRREQ: the station asks for reflective relay.
    public var rrreq: Bool
    /// RRSTAT: what the station takes reflective relay to be.
    public var rrstat: RelayState
    /// R; 0 to 7.
    public var retries: Int
    /// RTE; 0 to 31.
    public var rte: Int
    /// RWD; 0 to 31.
    public var rwd: Int
    /// The ROL of RWD.
    public var rwdOrigin: Origin
    /// RKA; 0 to 31.
    public var rka: Int
    /// The ROL of RKA.
    public var rkaOrigin: Origin

    /// Makes a TLV from its fields.
    public init(
        evbMode: String, bgid: Bool, rrcap: Bool, rrctr: Bool, sgid: Bool, rrreq: Bool, rrstat: RelayState,
        retries: Int, rte: Int, rwd: Int, rwdOrigin: Origin, rka: Int, rkaOrigin: Origin
    ) {
        self.evbMode = evbMode
        self.bgid = bgid
        self.rrcap = rrcap
        self.rrctr = rrctr
        self.sgid = sgid
        self.rrreq = rrreq
        self.rrstat = rrstat
        self.retries = retries
        self.rte = rte
        self.rwd = rwd
        self.rwdOrigin = rwdOrigin
        self.rka = rka
        self.rkaOrigin = rkaOrigin
    }
}

/// The EVB TLVs of both sides.
public struct EVBTLVPair: Codable, Sendable, Equatable {
    /// The one that this port sends; nil while it sends none.
    @Nullable public var local: EVBTLVStatus?
    /// The last one heard and not aged out; nil where there is none.
    @Nullable public var remote: EVBTLVStatus?

    /// Makes a pair.
    public init(local: EVBTLVStatus?, remote: EVBTLVStatus?) {
        self._local = Nullable(wrappedValue: local)
        self._remote = Nullable(wrappedValue: remote)
    }
}

/// The LLDP neighbour of a port, on the nearest customer bridge address.
public struct NeighbourStatus: Codable, Sendable, Equatable {
    /// Its chassis ID, for people.
    public var chassisID: String
    /// Its port ID, for people.
    public var portID: String
    /// The time to live that it gave, in seconds.
    public var ttlSeconds: Int
    /// How long ago it was heard, in whole seconds.
    public var ageSeconds: Int
    /// Its system name, if it told one.
    @Nullable public var systemName: String?
    /// Its system description, if it told one.
    @Nullable public var systemDescription: String?
    /// Its port description, if it told one.
    @Nullable public var portDescription: String?

    /// Makes the status of a neighbour.
    public init(
        chassisID: String, portID: String, ttlSeconds: Int, ageSeconds: Int, systemName: String? = nil,
        systemDescription: String? = nil, portDescription: String? = nil
    ) {
        self.chassisID = chassisID
        self.portID = portID
        self.ttlSeconds = ttlSeconds
        self.ageSeconds = ageSeconds
        self._systemName = Nullable(wrappedValue: systemName)
        self._systemDescription = Nullable(wrappedValue: systemDescription)
        self._portDescription = Nullable(wrappedValue: portDescription)
    }
}

/// The counters of ECP on a port, by their names in the EVB MIB.
public struct ECPCounters: Codable, Sendable, Equatable {
    /// EcpTxFrameCount: ECPDUs sent, without those sent again.
    public var txFrameCount: Int
    /// EcpTxRetryCount: ECPDUs sent again.
    public var txRetryCount: Int
    /// EcpTxFailures: ECPDUs given up.
    public var txFailures: Int
    /// EcpRxFrameCount: ECPDUs received.
    public var rxFrameCount: Int

    /// Makes a set of counters.
    public init(txFrameCount: Int = 0, txRetryCount: Int = 0, txFailures: Int = 0, rxFrameCount: Int = 0) {
        self.txFrameCount = txFrameCount
        self.txRetryCount = txRetryCount
        self.txFailures = txFailures
        self.rxFrameCount = rxFrameCount
    }
}

/// A port in full: the keys of PORT, and beside them what follows.
public struct PortDetails: Codable, Sendable, Equatable {
    /// The port in brief; its keys stand on the same level as those below.
    public var port: PortStatus
    /// The EVB TLVs of both sides.
    public var evbTLV: EVBTLVPair
    /// The LLDP neighbour; nil where there is none.
    public var lldpNeighbour: NeighbourStatus?
    /// The counters of ECP.
    public var ecp: ECPCounters

    /// Makes the details of a port.
    public init(port: PortStatus, evbTLV: EVBTLVPair, lldpNeighbour: NeighbourStatus?, ecp: ECPCounters) {
        self.port = port
        self.evbTLV = evbTLV
        self.lldpNeighbour = lldpNeighbour
        self.ecp = ecp
    }

    private enum CodingKeys: String, CodingKey {
        case evbTLV, lldpNeighbour, ecp
    }

    /// Reads the details.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            port: try PortStatus(from: decoder), evbTLV: try container.decode(EVBTLVPair.self, forKey: .evbTLV),
            lldpNeighbour: try container.decodeIfPresent(NeighbourStatus.self, forKey: .lldpNeighbour),
            ecp: try container.decode(ECPCounters.self, forKey: .ecp))
    }

    /// Writes the details.
    public func encode(to encoder: any Encoder) throws {
        try port.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(evbTLV, forKey: .evbTLV)
        try container.encode(Nullable(wrappedValue: lldpNeighbour), forKey: .lldpNeighbour)
        try container.encode(ecp, forKey: .ecp)
    }
}

/// The counters of a port, or of the daemon itself.
public struct StatisticsReport: Codable, Sendable, Equatable {
    /// The port; nil for what belongs to no port.
    @Nullable public var interface: String?
    /// The counters by their names in the EVB MIB (less `ieee8021BridgeEvb`), or our own where it has none.
    public var counters: [String: Int]

    /// Makes a report.
    public init(interface: String?, counters: [String: Int]) {
        self._interface = Nullable(wrappedValue: interface)
        self.counters = counters
    }
}

/// What `evbctl version` shows of the daemon.
public struct VersionReport: Codable, Sendable, Equatable {
    /// The daemon's version.
    public var version: String

    /// Makes a report.
    public init(version: String) {
        self.version = version
    }
}

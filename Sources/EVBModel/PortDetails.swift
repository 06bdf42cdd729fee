// What `evbctl port show` tells beyond PORT, and the counters.

public import JSON

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
    /// The subtype of its chassis ID (802.1AB 8.5.2.2).
    public var chassisIDSubtype: Int
    /// The subtype of its port ID (802.1AB 8.5.3.2).
    public var portIDSubtype: Int
    /// Every TLV of its last LLDPDU, each in hexadecimal digits with its header, in their order.
    public var tlvs: [String]

    /// Makes the status of a neighbour.
    public init(
        chassisID: String, portID: String, ttlSeconds: Int, ageSeconds: Int, systemName: String? = nil,
        systemDescription: String? = nil, portDescription: String? = nil, chassisIDSubtype: Int, portIDSubtype: Int,
        tlvs: [String]
    ) {
        self.chassisID = chassisID
        self.portID = portID
        self.ttlSeconds = ttlSeconds
        self.ageSeconds = ageSeconds
        self._systemName = Nullable(wrappedValue: systemName)
        self._systemDescription = Nullable(wrappedValue: systemDescription)
        self._portDescription = Nullable(wrappedValue: portDescription)
        self.chassisIDSubtype = chassisIDSubtype
        self.portIDSubtype = portIDSubtype
        self.tlvs = tlvs
    }
}

/// Addresses on a station's port that neither a VSI nor a link that the host sees has. Most are those of containers.
public struct UnknownAddresses: Codable, Sendable, Equatable {
    /// Addresses that are listed at most.
    public static let listedMax = 32

    /// How many there are.
    public var count: Int
    /// The first of them, as 52:54:00:00:c7:3e.
    public var addresses: [String]

    /// Makes a list of some of `count` addresses, of which the first are kept.
    public init(count: Int, addresses: [String]) {
        self.count = count
        self.addresses = Array(addresses.prefix(Self.listedMax))
    }
}

/// A port in full: the keys of PORT, and beside them what follows.
public struct PortDetails: Codable, Sendable, Equatable {
    /// The port in brief; its keys stand on the same level as those below.
    public var port: PortStatus
    /// The kernel's index of the interface; 0 while it is not there.
    public var ifIndex: Int
    /// What is wrong on the port now; some of it, where there is much.
    public var problems: [PortProblem]
    /// The EVB TLVs of both sides.
    public var evbTLV: EVBTLVPair
    /// The LLDP neighbour; nil where there is none.
    public var lldpNeighbour: NeighbourStatus?
    /// The managed objects of the system, as this port has them.
    public var sys: SysObjects
    /// Those of the uplink relay port; nil in a bridge.
    public var urp: URPObjects?
    /// Those of the station-facing bridge port; nil in a station.
    public var sbp: SBPObjects?
    /// Those of ECP.
    public var ecp: ECPObjects
    /// Those of LLDP's EVB TLV.
    public var xdot1: Xdot1Objects
    /// How long the port's counters have been counting, in hundredths of a second.
    public var counterDiscontinuity: Int
    /// Addresses on the port that neither a VSI nor a link that the host sees has; nil in a bridge.
    public var unknownAddresses: UnknownAddresses?
    /// Frames that the rules of VSI types have dropped, of every sender; nil where the port has no such rules.
    public var dropped: TrafficCounts?
    /// How the interface is divided into S-channels; nil where it is not.
    public var uplink: UplinkStatus?
    /// The Open vSwitch that the port is in; nil where it is in none.
    public var openVSwitch: SwitchStatus?

    /// Makes the details of a port.
    public init(
        port: PortStatus, ifIndex: Int = 0, problems: [PortProblem] = [], evbTLV: EVBTLVPair,
        lldpNeighbour: NeighbourStatus?,
        sys: SysObjects, urp: URPObjects?, sbp: SBPObjects? = nil, ecp: ECPObjects, xdot1: Xdot1Objects,
        counterDiscontinuity: Int, unknownAddresses: UnknownAddresses? = nil,
        dropped: TrafficCounts? = nil, uplink: UplinkStatus? = nil,
        openVSwitch: SwitchStatus? = nil
    ) {
        self.port = port
        self.dropped = dropped
        self.ifIndex = ifIndex
        self.problems = problems
        self.evbTLV = evbTLV
        self.lldpNeighbour = lldpNeighbour
        self.sys = sys
        self.urp = urp
        self.sbp = sbp
        self.ecp = ecp
        self.xdot1 = xdot1
        self.counterDiscontinuity = counterDiscontinuity
        self.unknownAddresses = unknownAddresses
        self.uplink = uplink
        self.openVSwitch = openVSwitch
    }

    private enum CodingKeys: String, CodingKey {
        case ifIndex, problems, evbTLV, lldpNeighbour, sys, urp, sbp, ecp, xdot1, counterDiscontinuity, unknownAddresses
        case dropped, uplink, openVSwitch
    }

    /// Reads the details.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            port: try PortStatus(from: decoder),
            ifIndex: try container.decodeIfPresent(Int.self, forKey: .ifIndex) ?? 0,
            problems: try container.decodeIfPresent([PortProblem].self, forKey: .problems) ?? [],
            evbTLV: try container.decode(EVBTLVPair.self, forKey: .evbTLV),
            lldpNeighbour: try container.decodeIfPresent(NeighbourStatus.self, forKey: .lldpNeighbour),
            sys: try container.decode(SysObjects.self, forKey: .sys),
            urp: try container.decodeIfPresent(URPObjects.self, forKey: .urp),
            sbp: try container.decodeIfPresent(SBPObjects.self, forKey: .sbp),
            ecp: try container.decode(ECPObjects.self, forKey: .ecp),
            xdot1: try container.decode(Xdot1Objects.self, forKey: .xdot1),
            counterDiscontinuity: try container.decode(Int.self, forKey: .counterDiscontinuity),
            unknownAddresses: try container.decodeIfPresent(UnknownAddresses.self, forKey: .unknownAddresses),
            dropped: try container.decodeIfPresent(TrafficCounts.self, forKey: .dropped),
            uplink: try container.decodeIfPresent(UplinkStatus.self, forKey: .uplink),
            openVSwitch: try container.decodeIfPresent(SwitchStatus.self, forKey: .openVSwitch))
    }

    /// Writes the details.
    public func encode(to encoder: any Encoder) throws {
        try port.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(ifIndex, forKey: .ifIndex)
        try container.encode(problems, forKey: .problems)
        try container.encode(evbTLV, forKey: .evbTLV)
        try container.encode(Nullable(wrappedValue: lldpNeighbour), forKey: .lldpNeighbour)
        try container.encode(sys, forKey: .sys)
        try container.encode(Nullable(wrappedValue: urp), forKey: .urp)
        try container.encode(Nullable(wrappedValue: sbp), forKey: .sbp)
        try container.encode(ecp, forKey: .ecp)
        try container.encode(xdot1, forKey: .xdot1)
        try container.encode(counterDiscontinuity, forKey: .counterDiscontinuity)
        try container.encode(Nullable(wrappedValue: unknownAddresses), forKey: .unknownAddresses)
        try container.encode(Nullable(wrappedValue: dropped), forKey: .dropped)
        try container.encode(Nullable(wrappedValue: uplink), forKey: .uplink)
        try container.encode(Nullable(wrappedValue: openVSwitch), forKey: .openVSwitch)
    }
}

/// The counters of a port, or of the daemon itself.
public struct StatisticsReport: Codable, Sendable, Equatable {
    /// The port; nil for what belongs to no port.
    @Nullable public var interface: String?
    /// The counters by their names in the EVB MIB (less `ieee8021BridgeEvb`), or our own where it has none.
    public var counters: [String: Int]
    /// How long they have been counting, in hundredths of a second; they began at 0.
    public var counterDiscontinuity: Int

    /// Makes a report.
    public init(interface: String?, counters: [String: Int], counterDiscontinuity: Int) {
        self._interface = Nullable(wrappedValue: interface)
        self.counters = counters
        self.counterDiscontinuity = counterDiscontinuity
    }

    /// Makes a report of counters by the table.
    package init(interface: String?, _ values: [Counter: UInt64], counterDiscontinuity: Int) {
        self.init(interface: interface, counters: [:], counterDiscontinuity: counterDiscontinuity)
        add(values)
    }

    /// Adds further counters.
    package mutating func add(_ values: [Counter: UInt64]) {
        for (counter, value) in values { counters[counter.rawValue] = Int(clamping: value) }
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

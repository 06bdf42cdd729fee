public import JSON

/// An S-channel (802.1Q clause 42): a port that shares its cable with others.
public struct SChannelStatus: Codable, Sendable, Equatable {
    /// The interface that it shares.
    public var uplink: String
    /// SCID: the number by which both sides call it.
    public var scid: Int
    /// SVID: its S-tag; nil while it has none.
    @Nullable public var svid: Int?
    /// Why it is not there; nil while it is.
    @Nullable public var reason: String?

    /// Makes the status of a channel.
    public init(uplink: String, scid: Int, svid: Int?, reason: String? = nil) {
        self.uplink = uplink
        self.scid = scid
        self._svid = Nullable(wrappedValue: svid)
        self._reason = Nullable(wrappedValue: reason)
    }
}

/// A pair of a CDCP TLV.
public struct SChannelPairStatus: Codable, Sendable, Equatable {
    /// The channel's number.
    public var scid: Int
    /// Its S-tag; 0 where none is assigned yet.
    public var svid: Int

    /// Makes a pair.
    public init(scid: Int, svid: Int) {
        self.scid = scid
        self.svid = svid
    }
}

/// A CDCP TLV under the standard's names (802.1Q D.2.13).
public struct CDCPTLVStatus: Codable, Sendable, Equatable {
    /// Which side the sender says that it is.
    public var role: PortRole
    /// SComp: whether the sender has an S-VLAN component.
    public var sComponent: Bool
    /// ChnCap: channels that the sender bears, the default one included.
    public var capacity: Int
    /// The pairs, the default channel's first.
    public var pairs: [SChannelPairStatus]

    /// Makes a TLV from its fields.
    public init(role: PortRole, sComponent: Bool, capacity: Int, pairs: [SChannelPairStatus]) {
        self.role = role
        self.sComponent = sComponent
        self.capacity = capacity
        self.pairs = pairs
    }
}

/// A port as an uplink access port: how its interface is divided into S-channels, and the objects that the EVB MIB has of it.
public struct UplinkStatus: Codable, Sendable, Equatable {
    /// SchOperState.
    public enum State: String, Codable, Sendable, CaseIterable {
        case running
        case notRunning = "not-running"
    }

    /// SchCdcpAdminEnable: whether channels are agreed on by CDCP; else they are as configured.
    public var cdcp: Bool
    /// SchOperState: whether a neighbour offers S-channels, or channels are as configured.
    public var state: State
    /// SchAdminCDCPRole: the side that is played.
    public var role: PortRole
    /// SchAdminCDCPChanCap: channels that may be, the default one included.
    public var adminCapacity: Int
    /// SchOperCDCPChanCap: channels that both sides bear.
    public var operCapacity: Int
    /// SchAdminCDCPSVIDPoolLow; nil in a station.
    @Nullable public var svidPoolLow: Int?
    /// SchAdminCDCPSVIDPoolHigh; nil in a station.
    @Nullable public var svidPoolHigh: Int?
    /// The neighbour that is spoken with by CDCP; nil while there is none.
    @Nullable public var peer: SChannelPeerStatus?
    /// The TLV that is sent; nil without CDCP.
    @Nullable public var local: CDCPTLVStatus?
    /// The TLV that was last heard of the peer; nil while there is none.
    @Nullable public var remote: CDCPTLVStatus?
    /// The channels but for the default one, by their numbers.
    public var channels: [SChannelEntry]

    /// Makes the status of an uplink.
    public init(
        cdcp: Bool, state: State, role: PortRole, adminCapacity: Int, operCapacity: Int, svidPoolLow: Int? = nil,
        svidPoolHigh: Int? = nil, peer: SChannelPeerStatus? = nil, local: CDCPTLVStatus? = nil,
        remote: CDCPTLVStatus? = nil, channels: [SChannelEntry] = []
    ) {
        self.cdcp = cdcp
        self.state = state
        self.role = role
        self.adminCapacity = adminCapacity
        self.operCapacity = operCapacity
        self._svidPoolLow = Nullable(wrappedValue: svidPoolLow)
        self._svidPoolHigh = Nullable(wrappedValue: svidPoolHigh)
        self._peer = Nullable(wrappedValue: peer)
        self._local = Nullable(wrappedValue: local)
        self._remote = Nullable(wrappedValue: remote)
        self.channels = channels
    }
}

/// A neighbour that offers S-channels.
public struct SChannelPeerStatus: Codable, Sendable, Equatable {
    /// Its LLDP chassis ID, for people.
    public var chassisID: String
    /// Its LLDP port ID, for people.
    public var portID: String

    /// Makes the status of a neighbour.
    public init(chassisID: String, portID: String) {
        self.chassisID = chassisID
        self.portID = portID
    }
}

/// An S-channel of an uplink.
public struct SChannelEntry: Codable, Sendable, Equatable {
    /// Its interface, which is a port of evbd's.
    public var interface: String
    /// Its number.
    public var scid: Int
    /// Its S-tag; nil while it has none.
    @Nullable public var svid: Int?
    /// Why it is not there; nil while it is.
    @Nullable public var reason: String?

    /// Makes the entry of a channel.
    public init(interface: String, scid: Int, svid: Int?, reason: String? = nil) {
        self.interface = interface
        self.scid = scid
        self._svid = Nullable(wrappedValue: svid)
        self._reason = Nullable(wrappedValue: reason)
    }
}

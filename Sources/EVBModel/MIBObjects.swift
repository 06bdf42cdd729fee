// The managed objects of the EVB MIB (802.1Q 12.26, IEEE8021-EVB-MIB) and of its LLDP extension, in the MIB's groups. A key is the
// object's name without `ieee8021BridgeEvb` and without the name of its group; a microsecond object that the MIB has
// replaced by an exponent is left out. Times since something are in hundredths of a second, as the MIB has them.

public import JSON

/// The group Sys: what a port starts with. evbd has these for each port, and not once for the system.
public struct SysObjects: Codable, Sendable, Equatable {
    /// Which side of EVB a system is.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        case evbBridge, evbStation
    }

    /// SysType.
    public var type: Kind
    /// SysNumExternalPorts: how many ports the daemon has.
    public var numExternalPorts: Int
    /// SysEvbLldpTxEnable: whether the EVB TLV is sent.
    public var evbLldpTxEnable: Bool
    /// SysEvbLldpManual: whether the local values hold whatever the peer says.
    public var evbLldpManual: Bool
    /// SysEvbLldpGidCapable: whether group IDs are offered (BGID or SGID).
    public var evbLldpGidCapable: Bool
    /// SysEcpDfltAckTimerExp: RTE as it is proposed, 0 to 31.
    public var ecpDfltAckTimerExp: Int
    /// SysEcpMaxRetries: R as it is proposed, 0 to 7.
    public var ecpMaxRetries: Int
    /// SysVdpDfltRsrcWaitDelayExp: RWD as it is proposed, 0 to 31.
    public var vdpDfltRsrcWaitDelayExp: Int
    /// SysVdpDfltReinitKeepAliveExp: RKA as it is proposed, 0 to 31.
    public var vdpDfltReinitKeepAliveExp: Int

    /// Joins the objects.
    public init(
        type: Kind, numExternalPorts: Int, evbLldpTxEnable: Bool, evbLldpManual: Bool, evbLldpGidCapable: Bool,
        ecpDfltAckTimerExp: Int, ecpMaxRetries: Int, vdpDfltRsrcWaitDelayExp: Int, vdpDfltReinitKeepAliveExp: Int
    ) {
        self.type = type
        self.numExternalPorts = numExternalPorts
        self.evbLldpTxEnable = evbLldpTxEnable
        self.evbLldpManual = evbLldpManual
        self.evbLldpGidCapable = evbLldpGidCapable
        self.ecpDfltAckTimerExp = ecpDfltAckTimerExp
        self.ecpMaxRetries = ecpMaxRetries
        self.vdpDfltRsrcWaitDelayExp = vdpDfltRsrcWaitDelayExp
        self.vdpDfltReinitKeepAliveExp = vdpDfltReinitKeepAliveExp
    }
}

/// The group URP: a station's uplink relay port.
public struct URPObjects: Codable, Sendable, Equatable {
    /// URPIfIndex: the kernel's index of the interface; 0 while it is not there.
    public var ifIndex: Int
    /// URPBindToISSPort: which of the daemon's ports it stands on, 1 for the first of the configuration.
    public var bindToISSPort: Int
    /// URPLldpManual: whether the local values hold whatever the bridge says.
    public var lldpManual: Bool
    /// URPVdpOperRsrcWaitDelayExp: RWD as it holds, 0 to 31; nil in the draft, which does not negotiate it.
    @Nullable public var vdpOperRsrcWaitDelayExp: Int?
    /// URPVdpOperRespWaitDelay: how long the bridge's answer is waited for, in microseconds.
    public var vdpOperRespWaitDelay: Int
    /// URPVdpOperReinitKeepAliveExp: RKA as it holds, 0 to 31; nil in the draft, which does not negotiate it.
    @Nullable public var vdpOperReinitKeepAliveExp: Int?

    /// Joins the objects.
    public init(
        ifIndex: Int, bindToISSPort: Int, lldpManual: Bool, vdpOperRsrcWaitDelayExp: Int?, vdpOperRespWaitDelay: Int,
        vdpOperReinitKeepAliveExp: Int?
    ) {
        self.ifIndex = ifIndex
        self.bindToISSPort = bindToISSPort
        self.lldpManual = lldpManual
        self._vdpOperRsrcWaitDelayExp = Nullable(wrappedValue: vdpOperRsrcWaitDelayExp)
        self.vdpOperRespWaitDelay = vdpOperRespWaitDelay
        self._vdpOperReinitKeepAliveExp = Nullable(wrappedValue: vdpOperReinitKeepAliveExp)
    }
}

/// The group SBP: a bridge's station-facing port.
public struct SBPObjects: Codable, Sendable, Equatable {
    /// SbpLldpManual: whether the local values hold whatever the station says.
    public var lldpManual: Bool
    /// SbpVdpOperRsrcWaitDelayExp: RWD as it holds, 0 to 31; nil in the draft, which does not negotiate it.
    @Nullable public var vdpOperRsrcWaitDelayExp: Int?
    /// SbpVdpOperReinitKeepAliveExp: RKA as it holds, 0 to 31; nil in the draft, which does not negotiate it.
    @Nullable public var vdpOperReinitKeepAliveExp: Int?
    /// SbpVdpOperToutKeepAlive: how long a VSI of which nothing is heard is kept, in microseconds.
    public var vdpOperToutKeepAlive: Int

    /// Joins the objects.
    public init(
        lldpManual: Bool, vdpOperRsrcWaitDelayExp: Int?, vdpOperReinitKeepAliveExp: Int?, vdpOperToutKeepAlive: Int
    ) {
        self.lldpManual = lldpManual
        self._vdpOperRsrcWaitDelayExp = Nullable(wrappedValue: vdpOperRsrcWaitDelayExp)
        self._vdpOperReinitKeepAliveExp = Nullable(wrappedValue: vdpOperReinitKeepAliveExp)
        self.vdpOperToutKeepAlive = vdpOperToutKeepAlive
    }
}

/// The group Ecp: ECP on a port.
public struct ECPObjects: Codable, Sendable, Equatable {
    /// EcpOperAckTimerInitExp: RTE as it holds, 0 to 31; nil in the draft, whose ECP has a fixed timer.
    @Nullable public var operAckTimerInitExp: Int?
    /// EcpOperMaxRetries: how often an ECPDU is sent again at most.
    public var operMaxRetries: Int
    /// EcpTxFrameCount: ECPDUs sent, without those sent again.
    public var txFrameCount: Int
    /// EcpTxRetryCount: ECPDUs sent again.
    public var txRetryCount: Int
    /// EcpTxFailures: ECPDUs given up.
    public var txFailures: Int
    /// EcpRxFrameCount: ECPDUs received.
    public var rxFrameCount: Int

    /// Joins the objects.
    public init(
        operAckTimerInitExp: Int?, operMaxRetries: Int, txFrameCount: Int = 0, txRetryCount: Int = 0,
        txFailures: Int = 0, rxFrameCount: Int = 0
    ) {
        self._operAckTimerInitExp = Nullable(wrappedValue: operAckTimerInitExp)
        self.operMaxRetries = operMaxRetries
        self.txFrameCount = txFrameCount
        self.txRetryCount = txRetryCount
        self.txFailures = txFailures
        self.rxFrameCount = rxFrameCount
    }
}

/// What LLDP-EXT-DOT1-EVB-EXTENSIONS-MIB has of a port: names without `lldpXdot1` and `lldpV2Xdot1`.
///
/// A TLV is written as hexadecimal digits, its header included.
public struct Xdot1Objects: Codable, Sendable, Equatable {
    /// lldpXdot1EvbConfigEvbTxEnable: whether the EVB TLV is sent.
    public var evbConfigEvbTxEnable: Bool
    /// lldpV2Xdot1LocEvbTlvString: the EVB TLV that is sent, in the dialect that is spoken; nil where none is.
    @Nullable public var locEvbTlvString: String?
    /// lldpV2Xdot1RemEvbTlvString: the neighbour's in that dialect as it was received, usable or not; nil where there is none.
    @Nullable public var remEvbTlvString: String?

    /// Joins the objects.
    public init(evbConfigEvbTxEnable: Bool, locEvbTlvString: String?, remEvbTlvString: String?) {
        self.evbConfigEvbTxEnable = evbConfigEvbTxEnable
        self._locEvbTlvString = Nullable(wrappedValue: locEvbTlvString)
        self._remEvbTlvString = Nullable(wrappedValue: remEvbTlvString)
    }
}

/// The group VSIDB: one VSI, as far as ``VSIStatus`` does not tell it under another name.
///
/// There are VSIIDType and VSIID (`vsiIDFormat`, `vsiID`), VSIType and VSITypeVersion (`typeID`, `typeVersion`), and the table
/// VSIDBMac (`filters`).
public struct VSIDBObjects: Codable, Sendable, Equatable {
    /// A VDP command, or the state that it leads to.
    public enum Command: String, Codable, Sendable, CaseIterable {
        case preAssociate, preAssociateWithRsrcReservation, associate, deAssociate
    }

    /// The reasons that the MIB knows. It has fewer than VDP; ``VSIDBObjects/operReasonCode`` tells them all.
    public enum Reason: String, Codable, Sendable, CaseIterable {
        case success, invalidFormat, insufficientResources, otherfailure
    }

    /// How a filter's entries are made.
    public enum FilterFormat: String, Codable, Sendable, CaseIterable {
        case vid, macVid, groupidVid, groupidMacVid
    }

    /// VSITimeSinceCreate: since when it is wanted.
    public var timeSinceCreate: Int
    /// VsiVdpOperCmd: the command that is under way, or else the one in force.
    public var vdpOperCmd: Command
    /// VsiOperRevert: the Keep bit of the bridge's latest answer; false before the first.
    public var operRevert: Bool
    /// VsiOperHard: the Hard bit of the bridge's latest answer; false before the first.
    public var operHard: Bool
    /// VsiOperReason: the reason of the bridge's latest answer; nil before the first.
    @Nullable public var operReason: Reason?
    /// That reason as it stood on the wire, 0 to 15; nil before the first answer. The MIB has no such object.
    @Nullable public var operReasonCode: Int?
    /// VSIMgrID16: the manager ID, 32 hexadecimal digits.
    public var mgrID16: String
    /// VSIFilterFormat.
    public var filterFormat: FilterFormat
    /// VSINumMACs: how many entries the filter has.
    public var numMACs: Int
    /// VDPMachineState (vsiState): what the bridge has granted and not taken back.
    public var vdpMachineState: Command
    /// VDPCommandsSucceeded.
    public var vdpCommandsSucceeded: Int
    /// VDPCommandsFailed.
    public var vdpCommandsFailed: Int
    /// VDPCommandReverts.
    public var vdpCommandReverts: Int
    /// VDPCounterDiscontinuity: how long these three have been counting.
    public var vdpCounterDiscontinuity: Int

    /// Joins the objects; what the bridge has said is nothing yet, and what is counted is 0, unless it is given.
    public init(
        timeSinceCreate: Int, vdpOperCmd: Command, operRevert: Bool = false, operHard: Bool = false,
        operReason: Reason? = nil, operReasonCode: Int? = nil, mgrID16: String, filterFormat: FilterFormat,
        numMACs: Int, vdpMachineState: Command, vdpCommandsSucceeded: Int = 0, vdpCommandsFailed: Int = 0,
        vdpCommandReverts: Int = 0, vdpCounterDiscontinuity: Int
    ) {
        self.timeSinceCreate = timeSinceCreate
        self.vdpOperCmd = vdpOperCmd
        self.operRevert = operRevert
        self.operHard = operHard
        self._operReason = Nullable(wrappedValue: operReason)
        self._operReasonCode = Nullable(wrappedValue: operReasonCode)
        self.mgrID16 = mgrID16
        self.filterFormat = filterFormat
        self.numMACs = numMACs
        self.vdpMachineState = vdpMachineState
        self.vdpCommandsSucceeded = vdpCommandsSucceeded
        self.vdpCommandsFailed = vdpCommandsFailed
        self.vdpCommandReverts = vdpCommandReverts
        self.vdpCounterDiscontinuity = vdpCounterDiscontinuity
    }
}

/// A VSI in full: the keys of VSI, and beside them what follows.
public struct VSIDetails: Codable, Sendable, Equatable {
    /// The VSI in brief; its keys stand on the same level as those below.
    public var vsi: VSIStatus
    /// Its managed objects.
    public var vsidb: VSIDBObjects
    /// What its machine sends and receives; nil where nothing counts that.
    public var traffic: VSITraffic?
    /// Why `traffic` is nil, where that is known.
    public var trafficNote: String?

    /// Joins all.
    public init(vsi: VSIStatus, vsidb: VSIDBObjects, traffic: VSITraffic? = nil, trafficNote: String? = nil) {
        self.trafficNote = trafficNote
        self.vsi = vsi
        self.vsidb = vsidb
        self.traffic = traffic
    }

    private enum CodingKeys: String, CodingKey {
        case vsidb, traffic, trafficNote
    }

    /// Reads the details.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            vsi: try VSIStatus(from: decoder), vsidb: try container.decode(VSIDBObjects.self, forKey: .vsidb),
            traffic: try container.decodeIfPresent(VSITraffic.self, forKey: .traffic),
            trafficNote: try container.decodeIfPresent(String.self, forKey: .trafficNote))
    }

    /// Writes the details.
    public func encode(to encoder: any Encoder) throws {
        try vsi.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(vsidb, forKey: .vsidb)
        try container.encode(Nullable(wrappedValue: traffic), forKey: .traffic)
        try container.encode(Nullable(wrappedValue: trafficNote), forKey: .trafficNote)
    }
}

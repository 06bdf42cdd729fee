// One table of all that evbd counts: names, objects of MIBs, units and meanings. Its names are a promise (interface.md).

/// A counter of evbd, by its name in the EVB MIB, or our own where the MIB has none.
package enum Counter: String, Sendable, CaseIterable {
    case lldpTxFrames = "LldpTxFrames"
    case lldpRxFrames = "LldpRxFrames"
    case lldpRxDiscarded = "LldpRxDiscarded"
    case lldpRxAgeouts = "LldpRxAgeouts"
    case lldpRxTLVsDiscarded = "LldpRxTlvsDiscarded"
    case lldpRxTLVsUnrecognized = "LldpRxTlvsUnrecognized"
    case lldpRxOtherDestination = "LldpRxOtherDestination"
    case evbTLVsDiscarded = "EvbTlvsDiscarded"
    case ecpTxFrameCount = "EcpTxFrameCount"
    case ecpTxRetryCount = "EcpTxRetryCount"
    case ecpTxFailures = "EcpTxFailures"
    case ecpRxFrameCount = "EcpRxFrameCount"
    case ecpRxDuplicates = "EcpRxDuplicates"
    case ecpRxRefused = "EcpRxRefused"
    case ecpRxStrayAcks = "EcpRxStrayAcks"
    case ecpRxDiscarded = "EcpRxDiscarded"
    case ecpRxOtherSource = "EcpRxOtherSource"
    case ecpRxOtherDestination = "EcpRxOtherDestination"
    case vdpCommandsSucceeded = "VDPCommandsSucceeded"
    case vdpCommandsFailed = "VDPCommandsFailed"
    case vdpCommandReverts = "VDPCommandReverts"
    case vdpKeepAlives = "VdpKeepAlives"
    case vdpRepeats = "VdpRepeats"
    case vdpStalls = "VdpStalls"
    case vdpUnknownVSI = "VdpUnknownVsi"
    case vdpMismatchedAnswers = "VdpMismatchedAnswers"
    case vdpKeepAliveTimeouts = "VdpKeepAliveTimeouts"
    case vdpResourceWaitTimeouts = "VdpResourceWaitTimeouts"
    case vdpTableFull = "VdpTableFull"
    case vdpAllTablesFull = "VdpAllTablesFull"
    case vdpFiltersFull = "VdpFiltersFull"
    case vdpAnswersLost = "VdpAnswersLost"
    case vdpAddressConflicts = "VdpAddressConflicts"
    case vdpMovesRefused = "VdpMovesRefused"
    case vdpUnsolicited = "VdpUnsolicited"
    case vdpMalformed = "VdpMalformed"
    case cdcpTxFrames = "CdcpTxFrames"
    case cdcpRxFrames = "CdcpRxFrames"
    case cdcpRxAgeouts = "CdcpRxAgeouts"
    case cdcpUnusableTLV = "CdcpUnusableTlv"
    case cdcpSeveralTLVs = "CdcpSeveralTlvs"
    case cdcpNoDefaultPair = "CdcpNoDefaultPair"
    case cdcpBadCapacity = "CdcpBadCapacity"
    case cdcpSameRole = "CdcpSameRole"
    case cdcpNoSComponent = "CdcpNoSComponent"
    case cdcpBadPair = "CdcpBadPair"
    case cdcpRemainder = "CdcpRemainder"
    case cdcpOnlyDefault = "CdcpOnlyDefault"
    case cdcpUnaskedChannel = "CdcpUnaskedChannel"
    case cdcpBeyondCapacity = "CdcpBeyondCapacity"
    case cdcpNoSVID = "CdcpNoSvid"
    case cdcpSeveralNeighbours = "CdcpSeveralNeighbours"
    case socketSendFailures = "SocketSendFailures"
    case socketKernelDrops = "SocketKernelDrops"
    case socketStrays = "SocketStrays"
    case interfaceTaken = "InterfaceTaken"
    case libvirtRequests = "LibvirtRequests"
    case libvirtRequestsGivenUp = "LibvirtRequestsGivenUp"
    case libvirtPolls = "LibvirtPolls"
    case libvirtPollsHeld = "LibvirtPollsHeld"
    case libvirtHoldsExpired = "LibvirtHoldsExpired"
    case libvirtHoldsDeclined = "LibvirtHoldsDeclined"
    case logLinesLost = "LogLinesLost"
    case logLinesLeftOut = "LogLinesLeftOut"

    /// What is counted.
    package enum Unit: String, Sendable {
        case frames, tlvs, commands, vsis, events, messages, lines
        /// A state that is 1 or 0, and no count.
        case state
    }

    /// Where a counter is kept.
    package enum Scope: String, Sendable {
        /// At every port.
        case port
        /// At ports of one role.
        case station, bridge
        /// At ports whose interface is divided into S-channels by CDCP.
        case uplink
        /// At stations' ports, by the service to libvirt.
        case libvirt
        /// Once for the daemon.
        case daemon
    }

    /// What the table has of a counter.
    private struct Row {
        var unit: Unit
        var scope: Scope
        var help: String
        var mibObject: String?

        init(_ unit: Unit, _ scope: Scope, _ help: String, mib: String? = nil) {
            self.unit = unit
            self.scope = scope
            self.help = help
            mibObject = mib
        }
    }

    package var unit: Unit { row.unit }

    package var scope: Scope { row.scope }

    /// What it counts, as the rest of a sentence.
    package var help: String { row.help }

    /// The object of the EVB MIB (802.1Q clause 17) or of the LLDP MIB (802.1AB clause 11) that it is; nil if it is our own.
    package var mibObject: String? { row.mibObject }

    private var row: Row { Self.rows[self] ?? Row(.events, .daemon, rawValue) }

    private static let rows: [Counter: Row] = [
        .lldpTxFrames: Row(.frames, .port, "LLDPDUs sent", mib: "lldpStatsTxPortFramesTotal"),
        .lldpRxFrames: Row(.frames, .port, "LLDPDUs received", mib: "lldpStatsRxPortFramesTotal"),
        .lldpRxDiscarded: Row(
            .frames, .port, "frames with the EtherType of LLDP that could not be read",
            mib: "lldpStatsRxPortFramesDiscardedTotal"),
        .lldpRxAgeouts: Row(
            .events, .port, "neighbours whose information has aged out",
            mib: "lldpStatsRxPortAgeoutsTotal"),
        .lldpRxTLVsDiscarded: Row(
            .tlvs, .port, "TLVs of LLDP that were malformed",
            mib: "lldpStatsRxPortTLVsDiscardedTotal"),
        .lldpRxTLVsUnrecognized: Row(
            .tlvs, .port, "TLVs of LLDP of an unknown type",
            mib: "lldpStatsRxPortTLVsUnrecognizedTotal"),
        .lldpRxOtherDestination: Row(
            .frames, .port, "LLDP frames dropped because they were sent to an address that is not LLDP's"),
        .evbTLVsDiscarded: Row(.tlvs, .port, "EVB TLVs that were malformed, or one of several in an LLDPDU"),
        .ecpTxFrameCount: Row(
            .frames, .port, "ECPDUs sent for the first time",
            mib: "ieee8021BridgeEvbEcpTxFrameCount"),
        .ecpTxRetryCount: Row(.frames, .port, "ECPDUs sent again", mib: "ieee8021BridgeEvbEcpTxRetryCount"),
        .ecpTxFailures: Row(
            .frames, .port, "ECPDUs that were never acknowledged",
            mib: "ieee8021BridgeEvbEcpTxFailures"),
        .ecpRxFrameCount: Row(
            .frames, .port, "ECPDUs received, repetitions among them",
            mib: "ieee8021BridgeEvbEcpRxFrameCount"),
        .ecpRxDuplicates: Row(.frames, .port, "repeated ECPDUs, acknowledged and not delivered"),
        .ecpRxRefused: Row(.frames, .bridge, "ECPDUs dropped for lack of room, and not acknowledged"),
        .ecpRxStrayAcks: Row(.frames, .port, "acknowledgements for which no ECPDU was outstanding"),
        .ecpRxDiscarded: Row(
            .frames, .port, "ECP frames that could not be read, or came while no EVB neighbour was known"),
        .ecpRxOtherSource: Row(
            .frames, .port, "ECP frames dropped because their source is not an address of the neighbour"),
        .ecpRxOtherDestination: Row(
            .frames, .port, "ECP frames dropped because they were sent to an address that is not ECP's"),
        .vdpCommandsSucceeded: Row(
            .commands, .port, "VDP commands granted, over all VSIs",
            mib: "ieee8021BridgeEvbVDPCommandsSucceeded"),
        .vdpCommandsFailed: Row(
            .commands, .port, "VDP commands that failed or were refused",
            mib: "ieee8021BridgeEvbVDPCommandsFailed"),
        .vdpCommandReverts: Row(
            .commands, .port, "VDP commands refused with Keep: the VSI stayed as it was",
            mib: "ieee8021BridgeEvbVDPCommandReverts"),
        .vdpKeepAlives: Row(.commands, .port, "keep-alives sent by a station, or answered by a bridge"),
        .vdpRepeats: Row(.commands, .station, "VDP commands sent again because no answer came"),
        .vdpStalls: Row(.events, .station, "times that the bridge answered only some of several VSIs"),
        .vdpUnknownVSI: Row(.tlvs, .station, "VDP TLVs about unknown VSIs"),
        .vdpMismatchedAnswers: Row(.tlvs, .station, "answers about another manager, type or filter than was asked for"),
        .vdpKeepAliveTimeouts: Row(.vsis, .bridge, "VSIs de-associated because no keep-alive came"),
        .vdpResourceWaitTimeouts: Row(.commands, .bridge, "requests refused because no decision was made in time"),
        .vdpTableFull: Row(.commands, .bridge, "requests refused because the port has reached its limit of VSIs"),
        .vdpAllTablesFull: Row(
            .commands, .bridge, "requests refused because all ports together have reached their limit of VSIs"),
        .vdpFiltersFull: Row(
            .commands, .bridge,
            "requests refused because all VSIs together have reached their limit of filter entries"),
        .vdpAnswersLost: Row(.tlvs, .bridge, "answers that ECP could not deliver"),
        .vdpAddressConflicts: Row(.commands, .bridge, "requests refused because another VSI has the address"),
        .vdpMovesRefused: Row(.commands, .bridge, "requests refused because another station keeps the VSI alive"),
        .vdpUnsolicited: Row(.tlvs, .port, "answers to no request"),
        .vdpMalformed: Row(.tlvs, .port, "TLVs and PDUs of VDP that were malformed"),
        .cdcpTxFrames: Row(.frames, .uplink, "LLDPDUs sent for CDCP"),
        .cdcpRxFrames: Row(.frames, .uplink, "LLDPDUs received at CDCP's address"),
        .cdcpRxAgeouts: Row(.events, .uplink, "neighbours of CDCP whose information has aged out"),
        .cdcpUnusableTLV: Row(.frames, .uplink, "LLDPDUs with a CDCP TLV that was too short"),
        .cdcpSeveralTLVs: Row(.frames, .uplink, "LLDPDUs with several CDCP TLVs"),
        .cdcpNoDefaultPair: Row(.frames, .uplink, "LLDPDUs with a CDCP TLV whose first pair is not channel 1"),
        .cdcpBadCapacity: Row(.frames, .uplink, "LLDPDUs with a channel capacity that cannot be"),
        .cdcpSameRole: Row(.frames, .uplink, "LLDPDUs of a neighbour that plays the same side of CDCP"),
        .cdcpNoSComponent: Row(.frames, .uplink, "LLDPDUs of a neighbour that offers no S-channels"),
        .cdcpBadPair: Row(.frames, .uplink, "LLDPDUs with a pair of SCID and SVID that cannot be"),
        .cdcpRemainder: Row(.frames, .uplink, "LLDPDUs with octets after the last pair of the CDCP TLV"),
        .cdcpOnlyDefault: Row(.frames, .uplink, "LLDPDUs of a neighbour that has channel 1 alone"),
        .cdcpUnaskedChannel: Row(.frames, .uplink, "LLDPDUs that give a channel that was not asked for"),
        .cdcpBeyondCapacity: Row(.frames, .uplink, "LLDPDUs by which more channels are wanted than both sides bear"),
        .cdcpNoSVID: Row(.frames, .uplink, "LLDPDUs that ask for a channel for which no SVID is left"),
        .cdcpSeveralNeighbours: Row(.frames, .uplink, "LLDPDUs received while several neighbours offer S-channels"),
        .socketSendFailures: Row(.frames, .port, "frames that the kernel did not send"),
        .socketKernelDrops: Row(
            .frames, .port, "frames that the kernel dropped because evbd did not read them in time"),
        .socketStrays: Row(
            .frames, .port,
            "frames that the kernel's filter dropped: tagged, sent to another address, or of another interface"),
        .interfaceTaken: Row(.state, .port, "1 while another evbd has the interface, else 0"),
        .libvirtRequests: Row(.messages, .libvirt, "port profile requests of libvirt"),
        .libvirtRequestsGivenUp: Row(.messages, .libvirt, "requests without an answer for as long as libvirt waits"),
        .libvirtPolls: Row(.messages, .libvirt, "polls of libvirt for the result of a request"),
        .libvirtPollsHeld: Row(.messages, .libvirt, "polls that were held until the bridge answered"),
        .libvirtHoldsExpired: Row(.messages, .libvirt, "held polls for which the bridge was too slow"),
        .libvirtHoldsDeclined: Row(.messages, .libvirt, "polls that were not held because too many were held"),
        .logLinesLost: Row(.lines, .daemon, "log lines lost because the log was not read in time"),
        .logLinesLeftOut: Row(.lines, .daemon, "log lines left out because one source wrote too many"),
    ]
}

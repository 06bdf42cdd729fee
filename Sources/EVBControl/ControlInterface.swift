// The interface io.evbd in varlink's own language.

internal import EVBModel

/// The methods of io.evbd.
public enum ControlMethod: String, Sendable, CaseIterable {
    case getVersion = "GetVersion"
    case getStatus = "GetStatus"
    case listPorts = "ListPorts"
    case getPort = "GetPort"
    case listVSIs = "ListVSIs"
    case listVSIDetails = "ListVSIDetails"
    case getVSI = "GetVSI"
    case associate = "Associate"
    case preAssociate = "PreAssociate"
    case deassociate = "Deassociate"
    case monitor = "Monitor"
    case getStatistics = "GetStatistics"
    case getMetrics = "GetMetrics"
    case misbehave = "Misbehave"
    case reload = "Reload"
    case getConfiguration = "GetConfiguration"
    case retry = "Retry"
    case retryAll = "RetryAll"
    case getHistory = "GetHistory"
    case drain = "Drain"
    case endDrain = "EndDrain"
    case probe = "Probe"
    case getLogLevel = "GetLogLevel"
    case setLogLevel = "SetLogLevel"
    case fetchTypes = "FetchTypes"
    case capture = "Capture"

    /// Whether a call changes something, so that a read-only socket does not take it.
    public var changesSomething: Bool {
        switch self {
        case .associate, .preAssociate, .deassociate, .retry, .retryAll, .drain, .endDrain, .probe, .misbehave, .reload,
            .setLogLevel, .fetchTypes:
            true
        case .getVersion, .getStatus, .listPorts, .getPort, .listVSIs, .listVSIDetails, .getVSI, .monitor,
            .getStatistics, .getMetrics, .getHistory, .getConfiguration, .getLogLevel, .capture:
            false
        }
    }

    /// Whether a call has several replies only, so that it needs `more`.
    public var isStream: Bool { self == .monitor || self == .capture }

    /// Whether a call changes nothing and is for those all the same who may change something.
    ///
    /// A capture has frames as they are, those of others on the wire among them, for which a process needs CAP_NET_RAW else; and it
    /// costs evbd work for each frame.
    public var showsWire: Bool { self == .capture }

    /// The method of this name on the wire; nil if io.evbd has none.
    public init?(qualifiedName: String) {
        guard qualifiedName.hasPrefix("\(ControlInterface.name).") else { return nil }
        self.init(rawValue: String(qualifiedName.dropFirst(ControlInterface.name.utf8.count + 1)))
    }

    /// The name on the wire, such as `io.evbd.GetStatus`.
    public var qualifiedName: String { "\(ControlInterface.name).\(rawValue)" }
}

/// The interface of evbd.
public enum ControlInterface {
    /// Its name.
    public static let name = "io.evbd"

    /// Its description.
    public static let description =
        types + problemTypes + metricsTypes + methods + errors + operations + logLevel + typeServers + capture

    private static let types = """
        # Status and control of evbd, which speaks EVB, ECP and VDP (IEEE 802.1Qbg) for this host.
        #
        # A key without a value is null in every reply. Where a text is one of a list, the list is told in a comment:
        # varlink's enums cannot have dashes in them.
        interface io.evbd

        # The daemon itself.
        type Daemon (version: string, pid: int, uptimeSeconds: int)

        # What an operator should know; isProblem: it has to be put right. kind: libvirt-port, vsi-without-link,
        # vsi-types-outdated, vsi-types-missing, reload.
        type Note (kind: string, isProblem: bool, port: ?string, message: string, hint: string)

        # The EVB peer of a port. evbMode: not-supported, bridge, station, nvo3.
        type Peer (chassisID: string, portID: string, evbMode: string)

        # Whether the station asks for reflective relay, and what the bridge says.
        # status: granted, refused, unknown, not-requested.
        type ReflectiveRelay (requested: bool, status: string)

        # Operational values: a timer is 10 us x 2^value; retries is a number.
        type Timers (retries: int, rte: int, rwd: int, rka: int)

        # How many VSIs are in which state.
        type VSICounts (associated: int, preassociated: int, pending: int, deassociated: int)

        # What a bridge port does wrong because it was told to, for tests of stations. refuse: invalid-format,
        # insufficient-resources, manager-unreachable, other-failure, invalid-vid-group-mac, reserved. hard, keep,
        # refuseCount (how many answers) and vsiID go with it. delay is in milliseconds, deassociateEvery in seconds.
        type Misbehaviour (
          refuse: ?string,
          hard: ?bool,
          keep: ?bool,
          refuseCount: ?int,
          vsiID: ?string,
          delay: ?int,
          silent: ?(answers, all),
          dropAcks: ?int,
          dropAcksPercent: ?int,
          vlan: ?int,
          deassociateEvery: ?int
        )

        # A port in brief. misbehaviour is null for a port that behaves.
        type Port (
          interface: string,
          role: (station, bridge),
          linkUp: bool,
          linkState: ?(up, down, missing),
          dialect: (auto, ratified, draft),
          peer: ?Peer,
          reflectiveRelay: ReflectiveRelay,
          timers: Timers,
          vsis: VSICounts,
          misbehaviour: ?Misbehaviour,
          drain: ?PortDrain,
          channel: ?SChannel
        )

        # The S-channel that a port is: the interface that it shares with others, its number, its S-tag, and why it is not
        # there. svid is null while it has none, reason while it is there.
        type SChannel (uplink: string, scid: int, svid: ?int, reason: ?string)

        # The daemon, its ports, what an operator should know beside that, and what is wrong now; of many problems some.
        type Status (daemon: Daemon, ports: []Port, notes: []Note, problems: []Problem, typeServers: []TypeServer)

        # An EVB TLV, by the standard's names. rwdOrigin and rkaOrigin are the ROL bits.
        type EVBTLV (
          evbMode: string,
          bgid: bool,
          rrcap: bool,
          rrctr: bool,
          sgid: bool,
          rrreq: bool,
          rrstat: (off, on, unknown),
          retries: int,
          rte: int,
          rwd: int,
          rwdOrigin: (local, remote),
          rka: int,
          rkaOrigin: (local, remote)
        )

        # The EVB TLVs of both sides of a link, as this side knows them.
        type EVBTLVs (local: ?EVBTLV, remote: ?EVBTLV)

        # The LLDP neighbour on the nearest customer bridge address.
        type Neighbour (
          chassisID: string,
          portID: string,
          ttlSeconds: int,
          ageSeconds: int,
          systemName: ?string,
          systemDescription: ?string,
          portDescription: ?string,
          chassisIDSubtype: int,
          portIDSubtype: int,
          tlvs: []string
        )

        # The groups of the EVB MIB: its objects without ieee8021BridgeEvb and the group's name.
        type Sys (
          type: (evbBridge, evbStation),
          numExternalPorts: int,
          evbLldpTxEnable: bool,
          evbLldpManual: bool,
          evbLldpGidCapable: bool,
          ecpDfltAckTimerExp: int,
          ecpMaxRetries: int,
          vdpDfltRsrcWaitDelayExp: int,
          vdpDfltReinitKeepAliveExp: int
        )

        # Microseconds in vdpOperRespWaitDelay. The draft has no exponents.
        type URP (
          ifIndex: int,
          bindToISSPort: int,
          lldpManual: bool,
          vdpOperRsrcWaitDelayExp: ?int,
          vdpOperRespWaitDelay: int,
          vdpOperReinitKeepAliveExp: ?int
        )

        # Microseconds in vdpOperToutKeepAlive.
        type SBP (
          lldpManual: bool,
          vdpOperRsrcWaitDelayExp: ?int,
          vdpOperReinitKeepAliveExp: ?int,
          vdpOperToutKeepAlive: int
        )

        type ECP (
          operAckTimerInitExp: ?int,
          operMaxRetries: int,
          txFrameCount: int,
          txRetryCount: int,
          txFailures: int,
          rxFrameCount: int
        )

        # Of LLDP-EXT-DOT1-EVB-EXTENSIONS-MIB. TLVs are hexadecimal digits, with their headers.
        type Xdot1 (evbConfigEvbTxEnable: bool, locEvbTlvString: ?string, remEvbTlvString: ?string)

        # Addresses on a station's port that neither a VSI nor a link that the host sees has, such as those of containers:
        # how many, and the first of them. No VSI filters their frames.
        type UnknownAddresses (count: int, addresses: []string)

        # A port in full. Of many problems it has some. ifIndex: the kernel's index of the interface, 0 while it is not there.
        type PortDetails (
          interface: string,
          ifIndex: int,
          role: (station, bridge),
          linkUp: bool,
          linkState: ?(up, down, missing),
          dialect: (auto, ratified, draft),
          peer: ?Peer,
          reflectiveRelay: ReflectiveRelay,
          timers: Timers,
          vsis: VSICounts,
          misbehaviour: ?Misbehaviour,
          drain: ?PortDrain,
          problems: []Problem,
          evbTLV: EVBTLVs,
          lldpNeighbour: ?Neighbour,
          sys: Sys,
          urp: ?URP,
          sbp: ?SBP,
          ecp: ECP,
          xdot1: Xdot1,
          counterDiscontinuity: int,
          unknownAddresses: ?UnknownAddresses,
          dropped: ?TrafficCounts,
          channel: ?SChannel,
          uplink: ?Uplink,
          openVSwitch: ?OpenVSwitch
        )

        # A station's Open vSwitch. connectedSeconds: how long its database has been followed; null where reason says why not.
        type OpenVSwitch (bridge: string, datapath: (kernel, userspace), connectedSeconds: ?int, reason: ?string)

        # How a port's interface is divided into S-channels (802.1Q clause 42), which are ports of evbd's too. cdcp: whether
        # they are agreed on by CDCP. state: SchOperState. The capacities count channel 1, which is in no list. A pair
        # without an assigned S-tag has svid 0, a channel without one null; reason says then why.
        type SChannelPair (scid: int, svid: int)
        type CDCPTLV (role: (station, bridge), sComponent: bool, capacity: int, pairs: []SChannelPair)
        type SChannelPeer (chassisID: string, portID: string)
        type SChannelEntry (interface: string, scid: int, svid: ?int, reason: ?string)
        type Uplink (
          cdcp: bool,
          state: string,
          role: (station, bridge),
          adminCapacity: int,
          operCapacity: int,
          svidPoolLow: ?int,
          svidPoolHigh: ?int,
          peer: ?SChannelPeer,
          local: ?CDCPTLV,
          remote: ?CDCPTLV,
          channels: []SChannelEntry
        )

        # One entry of a filter. vlan 0 asks the bridge for a VID; mac as 52:54:00:00:c7:3e.
        type Filter (mac: ?string, vlan: ?int, pcp: ?int, group: ?int)

        # The link of a VSI. In a request, no kind means macvtap, and no mode follows the negotiated edge relay.
        # A link is asked for by its name, or as vf:N: virtual function N of the port's card.
        type Link (name: string, kind: ?(macvtap, macvlan), mode: ?(vepa, bridge, private, passthru, source))

        # A VSI.
        # vsiIDFormat: ipv4, ipv6, mac, local, uuid.
        # state: deassociated, pending, preassociated, preassociated-rr, associated.
        # reason: success, invalid-format, insufficient-resources, manager-unreachable, other-failure,
        # invalid-vid-group-mac, timeout, bridge-deassociated, bridge-lost, bridge-overloaded, drained.
        # warnings: what the machine will notice, though the VSI is in order. label: the text by which people know it.
        # requestedLink: the link that is wanted, while there is none. retryInMilliseconds: when a failed request is made again.
        type VSI (
          vsiID: string,
          vsiIDFormat: (ipv4, ipv6, mac, local, uuid),
          port: string,
          managerID: ?string,
          typeID: int,
          typeVersion: int,
          state: string,
          reason: ?string,
          filters: []Filter,
          link: ?Link,
          warnings: []Warning,
          label: ?string,
          requestedLink: ?Link,
          retryInMilliseconds: ?int,
          networks: []Network
        )

        # What a VSI's machine will notice. kind: hears-itself (the bridge reflects, and the mode of the link gives the machine
        # its own broadcasts back) or unreachable-addresses (the link takes frames for some addresses of the filter only).
        type Warning (kind: string, message: string, hint: string)

        # Of the EVB MIB, what VSI does not tell. Times are hundredths of a second. operReasonCode: as it was on the wire.
        type VSIDB (
          timeSinceCreate: int,
          vdpOperCmd: (preAssociate, preAssociateWithRsrcReservation, associate, deAssociate),
          operRevert: bool,
          operHard: bool,
          operReason: ?(success, invalidFormat, insufficientResources, otherfailure),
          operReasonCode: ?int,
          mgrID16: string,
          filterFormat: (vid, macVid, groupidVid, groupidMacVid),
          numMACs: int,
          vdpMachineState: (preAssociate, preAssociateWithRsrcReservation, associate, deAssociate),
          vdpCommandsSucceeded: int,
          vdpCommandsFailed: int,
          vdpCommandReverts: int,
          vdpCounterDiscontinuity: int
        )

        # A VSI in full. traffic is null where nothing counts it; trafficNote says why.
        type VSIDetails (
          vsiID: string,
          vsiIDFormat: (ipv4, ipv6, mac, local, uuid),
          port: string,
          managerID: ?string,
          typeID: int,
          typeVersion: int,
          state: string,
          reason: ?string,
          filters: []Filter,
          link: ?Link,
          label: ?string,
          requestedLink: ?Link,
          retryInMilliseconds: ?int,
          vsidb: VSIDB,
          traffic: ?Traffic,
          trafficNote: ?string
        )

        # Something that happened. kind: vsi, reflective-relay, peer, link, port, notice.
        type Event (
          timeMilliseconds: int,
          kind: string,
          port: ?string,
          vsiID: ?string,
          from: ?string,
          to: ?string,
          reason: ?string,
          message: string
        )

        # Counters by their names in the EVB MIB; interface is null for those of the daemon itself. They began at 0 as many
        # hundredths of a second ago as counterDiscontinuity tells.
        type Statistics (interface: ?string, counters: [string]int, counterDiscontinuity: int)

        # What a configuration makes of a port. change: added, removed, replaced, changed, kept. endedVSIs: VSIs that end by it.
        type PortReload (interface: string, change: string, endedVSIs: int)

        # What a configuration changes; isApplied is false after a dry run. warnings: what is worth a look, or takes a restart.
        type ReloadReport (isApplied: bool, ports: []PortReload, endedVSIs: int, warnings: []string)

        """

    private static let methods = """
        # The version of the daemon.
        method GetVersion() -> (version: string)

        # The daemon and all of its ports, and what an operator should know beside that.
        method GetStatus() -> (status: Status)

        # All ports, in the order of the configuration.
        method ListPorts() -> (ports: []Port)

        # One port, with the EVB TLVs of both sides, its LLDP neighbour and the objects of the EVB MIB.
        method GetPort(interface: string) -> (port: PortDetails)

        # The VSIs to which all fits that is not null. With "more" they come in several replies, for there may be many.
        # match: a VSIID, the first digits of a UUID, a link, a MAC address or a label; id=, link=, mac= or label= before it
        # says which. In link, which may be one that is wanted only, and label, * and ? stand for other characters.
        method ListVSIs(
          port: ?string,
          state: ?string,
          match: ?string,
          typeID: ?int,
          managerID: ?string,
          link: ?string,
          mac: ?string,
          label: ?string,
          reason: ?string
        ) -> (vsis: []VSI)

        # The VSIs with their objects of the EVB MIB, all or of a port, as ListVSIs lists them.
        method ListVSIDetails(port: ?string) -> (vsis: []VSIDetails)

        # One VSI. vsiID: a UUID, or a text after ipv4:, ipv6:, mac: or local:. ListVSIs finds it by other names.
        method GetVSI(vsiID: string, port: ?string) -> (vsi: VSIDetails)

        # Associates a VSI, and keeps it associated. wait: how long to wait for the bridge, in milliseconds;
        # 0 (the default) answers at once, with the VSI pending. label: at most 64 characters; null keeps the one it has, an
        # empty text removes it.
        method Associate(
          vsiID: string,
          port: string,
          managerID: ?string,
          typeID: int,
          typeVersion: ?int,
          filters: ?[]Filter,
          migrating: ?bool,
          suspended: ?bool,
          organizational: ?[]Organizational,
          link: ?Link,
          linkMTU: ?int,
          linkSources: ?[]string,
          linkAllmulticast: ?bool,
          label: ?string,
          wait: ?int
        ) -> (vsi: VSI)

        # Pre-associates a VSI; with reserve, the bridge reserves resources for it.
        method PreAssociate(
          vsiID: string,
          port: string,
          managerID: ?string,
          typeID: int,
          typeVersion: ?int,
          filters: ?[]Filter,
          migrating: ?bool,
          suspended: ?bool,
          organizational: ?[]Organizational,
          link: ?Link,
          linkMTU: ?int,
          linkSources: ?[]string,
          linkAllmulticast: ?bool,
          label: ?string,
          reserve: ?bool,
          wait: ?int
        ) -> (vsi: VSI)

        # De-associates a VSI. wait as in Associate.
        method Deassociate(vsiID: string, port: ?string, wait: ?int) -> (vsi: VSI)

        # Events as they happen; call with "more". There is no last reply.
        method Monitor() -> (event: Event)

        # The counters, all or of a port.
        method GetStatistics(interface: ?string) -> (statistics: []Statistics)

        # The numbers for a system that collects them: the daemon's, and then those of each port. With "more" they come in
        # several replies. vsis: also those of each VSI.
        method GetMetrics(vsis: ?bool) -> (metrics: []Metrics)

        # Has a bridge port misbehave, in place of what it did wrong before; null has it behave.
        method Misbehave(interface: string, misbehaviour: ?Misbehaviour) -> (port: PortDetails)

        # Reads the configuration file again. dryRun: says what it would change, and changes nothing. endVSIs: also where VSIs
        # end by it. The answer comes when the ports have begun to follow.
        method Reload(dryRun: ?bool, endVSIs: ?bool) -> (reload: ReloadReport)

        # A key whose value in force (as JSON; null is none) is not that of the file as it is now.
        type ConfigurationDifference (key: string, inForce: ?string, file: ?string)

        # The configuration that evbd runs with, by the keys of the file; with defaults, also what was left out. problem: why it
        # is not what the file says, as far as evbd knows.
        method GetConfiguration(defaults: ?bool) -> (
          file: string,
          problem: ?string,
          configuration: object,
          differences: []ConfigurationDifference,
          mistakes: ?string
        )

        """
}

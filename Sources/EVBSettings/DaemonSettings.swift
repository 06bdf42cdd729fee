// What an evbd process is told to do. Values only: reading the file is ConfigurationReader's job.

package import EVBModel
package import EVBWire

/// The whole configuration of one evbd process.
package struct DaemonSettings: Sendable, Equatable {
    /// The ports that evbd speaks on, in the order of the file; every interface at most once. S-channels that are always there
    /// follow their uplinks.
    package var ports: [PortSettings]
    /// The ports that are divided into S-channels.
    package var uplinks: [UplinkSettings] = []
    /// The control socket.
    package var control: ControlSettings
    /// The netlink service to libvirt.
    package var libvirt: LibvirtSettings
    /// The host's Open vSwitch.
    package var openVSwitch = OpenVSwitchSettings()
    /// What becomes of taps in Linux bridges for which no manager speaks, the first rule first.
    package var taps: [TapRule] = []
    /// Whether a stop of the daemon de-associates every VSI.
    ///
    /// Off by default: a daemon upgrade must not cut VMs off.
    package var deassociateOnStop: Bool
    /// Whether SIGHUP takes a configuration by which VSIs end.
    ///
    /// Off by default: a port that is missing in the file by mistake must not cut VMs off.
    package var reloadEndsVSIs = false
    /// The least severe level that is logged.
    package var logLevel: LogLevel
    /// How much VSIs may take of the memory.
    package var limits = ResourceLimits()
    /// The VSI types that ports of the bridge's role name, by their file.
    package var vsiTypes: [String: VSITypeDatabase] = [:]

    /// Makes a configuration; what is left out has the default of the file.
    package init(
        ports: [PortSettings], control: ControlSettings = ControlSettings(),
        libvirt: LibvirtSettings = LibvirtSettings(), deassociateOnStop: Bool = false,
        logLevel: LogLevel = .info
    ) {
        self.ports = ports
        self.control = control
        self.libvirt = libvirt
        self.deassociateOnStop = deassociateOnStop
        self.logLevel = logLevel
    }
}

/// How much VSIs may take of the memory: evbd's own, and the kernel's for their rules.
package struct ResourceLimits: Sendable, Hashable {
    /// VSIs of one port.
    package var vsisPerPort: Int
    /// VSIs of all ports.
    package var vsis: Int
    /// Filter entries of all VSIs: each is what a VSI asks for or what it has, whichever is more.
    package var filterEntries: Int

    /// Makes limits within ``range``; by default those for which MemoryMax of the unit is made.
    package init(vsisPerPort: Int = 16_384, vsis: Int = 65_536, filterEntries: Int = 262_144) {
        precondition([vsisPerPort, vsis, filterEntries].allSatisfy(Self.range.contains))
        self.vsisPerPort = vsisPerPort
        self.vsis = vsis
        self.filterEntries = filterEntries
    }

    package static let range = 1...4_194_304
}

/// One port, that is one network interface, and how evbd plays its side of EVB there.
package struct PortSettings: Sendable, Equatable {
    /// Which side of the link this port is.
    package enum Role: String, Sendable, Equatable, CaseIterable {
        /// The EVB station: a host with virtual machines.
        case station
        /// The EVB bridge: the switch side.
        case bridge
    }

    /// Which generation of the protocols is spoken.
    package enum Dialect: String, Sendable, Equatable, CaseIterable {
        /// Follow the bridge: its EVB TLV tells which generation it speaks.
        case auto
        /// IEEE 802.1Qbg as ratified (now in 802.1Q).
        case ratified
        /// The draft that lldpad calls `evbCfg`.
        case draft
    }

    /// What relays frames between the virtual machines of this port.
    package enum EdgeRelay: String, Sendable, Equatable, CaseIterable {
        /// A VEPA: every frame goes to the bridge, which reflects it. Reflective relay is asked for.
        case vepa
        /// A VEB: the host relays between its own machines. Reflective relay must not be asked for.
        case veb
        /// None: one machine has the port for itself. Links are made in mode passthru.
        case direct
    }

    /// The macvlan mode while reflective relay was asked for and is not granted.
    package enum Fallback: String, Sendable, Equatable, CaseIterable {
        /// Stay a VEPA: local traffic between machines waits, and the policy of the switch is never bypassed.
        case vepa
        /// Relay locally until reflective relay is granted.
        case bridge
        /// Pass nothing until reflective relay is granted.
        case hold
    }

    /// What keeps the frames of a VSI that is not associated from the wire.
    package enum Gate: String, Sendable, Equatable, CaseIterable {
        /// Its link is down.
        case down
        /// Nothing: whether links are up is for others to say.
        case none
    }

    /// Where a manager ID shorter than 16 octets sits in the manager ID TLV.
    package enum ManagerIDPlacement: String, Sendable, Equatable, CaseIterable {
        /// In the first octets, as lldpad does.
        case first
        /// In the last octets, as an integer would.
        case last
    }

    /// How the EVB TLV is used.
    package struct EVB: Sendable, Equatable {
        /// Whether the EVB TLV is sent (the MIB's EvbTxEnable).
        ///
        /// Without it there is no EVB on the port: ECP and VDP rest too, and LLDP goes on.
        package var transmit: Bool
        /// Whether the values below hold whatever the bridge proposes (the MIB's LldpManual).
        package var manual: Bool

        /// Makes settings; by default those of the MIB.
        package init(transmit: Bool = true, manual: Bool = false) {
            self.transmit = transmit
            self.manual = manual
        }
    }

    /// What is proposed for ECP.
    package struct ECP: Sendable, Equatable {
        /// R: how often an ECPDU that is not acknowledged is sent again; 0 to 7.
        package var retries: Int
        /// RTE: the acknowledgement timer is 10 us x 2^RTE; 0 to 31.
        ///
        /// The default 14 is 163.84 ms.
        package var rte: Int
        /// Whose frames are taken.
        package var source: Source

        /// Whose ECP frames a port takes.
        package enum Source: String, Sendable, CaseIterable {
            /// Those of the EVB neighbour that LLDP knows, by an address that it has given as its own.
            case neighbour
            /// Those from any address, as soon as LLDP knows an EVB neighbour.
            case any
        }

        /// Makes a proposal within the ranges named at the properties.
        package init(retries: Int = 3, rte: Int = 14, source: Source = .neighbour) {
            precondition(Self.retriesRange.contains(retries) && Self.exponentRange.contains(rte))
            self.retries = retries
            self.rte = rte
            self.source = source
        }

        package static let retriesRange = 0...7
        package static let exponentRange = 0...31
    }

    /// What is proposed for VDP.
    package struct VDP: Sendable, Equatable {
        /// RWD: the bridge may need 10 us x 2^RWD before it answers; 0 to 31.
        ///
        /// The default 20 is 10.49 s.
        package var rwd: Int
        /// RKA: a VSI is kept alive every 10 us x 2^RKA; 0 to 31.
        ///
        /// The default 20 is 10.49 s.
        package var rka: Int

        /// Makes a proposal within the ranges named at the properties.
        package init(rwd: Int = 20, rka: Int = 20) {
            precondition(Self.exponentRange.contains(rwd) && Self.exponentRange.contains(rka))
            self.rwd = rwd
            self.rka = rka
        }

        package static let exponentRange = 0...31
    }

    /// The name of the network interface, or an alternative one: 1 to 127 octets, none of them `/`, `:` or white space.
    package var interface: String
    /// The S-channel that the port is; nil for a port that is no channel, or channel 1 of its interface.
    package var channel: ChannelPlace?
    /// Which side of the link this port is.
    package var role: Role = .station
    /// Which generation of the protocols is spoken.
    package var dialect: Dialect = .auto
    /// What relays between the virtual machines of this port (station only).
    package var edgeRelay: EdgeRelay = .vepa
    /// The macvlan mode while reflective relay is not granted (station only).
    package var fallback: Fallback = .vepa
    /// What keeps the frames of a VSI that is not associated from the wire (station only).
    package var gate: Gate = .down
    /// Whether machines are kept from sending and hearing LLDP and ECP (station only).
    package var guestFilter: Bool = true
    /// Whether evbd tells the network where a machine is, by RARP, when its VSI is associated (station only).
    package var announces: Bool = true
    /// Whether links that evbd makes take frames to all multicast groups (station only).
    package var allmulticast: Bool = false
    /// Whether this side says that it can use GroupIDs: SGID as a station, BGID as a bridge.
    package var groupIDs: Bool = true
    /// A group address beyond the standards' by which LLDP and ECP are spoken; nil for none.
    package var groupAddress: MACAddress?
    /// How the EVB TLV is used.
    package var evb: EVB = EVB()
    /// What is proposed for ECP.
    package var ecp: ECP = ECP()
    /// What is proposed for VDP.
    package var vdp: VDP = VDP()
    /// Where a short manager ID sits (station only).
    package var managerIDPlacement: ManagerIDPlacement = .first
    /// RRCAP: whether reflective relay is granted to a station that asks for it (bridge only).
    package var reflectiveRelay: Bool = true
    /// The absolute path of the VSI type database (bridge only); nil accepts every VSI type.
    package var vsiTypes: String?

    /// What the port does wrong on purpose (bridge only).
    package var misbehave: Misbehaviour = .none
    /// Addresses that no VSI of the port may have, such as a gateway's (bridge only).
    package var protectedAddresses: Set<MACAddress> = []

    /// Makes a port with the defaults of the file.
    ///
    /// - Parameter interface: the interface's name; it has to be valid for the kernel.
    package init(interface: String) {
        self.interface = interface
    }
}

/// The control socket, to which evbctl connects.
package struct ControlSettings: Sendable, Equatable {
    /// The absolute path of the socket, at most 107 octets.
    package var socket: String
    /// The group that may use the socket; nil leaves the choice to the server: `evbd` if there is such a group,
    /// else the daemon's own.
    package var group: String?
    /// A second socket, for looking only; nil for none.
    package var readOnly: ReadOnly?

    /// A socket on which nothing can be changed.
    package struct ReadOnly: Sendable, Equatable {
        /// The absolute path of the socket, at most 107 octets.
        package var socket: String
        /// The group that may use the socket; nil for everybody on this host.
        package var group: String?

        /// Makes the settings of a read-only socket.
        package init(socket: String, group: String? = nil) {
            self.socket = socket
            self.group = group
        }
    }

    /// Makes the settings of the control socket.
    package init(socket: String = ControlSocketPath.standard, group: String? = nil, readOnly: ReadOnly? = nil) {
        self.socket = socket
        self.group = group
        self.readOnly = readOnly
    }

    /// The longest path that fits in `sockaddr_un`, its closing NUL counted out.
    package static let longestSocketPath = 107
}

/// The netlink service to libvirt, in place of lldpad's.
package struct LibvirtSettings: Sendable, Equatable {
    /// Whether libvirt is served.
    package var enabled: Bool
    /// The absolute path of the file in which libvirt looks for the process to talk to.
    package var pidFile: String

    /// Makes the settings of the service to libvirt.
    package init(enabled: Bool = true, pidFile: String = "/run/lldpad.pid") {
        self.enabled = enabled
        self.pidFile = pidFile
    }
}

/// How severe a log message is, from the least to the most.
package enum LogLevel: String, Sendable, Equatable, CaseIterable {
    /// Every frame and transition.
    case trace
    /// What a developer needs to follow a fault.
    case debug
    /// What is ordinary and worth a line.
    case info
    /// State changes that an operator cares about.
    case notice
    /// What may become a fault.
    case warning
    /// What failed.
    case error
    /// What stops the daemon.
    case critical
}

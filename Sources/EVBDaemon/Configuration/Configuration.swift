// What an evbd process is told to do. Values only: reading the file is ConfigurationReader's job.

public import EVBControl
public import EVBModel
internal import EVBWire
public import LinuxSystem

/// The whole configuration of one evbd process.
public struct Configuration: Sendable, Equatable {
    /// The ports that evbd speaks on, in the order of the file; every interface at most once.
    public var ports: [PortConfiguration]
    /// The control socket.
    public var control: ControlConfiguration
    /// The netlink service to libvirt.
    public var libvirt: LibvirtConfiguration
    /// Whether a stop of the daemon de-associates every VSI.
    ///
    /// Off by default: a daemon upgrade must not cut VMs off.
    public var deassociateOnStop: Bool
    /// The least severe level that is logged.
    public var logLevel: LogLevel
    /// How much VSIs may take of the memory.
    public var limits = ResourceLimits()
    /// The VSI types that ports of the bridge's role name, by their file.
    public var vsiTypes: [String: VSITypeDatabase] = [:]

    /// Makes a configuration; what is left out has the default of the file.
    public init(
        ports: [PortConfiguration], control: ControlConfiguration = ControlConfiguration(),
        libvirt: LibvirtConfiguration = LibvirtConfiguration(), deassociateOnStop: Bool = false,
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
public struct ResourceLimits: Sendable, Hashable {
    /// VSIs of one port.
    public var vsisPerPort: Int
    /// VSIs of all ports.
    public var vsis: Int
    /// Filter entries of all VSIs: each is what a VSI asks for or what it has, whichever is more.
    public var filterEntries: Int

    /// Makes limits within ``range``; by default those for which MemoryMax of the unit is made.
    public init(vsisPerPort: Int = 16_384, vsis: Int = 65_536, filterEntries: Int = 262_144) {
        precondition([vsisPerPort, vsis, filterEntries].allSatisfy(Self.range.contains))
        self.vsisPerPort = vsisPerPort
        self.vsis = vsis
        self.filterEntries = filterEntries
    }

    static let range = 1...4_194_304
}

/// One port, that is one network interface, and how evbd plays its side of EVB there.
public struct PortConfiguration: Sendable, Equatable {
    /// Which side of the link this port is.
    public enum Role: String, Sendable, Equatable, CaseIterable {
        /// The EVB station: a host with virtual machines.
        case station
        /// The EVB bridge: the switch side.
        case bridge
    }

    /// Which generation of the protocols is spoken.
    public enum Dialect: String, Sendable, Equatable, CaseIterable {
        /// Follow the bridge: its EVB TLV tells which generation it speaks.
        case auto
        /// IEEE 802.1Qbg as ratified (now in 802.1Q).
        case ratified
        /// The draft that lldpad calls `evbCfg`.
        case draft
    }

    /// What relays frames between the virtual machines of this port.
    public enum EdgeRelay: String, Sendable, Equatable, CaseIterable {
        /// A VEPA: every frame goes to the bridge, which reflects it. Reflective relay is asked for.
        case vepa
        /// A VEB: the host relays between its own machines. Reflective relay must not be asked for.
        case veb
    }

    /// The macvlan mode while reflective relay was asked for and is not granted.
    public enum Fallback: String, Sendable, Equatable, CaseIterable {
        /// Stay a VEPA: local traffic between machines waits, and the policy of the switch is never bypassed.
        case vepa
        /// Relay locally until reflective relay is granted.
        case bridge
        /// Pass nothing until reflective relay is granted.
        case hold
    }

    /// What keeps the frames of a VSI that is not associated from the wire.
    public enum Gate: String, Sendable, Equatable, CaseIterable {
        /// Its link is down.
        case down
        /// Nothing: whether links are up is for others to say.
        case none
    }

    /// Where a manager ID shorter than 16 octets sits in the manager ID TLV.
    public enum ManagerIDPlacement: String, Sendable, Equatable, CaseIterable {
        /// In the first octets, as lldpad does.
        case first
        /// In the last octets, as an integer would.
        case last
    }

    /// How the EVB TLV is used.
    public struct EVB: Sendable, Equatable {
        /// Whether the EVB TLV is sent (the MIB's EvbTxEnable).
        ///
        /// Without it there is no EVB on the port: ECP and VDP rest too, and LLDP goes on.
        public var transmit: Bool
        /// Whether the values below hold whatever the bridge proposes (the MIB's LldpManual).
        public var manual: Bool

        /// Makes settings; by default those of the MIB.
        public init(transmit: Bool = true, manual: Bool = false) {
            self.transmit = transmit
            self.manual = manual
        }
    }

    /// What is proposed for ECP.
    public struct ECP: Sendable, Equatable {
        /// R: how often an ECPDU that is not acknowledged is sent again; 0 to 7.
        public var retries: Int
        /// RTE: the acknowledgement timer is 10 us x 2^RTE; 0 to 31.
        ///
        /// The default 14 is 163.84 ms.
        public var rte: Int
        /// Whose frames are taken.
        public var source: Source

        /// Whose ECP frames a port takes.
        public enum Source: String, Sendable, CaseIterable {
            /// Those of the EVB neighbour that LLDP knows, by an address that it has given as its own.
            case neighbour
            /// Those from any address, as soon as LLDP knows an EVB neighbour.
            case any
        }

        /// Makes a proposal within the ranges named at the properties.
        public init(retries: Int = 3, rte: Int = 14, source: Source = .neighbour) {
            precondition(Self.retriesRange.contains(retries) && Self.exponentRange.contains(rte))
            self.retries = retries
            self.rte = rte
            self.source = source
        }

        static let retriesRange = 0...7
        static let exponentRange = 0...31
    }

    /// What is proposed for VDP.
    public struct VDP: Sendable, Equatable {
        /// RWD: the bridge may need 10 us x 2^RWD before it answers; 0 to 31.
        ///
        /// The default 20 is 10.49 s.
        public var rwd: Int
        /// RKA: a VSI is kept alive every 10 us x 2^RKA; 0 to 31.
        ///
        /// The default 20 is 10.49 s.
        public var rka: Int

        /// Makes a proposal within the ranges named at the properties.
        public init(rwd: Int = 20, rka: Int = 20) {
            precondition(Self.exponentRange.contains(rwd) && Self.exponentRange.contains(rka))
            self.rwd = rwd
            self.rka = rka
        }

        static let exponentRange = 0...31
    }

    /// The name of the network interface: 1 to 15 octets, none of them `/`, `:` or white space.
    public var interface: String
    /// Which side of the link this port is.
    public var role: Role = .station
    /// Which generation of the protocols is spoken.
    public var dialect: Dialect = .auto
    /// What relays between the virtual machines of this port (station only).
    public var edgeRelay: EdgeRelay = .vepa
    /// The macvlan mode while reflective relay is not granted (station only).
    public var fallback: Fallback = .vepa
    /// What keeps the frames of a VSI that is not associated from the wire (station only).
    public var gate: Gate = .down
    /// Whether machines are kept from sending and hearing LLDP and ECP (station only).
    public var guestFilter: Bool = true
    /// Whether this side says that it can use GroupIDs: SGID as a station, BGID as a bridge.
    public var groupIDs: Bool = true
    /// A group address beyond the standards' by which LLDP and ECP are spoken; nil for none.
    public var groupAddress: HardwareAddress?
    /// How the EVB TLV is used.
    public var evb: EVB = EVB()
    /// What is proposed for ECP.
    public var ecp: ECP = ECP()
    /// What is proposed for VDP.
    public var vdp: VDP = VDP()
    /// Where a short manager ID sits (station only).
    public var managerIDPlacement: ManagerIDPlacement = .first
    /// RRCAP: whether reflective relay is granted to a station that asks for it (bridge only).
    public var reflectiveRelay: Bool = true
    /// The absolute path of the VSI type database (bridge only); nil accepts every VSI type.
    public var vsiTypes: String?

    /// What the port does wrong on purpose (bridge only).
    public var misbehave: Misbehaviour = .none
    /// Addresses that no VSI of the port may have, such as a gateway's (bridge only).
    var protectedAddresses: Set<MACAddress> = []

    /// Makes a port with the defaults of the file.
    ///
    /// - Parameter interface: the interface's name; it has to be valid for the kernel.
    public init(interface: String) {
        self.interface = interface
    }
}

/// The control socket, to which evbctl connects.
public struct ControlConfiguration: Sendable, Equatable {
    /// The absolute path of the socket, at most 107 octets.
    public var socket: String
    /// The group that may use the socket; nil leaves the choice to the server: `evbd` if there is such a group,
    /// else the daemon's own.
    public var group: String?
    /// A second socket, for looking only; nil for none.
    public var readOnly: ReadOnly?

    /// A socket on which nothing can be changed.
    public struct ReadOnly: Sendable, Equatable {
        /// The absolute path of the socket, at most 107 octets.
        public var socket: String
        /// The group that may use the socket; nil for everybody on this host.
        public var group: String?

        /// Makes the settings of a read-only socket.
        public init(socket: String, group: String? = nil) {
            self.socket = socket
            self.group = group
        }
    }

    /// Makes the settings of the control socket.
    public init(socket: String = ControlInterface.defaultSocket, group: String? = nil, readOnly: ReadOnly? = nil) {
        self.socket = socket
        self.group = group
        self.readOnly = readOnly
    }

    /// The longest path that fits in `sockaddr_un`, its closing NUL counted out.
    static let longestSocketPath = 107
}

/// The netlink service to libvirt, in place of lldpad's.
public struct LibvirtConfiguration: Sendable, Equatable {
    /// Whether libvirt is served.
    public var enabled: Bool
    /// The absolute path of the file in which libvirt looks for the process to talk to.
    public var pidFile: String

    /// Makes the settings of the service to libvirt.
    public init(enabled: Bool = true, pidFile: String = "/run/lldpad.pid") {
        self.enabled = enabled
        self.pidFile = pidFile
    }
}

/// How severe a log message is, from the least to the most.
public enum LogLevel: String, Sendable, Equatable, CaseIterable {
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

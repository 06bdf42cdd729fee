public import EVBWire

/// What a port is told once and may be told anew while it runs.
public struct StationPortConfiguration: Hashable, Sendable {
    /// VSIs that a port may have unless it is told otherwise.
    public static let vsisMaxDefault = 16_384

    /// The interface's own address: the source of its frames, and its name as a chassis.
    public var address: MACAddress
    /// The interface's name, its name as a port.
    public var interfaceName: String
    /// Octets of payload that a frame may have; ECP keeps within it, and within 1500 in any case.
    public var mtu: Int
    public var evb: EVBStationNegotiation.Configuration
    /// VSIs that the port may have.
    public var vsisMax: Int
    /// Which dialects may be spoken.
    public var dialect: Dialect
    /// Whose ECP frames are taken.
    public var ecpSource: ECPSource
    /// By which addresses the port speaks and is spoken to.
    public var addresses: GroupAddresses

    /// Which dialects a port may speak.
    public typealias Dialect = DialectChoice

    /// Joins the settings of a port.
    public init(
        address: MACAddress, interfaceName: String, mtu: Int = 1500, evb: EVBStationNegotiation.Configuration,
        vsisMax: Int = StationPortConfiguration.vsisMaxDefault, dialect: Dialect = .automatic,
        ecpSource: ECPSource = .neighbour, addresses: GroupAddresses = GroupAddresses()
    ) {
        self.address = address
        self.interfaceName = interfaceName
        self.mtu = mtu
        self.evb = evb
        self.vsisMax = max(vsisMax, 0)
        self.dialect = dialect
        self.ecpSource = ecpSource
        self.addresses = addresses
    }

    /// Octets that an ECPDU's payload may have.
    func payloadMax(_ dialect: WireDialect) -> Int { dialect.payloadMax(mtu: mtu) }
}

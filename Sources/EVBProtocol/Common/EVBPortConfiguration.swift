public import EVBWire

/// The settings of a port of either role. They may change while the port runs.
public struct EVBPortConfiguration<EVB: Hashable & Sendable>: Hashable, Sendable {
    /// VSIs that a port may have by default.
    public static var vsisMaxDefault: Int { 16_384 }

    /// The interface's own address: the source of its frames.
    public var address: MACAddress
    /// Its name as a chassis. It stays what it is when the address changes, or the peer would take the port for another.
    public var chassis: MACAddress
    /// The interface's name, its name as a port.
    public var interfaceName: String
    /// Octets of payload that a frame may have; ECP keeps within it, and within 1500 in any case.
    public var mtu: Int
    public var evb: EVB
    /// VSIs that the port may have. A bridge refuses what is asked for beyond for lack of resources.
    public var vsisMax: Int
    /// Which dialects may be spoken.
    public var dialect: Dialect
    /// Whose ECP frames are taken.
    public var ecpSource: ECPSource
    /// By which addresses the port speaks and is spoken to.
    public var addresses: GroupAddresses

    public typealias Dialect = DialectChoice

    /// A negative `vsisMax` counts as 0. Without a `chassis` of its own the port is named by its address.
    public init(
        address: MACAddress, chassis: MACAddress? = nil, interfaceName: String, mtu: Int = 1500, evb: EVB,
        vsisMax: Int = Self.vsisMaxDefault, dialect: Dialect = .automatic,
        ecpSource: ECPSource = .neighbour, addresses: GroupAddresses = GroupAddresses()
    ) {
        self.address = address
        self.chassis = chassis ?? address
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

public typealias StationPortConfiguration = EVBPortConfiguration<EVBStationNegotiation.Configuration>
public typealias BridgePortConfiguration = EVBPortConfiguration<EVBBridgeNegotiation.Configuration>

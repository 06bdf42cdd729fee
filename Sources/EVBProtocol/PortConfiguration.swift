public import EVBWire

/// What a port is told once and may be told anew while it runs.
public struct PortConfiguration: Hashable, Sendable {
    /// The interface's own address: the source of its frames, and its name as a chassis.
    public var address: MACAddress
    /// The interface's name, its name as a port.
    public var interfaceName: String
    /// Octets of payload that a frame may have; ECP keeps within it, and within 1500 in any case.
    public var mtu: Int
    public var evb: EVBNegotiation.Configuration
    /// Which dialects may be spoken.
    public var dialect: Dialect

    /// Which dialects a port may speak.
    public enum Dialect: Hashable, Sendable {
        /// The bridge's: its EVB TLVs tell which it speaks, and the ratified one goes first. The ratified one while no bridge
        /// is heard.
        case automatic
        /// The ratified one alone.
        case ratified
        /// The draft alone.
        case draft
    }

    /// Joins the settings of a port.
    public init(
        address: MACAddress, interfaceName: String, mtu: Int = 1500, evb: EVBNegotiation.Configuration,
        dialect: Dialect = .automatic
    ) {
        self.address = address
        self.interfaceName = interfaceName
        self.mtu = mtu
        self.evb = evb
        self.dialect = dialect
    }

    /// Octets that an ECPDU's payload may have. The bridge's receive buffer is built for a classic Ethernet frame, however
    /// large ours may be; below 576 octets nothing useful would fit.
    func payloadMax(_ dialect: WireDialect) -> Int { min(max(mtu, 576), 1500) - dialect.ecpHeaderLength }
}

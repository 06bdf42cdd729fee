// What the kernel says of one link, as a value. One parser serves dumps, answers and notifications.

internal import CNetlink
internal import Glibc
public import LinuxSystem

/// How a macvlan or macvtap treats traffic between its siblings.
public enum MacvlanMode: UInt32, Sendable, CaseIterable {
    /// Siblings do not reach each other.
    case `private` = 1
    /// All frames leave by the link below, for the bridge outside to send back.
    case vepa = 2
    /// Siblings reach each other inside the host.
    case bridge = 4
    /// The one sibling takes the link below over.
    case passthru = 8
    /// Only listed sources are let in (macvlan).
    case source = 16
}

/// What IF_OPER_* says of a link (RFC 2863).
public enum OperationalState: UInt8, Sendable {
    case unknown = 0
    case notPresent = 1
    case down = 2
    case lowerLayerDown = 3
    case testing = 4
    case dormant = 5
    case up = 6
}

/// A snapshot of one link.
public struct Link: Sendable, Equatable {
    /// The interface index.
    public var index: Int32
    /// The name.
    public var name: String
    /// Further names that the link is found by (IFLA_PROP_LIST), such as `enp1s0f0`.
    public var alternativeNames: [String] = []
    /// The alias (IFLA_IFALIAS), by which evbd recognises what it created.
    public var alias: String?
    /// The kind, `macvtap`, `veth`, `bridge`; nil for hardware.
    public var kind: String?
    /// The address, if it is one of six octets.
    public var address: HardwareAddress?
    /// Octets of the greatest payload.
    public var mtu: UInt32 = 0
    /// Whether it was set up (IFF_UP).
    public var isUp = false
    /// Whether there is a carrier below it (IFF_LOWER_UP).
    ///
    /// A link that is not up has none.
    public var hasCarrier = false
    /// The operational state.
    public var operState = OperationalState.unknown
    /// The index of the bridge or bond that it is a port of.
    public var masterIndex: Int32?
    /// The index of the member by which a bond in mode active-backup, balance-tlb or balance-alb sends; nil for other links.
    public var activeMember: Int32?
    /// The index of the link below (IFLA_LINK), or of the other end of a veth.
    public var parentIndex: Int32?
    /// The mode of a macvlan or macvtap.
    public var macvlanMode: MacvlanMode?
    /// Whether a bridge port sends frames back out of the port that they came in by; nil for other links.
    ///
    /// A change of it alone is told by `LinkEvent.bridgePort`.
    public var hairpin: Bool?
    /// Whether a bridge learns from what comes in by this port; nil for other links.
    ///
    /// As of the answer: the kernel sends no news of it alone.
    public var learning: Bool?
    /// Whether a bridge port maps VLANs to tunnels (`vlan_tunnel`); nil for other links.
    public var mapsTunnels: Bool?
    /// The settings of a VXLAN device; nil for other links.
    public var vxlan: VXLANDevice?
    /// Whether a bridge runs a spanning tree protocol; nil for other links.
    ///
    /// One that does not forwards frames to the bridge group address, LLDP and ECP among them.
    public var spanningTree: Bool?

    /// Whether a bridge tells VLANs apart; nil for anything that is no bridge.
    public var filtersVLANs: Bool?

    /// The VLAN of a VLAN device; nil for other links.
    public var vlanID: UInt16?

    /// The tag type of a VLAN device: 0x8100 for 802.1Q, 0x88A8 for 802.1ad; nil for other links.
    public var vlanProtocol: UInt16?

    /// The group (IFLA_GROUP) of the link, by which others can mean many links at once; 0 by default.
    public var group: UInt32 = 0

    /// Creates a link of which nothing else is known; the rest is set one by one.
    public init(index: Int32, name: String) {
        self.index = index
        self.name = name
    }
}

// MARK: Parsing

extension Link {
    /// Reads an RTM_NEWLINK or RTM_DELLINK message.
    ///
    /// Gives nil for a message that does not describe a link: of another family (a bridge telling of its ports, whose
    /// RTM_DELLINK removes the port and not the link), a wireless event, or one that is too short.
    /// - Parameter header: A message that lies whole in memory.
    init?(message header: UnsafeMutablePointer<nlmsghdr>) {
        let headerLength = Int32(MemoryLayout<ifinfomsg>.size)
        guard nlmsg_valid_hdr(header, headerLength) != 0, let payload = nlmsg_data(header) else {
            return nil
        }
        let information = payload.loadUnaligned(as: ifinfomsg.self)
        guard information.ifi_family == UInt8(AF_UNSPEC) else {
            return nil
        }
        self.init(index: information.ifi_index, name: "")
        isUp = information.ifi_flags & Self.flagUp != 0
        hasCarrier = information.ifi_flags & Self.flagLowerUp != 0
        var isWireless = false
        let attributes = Attributes(
            first: nlmsg_attrdata(header, headerLength), length: nlmsg_attrlen(header, headerLength))
        attributes.forEach { attribute in
            isWireless = isWireless || attribute.type == IFLA_WIRELESS
            take(attribute)
        }
        guard !isWireless else {
            return nil
        }
    }

    /// Whether an RTM_DELLINK message tells of a link that goes on in another network namespace.
    static func namesOtherNamespace(_ header: UnsafeMutablePointer<nlmsghdr>) -> Bool {
        let headerLength = Int32(MemoryLayout<ifinfomsg>.size)
        guard nlmsg_valid_hdr(header, headerLength) != 0 else { return false }
        var isNamed = false
        Attributes(first: nlmsg_attrdata(header, headerLength), length: nlmsg_attrlen(header, headerLength)).forEach {
            isNamed = isNamed || $0.type == IFLA_NEW_NETNSID
        }
        return isNamed
    }

    /// IFF_UP and IFF_LOWER_UP: the C library's header and the kernel's both define them, so Swift would not know which.
    private static let flagUp: UInt32 = 1 << 0
    private static let flagLowerUp: UInt32 = 1 << 16

    private mutating func take(_ attribute: Attribute) {
        switch attribute.type {
        case IFLA_IFNAME: name = attribute.string
        case IFLA_IFALIAS: alias = attribute.string
        case IFLA_ADDRESS: address = HardwareAddress(octets: attribute.octets)
        case IFLA_MTU: mtu = attribute.uint32 ?? 0
        case IFLA_OPERSTATE: operState = attribute.uint8.flatMap(OperationalState.init) ?? .unknown
        case IFLA_MASTER: masterIndex = attribute.uint32.map(Int32.init(bitPattern:))
        case IFLA_LINK: parentIndex = attribute.uint32.map(Int32.init(bitPattern:))
        case IFLA_GROUP: group = attribute.uint32 ?? 0
        case IFLA_LINKINFO: takeInformation(attribute.nested)
        case IFLA_PROP_LIST:
            attribute.nested.forEach { property in
                if property.type == IFLA_ALT_IFNAME { alternativeNames.append(property.string) }
            }
        default: break
        }
    }

    private mutating func takeInformation(_ attributes: Attributes) {
        var masterKind = ""
        attributes.forEach { attribute in
            switch attribute.type {
            case IFLA_INFO_KIND:
                kind = attribute.string
            case IFLA_INFO_DATA where kind == "macvtap" || kind == "macvlan":
                // The kernel puts the kind before its data, and the same type numbers mean other things to other kinds.
                attribute.nested.forEach { detail in
                    if detail.type == IFLA_MACVLAN_MODE {
                        macvlanMode = detail.uint32.flatMap(MacvlanMode.init)
                    }
                }
            case IFLA_INFO_DATA where kind == "bond":
                attribute.nested.forEach { detail in
                    if detail.type == IFLA_BOND_ACTIVE_SLAVE {
                        activeMember = detail.uint32.map(Int32.init(bitPattern:))
                    }
                }
            case IFLA_INFO_DATA where kind == "vlan":
                attribute.nested.forEach { detail in
                    switch detail.type {
                    case VLANDevice.identifier: vlanID = detail.uint16
                    case VLANDevice.protocolAttribute: vlanProtocol = detail.uint16.map(UInt16.init(bigEndian:))
                    default: break
                    }
                }
            case IFLA_INFO_DATA where kind == "vxlan":
                vxlan = VXLANDevice(attribute.nested)
            case IFLA_INFO_DATA where kind == "bridge":
                attribute.nested.forEach { detail in
                    switch detail.type {
                    case IFLA_BR_STP_STATE: spanningTree = detail.uint32.map { $0 != 0 }
                    case IFLA_BR_VLAN_FILTERING: filtersVLANs = detail.uint8.map { $0 != 0 }
                    default: break
                    }
                }
            case IFLA_INFO_SLAVE_KIND:
                masterKind = attribute.string
            case IFLA_INFO_SLAVE_DATA where masterKind == "bridge":
                hairpin = Self.hairpin(attribute.nested) ?? hairpin
                attribute.nested.forEach { detail in
                    if detail.type == IFLA_BRPORT_LEARNING { learning = detail.uint8.map { $0 != 0 } }
                    if detail.type == IFLA_BRPORT_VLAN_TUNNEL { mapsTunnels = detail.uint8.map { $0 != 0 } }
                }
            default:
                break
            }
        }
    }

    private static func hairpin(_ attributes: Attributes) -> Bool? {
        var hairpin: Bool?
        attributes.forEach { attribute in
            if attribute.type == IFLA_BRPORT_MODE {
                hairpin = attribute.uint8.map { $0 != 0 }
            }
        }
        return hairpin
    }

    /// Reads what a bridge tells of one of its ports, an RTM_NEWLINK message of the family AF_BRIDGE.
    ///
    /// - Returns: The port and its hairpin flag; nil for a message that is something else, or too short.
    static func bridgePort(message header: UnsafeMutablePointer<nlmsghdr>) -> (index: Int32, hairpin: Bool)? {
        let headerLength = Int32(MemoryLayout<ifinfomsg>.size)
        guard nlmsg_valid_hdr(header, headerLength) != 0, let payload = nlmsg_data(header) else {
            return nil
        }
        let information = payload.loadUnaligned(as: ifinfomsg.self)
        guard information.ifi_family == UInt8(AF_BRIDGE) else {
            return nil
        }
        var flag: Bool?
        let attributes = Attributes(
            first: nlmsg_attrdata(header, headerLength), length: nlmsg_attrlen(header, headerLength))
        attributes.forEach { attribute in
            if attribute.type == IFLA_PROTINFO {
                flag = hairpin(attribute.nested) ?? flag
            }
        }
        return flag.map { (information.ifi_index, $0) }
    }
}

/// A run of netlink attributes; whatever does not fit its length ends it.
struct Attributes {
    let first: UnsafeMutablePointer<nlattr>?
    let length: Int32

    func forEach(_ body: (Attribute) -> Void) {
        var remaining = length
        var next = first
        while let current = next, nla_ok(current, remaining) != 0 {
            body(Attribute(pointer: current))
            next = nla_next(current, &remaining)
        }
    }
}

/// One netlink attribute that lies whole in memory; each reading checks the length.
struct Attribute {
    let pointer: UnsafeMutablePointer<nlattr>

    var type: Int {
        Int(nla_type(pointer))
    }

    var octets: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: nla_data(pointer), count: Int(nla_len(pointer)))
    }

    var uint8: UInt8? {
        octets.first
    }

    var uint16: UInt16? {
        octets.count >= 2 ? octets.loadUnaligned(as: UInt16.self) : nil
    }

    var uint32: UInt32? {
        octets.count >= 4 ? octets.loadUnaligned(as: UInt32.self) : nil
    }

    var string: String {
        String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
    }

    var nested: Attributes {
        Attributes(first: nla_data(pointer)?.assumingMemoryBound(to: nlattr.self), length: nla_len(pointer))
    }
}

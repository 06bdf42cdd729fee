// Asks for links and changes them, one request after the other. Some of these block for tens of milliseconds inside the
// kernel (delete does): from an event loop, go by a `LinkCommand`.

internal import CNetlink
internal import Glibc
public import LinuxSystem

/// A macvlan or macvtap to create.
public struct MacvlanSpec: Sendable, Equatable {
    /// The two kinds of link that carry a VSI.
    public enum Kind: String, Sendable, CaseIterable {
        /// With a character device, for a virtual machine.
        case macvtap
        /// A plain interface, for a container.
        case macvlan
    }

    /// Octets of the longest name that the kernel takes.
    public static let nameLengthMax = 15
    /// Octets of the longest alias that the kernel takes.
    public static let aliasLengthMax = 255

    /// The group of all links that evbd makes. Rules keep the host's own IP off links of this group. The number is the
    /// letters EVB, which other users of groups hardly choose.
    public static let group: UInt32 = 0x45_5642

    /// The name.
    public var name: String
    /// Which of the two it is.
    public var kind: Kind
    /// How it treats traffic between siblings.
    public var mode: MacvlanMode
    /// The index of the link below.
    public var parentIndex: Int32
    /// The address; nil lets the kernel choose one.
    public var address: HardwareAddress?
    /// Octets of the greatest payload; nil takes that of the link below.
    public var mtu: UInt32?
    /// Whose frames a macvlan in source mode lets in; of no use in other modes.
    public var sources: [HardwareAddress] = []
    /// Whether it takes frames to all multicast groups, and has the link below take them too.
    public var allmulticast = false
    /// The alias, by which its creator can recognise it.
    public var alias: String?
    /// Whether it is set up in the end.
    public var up: Bool

    /// Describes a link.
    public init(
        name: String, kind: Kind, mode: MacvlanMode, parentIndex: Int32, address: HardwareAddress? = nil,
        mtu: UInt32? = nil, alias: String? = nil, sources: [HardwareAddress] = [], allmulticast: Bool = false, up: Bool
    ) {
        self.name = name
        self.kind = kind
        self.mode = mode
        self.parentIndex = parentIndex
        self.address = address
        self.mtu = mtu
        self.alias = alias
        self.sources = sources
        self.allmulticast = allmulticast
        self.up = up
    }
}

/// Numbers of `linux/if_link.h` and `linux/ip.h`, which have them in enumerations without names.
private enum HostSettings {
    /// IFLA_INET6_ADDR_GEN_MODE and IN6_ADDR_GEN_MODE_NONE.
    static let addressGeneration = 8
    static let none: UInt8 = 1
    /// IFLA_INET_CONF, and in it IPV4_DEVCONF_ARP_IGNORE with the value for "answer nothing".
    static let configuration = 1
    static let arpIgnore = 19
    static let ignoreAll: UInt32 = 8
}

/// The kernel's links, by synchronous requests over one socket.
///
/// Changes need CAP_NET_ADMIN. For one thread; every method throws `NetlinkError`, of kind `notFound` where the link is not there.
public final class Links {
    let requests: RequestSocket

    /// Opens the socket.
    public init() throws(NetlinkError) {
        requests = try RequestSocket()
    }

    // MARK: Asking

    /// All links of the network namespace.
    public func dump() throws(NetlinkError) -> [Link] {
        try requests.dump()
    }

    /// The link of a name, or nil.
    public func link(named name: String) throws(NetlinkError) -> Link? {
        guard Self.isName(name) else {
            return nil
        }
        let message = LinkMessage(type: RTM_GETLINK)
        message.put(IFLA_IFNAME, name)
        return try ask(message, "look up \(name)")
    }

    /// The link of an index, or nil.
    public func link(index: Int32) throws(NetlinkError) -> Link? {
        guard index > 0 else {
            return nil
        }
        return try ask(LinkMessage(type: RTM_GETLINK, index: index), "look up interface \(index)")
    }

    private func ask(
        _ message: borrowing LinkMessage, _ operation: @autoclosure () -> String
    ) throws(NetlinkError) -> Link? {
        do {
            return try requests.perform(message, operation()).first
        } catch {
            guard error.kind == .notFound else {
                throw error
            }
            return nil
        }
    }

    /// Whether a bridge port sends frames back out of the port that they came in by.
    ///
    /// - Throws: `NetlinkError` of kind `invalid` if the link is not a port of a Linux bridge.
    public func hairpin(portIndex: Int32) throws(NetlinkError) -> Bool {
        let operation = "read hairpin of interface \(portIndex)"
        guard let port = try link(index: portIndex) else {
            throw NetlinkError(operation: operation, kind: .notFound, code: ENODEV, reason: "No such device")
        }
        guard let hairpin = port.hairpin else {
            throw NetlinkError(operation: operation, kind: .invalid, reason: "\(port.name) is not a bridge port")
        }
        return hairpin
    }

    // MARK: Changing

    /// Creates a macvlan or macvtap.
    ///
    /// Whatever fails, no link is left behind.
    /// - Parameter spec: The link.
    /// - Returns: The link as the kernel has it.
    /// - Throws: `NetlinkError` of kind `exists` for a taken name, `notFound` for a missing parent, `busy` or `invalid`
    ///   where passthru meets siblings.
    public func createMacvlan(_ spec: MacvlanSpec) throws(NetlinkError) -> Link {
        // Words for errors only: to look up a name costs three system calls.
        let operation = { "create \(spec.kind.rawValue) \(spec.name) on \(Self.name(ofIndex: spec.parentIndex))" }
        guard Self.isName(spec.name), (spec.alias?.utf8.count ?? 0) <= MacvlanSpec.aliasLengthMax else {
            throw NetlinkError(
                operation: operation(), kind: .invalid, code: EINVAL, reason: "The name or alias is too long or empty")
        }
        try requests.perform(Self.creation(of: spec), operation())
        // The kernel ignores an alias and the host's settings while it creates. A kernel without IPv6 or IPv4 refuses them together. Not with
        // the request before: where that is refused, the name is that of another process' link.
        let question = LinkMessage(type: RTM_GETLINK)
        question.put(IFLA_IFNAME, spec.name)
        let (refusal, found) = try requests.perform(
            Self.mark(0, as: spec, isHostOff: true), thenAsk: question, operation())
        guard let created = found else {
            throw NetlinkError(operation: operation(), kind: .notFound, reason: "It was removed at once")
        }
        guard refusal != nil || spec.up else { return created }
        do throws(NetlinkError) {
            if refusal != nil {
                keepHostOff(index: created.index)
                try requests.perform(Self.mark(created.index, as: spec, isHostOff: false), operation())
            }
            // A link must not carry traffic before it is known as ours, so up comes last.
            let link = spec.up ? try setUp(index: created.index, true) : try link(index: created.index)
            guard let link else {
                throw NetlinkError(operation: operation(), kind: .notFound, reason: "It was removed at once")
            }
            return link
        } catch {
            try? delete(index: created.index)
            throw error
        }
    }

    /// Gives a new link what the kernel does not take while it creates one. The index 0 means the link by its name.
    private static func mark(_ index: Int32, as spec: MacvlanSpec, isHostOff: Bool) -> LinkMessage {
        let message = LinkMessage(type: RTM_SETLINK, index: index)
        if index == 0 { message.put(IFLA_IFNAME, spec.name) }
        if let alias = spec.alias { message.put(IFLA_IFALIAS, alias) }
        if isHostOff {
            message.nest(IFLA_AF_SPEC) {
                putHostOff(AF_INET6, into: message)
                putHostOff(AF_INET, into: message)
            }
        }
        message.setFlags(allmulticast: spec.allmulticast ? true : nil)
        return message
    }

    private static func creation(of spec: MacvlanSpec) -> LinkMessage {
        let message = LinkMessage(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL)
        message.put(IFLA_IFNAME, spec.name)
        message.put(IFLA_LINK, UInt32(bitPattern: spec.parentIndex))
        message.put(IFLA_GROUP, MacvlanSpec.group)
        if let address = spec.address {
            message.put(IFLA_ADDRESS, address.octets)
        }
        if let mtu = spec.mtu {
            message.put(IFLA_MTU, mtu)
        }
        putInformation(
            kind: spec.kind.rawValue, mode: spec.mode, sources: spec.mode == .source ? spec.sources : [], into: message)
        return message
    }

    private static func putInformation(
        kind: String, mode: MacvlanMode, sources: [HardwareAddress] = [], into message: borrowing LinkMessage
    ) {
        let pointer = message.pointer
        let information = nla_nest_start(pointer, Int32(IFLA_LINKINFO) | NLA_F_NESTED)
        message.put(IFLA_INFO_KIND, kind)
        let data = nla_nest_start(pointer, Int32(IFLA_INFO_DATA) | NLA_F_NESTED)
        message.put(IFLA_MACVLAN_MODE, mode.rawValue)
        if !sources.isEmpty {
            message.put(IFLA_MACVLAN_MACADDR_MODE, UInt32(MACVLAN_MACADDR_SET.rawValue))
            message.nest(IFLA_MACVLAN_MACADDR_DATA) {
                for source in sources { message.put(IFLA_MACVLAN_MACADDR, source.octets) }
            }
        }
        nla_nest_end(pointer, data)
        nla_nest_end(pointer, information)
    }

    /// Changes the mode of a macvlan or macvtap while it runs.
    ///
    /// - Throws: `NetlinkError` of kind `invalid` for another kind of link, or a change to or from passthru.
    public func setMacvlanMode(index: Int32, _ mode: MacvlanMode) throws(NetlinkError) {
        let operation = { "set mode \(mode) of \(Self.name(ofIndex: index))" }
        guard let link = try link(index: index) else {
            throw NetlinkError(operation: operation(), kind: .notFound, code: ENODEV, reason: "No such device")
        }
        guard let kind = link.kind, link.macvlanMode != nil else {
            throw NetlinkError(operation: operation(), kind: .invalid, reason: "It is not a macvlan or macvtap")
        }
        let message = LinkMessage(type: RTM_NEWLINK, index: index)
        Self.putInformation(kind: kind, mode: mode, into: message)
        try requests.perform(message, operation())
    }

    /// Puts a link into the group that the host's own IP is kept off.
    public func joinGroup(index: Int32) throws(NetlinkError) {
        keepHostOff(index: index)
        let message = LinkMessage(type: RTM_SETLINK, index: index)
        message.put(IFLA_GROUP, MacvlanSpec.group)
        try requests.perform(message, "set the group of \(Self.name(ofIndex: index))")
    }

    /// Keeps the host from giving itself a link-local address on a link, and from answering ARP there. Both are a new
    /// device's settings again in another network namespace.
    ///
    /// A kernel without IPv6 or IPv4 refuses its part, and has no need of it.
    func keepHostOff(index: Int32) {
        for family in [AF_INET6, AF_INET] {
            let message = LinkMessage(type: RTM_SETLINK, index: index)
            message.nest(IFLA_AF_SPEC) { Self.putHostOff(family, into: message) }
            _ = try? requests.perform(message, "keep the host's addresses off \(Self.name(ofIndex: index))")
        }
    }

    private static func putHostOff(_ family: Int32, into message: borrowing LinkMessage) {
        message.nest(Int(family)) {
            if family == AF_INET6 { return message.put(HostSettings.addressGeneration, HostSettings.none) }
            message.nest(HostSettings.configuration) { message.put(HostSettings.arpIgnore, HostSettings.ignoreAll) }
        }
    }

    /// Sets a link up or down.
    ///
    /// - Returns: The link after that; nil if it is gone.
    @discardableResult
    public func setUp(index: Int32, _ isUp: Bool) throws(NetlinkError) -> Link? {
        let message = LinkMessage(type: RTM_SETLINK, index: index)
        message.setUp(isUp)
        let (refusal, link) = try requests.perform(
            message, thenAsk: LinkMessage(type: RTM_GETLINK, index: index),
            "set \(Self.name(ofIndex: index)) \(isUp ? "up" : "down")")
        if let refusal { throw refusal }
        return link
    }

    /// Sets the MTU of a link, in octets.
    ///
    /// - Throws: `NetlinkError` of kind `invalid` for more than the link below carries.
    public func setMTU(index: Int32, _ mtu: UInt32) throws(NetlinkError) {
        let message = LinkMessage(type: RTM_SETLINK, index: index)
        message.put(IFLA_MTU, mtu)
        try requests.perform(message, "set MTU \(mtu) of \(Self.name(ofIndex: index))")
    }

    /// Deletes a link.
    ///
    /// Takes the kernel some 16 ms for a macvtap.
    public func delete(index: Int32) throws(NetlinkError) {
        try requests.perform(
            LinkMessage(type: RTM_DELLINK, index: index), "delete \(Self.name(ofIndex: index))")
    }

    /// Makes a bridge port send frames back out of the port that they came in by, or not.
    ///
    /// - Throws: `NetlinkError` if the link is not a port of a Linux bridge.
    public func setHairpin(portIndex: Int32, _ isOn: Bool) throws(NetlinkError) {
        let message = LinkMessage(type: RTM_SETLINK, index: portIndex, family: AF_BRIDGE)
        message.nest(IFLA_PROTINFO) {
            message.put(IFLA_BRPORT_MODE, UInt8(isOn ? 1 : 0))
        }
        try requests.perform(message, "set hairpin \(isOn ? "on" : "off") on \(Self.name(ofIndex: portIndex))")
    }

    // MARK: Names

    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= MacvlanSpec.nameLengthMax && !name.utf8.contains(0)
    }

    /// The name of a link for an error's text: `interface 5`, say, where there is none.
    package static func name(ofIndex index: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            guard index > 0, let start = buffer.baseAddress, if_indextoname(UInt32(index), start) != nil else {
                return "interface \(index)"
            }
            return String(cString: start)
        }
    }
}

// What a Linux bridge knows of its ports beside what a link tells: the forwarding database and the VLANs.

internal import CNetlink
internal import Glibc
public import LinuxSystem

/// An entry of a bridge's forwarding database.
public struct ForwardingEntry: Sendable, Equatable {
    /// How the bridge came by an entry, and when it gives it up.
    public enum Kind: Sendable {
        /// Learned from a frame; it ages, and moves with the address.
        case learned
        /// Set by somebody; it stays.
        case fixed
        /// An address of the bridge itself or of one of its ports.
        case own
    }

    /// The link behind which the address is.
    public let portIndex: Int32
    public let kind: Kind
    /// Whether the entry stays at its port when another one sends from the address.
    public var isSticky = false
    /// Whether a control plane, say a routing daemon, has made it (NTF_EXT_LEARNED).
    public var isExternal = false
}

/// The VLANs of a bridge port.
public struct PortVLANs: Sendable, Equatable {
    /// The VLANs that the port is a member of.
    public var members: Set<UInt16> = []
    /// The VLAN of frames that come in untagged; nil drops them.
    public var pvid: UInt16?
}

/// Asks for and changes what a bridge knows of its ports, by synchronous requests over one socket.
///
/// Changes need CAP_NET_ADMIN. For one thread; every method throws `NetlinkError`.
public final class BridgePorts {
    private let requests: RequestSocket
    private let links: Links

    /// Opens the sockets.
    public init() throws(NetlinkError) {
        requests = try RequestSocket()
        links = try Links()
    }

    /// The bridge that a link is a port of, or nil.
    public func bridge(ofPort index: Int32) throws(NetlinkError) -> Link? {
        guard let master = try links.link(index: index)?.masterIndex, let bridge = try links.link(index: master) else {
            return nil
        }
        return bridge.kind == "bridge" ? bridge : nil
    }

    /// A link; nil where there is none.
    public func link(index: Int32) throws(NetlinkError) -> Link? { try links.link(index: index) }

    /// The ports of a bridge.
    ///
    /// - Parameters:
    ///   - bridgeIndex: The bridge.
    ///   - kind: The kind of link that is wanted, as `vxlan`; nil is any.
    /// - Returns: The ports, as the kernel has them.
    /// - Throws: `NetlinkError`.
    public func ports(ofBridge bridgeIndex: Int32, kind: String? = nil) throws(NetlinkError) -> [Link] {
        let links = try requests.dump("list the ports of interface \(bridgeIndex)") {
            let message = LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP)
            message.put(IFLA_MASTER, UInt32(bitPattern: bridgeIndex))
            if let kind { message.nest(IFLA_LINKINFO) { message.put(IFLA_INFO_KIND, kind) } }
            return message
        }
        // The kernel's own choice only saves time.
        return links.filter { $0.masterIndex == bridgeIndex && (kind == nil || $0.kind == kind) }
    }

    /// Whether the bridge learns from what comes in by a port; nil where it is no bridge port.
    public func learns(portIndex: Int32) throws(NetlinkError) -> Bool? {
        try links.link(index: portIndex)?.learning
    }

    /// Has the bridge learn from what comes in by a port, or not.
    ///
    /// - Throws: `NetlinkError` if the link is not a port of a Linux bridge.
    public func setLearning(portIndex: Int32, _ isOn: Bool) throws(NetlinkError) {
        let message = LinkMessage(type: RTM_SETLINK, index: portIndex, family: AF_BRIDGE)
        message.nest(IFLA_PROTINFO) { message.put(IFLA_BRPORT_LEARNING, UInt8(isOn ? 1 : 0)) }
        try requests.perform(message, "set learning \(isOn ? "on" : "off") at interface \(portIndex)")
    }

    // MARK: The forwarding database

    /// The entry of an address.
    ///
    /// - Parameters:
    ///   - address: The address.
    ///   - vid: The VLAN, or 0 for the entry that belongs to none.
    ///   - bridgeIndex: The bridge.
    /// - Returns: The entry, wherever in the bridge it points, or nil.
    /// - Throws: `NetlinkError`.
    public func entry(
        of address: HardwareAddress, vid: UInt16, bridgeIndex: Int32
    ) throws(NetlinkError) -> ForwardingEntry? {
        let message = LinkMessage(type: RTM_GETNEIGH, portIndex: 0)
        message.put(Int(NDA_LLADDR), address.octets)
        if vid != 0 { message.put(Int(NDA_VLAN), vid) }
        message.put(Int(NDA_MASTER), UInt32(bitPattern: bridgeIndex))
        var entry: ForwardingEntry?
        do {
            try requests.perform(message, "look up \(Self.words(address, vid))") { header in
                guard let payload = nlmsg_data(header), Int(header.pointee.nlmsg_type) == RTM_NEWNEIGH,
                    nlmsg_valid_hdr(header, Int32(MemoryLayout<ndmsg>.size)) != 0
                else { return }
                let found = payload.loadUnaligned(as: ndmsg.self)
                let state = Int32(found.ndm_state)
                let kind: ForwardingEntry.Kind =
                    state & NUD_PERMANENT != 0 ? .own : state & NUD_NOARP != 0 ? .fixed : .learned
                let flags = Int32(found.ndm_flags)
                entry = ForwardingEntry(
                    portIndex: found.ndm_ifindex, kind: kind, isSticky: flags & NTF_STICKY != 0,
                    isExternal: flags & NTF_EXT_LEARNED != 0)
            }
        } catch {
            guard error.kind == .notFound else { throw error }
            return nil
        }
        return entry
    }

    /// The static entries that point to a port.
    ///
    /// - Throws: `NetlinkError`.
    public func fixedEntries(portIndex: Int32) throws(NetlinkError) -> Set<BridgeEntry> {
        Set(try stickiness(portIndex: portIndex).keys)
    }

    /// The static entries that point to a port, and whether each stays there when another port sends from the address.
    ///
    /// - Throws: `NetlinkError`.
    public func stickiness(portIndex: Int32) throws(NetlinkError) -> [BridgeEntry: Bool] {
        var entries: [BridgeEntry: Bool] = [:]
        try requests.dump(
            "list the forwarding entries of interface \(portIndex)", start: { entries = [:] },
            // With the header of a link, by which the kernel lists that port's alone.
            request: { LinkMessage(type: RTM_GETNEIGH, flags: NLM_F_DUMP, index: portIndex, family: AF_BRIDGE) },
            reader: { header in
                if let (entry, isSticky) = Self.fixedEntry(header, portIndex) { entries[entry] = isSticky }
            })
        return entries
    }

    private static func fixedEntry(
        _ header: UnsafeMutablePointer<nlmsghdr>, _ portIndex: Int32
    ) -> (BridgeEntry, isSticky: Bool)? {
        let length = Int32(MemoryLayout<ndmsg>.size)
        guard Int(header.pointee.nlmsg_type) == RTM_NEWNEIGH, nlmsg_valid_hdr(header, length) != 0,
            let payload = nlmsg_data(header)
        else { return nil }
        let entry = payload.loadUnaligned(as: ndmsg.self)
        guard entry.ndm_ifindex == portIndex, Int32(entry.ndm_flags) & NTF_SELF == 0,
            Int32(entry.ndm_state) & NUD_NOARP != 0
        else { return nil }
        var address: HardwareAddress?
        var vid: UInt16 = 0
        Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length)).forEach { attribute in
            if attribute.type == Int(NDA_LLADDR) { address = HardwareAddress(octets: attribute.octets) }
            if attribute.type == Int(NDA_VLAN), attribute.octets.count >= 2 {
                vid = attribute.octets.loadUnaligned(as: UInt16.self)
            }
        }
        let isSticky = Int32(entry.ndm_flags) & NTF_STICKY != 0
        return address.map { (BridgeEntry(address: $0, vid: vid), isSticky) }
    }

    /// Makes a static entry, which does not age.
    ///
    /// - Parameters:
    ///   - address: The address.
    ///   - vid: The VLAN, of which the port is a member, or 0 where the bridge tells none apart.
    ///   - portIndex: The port behind which the address is.
    ///   - isReplacing: Whether another entry of this address gives way.
    ///   - isSticky: Whether it stays when another port, one that learns, sends from the address. FRR announces such an entry
    ///     as one that cannot move to another box.
    ///   - isExternal: Whether it says that the address is at another box, as a routing daemon's entries do.
    /// - Throws: `NetlinkError` of kind `exists` where there is one already that need not give way.
    public func addEntry(
        _ address: HardwareAddress, vid: UInt16, portIndex: Int32, isReplacing: Bool, isSticky: Bool = true,
        isExternal: Bool = false
    ) throws(NetlinkError) {
        let message = LinkMessage(
            type: RTM_NEWNEIGH, flags: NLM_F_CREATE | (isReplacing ? NLM_F_REPLACE : NLM_F_EXCL), portIndex: portIndex,
            state: NUD_NOARP, entryFlags: NTF_MASTER | (isSticky ? NTF_STICKY : 0) | (isExternal ? NTF_EXT_LEARNED : 0))
        message.put(Int(NDA_LLADDR), address.octets)
        if vid != 0 { message.put(Int(NDA_VLAN), vid) }
        try requests.perform(message, "forward \(Self.words(address, vid)) to interface \(portIndex)")
    }

    /// Removes an entry that points to a port; one that points elsewhere stays.
    ///
    /// - Throws: `NetlinkError` of kind `notFound` where there is none.
    public func removeEntry(_ address: HardwareAddress, vid: UInt16, portIndex: Int32) throws(NetlinkError) {
        let message = LinkMessage(type: RTM_DELNEIGH, portIndex: portIndex, entryFlags: NTF_MASTER)
        message.put(Int(NDA_LLADDR), address.octets)
        if vid != 0 { message.put(Int(NDA_VLAN), vid) }
        try requests.perform(message, "no longer forward \(Self.words(address, vid)) to interface \(portIndex)")
    }

    private static func words(_ address: HardwareAddress, _ vid: UInt16) -> String {
        vid == 0 ? "\(address)" : "\(address) in VLAN \(vid)"
    }

    // MARK: VLANs

    /// The VLANs of a port. A bridge without VLAN filtering has them too, and makes no use of them.
    public func vlans(portIndex: Int32) throws(NetlinkError) -> PortVLANs {
        var vlans = PortVLANs()
        try requests.dump(
            "list the VLANs of interface \(portIndex)", start: { vlans = PortVLANs() },
            request: {
                let message = LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP, family: AF_BRIDGE)
                // RTEXT_FILTER_BRVLAN_COMPRESSED: neighbouring VLANs come as a range.
                message.put(IFLA_EXT_MASK, UInt32(1 << 2))
                return message
            },
            reader: { header in
                let length = Int32(MemoryLayout<ifinfomsg>.size)
                guard nlmsg_valid_hdr(header, length) != 0, let payload = nlmsg_data(header),
                    payload.loadUnaligned(as: ifinfomsg.self).ifi_index == portIndex
                else { return }
                Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length)).forEach {
                    if $0.type == IFLA_AF_SPEC { vlans.take($0.nested) }
                }
            })
        return vlans
    }

    /// Makes a port a member of a VLAN, whose frames leave it tagged, or ends that.
    ///
    /// - Throws: `NetlinkError` of kind `notSupported` where the kernel's bridges know no VLANs.
    public func setMember(portIndex: Int32, of vid: UInt16, _ isMember: Bool) throws(NetlinkError) {
        let message = LinkMessage(type: isMember ? RTM_SETLINK : RTM_DELLINK, index: portIndex, family: AF_BRIDGE)
        message.nest(IFLA_AF_SPEC) {
            // No flags, so that frames leave tagged.
            withUnsafeBytes(of: (flags: UInt16(0), vid: vid)) { message.put(BridgeVLANInfo.attribute, Array($0)) }
        }
        try requests.perform(
            message, "\(isMember ? "add VLAN \(vid) to" : "remove VLAN \(vid) from") interface \(portIndex)")
    }
}

/// IFLA_BRIDGE_VLAN_INFO: flags and a VID, 16 bits each. `linux/if_bridge.h`, which defines it, and the C library's own
/// headers do not go together.
private enum BridgeVLANInfo {
    static let attribute = 2
    static let pvid: UInt16 = 1 << 1
    static let rangeBegin: UInt16 = 1 << 3
    static let rangeEnd: UInt16 = 1 << 4
}

extension PortVLANs {
    /// Takes IFLA_BRIDGE_VLAN_INFOs: flags and a VID each, ranges as a beginning and an end.
    fileprivate mutating func take(_ attributes: Attributes) {
        var begin: UInt16?
        attributes.forEach { attribute in
            guard attribute.type == BridgeVLANInfo.attribute, attribute.octets.count >= 4 else { return }
            let flags = attribute.octets.loadUnaligned(as: UInt16.self)
            let vid = attribute.octets.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
            if flags & BridgeVLANInfo.pvid != 0 { pvid = vid }
            if flags & BridgeVLANInfo.rangeBegin != 0 {
                begin = vid
            } else if let first = begin, first <= vid, flags & BridgeVLANInfo.rangeEnd != 0 {
                members.formUnion(first...vid)
                begin = nil
            } else {
                members.insert(vid)
            }
        }
    }
}

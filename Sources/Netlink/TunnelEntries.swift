// The forwarding table of a VXLAN device, which says behind which box an address is, and neighbours of it, which answer ARP.

internal import CLinux
internal import CNetlink
internal import Glibc
public import LinuxSystem

/// An entry of a VXLAN device's own forwarding table.
public struct TunnelEntry: Sendable, Hashable {
    /// The address; 0 is every address without an entry of its own, and groups.
    public let address: HardwareAddress
    /// The box, 4 or 16 octets.
    public let box: [UInt8]
    /// The VNI that it is for; nil at a device with one VNI.
    public let vni: UInt32?

    public init(address: HardwareAddress, box: [UInt8], vni: UInt32?) {
        self.address = address
        self.box = box
        self.vni = vni
    }
}

extension Tunnels {
    /// The entries of a VXLAN device that do not age.
    public func entries(deviceIndex: Int32) throws(NetlinkError) -> Set<TunnelEntry> {
        var entries: Set<TunnelEntry> = []
        try requests.dump(
            "list the forwarding table of interface \(deviceIndex)", start: { entries = [] },
            // With the header of a link, by which the kernel lists that link's tables alone.
            request: { LinkMessage(type: RTM_GETNEIGH, flags: NLM_F_DUMP, index: deviceIndex, family: AF_BRIDGE) },
            reader: { header in
                guard let (entry, details) = Self.neighbour(header), entry.ndm_ifindex == deviceIndex,
                    Int32(entry.ndm_flags) & NTF_SELF != 0, Int32(entry.ndm_state) & (NUD_NOARP | NUD_PERMANENT) != 0,
                    let address = details.address, !details.destination.isEmpty
                else { return }
                entries.insert(TunnelEntry(address: address, box: details.destination, vni: details.sourceVNI))
            })
        return entries
    }

    /// Adds an entry beside those that the address has, or in place of them, or removes one.
    public func setEntry(_ entry: TunnelEntry, deviceIndex: Int32, _ isThere: Bool) throws(NetlinkError) {
        try requests.perform(
            Self.entryMessage(entry, deviceIndex, isThere),
            "\(isThere ? "send" : "no longer send") \(entry.address) by interface \(deviceIndex) to another box")
    }

    static func entryMessage(_ entry: TunnelEntry, _ index: Int32, _ isThere: Bool) -> LinkMessage {
        let isFlood = entry.address.value == 0
        let how = isFlood ? NLM_F_CREATE | NLM_F_APPEND : NLM_F_CREATE | NLM_F_REPLACE
        let message = LinkMessage(
            type: isThere ? RTM_NEWNEIGH : RTM_DELNEIGH, flags: isThere ? how : 0, portIndex: index,
            state: NUD_NOARP | (isFlood ? NUD_PERMANENT : NUD_REACHABLE), entryFlags: NTF_SELF)
        message.put(Int(NDA_LLADDR), entry.address.octets)
        message.put(Int(NDA_DST), entry.box)
        if let vni = entry.vni { message.put(Int(NDA_SRC_VNI), vni) }
        return message
    }

    // MARK: Neighbours

    /// The neighbours of a link that do not age: hardware addresses by IP address, 4 or 16 octets.
    public func neighbours(linkIndex: Int32) throws(NetlinkError) -> [[UInt8]: HardwareAddress] {
        var neighbours: [[UInt8]: HardwareAddress] = [:]
        try requests.dump(
            "list the neighbours of interface \(linkIndex)", start: { neighbours = [:] },
            request: {
                let message = LinkMessage(type: RTM_GETNEIGH, flags: NLM_F_DUMP, portIndex: 0, family: AF_UNSPEC)
                message.put(Int(NDA_IFINDEX), UInt32(bitPattern: linkIndex))
                return message
            },
            reader: { header in
                guard let (entry, details) = Self.neighbour(header), entry.ndm_ifindex == linkIndex,
                    Int32(entry.ndm_state) & (NUD_NOARP | NUD_PERMANENT) != 0, let address = details.address
                else { return }
                neighbours[details.destination] = address
            })
        return neighbours
    }

    /// Sets a neighbour of a link that does not age, or removes it.
    public func setNeighbour(
        _ address: [UInt8], _ hardware: HardwareAddress, linkIndex: Int32, _ isThere: Bool
    ) throws(NetlinkError) {
        try requests.perform(
            Self.neighbourMessage(address, hardware, linkIndex, isThere),
            "\(isThere ? "set" : "remove") neighbour \(hardware) of interface \(linkIndex)")
    }

    static func neighbourMessage(
        _ address: [UInt8], _ hardware: HardwareAddress, _ index: Int32, _ isThere: Bool
    ) -> LinkMessage {
        let message = LinkMessage(
            type: isThere ? RTM_NEWNEIGH : RTM_DELNEIGH, flags: isThere ? NLM_F_CREATE | NLM_F_REPLACE : 0,
            portIndex: index, state: NUD_NOARP, family: address.count == 4 ? AF_INET : AF_INET6)
        message.put(Int(NDA_DST), address)
        message.put(Int(NDA_LLADDR), hardware.octets)
        return message
    }

    // MARK: Reading

    struct Details {
        var address: HardwareAddress?
        var destination: [UInt8] = []
        var sourceVNI: UInt32?
    }

    private static func neighbour(_ header: UnsafeMutablePointer<nlmsghdr>) -> (ndmsg, Details)? {
        let length = Int32(MemoryLayout<ndmsg>.size)
        guard Int(header.pointee.nlmsg_type) == RTM_NEWNEIGH, nlmsg_valid_hdr(header, length) != 0,
            let payload = nlmsg_data(header)
        else { return nil }
        var details = Details()
        Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length)).forEach { attribute in
            switch attribute.type {
            case Int(NDA_LLADDR): details.address = HardwareAddress(octets: attribute.octets)
            case Int(NDA_DST) where [4, 16].contains(attribute.octets.count):
                details.destination = Array(attribute.octets)
            case Int(NDA_SRC_VNI): details.sourceVNI = attribute.uint32
            default: break
            }
        }
        return (payload.loadUnaligned(as: ndmsg.self), details)
    }
}

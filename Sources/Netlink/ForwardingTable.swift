// The addresses for which a link itself takes frames: what `bridge fdb show dev LINK` marks `self permanent`.

internal import CNetlink
internal import Glibc
public import LinuxSystem

/// What a link has in its own forwarding table, beside its own address.
public struct OwnAddresses: Sendable, Equatable {
    /// The unicast addresses.
    public var addresses: Set<HardwareAddress> = []
    /// There are more addresses than were asked for.
    public var isTruncated = false

    /// No addresses.
    public init() {}

    fileprivate mutating func take(_ address: HardwareAddress, limit: Int) {
        if addresses.count < limit || addresses.contains(address) {
            addresses.insert(address)
        } else {
            isTruncated = true
        }
    }
}

/// Reads the forwarding tables of links, by synchronous requests over one socket.
///
/// The kernel adds an address there for each macvlan that is up on a link, whichever network namespace it is in, and sends
/// no news of that. For one thread; needs no capability.
public final class ForwardingTable {
    private let requests: RequestSocket

    /// Opens the socket.
    ///
    /// - Throws: `NetlinkError`.
    public init() throws(NetlinkError) { requests = try RequestSocket() }

    /// Reads the addresses of a link.
    ///
    /// - Parameters:
    ///   - index: The link.
    ///   - limit: The greatest number of addresses that is given back.
    /// - Returns: The addresses; none where there is no such link.
    /// - Throws: `NetlinkError`.
    public func ownAddresses(index: Int32, limit: Int) throws(NetlinkError) -> OwnAddresses {
        var own = OwnAddresses()
        try requests.dump(
            "read the forwarding table of interface \(index)", start: { own = OwnAddresses() },
            // With the header of a link, by which the kernel lists that link's table alone.
            request: { LinkMessage(type: RTM_GETNEIGH, flags: NLM_F_DUMP, index: index, family: AF_BRIDGE) },
            reader: { header in if let address = Self.address(header, index) { own.take(address, limit: limit) } })
        return own
    }

    /// The address of an entry that is the link's own; groups are none.
    private static func address(_ header: UnsafeMutablePointer<nlmsghdr>, _ index: Int32) -> HardwareAddress? {
        let length = Int32(MemoryLayout<ndmsg>.size)
        guard Int(header.pointee.nlmsg_type) == RTM_NEWNEIGH, nlmsg_valid_hdr(header, length) != 0,
            let payload = nlmsg_data(header)
        else { return nil }
        let entry = payload.loadUnaligned(as: ndmsg.self)
        guard entry.ndm_ifindex == index, Int32(entry.ndm_flags) & NTF_SELF != 0,
            Int32(entry.ndm_state) & NUD_PERMANENT != 0
        else { return nil }
        var address: HardwareAddress?
        Attributes(first: nlmsg_attrdata(header, length), length: nlmsg_attrlen(header, length)).forEach { attribute in
            if attribute.type == Int(NDA_LLADDR) { address = HardwareAddress(octets: attribute.octets) }
        }
        return address.flatMap { $0.value >> 40 & 1 == 0 && $0.value != 0 ? $0 : nil }
    }
}

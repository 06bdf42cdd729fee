// Hears of every change to a link. Owns one socket in the kernel's link group; the table of links is the owner's.

internal import CLinux
internal import CNetlink
internal import Glibc
internal import LinuxSystem

/// A change that the kernel has told of.
public enum LinkEvent: Sendable, Equatable {
    /// A link is new, or something about it is: this is how it is now.
    case changed(Link)
    /// A link is gone.
    case removed(index: Int32, name: String)
    /// A link is in another network namespace now, from where nothing more is heard of it.
    case moved(index: Int32, name: String)
    /// A bridge tells of one of its ports: this is its hairpin flag now. All else of the link comes by `changed`.
    case bridgePort(index: Int32, hairpin: Bool)
    /// A card tells how the switch inside of it relays. All else of the link comes by `changed`.
    case cardSwitch(index: Int32, CardSwitchMode)
    /// A network namespace that has a number here has ended. The kernel deletes the links in it after it has said so.
    case namespaceEnded
    /// Changes were lost because they came faster than they were read: only `dump` tells how things are. It is the last event
    /// of its turn, and no change that was told before waits.
    case overrun
}

/// Hears of every change to a link of the network namespace.
///
/// Needs no privilege.
public final class LinkMonitor {
    /// Octets of notifications that the kernel keeps, with their overhead: a few hundred changes at once.
    private static let receiveBufferLength: Int32 = 1 << 20
    /// Octets of the longest notification that is read.
    ///
    /// One with a hundred VFs has some 20 KiB.
    private static let datagramLengthMax = 1 << 16

    /// RTNLGRP_NSID, and RTM_DELNSID in it.
    private static let namespaceGroup: Int32 = 28
    private static let namespaceEnd = 89

    private let socket: SocketHandle
    private let links: Links
    private let memory = ReceiveBuffer(length: datagramLengthMax)
    private var buffer: UnsafeMutableRawBufferPointer { memory.octets }

    /// Opens the socket; changes from now on are heard.
    ///
    /// - Throws: `NetlinkError`.
    public init() throws(NetlinkError) {
        let operation = "watch the links"
        let links = try Links()
        let socket = try SocketHandle(for: operation)
        var code = nl_socket_set_nonblocking(socket.pointer)
        if code >= 0 {
            code = nl_socket_add_membership(socket.pointer, Int32(RTNLGRP_LINK.rawValue))
        }
        guard code >= 0 else {
            throw NetlinkError(operation: operation, libnlCode: code)
        }
        // Past net.core.rmem_max, where CAP_NET_ADMIN allows it; else the limit applies, and an overrun is heard of.
        var length = Self.receiveBufferLength
        for option in [SO_RCVBUF, SO_RCVBUFFORCE] {
            setsockopt(
                nl_socket_get_fd(socket.pointer), SOL_SOCKET, option, &length, socklen_t(MemoryLayout<Int32>.size))
        }
        // A kernel without it (before 4.1) has no numbers of namespaces either.
        nl_socket_add_membership(socket.pointer, Self.namespaceGroup)
        self.links = links
        self.socket = socket
    }

    /// What to watch for reading.
    public var descriptor: Int32 {
        nl_socket_get_fd(socket.pointer)
    }

    /// All links as they are now.
    ///
    /// Changes that are told after it may be older than what it says; those that follow put it right.
    /// - Throws: `NetlinkError`.
    public func dump() throws(NetlinkError) -> [Link] {
        try links.dump()
    }

    /// Takes the notifications that wait.
    ///
    /// - Parameters:
    ///   - limit: The greatest number of notifications to take now. After an overrun all that wait are taken: the kernel tells
    ///     nothing more, nor that it does not, before they are; and they are older than what a dump says.
    ///   - body: Called with each change, in the order of the kernel.
    /// - Throws: `NetlinkError`, for what only a broken socket gives.
    public func receive(limit: Int = 256, _ body: (LinkEvent) -> Void) throws(NetlinkError) {
        var taken = 0
        var isOverrun = false
        defer { if isOverrun { body(.overrun) } }
        while taken < limit || isOverrun {
            taken += 1
            var datagram = clinux_netlink_datagram()
            let length: Int?
            do {
                length = try systemCallUnlessBlocked("recvmsg") {
                    clinux_receive_netlink(descriptor, buffer.baseAddress, buffer.count, 0, &datagram)
                }
            } catch {
                guard error.code == ENOBUFS else {
                    throw NetlinkError(
                        operation: "read news of the links", kind: .other, code: error.code, reason: error.description)
                }
                isOverrun = true
                continue
            }
            guard let length else {
                return
            }
            // A process could send to the group too; only the kernel knows its links.
            guard datagram.source_port == 0 else {
                continue
            }
            guard !datagram.truncated else {
                isOverrun = true
                continue
            }
            parse(length, body)
        }
    }

    private func parse(_ length: Int, _ body: (LinkEvent) -> Void) {
        var remaining = Int32(length)
        var next = buffer.baseAddress?.assumingMemoryBound(to: nlmsghdr.self)
        while let header = next, nlmsg_ok(header, remaining) != 0 {
            switch Int(header.pointee.nlmsg_type) {
            case RTM_NEWLINK:
                if let link = Link(message: header) {
                    body(.changed(link))
                } else if let port = Link.bridgePort(message: header) {
                    body(.bridgePort(index: port.index, hairpin: port.hairpin))
                }
                if let card = Link.cardSwitch(message: header) { body(.cardSwitch(index: card.index, card.mode)) }
            case RTM_DELLINK:
                if let link = Link(message: header) {
                    let isMoved = Link.namesOtherNamespace(header)
                    body(
                        isMoved
                            ? .moved(index: link.index, name: link.name)
                            : .removed(index: link.index, name: link.name))
                }
            case Self.namespaceEnd: body(.namespaceEnded)
            default:
                break
            }
            next = nlmsg_next(header, &remaining)
        }
    }
}

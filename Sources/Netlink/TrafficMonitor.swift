// Hears of changes to disciplines and filters of links. Owns one socket.

internal import CLinux
internal import CNetlink
internal import Glibc
package import LinuxSystem

/// Hears that disciplines or filters of links have changed. Needs no privilege.
package final class TrafficMonitor {
    /// Octets of news that the kernel keeps, with their overhead. Where more are lost, all is compared.
    private static let receiveBufferLength: Int32 = 1 << 20
    /// Octets of a message that are looked at: struct nlmsghdr and the front of struct tcmsg.
    private static let headLength = 24
    /// Datagrams taken at a time, so that others have their turn.
    private static let datagramsMax = 256

    private let socketDescriptor: FileDescriptor

    /// Begins to listen.
    ///
    /// - Throws: `SystemError`.
    package init() throws(SystemError) {
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket AF_NETLINK") { socket(AF_NETLINK, type, NETLINK_ROUTE) }
        socketDescriptor = FileDescriptor(owning: number)
        var length = Self.receiveBufferLength
        setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &length, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = 1 << (RTNLGRP_TC.rawValue - 1)
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("bind AF_NETLINK") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
    }

    /// Readable when there are news.
    package var descriptor: Int32 { socketDescriptor.rawValue }

    /// Takes the news that wait.
    ///
    /// - Returns: The links whose disciplines or filters have changed; nil where news were lost, so that it may be any.
    package func receive() -> Set<Int32>? {
        var changed: Set<Int32> = []
        var isOverrun = false
        withUnsafeTemporaryAllocation(byteCount: Self.headLength, alignment: 16) { buffer in
            for _ in 0..<Self.datagramsMax {
                var datagram = clinux_netlink_datagram()
                let count = clinux_receive_netlink(descriptor, buffer.baseAddress, buffer.count, 0, &datagram)
                guard count >= 0 else {
                    guard errno == ENOBUFS else { break }
                    isOverrun = true
                    continue
                }
                // A process could send to the group too. The kernel sends one message a datagram.
                guard datagram.source_port == 0, count == Self.headLength else { continue }
                changed.insert(UnsafeRawBufferPointer(buffer).loadUnaligned(fromByteOffset: 20, as: Int32.self))
            }
        }
        return isOverrun ? nil : changed
    }
}

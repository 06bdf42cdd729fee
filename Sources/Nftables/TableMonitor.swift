// Tells when somebody deletes tables of nftables: `nft flush ruleset`, which is what a reload of a host's firewall does.

internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Listens to what nftables tells of its changes.
public final class TableMonitor {
    /// NFNLGRP_NFTABLES, and the type of the message that a table is gone: NFNL_SUBSYS_NFTABLES and NFT_MSG_DELTABLE.
    private static let group: UInt32 = 7
    private static let deletedTable: UInt16 = 10 << 8 | 2
    /// Datagrams taken at a time, so that others have their turn.
    private static let datagramsMax = 64
    private static let bufferLength = 1 << 16

    private let socketDescriptor: FileDescriptor
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferLength, alignment: 8)

    /// Begins to listen.
    ///
    /// - Throws: `SystemError`, where the kernel has no nftables, say.
    public init() throws {
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        // NETLINK_NETFILTER
        let number = try systemCall("socket AF_NETLINK") { socket(AF_NETLINK, type, 12) }
        socketDescriptor = FileDescriptor(owning: number)
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = 1 << (Self.group - 1)
        _ = try withUnsafeBytes(of: &address) { octets in
            try systemCall("bind AF_NETLINK") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
    }

    deinit { buffer.deallocate() }

    /// Readable when there is something to take in.
    public var descriptor: Int32 { socketDescriptor.rawValue }

    /// Takes in what has been told.
    ///
    /// - Returns: whether a table may be gone: one is, or news has been lost.
    public func drain() -> Bool {
        var isAnyGone = false
        var isOverrun = false
        var taken = 0
        // After an overrun the kernel tells nothing more, nor that it does not, before all that waits is taken.
        while taken < Self.datagramsMax || isOverrun {
            taken += 1
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count >= 0 else {
                guard errno == ENOBUFS else { break }
                isAnyGone = true
                isOverrun = true
                continue
            }
            isAnyGone = tellsOfDeletion(UnsafeRawBufferPointer(buffer)[..<count]) || isAnyGone
        }
        return isAnyGone
    }

    private func tellsOfDeletion(_ datagram: Slice<UnsafeRawBufferPointer>) -> Bool {
        var rest = datagram
        while rest.count >= MemoryLayout<nlmsghdr>.size {
            let header = UnsafeRawBufferPointer(rebasing: rest).loadUnaligned(as: nlmsghdr.self)
            if header.nlmsg_type == Self.deletedTable { return true }
            let length = (Int(header.nlmsg_len) + 3) & ~3
            guard length >= MemoryLayout<nlmsghdr>.size else { break }
            rest = rest.dropFirst(length)
        }
        return false
    }
}

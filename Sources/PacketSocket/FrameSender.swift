internal import CLinux
internal import Glibc
public import LinuxSystem

/// Sends Ethernet frames on any interface, and hears none. Needs CAP_NET_RAW.
public final class FrameSender {
    private let socketDescriptor: FileDescriptor

    /// Opens the socket.
    ///
    /// - Throws: `SystemError`: EPERM without CAP_NET_RAW.
    public init() throws(SystemError) {
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        // Protocol 0: nothing is received.
        let number = try systemCall("socket AF_PACKET") { socket(AF_PACKET, type, 0) }
        socketDescriptor = FileDescriptor(owning: number)
    }

    /// Sends a frame, header included.
    ///
    /// - Throws: `SystemError`: ENETDOWN for an interface that is down, ENXIO for one that is gone, EAGAIN or ENOBUFS where it would wait.
    public func send(_ frame: UnsafeRawBufferPointer, through interfaceIndex: Int32) throws(SystemError) {
        guard frame.count >= Int(ETH_HLEN) else { throw SystemError(call: "send packet", code: EINVAL) }
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = frame.loadUnaligned(fromByteOffset: 12, as: UInt16.self)
        address.sll_ifindex = interfaceIndex
        let descriptor = socketDescriptor.rawValue
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("send packet") {
                sendto(
                    descriptor, frame.baseAddress, frame.count, 0,
                    octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
    }
}

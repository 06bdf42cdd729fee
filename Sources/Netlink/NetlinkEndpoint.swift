// The socket at which other processes (libvirt) reach evbd by netlink: datagrams from user to user on NETLINK_ROUTE.
// Knows nothing of what they say.

internal import CLinux
internal import CNetlink
internal import Glibc
public import LinuxSystem

/// A netlink socket on a port id that others know.
///
/// Open it before any other netlink socket of the process, for libnl takes port ids that are free: the process id too.
public final class NetlinkEndpoint {
    /// Who sent a datagram, as the kernel says.
    public struct Credentials: Sendable, Equatable {
        /// Process id, as seen from this process's PID namespace; 0 for one outside of it.
        public let processID: Int32
        /// Effective user id.
        public let userID: UInt32
        /// Effective group id.
        public let groupID: UInt32

        /// Creates credentials; those of a real sender come from `receive`.
        public init(processID: Int32, userID: UInt32, groupID: UInt32) {
            self.processID = processID
            self.userID = userID
            self.groupID = groupID
        }
    }

    /// What one call of `receive` has met.
    public struct ReceiveSummary: Sendable, Equatable {
        /// Datagrams that were handed to the body whole.
        public var datagrams = 0
        /// Datagrams that were longer than `datagramLengthMax`; the body got their front, so that it can refuse them.
        public var truncated = 0
        /// How often the kernel said that it dropped datagrams because the socket's buffer was full.
        public var overruns = 0
        /// Whether the limit was reached, so that more may wait.
        public var mayHaveMore = false

        /// Nothing was met.
        public init() {}
    }

    /// Octets of the longest datagram that is received.
    ///
    /// libvirt's have a few hundred.
    public static let datagramLengthMax = 1 << 16

    /// The port id.
    public let port: UInt32
    private let socketDescriptor: FileDescriptor
    private let memory = ReceiveBuffer(length: datagramLengthMax)
    private var buffer: UnsafeMutableRawBufferPointer { memory.octets }

    /// Opens the socket on a port id.
    ///
    /// - Parameter port: The port id, by custom the process id; not 0, which is the kernel.
    /// - Throws: `SystemError`: EADDRINUSE if the port id is taken in this network namespace.
    public init(port: UInt32) throws(SystemError) {
        precondition(port != 0, "port 0 is the kernel's")
        let type = Int32(SOCK_RAW.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket AF_NETLINK") { socket(AF_NETLINK, type, NETLINK_ROUTE) }
        let descriptor = FileDescriptor(owning: number)
        // Before binding, so that no datagram comes without them.
        var on: Int32 = 1
        try systemCall("setsockopt SO_PASSCRED") {
            setsockopt(number, SOL_SOCKET, SO_PASSCRED, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = Self.address(of: port)
        try withUnsafeBytes(of: &address) { octets throws(SystemError) in
            _ = try systemCall("bind netlink port \(port)") {
                bind(number, octets.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(octets.count))
            }
        }
        self.port = port
        socketDescriptor = descriptor
    }

    /// What to watch for reading.
    public var descriptor: Int32 {
        socketDescriptor.rawValue
    }

    private static func address(of port: UInt32) -> sockaddr_nl {
        var address = sockaddr_nl()
        address.nl_family = UInt16(AF_NETLINK)
        address.nl_pid = port
        return address
    }

    /// Takes the datagrams that wait.
    ///
    /// - Parameters:
    ///   - limit: The greatest number of datagrams to take now.
    ///   - body: Called with a datagram's octets, which are gone when it returns, its sender's port id, and who the
    ///     sender is; without credentials it is to be trusted with nothing.
    /// - Returns: What was met.
    /// - Throws: `SystemError`, for what only a broken socket gives.
    public func receive(
        limit: Int, _ body: (UnsafeRawBufferPointer, _ sourcePort: UInt32, Credentials?) -> Void
    ) throws(SystemError) -> ReceiveSummary {
        var summary = ReceiveSummary()
        for _ in 0..<limit {
            var datagram = clinux_netlink_datagram()
            let length: Int?
            do {
                length = try systemCallUnlessBlocked("recvmsg netlink") {
                    clinux_receive_netlink(descriptor, buffer.baseAddress, buffer.count, 0, &datagram)
                }
            } catch {
                guard error.code == ENOBUFS else {
                    throw error
                }
                summary.overruns += 1
                continue
            }
            guard let length else {
                return summary
            }
            if datagram.truncated { summary.truncated += 1 } else { summary.datagrams += 1 }
            let sender = datagram.credentials
            body(
                UnsafeRawBufferPointer(rebasing: buffer[..<length]), datagram.source_port,
                datagram.has_credentials
                    ? Credentials(processID: sender.pid, userID: sender.uid, groupID: sender.gid) : nil)
        }
        summary.mayHaveMore = true
        return summary
    }

    /// Sends one datagram to another process's socket.
    ///
    /// Needs CAP_NET_ADMIN.
    /// - Parameters:
    ///   - octets: The datagram.
    ///   - port: The receiver's port id. 0 is refused, for nothing that is meant for a process may reach the kernel.
    /// - Throws: `SystemError`: ECONNREFUSED if nobody has that port id, EAGAIN if the receiver's buffer is full, EPERM
    ///   without the capability, EINVAL for port 0.
    public func send(_ octets: UnsafeRawBufferPointer, to port: UInt32) throws(SystemError) {
        guard port != 0 else {
            throw SystemError(call: "send to netlink port 0", code: EINVAL)
        }
        var address = Self.address(of: port)
        try withUnsafeBytes(of: &address) { name throws(SystemError) in
            _ = try systemCall("send to netlink port \(port)") {
                sendto(
                    descriptor, octets.baseAddress, octets.count, 0,
                    name.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(name.count))
            }
        }
    }
}

internal import CLinux
internal import Glibc
internal import LinuxSystem

extension FileDescriptor {
    /// Opens a socket of nfnetlink in the network namespace of this thread.
    ///
    /// - Parameter patience: How long the kernel may take for its next answer, in seconds.
    /// - Returns: The socket.
    /// - Throws: `SystemError`.
    static func netfilter(patience: Int) throws(SystemError) -> FileDescriptor {
        let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
        // NETLINK_NETFILTER
        let number = try systemCall("socket NETLINK_NETFILTER") { socket(AF_NETLINK, type, 12) }
        let descriptor = FileDescriptor(owning: number)
        var time = timeval(tv_sec: patience, tv_usec: 0)
        try systemCall("setsockopt SO_RCVTIMEO") {
            setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        return descriptor
    }
}

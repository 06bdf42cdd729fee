// Whose Unix sockets there are in this network namespace, by NETLINK_SOCK_DIAG: names may be bound by any user, owners not.

internal import CLinux
internal import CNetlink
internal import Glibc
public import LinuxSystem

/// The Unix sockets of this network namespace.
public enum UnixSockets {
    /// How long the kernel may take for its next answer, in seconds.
    private static let patience = 5
    /// NETLINK_SOCK_DIAG of linux/netlink.h, which Swift sees as a macro only.
    private static let sockDiag: Int32 = 4

    /// Who owns the sockets of an abstract name.
    ///
    /// - Parameter name: the whole name without the NUL in front.
    /// - Returns: the user who made each socket that has exactly that name, as this user namespace sees the user; nil for one of
    ///   which the kernel (before Linux 5.3) does not tell.
    /// - Throws: `SystemError`: ENOENT or EPROTONOSUPPORT for a kernel without sock_diag for Unix sockets.
    public static func owners(ofAbstract name: String) throws(SystemError) -> [UInt32?] {
        let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket NETLINK_SOCK_DIAG") { socket(AF_NETLINK, type, sockDiag) }
        let descriptor = FileDescriptor(owning: number)
        defer { _ = descriptor.rawValue }
        var time = timeval(tv_sec: patience, tv_usec: 0)
        try systemCall("setsockopt SO_RCVTIMEO") {
            setsockopt(
                number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        let request = Self.request
        try systemCall("send sock_diag") { send(number, request, request.count, 0) }
        let wanted = Array(name.utf8)
        var owners: [UInt32?] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = try systemCall("recv sock_diag") {
                buffer.withUnsafeMutableBytes { recv(number, $0.baseAddress, $0.count, 0) }
            }
            guard try read(buffer[..<count], wanted, &owners) else { return owners }
        }
    }

    /// Asks for all of them, with names and owners.
    private static var request: [UInt8] {
        var request = unix_diag_req()
        request.sdiag_family = UInt8(AF_UNIX)
        request.udiag_states = .max
        request.udiag_show = UInt32(UDIAG_SHOW_NAME | UDIAG_SHOW_UID)
        request.udiag_cookie = (.max, .max)
        var header = nlmsghdr()
        let length = MemoryLayout<nlmsghdr>.size + MemoryLayout<unix_diag_req>.size
        header.nlmsg_len = UInt32(length)
        header.nlmsg_type = UInt16(SOCK_DIAG_BY_FAMILY)
        header.nlmsg_flags = UInt16(NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH)
        return withUnsafeBytes(of: header, Array.init) + withUnsafeBytes(of: request, Array.init)
    }

    /// Reads one datagram of the kernel's; false at the end of the list.
    static func read(
        _ octets: ArraySlice<UInt8>, _ wanted: [UInt8], _ owners: inout [UInt32?]
    ) throws(SystemError) -> Bool {
        let headerLength = MemoryLayout<nlmsghdr>.size
        var rest = octets
        while rest.count >= headerLength {
            let header = rest.withUnsafeBytes { $0.loadUnaligned(as: nlmsghdr.self) }
            let length = Int(header.nlmsg_len)
            guard length >= headerLength, length <= rest.count else { return false }
            let payload = rest.dropFirst(headerLength).prefix(length - headerLength)
            switch Int32(header.nlmsg_type) {
            case NLMSG_DONE: return false
            case NLMSG_ERROR:
                let code = payload.count >= 4 ? payload.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) } : -EIO
                throw SystemError(call: "sock_diag", code: code == .min ? EIO : -code)
            default:
                let attributes = attributes(payload.dropFirst(MemoryLayout<unix_diag_msg>.size))
                if attributes.name == wanted { owners.append(attributes.user) }
            }
            rest = rest.dropFirst(min((length + 3) & ~3, rest.count))
        }
        return true
    }

    /// The abstract name of a socket, without the NUL in front and padding behind, and its owner.
    private static func attributes(_ octets: ArraySlice<UInt8>) -> (name: [UInt8]?, user: UInt32?) {
        var found: (name: [UInt8]?, user: UInt32?)
        var rest = octets
        while rest.count >= 4 {
            let (length, type) = rest.withUnsafeBytes {
                (Int($0.loadUnaligned(as: UInt16.self)), $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            }
            guard length >= 4, length <= rest.count else { return found }
            let payload = rest.dropFirst(4).prefix(length - 4)
            if type == UInt16(UNIX_DIAG_NAME), payload.first == 0 {
                let end = payload.lastIndex { $0 != 0 } ?? payload.startIndex
                found.name = Array(payload[payload.startIndex...end].dropFirst())
            } else if type == UInt16(UNIX_DIAG_UID), payload.count >= 4 {
                found.user = payload.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            }
            rest = rest.dropFirst(min((length + 3) & ~3, rest.count))
        }
        return found
    }
}

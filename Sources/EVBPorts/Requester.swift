internal import LinuxSystem

/// The process at whose request something happens, for the log.
package enum Requester: Sendable, Equatable, CustomStringConvertible {
    /// A client of the control socket. Its name is its own choice, and not known where the kernel hides other processes.
    case client(name: String?, pid: Int32, uid: UInt32)
    /// A libvirtd, by netlink.
    case libvirt(name: String?, pid: Int32, uid: UInt32)
    /// A manager asked an earlier run of evbd.
    case earlier(RequestOwner)

    /// The process whose request is being taken; nil where evbd acts by itself. Lines of the log name it.
    @TaskLocal package static var current: Requester?

    /// A client of the control socket.
    package static func client(pid: Int32, uid: UInt32) -> Requester {
        .client(name: name(of: pid), pid: pid, uid: uid)
    }

    /// A sender of netlink messages.
    package static func libvirt(pid: Int32, uid: UInt32) -> Requester {
        .libvirt(name: name(of: pid), pid: pid, uid: uid)
    }

    private static func name(of pid: Int32) -> String? {
        guard pid > 0, let octets = try? Files.read("/proc/\(pid)/comm", limit: 64) else { return nil }
        let name = String(decoding: octets.prefix { $0 != 0x0A }, as: UTF8.self)
        return name.isEmpty ? nil : name
    }

    /// `evbctl[4711] uid 0`.
    package var description: String {
        switch self {
        case .client(let name?, let pid, let uid), .libvirt(let name?, let pid, let uid): "\(name)[\(pid)] uid \(uid)"
        case .client(nil, let pid, let uid): "client pid \(pid) uid \(uid)"
        case .libvirt(nil, let pid, let uid): "libvirt pid \(pid) uid \(uid)"
        case .earlier(.control): "client before the restart"
        case .earlier(.libvirt): "libvirt before the restart"
        case .earlier(.probe): "evbctl probe before the restart"
        }
    }
}

internal import LinuxSystem

/// The process at whose request something happens, for the log and for histories.
package enum Requester: Sendable, Equatable, CustomStringConvertible {
    /// A client of the control socket. Its name is its own choice, and not known where the kernel hides other processes.
    case client(name: String?, pid: Int32, uid: UInt32)
    /// A probe that a client of the control socket has begun.
    case probe(name: String?, pid: Int32, uid: UInt32)
    /// A libvirtd, by netlink; `port` is the netlink port that it sent from.
    case libvirt(name: String?, pid: Int32, uid: UInt32, port: UInt32)
    /// evbd itself, for a tap.
    case tap(TapSource)
    /// A manager asked an earlier run of evbd.
    case earlier(RequestOwner)

    /// The process whose request is being taken; nil where evbd acts by itself. Lines of the log and histories name it.
    @TaskLocal package static var current: Requester?

    /// A client of the control socket.
    package static func client(pid: Int32, uid: UInt32) -> Requester {
        .client(name: name(of: pid), pid: pid, uid: uid)
    }

    /// A sender of netlink messages.
    ///
    /// The kernel gives its number as it is in the sender's own PID namespace. Of a libvirtd in a container it is another process's here,
    /// which must not be named in its place: so only a name that libvirt's daemons have is taken.
    package static func libvirt(pid: Int32, uid: UInt32, port: UInt32) -> Requester {
        .libvirt(name: name(of: pid).flatMap { isLibvirt($0) ? $0 : nil }, pid: pid, uid: uid, port: port)
    }

    /// Whether a process of that name is one of libvirt's daemons: libvirtd, virtqemud, virtnetworkd and so on.
    package static func isLibvirt(_ name: String) -> Bool {
        name == "libvirtd" || name.hasPrefix("virt") && name.hasSuffix("d")
    }

    /// What a client does by a probe.
    package var probing: Requester {
        if case .client(let name, let pid, let uid) = self { .probe(name: name, pid: pid, uid: uid) } else { self }
    }

    private static func name(of pid: Int32) -> String? {
        guard pid > 0, let octets = try? Files.read("/proc/\(pid)/comm", limit: 64) else { return nil }
        let name = String(decoding: octets.prefix { $0 != 0x0A }, as: UTF8.self)
        return name.isEmpty ? nil : name
    }

    /// `evbctl[4711] uid 0`.
    package var description: String {
        switch self {
        case .client(let name?, let pid, let uid), .probe(let name?, let pid, let uid),
            .libvirt(let name?, let pid, let uid, _):
            Self.text(name, "[", Int(pid), "] uid ", Int(uid))
        case .client(nil, let pid, let uid), .probe(nil, let pid, let uid): "client pid \(pid) uid \(uid)"
        case .libvirt(nil, let pid, let uid, _): "libvirt pid \(pid) uid \(uid)"
        case .tap(let source), .earlier(.tap(let source)): "\(source)"
        case .earlier(.control): "client before the restart"
        case .earlier(.libvirt): "libvirt before the restart"
        case .earlier(.probe): "evbctl probe before the restart"
        }
    }
    /// As histories and drains have it: `user 0, process 4711 (evbctl)`.
    package var words: String {
        switch self {
        case .client(let name, let pid, let uid):
            Self.text("user ", "", Int(uid), ", process ", Int(pid), name)
        case .probe(let name, let pid, let uid):
            "\(Requester.client(name: name, pid: pid, uid: uid).words), by evbctl probe"
        case .libvirt(_, _, _, let port): "libvirt (netlink port \(port))"
        case .tap, .earlier: description
        }
    }

    private static func text(
        _ head: String, _ opening: String, _ first: Int, _ middle: String, _ second: Int, _ name: String? = nil
    ) -> String {
        var text = TextBuilder()
        text.add(head)
        text.add(opening)
        text.add(first)
        text.add(middle)
        text.add(second)
        if let name {
            text.add(" (")
            text.add(name)
            text.add(")")
        }
        return text.text
    }
}

internal import LinuxSystem

/// Another daemon that does evbd's work in the same network namespace, or holds the file by which libvirt would find evbd.
enum RivalDaemon {
    /// A reason not to start, with what to do about it.
    struct Conflict: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    /// lldpad's control socket, an abstract one and so one for each network namespace.
    private static let lldpadSocket = "@/com/intel/lldpad"

    /// Looks for lldpad in this network namespace, whatever its pid file.
    ///
    /// Both would answer the bridge on every port, and acknowledge what the other is to hear. The list is read by way of the
    /// own process: under systemd's ProcSubset=pid there is no other.
    static func findLldpad() -> Conflict? {
        guard let octets = try? Files.read("/proc/self/net/unix", limit: 64 << 20) else { return nil }
        let isThere = String(decoding: octets, as: UTF8.self).split(separator: "\n").contains {
            $0.hasSuffix(" " + lldpadSocket)
        }
        guard isThere else { return nil }
        return Conflict(
            description: """
                lldpad is running in this network namespace and answers the bridge on the same ports; stop it first: \
                systemctl disable --now lldpad.service lldpad.socket
                """)
    }

    /// Looks whether the pid file names a living process that serves libvirt.
    ///
    /// - Parameter path: the file that libvirt reads.
    /// - Returns: the conflict; nil where the file names nobody, or somebody who does not matter.
    static func findOwner(ofPIDFile path: String) -> Conflict? {
        guard let octets = try? Files.read(path, limit: 64) else { return nil }
        let text = String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
        guard let id = Int32(text.filter { !$0.isWhitespace }), id > 0, id != Processes.ownID, Processes.exists(id)
        else { return nil }
        let name = (try? Files.read("/proc/\(id)/comm", limit: 64)).map {
            String(decoding: $0.filter { $0 != 0x0A }, as: UTF8.self)
        }
        switch name {
        case "lldpad":
            return Conflict(
                description: """
                    \(path) belongs to lldpad (process \(id)), which libvirt would go on asking; stop it first: \
                    systemctl disable --now lldpad.service lldpad.socket
                    """)
        case "evbd":
            return Conflict(
                description: """
                    \(path) belongs to another evbd (process \(id)); stop that, or give this one a file of its own \
                    by libvirt.pid-file, or set libvirt.enabled: false
                    """)
        default:
            // A file left behind by a process whose number somebody else has now.
            return nil
        }
    }
}

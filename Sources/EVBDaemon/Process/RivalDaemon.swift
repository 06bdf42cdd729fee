internal import LinuxSystem
internal import Netlink

/// Another daemon that does evbd's work in the same network namespace, or holds the file by which libvirt would find evbd.
enum RivalDaemon {
    /// A reason not to start, with what to do about it.
    struct Conflict: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    /// The name of lldpad's control socket, an abstract one and so one for each network namespace.
    private static let lldpadSocket = "/com/intel/lldpad"

    /// Looks for lldpad in this network namespace, whatever its pid file.
    ///
    /// Both would answer the bridge on every port, and acknowledge what the other is to hear. Any user may bind the name of its
    /// socket, so that its owner counts: lldpad is root's.
    /// - Throws: `SystemError` where the kernel does not tell whose sockets there are.
    static func findLldpad() throws(SystemError) -> Conflict? {
        guard try UnixSockets.owners(ofAbstract: lldpadSocket).contains(0) else { return nil }
        return Conflict(
            description: """
                lldpad is running in this network namespace and answers the bridge on the same ports; stop it first: \
                systemctl disable --now lldpad.service lldpad.socket
                """)
    }

    /// Looks whether the pid file names a living process that serves libvirt.
    ///
    /// A file that another user than root and evbd's own may have written says nothing. Nor does a number that is now the process
    /// of another program or user, or of one that has ended and waits for its parent.
    /// - Parameters:
    ///   - path: the file that libvirt reads.
    ///   - ownUser: evbd's own user.
    ///   - readStatus: gives /proc/PID/status of a process; nil if it cannot be read.
    /// - Returns: the conflict; nil where the file names no process that matters.
    static func findOwner(
        ofPIDFile path: String, ownUser: UInt32 = Processes.ownUser,
        readStatus: (Int32) -> String? = Self.readStatus
    ) -> Conflict? {
        guard let file = try? Files.status(path), file.kind == .regular, [0, ownUser].contains(file.owner),
            file.mode & 0o022 == 0, let octets = try? Files.read(path, limit: 64)
        else { return nil }
        let text = String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
        guard let id = Int32(text.filter { !$0.isWhitespace }), id > 0, id != Processes.ownID,
            let status = readStatus(id).flatMap({ ProcessStatus($0) }), !status.hasEnded
        else { return nil }
        switch (status.name, status.user) {
        case ("lldpad", 0):
            return Conflict(
                description: """
                    \(path) belongs to lldpad (process \(id)), which libvirt would go on asking; stop it first: \
                    systemctl disable --now lldpad.service lldpad.socket
                    """)
        case ("evbd", 0), ("evbd", ownUser):
            return Conflict(
                description: """
                    \(path) belongs to another evbd (process \(id)); stop that, or give this one a file of its own \
                    by libvirt.pid-file, or set libvirt.enabled: false
                    """)
        default:
            return nil
        }
    }

    private static func readStatus(_ id: Int32) -> String? {
        (try? Files.read("/proc/\(id)/status", limit: 65_536)).map { String(decoding: $0, as: UTF8.self) }
    }
}

/// What /proc/PID/status says of a process.
struct ProcessStatus: Equatable {
    /// The program's name, 15 octets at most. The process itself can change it.
    let name: String
    /// The user: real, effective and saved. A process in which they differ is one that its user has started with more rights,
    /// and no daemon.
    let user: UInt32
    /// Whether it is a zombie: it has ended, and its parent has not asked how.
    let hasEnded: Bool

    /// Reads the text; nil if something is missing there.
    init?(_ text: String) {
        var values: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2, values[parts[0]] == nil {
                values[parts[0]] = parts[1].drop { $0 == "\t" || $0 == " " }
            }
        }
        let users = values["Uid"]?.split(separator: "\t") ?? []
        guard let name = values["Name"], let state = values["State"]?.first, users.count > 2,
            Set(users.prefix(3)).count == 1, let user = UInt32(users[0])
        else { return nil }
        self.name = String(name)
        self.user = user
        hasEnded = state == "Z" || state == "X"
    }
}

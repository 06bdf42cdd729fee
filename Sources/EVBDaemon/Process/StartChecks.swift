internal import Dataplane
internal import EVBControl
internal import EVBPorts
internal import EVBSettings
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import TerminalText

/// What a daemon makes sure of before it touches anything: that it is the only one.
enum StartChecks {
    /// Numbers that no process has (PID_MAX_LIMIT is 2^22), and that libvirt reads: its buffer holds nine digits.
    private static let freePorts: ClosedRange<UInt32> = 4_194_305...99_999_999
    /// How many of them are tried.
    private static let portTries = 16

    /// Makes sure that this evbd has the runtime directory, the descriptors that it may need, and no rival.
    ///
    /// - Returns: the lock, to be held for life.
    static func begin(
        _ configuration: DaemonSettings, _ runtimeDirectory: String, logger: Logger
    ) throws -> LockFile? {
        DescriptorLimit.raise()
        let lock = try lock(runtimeDirectory, logger: logger)
        try lookForRivals(configuration, logger: logger)
        return lock
    }

    /// Makes the runtime directory if it is missing, and takes it for this process.
    ///
    /// - Returns: the lock; nil where the directory cannot be written to.
    /// - Throws: `StartError` if another evbd has it, or other users may write there: they could hold the lock, and VSIs are
    ///   restored from there.
    private static func lock(_ runtimeDirectory: String, logger: Logger) throws -> LockFile? {
        do {
            _ = try Files.makeDirectory(runtimeDirectory, mode: 0o755)
            guard try isSafe(runtimeDirectory) else {
                throw Daemon.StartError(
                    description: """
                        other users may write to \(runtimeDirectory); give evbd by --runtime-dir a directory that belongs to \
                        root or to its own user, and that others cannot write to
                        """)
            }
        } catch {
            throw error as? Daemon.StartError ?? Daemon.StartError(description: "\(error)")
        }
        let path = "\(runtimeDirectory)/evbd.lock"
        do throws(LockFile.Failure) {
            return try LockFile(path)
        } catch {
            switch error {
            case .held(let process):
                throw Daemon.StartError(
                    description: """
                        another evbd\(process.map { " (process \($0))" } ?? "") uses \(runtimeDirectory); stop that, or give \
                        this one a directory of its own by --runtime-dir
                        """)
            case .system(let error):
                // Where no file can be made no VSI is stored either: there is nothing that two could spoil for each other.
                let isReadOnly = [EROFS, ENOSPC, EDQUOT].contains(error.code)
                guard isReadOnly || error.code == EACCES && (try? Files.status(path)) == nil else {
                    throw Daemon.StartError(description: "\(error)")
                }
                logger.warning(
                    "the runtime directory cannot be locked; whether another evbd uses it is not known",
                    metadata: ["error": "\(error)"])
                return nil
            }
        }
    }

    /// Whether a directory belongs to root or to evbd's own user, and is not for everyone to write to.
    static func isSafe(_ directory: String) throws(SystemError) -> Bool {
        let status = try Files.status("\(directory)/.")
        return [0, Processes.ownUser].contains(status.owner) && status.mode & 0o002 == 0
    }

    /// Warns where other users could take the place of a control socket.
    static func look(atSocket path: String, logger: Logger) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        guard (try? isSafe(directory)) == false else { return }
        logger.warning(
            "other users may write to the directory of the control socket, and so keep evbd from starting, or answer in its place",
            metadata: ["socket": "\(path)"])
    }

    /// Looks for daemons that do the same work.
    ///
    /// - Throws: `StartError` if there is one.
    static func lookForRivals(_ configuration: DaemonSettings, logger: Logger) throws {
        if configuration.libvirt.enabled,
            let conflict = RivalDaemon.findOwner(ofPIDFile: configuration.libvirt.pidFile)
        {
            throw Daemon.StartError(description: conflict.description)
        }
        let lldpad: RivalDaemon.Conflict?
        do throws(SystemError) {
            lldpad = try RivalDaemon.findLldpad()
        } catch {
            logger.warning(
                "whether lldpad runs here is not known: the kernel does not tell whose sockets there are",
                metadata: ["error": "\(error)"])
            return
        }
        if let lldpad { throw Daemon.StartError(description: lldpad.description) }
    }

    /// Opens the netlink port for libvirt: the process's own number, or another where a process of any user has bound that.
    ///
    /// - Throws: `StartError` for what is no matter of the number.
    static func bindEndpoint(logger: Logger) throws -> NetlinkEndpoint {
        let own = UInt32(bitPattern: Processes.ownID)
        var failure: SystemError?
        for attempt in 0...portTries {
            let port = attempt == 0 ? own : UInt32.random(in: freePorts)
            do {
                let endpoint = try NetlinkEndpoint(port: port)
                if port != own {
                    logger.warning(
                        "netlink port \(own) is taken by another process; libvirt is served at another one",
                        metadata: ["netlink-port": "\(port)"])
                }
                return endpoint
            } catch {
                failure = error
                guard error.isAddressInUse else { break }
            }
        }
        let cause = failure.map { "\($0)" } ?? "none is free"
        throw Daemon.StartError(
            description: "no netlink port is free for the requests of libvirt: \(cause); set libvirt.enabled: false")
    }

    /// Takes the interfaces of the configuration that are there; the ports take the others when they come.
    ///
    /// - Returns: what was taken, to be given back when the ports have taken it too.
    /// - Throws: `StartError` if another evbd has one of them.
    static func claim(
        _ ports: [PortSettings], _ claims: InterfaceClaims, _ table: LinkTable
    ) throws -> [Int32] {
        var taken: [Int32] = []
        for port in ports {
            guard let link = table[port.interface] else { continue }
            // Without CAP_NET_RAW there is no claim and no port; the port tells.
            guard let isTaken = try? claims.take(link.index) else { continue }
            guard isTaken else {
                throw Daemon.StartError(
                    description: """
                        another evbd has the interface \(printable(port.interface)) in this network namespace; stop that, or \
                        remove the interface from ports
                        """)
            }
            taken.append(link.index)
        }
        return taken
    }
}

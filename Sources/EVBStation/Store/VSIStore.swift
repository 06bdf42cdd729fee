internal import EVBLog
package import EVBModel
package import EVBPorts
internal import EVBProtocol
internal import EVBTime
package import EVBWire
package import EventLoop
internal import Glibc
package import LinuxSystem
package import Logging

/// The VSIs that managers want, kept for the next run of evbd on this boot.
///
/// One small file for each VSI, written by rename before its manager is told that the request is taken, and removed before
/// it is told that the VSI is given up: a run that ends at any instant loses nothing that it has promised. The directory
/// is evbd's alone; what somebody else could have put there is not taken.
package final class VSIStore {
    /// Octets of the longest file that is looked at: a filter and organizational TLVs as long as they can be.
    private static let lengthMax = 65_536
    /// The most files that are looked at.
    private static let filesMax = 262_144
    private static let suffix = ".vsi"

    /// Owed files that are written or removed in one turn.
    private static let paidPerTurn = 256
    /// How long after it could not be written the store is tried again.
    private static let patience = Interval.seconds(1)

    private let directory: String
    private let logger: Logger
    private let timers: Timers?
    private var timer: Timers.Timer?
    /// Whether there is a directory to write to.
    private var isUsable = false
    /// What has been read and whose port has not asked for it yet.
    private var read: [String: [StoredVSI]] = [:]
    /// What the files should be that could not be made so, by their paths; nil for no file.
    private var owed: [String: StoredVSI?] = [:]

    /// What is wrong while the files are not as they should be.
    package var problem: PortProblem? {
        guard !owed.isEmpty || !isUsable else { return nil }
        return PortProblem(
            kind: .storeFailing,
            message: "what becomes of VSIs cannot be stored: a restart of evbd would go on with what was before",
            hint: "make room in the runtime directory, or make it writable; see the log for the file")
    }

    /// Opens the store below a directory that is there, and reads what an earlier run has left. Nothing in it is fatal.
    ///
    /// - Parameters:
    ///   - runtimeDirectory: The directory.
    ///   - timers: What makes the store try again; without them it does so only when there is something else to write.
    ///   - logger: Where it tells of what it cannot read or write.
    package init(runtimeDirectory: String, timers: Timers? = nil, logger: Logger) {
        directory = "\(runtimeDirectory)/vsis"
        self.timers = timers
        self.logger = logger
        timer = timers?.timer { [weak self] in self?.pay() }
        do throws(SystemError) {
            try prepare()
            readAll()
        } catch {
            logger.alert(.stateNotStored).error(
                "VSIs cannot be stored, and requests for them are refused", metadata: ["error": "\(error)"])
        }
    }

    /// What an earlier run has left for a port; given once.
    package func take(port: String) -> [StoredVSI] { read.removeValue(forKey: port) ?? [] }

    /// Ports of which there are VSIs that nobody has taken.
    package var untakenPorts: [String] { read.keys.sorted() }

    /// Keeps a VSI, in the place of what was kept of it.
    ///
    /// - Throws: when that cannot be; what was kept of it stays.
    package func keep(_ vsi: StoredVSI) throws(SystemError) {
        try prepare()
        let path = path(vsi.port, vsi.request.vsiID)
        try Files.writeAtomically(path, vsi.encoded, mode: 0o600)
        owed[path] = nil
    }

    /// Keeps what has become of a VSI, as soon as that can be.
    func keepEventually(_ vsi: StoredVSI) {
        do throws(SystemError) {
            try keep(vsi)
        } catch {
            let path = path(vsi.port, vsi.request.vsiID)
            // To remove a file takes no room. The next run then knows nothing of it, which is nearly what was wanted.
            if vsi.isWithdrawn { _ = try? Files.unlink(path) }
            owe(vsi, path, error)
        }
    }

    /// Forgets a VSI.
    package func remove(_ vsiID: VSIID, port: String) {
        let path = path(port, vsiID)
        owed[path] = nil
        guard isUsable else { return }
        do throws(SystemError) {
            try Files.unlink(path)
        } catch {
            owe(nil, path, error)
        }
    }

    // MARK: What could not be written

    private func owe(_ vsi: StoredVSI?, _ path: String, _ error: SystemError) {
        if owed.isEmpty {
            logger.alert(.stateNotStored).error(
                "what has become of a VSI cannot be stored: a restart of evbd would go on with what was before; free some space, or make the directory writable",
                metadata: ["file": "\(path)", "error": "\(error)"])
        }
        owed.updateValue(vsi, forKey: path)
        payLater()
    }

    private func payLater() {
        guard let timers else { return }
        timer?.set(timers.now + Self.patience)
    }

    /// Writes and removes what could not be before.
    private func pay() {
        guard !owed.isEmpty else { return }
        for (path, vsi) in owed.prefix(Self.paidPerTurn) {
            do throws(SystemError) {
                if let vsi { try keep(vsi) } else { try Files.unlink(path) }
                owed[path] = nil
            } catch {
                break
            }
        }
        if owed.isEmpty { logger.notice("all VSIs are stored again") } else { payLater() }
    }

    private func path(_ port: String, _ vsiID: VSIID) -> String {
        "\(directory)/\(port),\(vsiID.description)\(Self.suffix)"
    }

    /// The numbers of a port's ECPDUs.
    package func sequences(port: String) -> SequenceReserve {
        SequenceReserve(path: isUsable ? "\(directory)/\(port).ecp" : nil)
    }

    // MARK: Reading

    /// Makes sure of a directory that nobody else can write to.
    private func prepare() throws(SystemError) {
        guard !isUsable else { return }
        if let status = try? Files.status(directory), !status.isOurs(.directory) {
            let aside = "\(directory).rejected.\(Processes.ownID)"
            try systemCall("rename \(directory)") { rename(directory, aside) }
            logger.alert(.stateNotStored).warning(
                "others could write to the stored VSIs: they are set aside and not taken",
                metadata: ["directory": "\(aside)"])
        }
        try Files.makeDirectory(directory, mode: 0o700)
        isUsable = true
    }

    private func readAll() {
        let names: [String]
        do throws(SystemError) {
            names = try Files.list(directory, limit: Self.filesMax)
        } catch {
            logger.alert(.stateNotStored).error("the stored VSIs cannot be read", metadata: ["error": "\(error)"])
            return
        }
        for name in names {
            if name.hasSuffix(Self.suffix) {
                readOne(name)
            } else if name.hasSuffix(".tmp") {
                // A run that was killed while it wrote.
                _ = try? Files.unlink("\(directory)/\(name)")
            }
        }
    }

    private func readOne(_ name: String) {
        let path = "\(directory)/\(name)"
        do throws(SystemError) {
            guard try Files.status(path).isOurs(.regular) else {
                return setAside(name, "other users could have written it")
            }
            let octets = try Files.read(path, limit: Self.lengthMax)
            do throws(StoredVSI.Mistake) {
                let vsi = try StoredVSI(decoding: octets)
                guard name == "\(vsi.port),\(vsi.request.vsiID.description)\(Self.suffix)" else {
                    return setAside(name, "its name is another VSI's")
                }
                read[vsi.port, default: []].append(vsi)
            } catch {
                setAside(name, "\(error)")
            }
        } catch {
            setAside(name, "\(error)")
        }
    }

    /// Puts a file that is not taken where it is not looked at again, for somebody to look into.
    private func setAside(_ name: String, _ cause: String) {
        let (from, to) = ("\(directory)/\(name)", "\(directory)/\(name).rejected")
        logger.alert(.stateNotStored).warning(
            "a stored VSI is not taken; its file is set aside", metadata: ["file": "\(to)", "cause": "\(cause)"])
        _ = try? systemCall("rename \(from)") { () -> Int32 in rename(from, to) }
    }
}

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
/// ``VSIJournal`` writes them, before their manager is told that the request is taken, and what has become of them before it is told
/// that the VSI is given up: a run that ends at any instant loses nothing that it has promised. The directory is evbd's alone; what
/// another process could have put there is not taken.
package final class VSIStore {
    private struct Key: Hashable {
        var port: String
        var vsiID: VSIID
    }

    /// What has to be written and could not be.
    private enum Debt {
        case vsi(StoredVSI)
        case removal
    }

    /// Debts that are paid in one turn.
    private static let paidPerTurn = 256
    /// Delay before the store is tried again after a failure.
    private static let patience = Interval.seconds(1)

    private let directory: String
    private let journal: VSIJournal
    private let logger: Logger
    private let timers: Timers?
    private var timer: Timers.Timer?
    /// The journal is being read, and what comes of that is not looked at yet.
    private var isReading = false
    /// Whether there is a directory to write to, and what was there is read.
    private var isUsable = false
    /// It was read what an earlier run has left.
    private var isRead = false
    /// What has been read and whose port has not asked for it yet.
    private var read: [String: [[StoredVSI]]] = [:]
    private var owed: [Key: Debt] = [:]
    /// Files of an earlier evbd whose VSIs are not in the journal yet.
    private var oldFiles: [Key: String] = [:]

    /// What is wrong while the files are not as they should be.
    package var problem: PortProblem? {
        finishReading()
        guard !owed.isEmpty || !isUsable else { return nil }
        return PortProblem(
            kind: .storeFailing,
            message: "what becomes of VSIs cannot be stored: a restart of evbd would go on with what was before",
            hint: "make room in the runtime directory, or make it writable; see the log for the file")
    }

    /// Opens the store below a directory that is there, and begins to read what an earlier run has left: the first that then asks for anything
    /// waits for the rest. Nothing in it is fatal.
    ///
    /// - Parameters:
    ///   - runtimeDirectory: The directory.
    ///   - loop: What gives the journal its turns; without it a turn may take longer.
    ///   - timers: What makes the store try again; without them it does so only when there is something else to write.
    ///   - logger: Where it tells of what it cannot read or write.
    package init(runtimeDirectory: String, loop: EventLoop? = nil, timers: Timers? = nil, logger: Logger) {
        directory = "\(runtimeDirectory)/vsis"
        journal = VSIJournal(directory: directory, loop: loop)
        self.timers = timers
        self.logger = logger
        timer = timers?.timer { [weak self] in self?.pay() }
        do throws(SystemError) {
            try prepareDirectory()
            journal.beginReading()
            isReading = true
        } catch {
            look(because: error)
        }
    }

    /// Takes what the journal has, if that is still to be done.
    private func finishReading() {
        guard isReading else { return }
        isReading = false
        do throws(SystemError) {
            try prepare()
        } catch {
            look(because: error)
        }
    }

    /// Reads what an earlier run has left where nothing can be written: its VSIs are wanted still.
    private func look(because error: SystemError) {
        logger.alert(.stateNotStored).error(
            "VSIs cannot be stored, and requests for them are refused", metadata: ["error": "\(error)"])
        guard (try? Files.status(directory).isOurs(.directory)) == true, let stored = try? journal.look()
        else { return }
        hand([stored])
    }

    /// Notes what was read, for the ports to take.
    private func hand(_ parts: [[StoredVSI]]) {
        isRead = true
        for part in parts {
            // As nearly all hosts have it, and nothing is copied then.
            if let port = part.first?.port, part.allSatisfy({ $0.port == port }) {
                read[port, default: []].append(part)
            } else {
                for (port, vsis) in Dictionary(grouping: part, by: \.port) { read[port, default: []].append(vsis) }
            }
        }
    }

    /// What an earlier run has left for a port, in the parts in which it was read; given once.
    package func take(port: String) -> [[StoredVSI]] {
        finishReading()
        return read.removeValue(forKey: port) ?? []
    }

    /// Ports of which there are VSIs that nobody has taken.
    package var untakenPorts: [String] {
        finishReading()
        return read.keys.sorted()
    }

    /// Keeps a VSI, in the place of what was kept of it.
    ///
    /// - Throws: when that cannot be; what was kept of it stays.
    package func keep(_ vsi: StoredVSI) throws(SystemError) {
        finishReading()
        try prepare()
        try journal.write(vsi)
        settle(Key(port: vsi.port, vsiID: vsi.request.vsiID))
    }

    /// Keeps what has become of a VSI, as soon as that can be.
    func keepEventually(_ vsi: StoredVSI) {
        do throws(SystemError) {
            try keep(vsi)
        } catch {
            // A mark takes no room. The next run then knows nothing of it, which is nearly what was wanted.
            if vsi.isWithdrawn { _ = try? journal.mark(vsi.request.vsiID, port: vsi.port, .gone) }
            owe(.vsi(vsi), Key(port: vsi.port, vsiID: vsi.request.vsiID), error)
        }
    }

    /// Keeps that a VSI is granted, or withdrawn, and is else as it was kept last.
    ///
    /// - Returns: false where nothing is kept of it, or not the last: then it has to be kept as a whole.
    func mark(_ vsiID: VSIID, port: String, isGranted: Bool, isWithdrawn: Bool) -> Bool {
        finishReading()
        guard isUsable, owed.isEmpty || owed[Key(port: port, vsiID: vsiID)] == nil else { return false }
        let mark = JournalLine.Mark(isGranted: isGranted, isWithdrawn: isWithdrawn)
        return (try? journal.mark(vsiID, port: port, mark)) ?? false
    }

    /// Forgets a VSI.
    package func remove(_ vsiID: VSIID, port: String) {
        finishReading()
        let key = Key(port: port, vsiID: vsiID)
        settle(key)
        do throws(SystemError) {
            try prepare()
            try journal.mark(vsiID, port: port, .gone)
        } catch {
            // What was never read is not stored.
            if isRead { owe(.removal, key, error) }
        }
    }

    // MARK: What could not be written

    private func owe(_ debt: Debt, _ key: Key, _ error: SystemError) {
        if owed.isEmpty {
            logger.alert(.stateNotStored).error(
                "what has become of a VSI cannot be stored: a restart of evbd would go on with what was before; free some space, or make the directory writable",
                metadata: ["file": "\(journal.path)", "vsi": "\(key.vsiID)", "error": "\(error)"])
        }
        owed[key] = debt
        payLater()
    }

    private func payLater() {
        guard let timers else { return }
        timer?.set(timers.now + Self.patience)
    }

    /// Writes what could not be before.
    private func pay() {
        guard !owed.isEmpty else { return }
        for (key, debt) in owed.prefix(Self.paidPerTurn) {
            do throws(SystemError) {
                switch debt {
                case .vsi(let vsi): try keep(vsi)
                case .removal:
                    try prepare()
                    try journal.mark(key.vsiID, port: key.port, .gone)
                    settle(key)
                }
            } catch {
                break
            }
        }
        if owed.isEmpty { logger.notice("all VSIs are stored again") } else { payLater() }
    }

    /// Nothing is owed of a VSI any more, and the file that an earlier evbd has written of it does not count.
    private func settle(_ key: Key) {
        if !owed.isEmpty { owed[key] = nil }
        if !oldFiles.isEmpty, let path = oldFiles.removeValue(forKey: key) { _ = try? Files.unlink(path) }
    }

    /// The numbers of a port's ECPDUs.
    package func sequences(port: String) -> SequenceReserve {
        finishReading()
        return SequenceReserve(path: isUsable ? "\(directory)/\(port).ecp" : nil)
    }

    // MARK: Reading

    /// Makes sure of a directory that no other user can write to.
    private func prepareDirectory() throws(SystemError) {
        if let status = try? Files.status(directory), !status.isOurs(.directory) {
            let aside = "\(directory).rejected.\(Processes.ownID)"
            try systemCall("rename \(directory)") { rename(directory, aside) }
            journal.dropReading()
            logger.alert(.stateNotStored).warning(
                "others could write to the stored VSIs: they are set aside and not taken",
                metadata: ["directory": "\(aside)"])
        }
        try Files.makeDirectory(directory, mode: 0o700)
    }

    /// Makes sure of the directory, and reads what is there.
    private func prepare() throws(SystemError) {
        guard !isUsable else { return }
        try prepareDirectory()
        let stored = try openJournal()
        isUsable = true
        if !isRead { hand(stored) }
        takeOver()
    }

    private func openJournal() throws(SystemError) -> [[StoredVSI]] {
        let content: VSIJournal.Content
        do {
            content = try journal.open()
        } catch let refusal as VSIJournal.Refusal {
            let aside = "\(journal.path).rejected"
            logger.alert(.stateNotStored).error(
                "the stored VSIs are not taken, and none of them is asked for; their file is set aside. Start the evbd that wrote it with the file at its old place, or associate the VSIs again",
                metadata: ["file": "\(aside)", "cause": "\(refusal)"])
            try systemCall("rename \(journal.path)") { rename(journal.path, aside) }
            return try openJournal()
        } catch {
            throw error as? SystemError ?? SystemError(call: "open \(journal.path)", code: EIO)
        }
        if !content.damaged.isEmpty { setAside(content) }
        return content.parts
    }

    /// Puts lines that are not taken where they are not looked at again, for an administrator to look into.
    private func setAside(_ content: VSIJournal.Content) {
        let aside = "\(journal.path).rejected"
        logger.alert(.stateNotStored).warning(
            "stored VSIs are not taken; their lines are set aside",
            metadata: [
                "file": "\(aside)", "lines": "\(content.damaged.count)",
                "cause": "\(content.cause.map { "\($0)" } ?? "")",
            ])
        let lines = content.damaged.flatMap { $0 + [UInt8(ascii: "\n")] }
        try? Files.writeAtomically(aside, lines, mode: 0o600)
    }
}

// MARK: - An earlier evbd's files

extension VSIStore {
    /// Octets of the longest file that is looked at: a filter and organizational TLVs as long as they can be.
    private static let lengthMax = 65_536
    /// The most files that are looked at.
    private static let filesMax = 262_144
    private static let suffix = ".vsi"

    /// Takes what an earlier evbd has left, a file for each VSI. Where there are both, that evbd was the last to run.
    private func takeOver() {
        let names: [String]
        do throws(SystemError) {
            names = try Files.list(directory, limit: Self.filesMax)
        } catch {
            logger.alert(.stateNotStored).error("the stored VSIs cannot be read", metadata: ["error": "\(error)"])
            return
        }
        var taken: [String: [StoredVSI]] = [:]
        for name in names {
            if name.hasSuffix(Self.suffix) {
                if let vsi = takeOver(name) { taken[vsi.port, default: []].append(vsi) }
            } else if name.hasSuffix(".tmp") {
                // A run that was killed while it wrote.
                _ = try? Files.unlink("\(directory)/\(name)")
            }
        }
        for (port, vsis) in taken {
            let known = Set(vsis.lazy.map(\.request.vsiID))
            let others = read[port, default: []].map { $0.filter { !known.contains($0.request.vsiID) } }
            read[port] = others + [vsis]
        }
    }

    /// The VSI of a file; nil where it is set aside.
    private func takeOver(_ name: String) -> StoredVSI? {
        let path = "\(directory)/\(name)"
        do throws(SystemError) {
            guard try Files.status(path).isOurs(.regular) else {
                setAside(name, "other users could have written it")
                return nil
            }
            let octets = try Files.read(path, limit: Self.lengthMax)
            do throws(StoredVSI.Mistake) {
                let vsi = try StoredVSI(decoding: octets[...])
                guard name == "\(vsi.port),\(vsi.request.vsiID.description)\(Self.suffix)" else {
                    setAside(name, "its name is another VSI's")
                    return nil
                }
                oldFiles[Key(port: vsi.port, vsiID: vsi.request.vsiID)] = path
                keepEventually(vsi)
                return vsi
            } catch {
                setAside(name, "\(error)")
            }
        } catch {
            setAside(name, "\(error)")
        }
        return nil
    }

    private func setAside(_ name: String, _ cause: String) {
        let (from, to) = ("\(directory)/\(name)", "\(directory)/\(name).rejected")
        logger.alert(.stateNotStored).warning(
            "a stored VSI is not taken; its file is set aside", metadata: ["file": "\(to)", "cause": "\(cause)"])
        _ = try? systemCall("rename \(from)") { () -> Int32 in rename(from, to) }
    }
}

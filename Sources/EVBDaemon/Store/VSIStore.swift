internal import EVBProtocol
internal import EVBWire
internal import Glibc
internal import LinuxSystem
internal import Logging

/// The VSIs that managers want, kept for the next run of evbd on this boot.
///
/// One small file for each VSI, written by rename before its manager is told that the request is taken, and removed before
/// it is told that the VSI is given up: a run that ends at any instant loses nothing that it has promised. The directory
/// is evbd's alone; what somebody else could have put there is not taken.
final class VSIStore {
    /// Octets of the longest file that is looked at: a filter and organizational TLVs as long as they can be.
    private static let lengthMax = 65_536
    /// The most files that are looked at.
    private static let filesMax = 262_144
    private static let suffix = ".vsi"

    private let directory: String
    private let logger: Logger
    /// Whether there is a directory to write to.
    private let isUsable: Bool
    /// What has been read and whose port has not asked for it yet.
    private var read: [String: [StoredVSI]] = [:]
    /// Failures to write since the last success; the first is logged.
    private var failures = 0

    /// Opens the store below a directory that is there, and reads what an earlier run has left. Nothing in it is fatal.
    init(runtimeDirectory: String, logger: Logger) {
        directory = "\(runtimeDirectory)/vsis"
        self.logger = logger
        isUsable = Self.prepare(directory, logger)
        if isUsable { readAll() }
    }

    /// What an earlier run has left for a port; given once.
    func take(port: String) -> [StoredVSI] { read.removeValue(forKey: port) ?? [] }

    /// Ports of which there are VSIs that nobody has taken.
    var untakenPorts: [String] { read.keys.sorted() }

    /// Keeps a VSI, in the place of what was kept of it.
    func keep(_ vsi: StoredVSI) {
        guard isUsable else { return }
        do throws(SystemError) {
            try Files.writeAtomically(path(vsi.port, vsi.request.vsiID), vsi.encoded, mode: 0o600)
            failures = 0
        } catch {
            failures &+= 1
            guard failures == 1 else { return }
            logger.error(
                "a VSI cannot be stored: a restart of evbd would lose it; make room or permit it",
                metadata: ["port": "\(vsi.port)", "vsi": "\(vsi.request.vsiID)", "error": "\(error)"])
        }
    }

    /// Forgets a VSI.
    func remove(_ vsiID: VSIID, port: String) {
        guard isUsable else { return }
        do throws(SystemError) {
            try Files.unlink(path(port, vsiID))
        } catch {
            logger.error(
                "a stored VSI cannot be removed: a restart of evbd would bring it back",
                metadata: ["port": "\(port)", "vsi": "\(vsiID)", "error": "\(error)"])
        }
    }

    private func path(_ port: String, _ vsiID: VSIID) -> String {
        "\(directory)/\(port),\(vsiID.description)\(Self.suffix)"
    }

    /// The numbers of a port's ECPDUs.
    func sequences(port: String) -> SequenceReserve {
        SequenceReserve(path: isUsable ? "\(directory)/\(port).ecp" : nil)
    }

    // MARK: Reading

    /// Makes sure of a directory that nobody else can write to.
    private static func prepare(_ directory: String, _ logger: Logger) -> Bool {
        do throws(SystemError) {
            if let status = try? Files.status(directory), !isOurs(status, kind: .directory) {
                let aside = "\(directory).rejected.\(Processes.ownID)"
                try systemCall("rename \(directory)") { rename(directory, aside) }
                logger.warning(
                    "others could write to the stored VSIs: they are set aside and not taken",
                    metadata: ["directory": "\(aside)"])
            }
            try Files.makeDirectory(directory, mode: 0o700)
            return true
        } catch {
            logger.error(
                "VSIs cannot be stored: a restart of evbd would lose them", metadata: ["error": "\(error)"])
            return false
        }
    }

    /// Whether something is evbd's own, or root's, and nobody else can change it.
    private static func isOurs(_ status: Files.Status, kind: Files.Status.Kind) -> Bool {
        status.kind == kind && (status.owner == geteuid() || status.owner == 0) && status.mode & 0o022 == 0
    }

    private func readAll() {
        let names: [String]
        do throws(SystemError) {
            names = try Files.list(directory, limit: Self.filesMax)
        } catch {
            logger.error("the stored VSIs cannot be read", metadata: ["error": "\(error)"])
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
            guard Self.isOurs(try Files.status(path), kind: .regular) else {
                return setAside(name, "others could have written it")
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
        logger.warning(
            "a stored VSI is not taken; its file is set aside", metadata: ["file": "\(to)", "cause": "\(cause)"])
        _ = try? systemCall("rename \(from)") { () -> Int32 in rename(from, to) }
    }
}

internal import EVBModel
internal import JSON
internal import LinuxSystem
internal import Logging

/// That a port is drained, kept for the next run of evbd on this boot.
struct DrainFile {
    private static let lengthMax = 4096

    let path: String
    let logger: Logger

    /// What an earlier run has left; nil where the port is in service, or the file makes no sense.
    func read() -> PortDrain? {
        do throws(SystemError) {
            guard try Files.status(path).isOurs(.regular) else { return ignore("other users could have written it") }
            let octets = try Files.read(path, limit: Self.lengthMax)
            guard let json = try? JSONValue(parsing: octets),
                let drain = try? JSONCoding.decode(PortDrain.self, from: json),
                drain.sinceMilliseconds >= 0, drain.untilMilliseconds >= drain.sinceMilliseconds,
                drain.untilMilliseconds - drain.sinceMilliseconds <= PortDrain.secondsRange.upperBound * 1000
            else { return ignore("it makes no sense") }
            return drain
        } catch {
            return error.isMissing ? nil : ignore("\(error)")
        }
    }

    private func ignore(_ cause: String) -> PortDrain? {
        logger.warning(
            "whether the port was drained is not known; it is in service",
            metadata: ["file": "\(path)", "cause": "\(cause)"])
        return nil
    }

    func write(_ drain: PortDrain) throws(SystemError) {
        try Files.writeAtomically(path, JSONCoding.encode(drain), mode: 0o600)
    }

    func remove() { _ = try? Files.unlink(path) }
}

extension SystemError {
    /// Whether there is no such file.
    fileprivate var isMissing: Bool { code == 2 }
}

internal import EVBLog
internal import EVBSettings
internal import EventLoop
internal import Logging
internal import SettingsFile

/// Reads the configuration again, on a thread of its own: a file with thousands of VSI types takes long.
final class ConfigurationLoader {
    typealias Reading = Result<DaemonSettings, ConfigurationMistakes>
    typealias Completion = (Reading) -> Void

    let path: String
    private let loop: EventLoop
    private let logger: Logger
    /// The file is being read.
    private var reading: BackgroundTask<Reading>?
    /// Those who wait for what is being read.
    private var waiting: [Completion] = []
    /// Those who came while it was being read already: the file may have changed since that began.
    private var late: [Completion] = []

    init(path: String, loop: EventLoop, logger: Logger) {
        self.path = path
        self.loop = loop
        self.logger = logger
    }

    /// Reads the file; once more if it is being read already.
    ///
    /// - Parameter completion: is called with what the file says, on the thread of the loop. Mistakes are in the log.
    func load(then completion: @escaping Completion) {
        guard reading == nil else { return late.append(completion) }
        waiting = [completion]
        read()
    }

    private func read() {
        let path = path
        let work: @Sendable () -> Reading = {
            Result { () throws(ConfigurationMistakes) in try DaemonSettings.load(path) }
        }
        do {
            reading = try BackgroundTask(on: loop, work) { [weak self] in self?.loaded($0) }
        } catch {
            logger.notice("reading the configuration without a thread", metadata: ["reason": "\(error)"])
            loaded(work())
        }
    }

    private func loaded(_ result: Reading) {
        reading = nil
        if case .failure(let mistakes) = result {
            logger.alert(.reloadRefused).error(
                "the configuration has mistakes, the old one stays", metadata: ["mistakes": "\(mistakes)"])
        }
        let ended = waiting
        (waiting, late) = (late, [])
        for completion in ended { completion(result) }
        if reading == nil, !waiting.isEmpty { read() }
    }
}

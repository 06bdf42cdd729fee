internal import EVBSettings
internal import EventLoop
internal import Logging
internal import SettingsFile

/// Reads the configuration again, on a thread of its own: a file with thousands of VSI types takes long.
final class ConfigurationLoader {
    private typealias Reading = Result<DaemonSettings, ConfigurationMistakes>

    private let path: String
    private let loop: EventLoop
    private let logger: Logger
    /// The file is being read.
    private var reading: BackgroundTask<Reading>?
    /// The file may have changed since that began.
    private var readsAgain = false
    /// Called with what the file says, on the thread of the loop. Mistakes are in the log.
    var onLoad: ((DaemonSettings) -> Void)?

    init(path: String, loop: EventLoop, logger: Logger) {
        self.path = path
        self.loop = loop
        self.logger = logger
    }

    /// Reads the file; once more if it is being read already.
    func load() {
        guard reading == nil else {
            readsAgain = true
            return
        }
        let path = path
        let work: @Sendable () -> Reading = {
            Result { () throws(ConfigurationMistakes) in try DaemonSettings.load(path) }
        }
        do {
            reading = try BackgroundTask(on: loop, work) { [weak self] in self?.loaded($0) }
        } catch {
            logger.warning("reading the configuration without a thread", metadata: ["reason": "\(error)"])
            loaded(work())
        }
    }

    private func loaded(_ result: Reading) {
        reading = nil
        switch result {
        case .success(let configuration): onLoad?(configuration)
        case .failure(let mistakes):
            logger.error("the configuration has mistakes, the old one stays", metadata: ["mistakes": "\(mistakes)"])
        }
        guard readsAgain else { return }
        readsAgain = false
        load()
    }
}

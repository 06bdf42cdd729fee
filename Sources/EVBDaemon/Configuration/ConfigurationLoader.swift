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
    /// Gives what adds to the settings of the file, on a thread of its own.
    private let complete: () -> @Sendable (DaemonSettings) -> DaemonSettings
    /// The file is being read.
    private var reading: BackgroundTask<Reading>?
    private struct Waiter {
        let isLook: Bool
        let completion: Completion
    }

    /// Those who wait for what is being read.
    private var waiting: [Waiter] = []
    /// Those who came while it was being read already: the file may have changed since that began.
    private var late: [Waiter] = []

    init(
        path: String, loop: EventLoop, logger: Logger,
        complete: @escaping () -> @Sendable (DaemonSettings) -> DaemonSettings
    ) {
        self.path = path
        self.complete = complete
        self.loop = loop
        self.logger = logger
    }

    /// Reads the file; once more if it is being read already.
    ///
    /// - Parameters:
    ///   - isLook: whether the file is not to be taken, so that its mistakes are nothing for the log.
    ///   - completion: is called with what the file says, on the thread of the loop.
    func load(isLook: Bool = false, then completion: @escaping Completion) {
        let waiter = Waiter(isLook: isLook, completion: completion)
        guard reading == nil else { return late.append(waiter) }
        waiting = [waiter]
        read()
    }

    private func read() {
        let (path, complete) = (path, complete())
        let work: @Sendable () -> Reading = {
            Result { () throws(ConfigurationMistakes) in complete(try DaemonSettings.load(path)) }
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
        if case .failure(let mistakes) = result, waiting.contains(where: { !$0.isLook }) {
            logger.alert(.reloadRefused).error(
                "the configuration has mistakes, the old one stays", metadata: ["mistakes": "\(mistakes)"])
        }
        let ended = waiting
        (waiting, late) = (late, [])
        for waiter in ended { waiter.completion(result) }
        if reading == nil, !waiting.isEmpty { read() }
    }
}

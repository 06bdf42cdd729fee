package import EventLoop
internal import LinuxSystem
package import Logging
package import Netlink

/// What was counted at the links of VSIs when a client asked.
package struct TrafficReading: Sendable {
    package let links: [Int32: LinkTraffic]
}

/// Reads the counters of links where they are asked for, on a thread of its own, one reading at a time.
///
/// Clients that ask while one is under way share the next.
package final class TrafficReader {
    private let loop: EventLoop
    private let logger: Logger
    private var task: BackgroundTask<[Int32: LinkTraffic]?>?
    /// Who waits for the next reading, and for which links; nil is all.
    private var waiting: [(links: Set<Int32>?, completion: (TrafficReading) -> Void)] = []

    package init(loop: EventLoop, logger: Logger) {
        self.loop = loop
        self.logger = logger
    }

    /// Reads counters.
    ///
    /// - Parameters:
    ///   - links: the indices of the links; nil for all.
    ///   - completion: called once, later, on the thread of the loop. What cannot be read is missing.
    package func read(_ links: Set<Int32>?, completion: @escaping (TrafficReading) -> Void) {
        waiting.append((links, completion))
        if task == nil { start() }
    }

    private func start() {
        let waiters = waiting
        waiting = []
        guard !waiters.isEmpty else { return }
        var links: Set<Int32>? = []
        for waiter in waiters { links = waiter.links.flatMap { links?.union($0) } }
        let wanted = links
        do throws(SystemError) {
            task = try BackgroundTask(on: loop) {
                try? LinkTraffic.read(wanted)
            } completion: { [weak self] found in
                self?.task = nil
                for waiter in waiters { waiter.completion(TrafficReading(links: found ?? [:])) }
                self?.start()
            }
        } catch {
            logger.warning("the counters of links cannot be read", metadata: ["error": "\(error)"])
            loop.later { for waiter in waiters { waiter.completion(TrafficReading(links: [:])) } }
        }
    }
}

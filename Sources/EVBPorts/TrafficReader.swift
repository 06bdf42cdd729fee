package import EVBModel
package import EVBWire
package import EventLoop
internal import LinuxSystem
package import Logging
package import Netlink

/// Where a VSI's traffic is counted.
package enum TrafficSource {
    case link(Int32)
    case rules(any RuleCounters)
    /// Nowhere, and why.
    case none(String)
}

/// The counters of a port's rules in the kernel.
package protocol RuleCounters: Sendable {
    /// Reads them. The kernel may take long: not for the loop's thread.
    ///
    /// - Parameter addresses: whether those of addresses are read too, of which there may be ten thousand.
    /// - Returns: nil where there are none.
    func read(addresses: Bool) -> (any RuleReading)?
}

/// What a port's rules have counted.
package protocol RuleReading: Sendable {
    /// Frames that the rules have dropped, of every sender.
    var dropped: TrafficCounts? { get }
    /// What was counted of some addresses; nil where none of them is counted.
    func traffic(of entries: [FilterEntry]) -> VSITraffic?
}

/// What was counted when a client asked.
package struct TrafficReading: Sendable {
    package var links: [Int32: LinkTraffic] = [:]
    /// By the ports' names.
    package var rules: [String: any RuleReading] = [:]

    /// Nothing was counted.
    package init() {}
}

/// What is to be read.
package struct TrafficWanted: Sendable {
    /// The indices of links; nil for all.
    package var links: Set<Int32>? = []
    /// Ports with rules, by their names.
    package var rules: [String: any RuleCounters] = [:]
    /// Whether the rules' counters of addresses are wanted.
    package var addresses = false

    package init() {}

    /// What is to be read for one VSI.
    package init(_ source: TrafficSource, port: String) {
        switch source {
        case .link(let index): links = [index]
        case .rules(let counters): (rules, addresses) = ([port: counters], true)
        case .none: break
        }
    }

    fileprivate mutating func add(_ other: TrafficWanted) {
        links = links.flatMap { mine in other.links.map { mine.union($0) } }
        rules.merge(other.rules) { $1 }
        addresses = addresses || other.addresses
    }

    fileprivate func read() -> TrafficReading {
        var reading = TrafficReading()
        if links != [] { reading.links = (try? LinkTraffic.read(links)) ?? [:] }
        reading.rules = rules.compactMapValues { $0.read(addresses: addresses) }
        return reading
    }
}

/// Reads counters where they are asked for, on a thread of its own, one reading at a time.
///
/// Clients that ask while one is under way share the next.
package final class TrafficReader {
    private let loop: EventLoop
    private let logger: Logger
    private var task: BackgroundTask<TrafficReading>?
    /// Who waits for the next reading, and for what.
    private var waiting: [(wanted: TrafficWanted, completion: (TrafficReading) -> Void)] = []

    package init(loop: EventLoop, logger: Logger) {
        self.loop = loop
        self.logger = logger
    }

    /// Reads counters.
    ///
    /// - Parameters:
    ///   - wanted: which counters.
    ///   - completion: called once, later, on the thread of the loop. What cannot be read is missing.
    package func read(_ wanted: TrafficWanted, completion: @escaping (TrafficReading) -> Void) {
        waiting.append((wanted, completion))
        if task == nil { start() }
    }

    private func start() {
        let waiters = waiting
        waiting = []
        guard !waiters.isEmpty else { return }
        let wanted = waiters.reduce(into: TrafficWanted()) { $0.add($1.wanted) }
        do throws(SystemError) {
            task = try BackgroundTask(on: loop) {
                wanted.read()
            } completion: { [weak self] reading in
                self?.task = nil
                for waiter in waiters { waiter.completion(reading) }
                self?.start()
            }
        } catch {
            logger.warning("traffic counters cannot be read", metadata: ["error": "\(error)"])
            loop.later { for waiter in waiters { waiter.completion(TrafficReading()) } }
        }
    }
}

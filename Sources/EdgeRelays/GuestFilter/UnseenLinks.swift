internal import Dataplane
internal import EVBLog
internal import EVBTime
internal import EventLoop
package import LinuxSystem
internal import Logging
internal import Netlink

/// Links on a port that the host does not see, which are in other network namespaces: a container's. The port's own
/// forwarding table has their addresses while they are up, and the kernel sends no news of it, so that it is read again
/// and again, on the worker's thread.
///
/// Owns when the table is read and what the log says of it; `ClosedAddresses` has what stays closed by it.
package final class UnseenLinks {
    /// How far apart reads of the table are, and how far at least.
    private static let period = Interval.seconds(30)
    private static let gap = Interval.seconds(2)
    /// Addresses that are read of a port. Containers may add as many as they like.
    private static let addressesMax = 65_536
    /// Addresses that are looked up in one turn of the loop: less than a millisecond.
    private static let sliceMax = 1_000
    /// Addresses that a log line of their own tells of after one read.
    private static let linesMax = 8

    private let programmer: KernelQueue
    private let timers: Timers
    private let portName: String
    private let portIndex: () -> Int32?
    private let logger: Logger
    private var timer: Timers.Timer?
    private var sliceTimer: Timers.Timer?
    /// The addresses of the last read that are still to be looked up, and what came of the others.
    private var pending: ArraySlice<HardwareAddress> = []
    private var found: Set<HardwareAddress> = []
    private var isTruncated = false
    private var lastStart: Instant?
    private var isUnderWay = false
    private var isAskedAgain = false
    private var hasLoggedProblem = false
    /// The number of the last read that was begun; the first has 1.
    private(set) var lastRead: UInt64 = 0
    /// The addresses that neither a link that the host sees nor a VSI had when the table was read last.
    private(set) var unknown: Set<HardwareAddress> = []
    /// Whether a link that the host sees, or a VSI, has an address.
    var isKnown: (HardwareAddress) -> Bool = { _ in true }
    /// Called with the number of a read and all addresses that the table had.
    var onRead: ((UInt64, Set<HardwareAddress>) -> Void)?

    /// Reads nothing before `look`.
    init(
        programmer: KernelQueue, timers: Timers, portName: String, portIndex: @escaping () -> Int32?, logger: Logger
    ) {
        self.programmer = programmer
        self.timers = timers
        self.portName = portName
        self.portIndex = portIndex
        self.logger = logger
        timer = timers.timer { [weak self] in self?.read() }
        sliceTimer = timers.timer { [weak self] in self?.lookUp() }
    }

    /// Reads the table, at once unless it was read just now, and from then on every now and then.
    func look() {
        guard !isUnderWay else {
            isAskedAgain = true
            return
        }
        timer?.set(lastStart.map { max($0 + Self.gap, timers.now) } ?? timers.now)
    }

    private func read() {
        lastStart = timers.now
        guard let index = portIndex() else {
            // Links on a port go with it.
            lastRead &+= 1
            return finish(lastRead, OwnAddresses())
        }
        lastRead &+= 1
        let number = lastRead
        let read = ForwardingRead.ownAddresses(index: index, limit: Self.addressesMax)
        // In a lane of its own: the port's may be long.
        isUnderWay = programmer.perform(read, of: "addresses of \(portName)") { [weak self] result in
            self?.isUnderWay = false
            self?.ended(number, result)
        }
    }

    private func ended(_ number: UInt64, _ result: Result<OwnAddresses, NetlinkError>?) {
        switch result {
        case .success(let own): finish(number, own)
        case .failure(let error):
            logger.alert(.enforcementFailed).log(
                level: hasLoggedProblem ? .debug : .warning,
                "the port's forwarding table cannot be read; evbd does not see links in other network namespaces",
                metadata: ["problem": "\(error)"])
            hasLoggedProblem = true
            setTimer()
        case nil: setTimer()
        }
    }

    private func finish(_ number: UInt64, _ own: OwnAddresses) {
        setTimer()
        // What was not read may be there.
        if !own.isTruncated { onRead?(number, own.addresses) }
        pending = Array(own.addresses)[...]
        (found, isTruncated) = ([], own.isTruncated)
        lookUp()
    }

    /// Looks some of the addresses up, and the others in later turns of the loop.
    private func lookUp() {
        let slice = pending.prefix(Self.sliceMax)
        pending = pending.dropFirst(Self.sliceMax)
        for address in slice where !isKnown(address) { found.insert(address) }
        guard pending.isEmpty else {
            sliceTimer?.set(timers.now)
            return
        }
        tell(found.subtracting(unknown))
        unknown = found
    }

    /// The addresses of the last read that are unknown now.
    ///
    /// - Parameter limit: How many are given at most.
    /// - Returns: Their number and the first of them; where they are many, as it was at that read, in no certain order.
    package func unknownNow(limit: Int) -> (count: Int, addresses: [HardwareAddress]) {
        guard unknown.count <= Self.sliceMax else { return (unknown.count, Array(unknown.prefix(limit))) }
        let now = unknown.filter { !isKnown($0) }.sorted { $0.value < $1.value }
        return (now.count, Array(now.prefix(limit)))
    }

    private func setTimer() {
        timer?.set(timers.now + (isAskedAgain ? Self.gap : Self.period))
        isAskedAgain = false
    }

    private func tell(_ found: Set<HardwareAddress>) {
        for address in found.sorted(by: { $0.value < $1.value }).prefix(Self.linesMax) {
            logger.alert(.enforcementFailed).warning(
                """
                an address on the port belongs to no VSI and to no link that the host sees, such as one in a container: \
                no VSI filters its frames, and the guest filter drops its ECP and LLDP; associate a VSI with this address
                """,
                metadata: ["address": "\(address)"])
        }
        let rest = found.count - Self.linesMax
        guard rest > 0 else { return }
        logger.alert(.enforcementFailed).warning(
            "there are more addresses on the port of which the same is true; evbctl port show lists the first",
            metadata: ["count": "\(rest)\(isTruncated ? " or more" : "")"])
    }
}

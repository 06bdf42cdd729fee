// What machines say and hear of the protocols between host and switch: nothing. A machine that could send ECP would
// de-associate its neighbours; one that hears LLDP and ECP learns of them what is none of its business.
//
// `GuestRules` writes the rules. `PortGate` decides about those of a port, `GuestLinks` about those of links.

internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import Nftables

/// Keeps LLDP and ECP from and to machines, by rules of nftables that it alone owns.
///
/// Changes are made on the link worker, all that wait in one transaction.
final class GuestFilter {
    /// Called with nil when the rules are in force, or with why they are not.
    typealias Completion = (String?) -> Void

    /// Changes in one transaction: enough for a burst to cost little, and few enough for one to take milliseconds.
    private static let batchMax = 128
    /// Closed addresses in one transaction. They are cheap: some 25 ms on the worker for all of these.
    private static let closedMax = 4096

    /// nftables' session. Used on the worker's thread only, which is why it can be handed there.
    private final class Session: @unchecked Sendable {
        private var session: NftablesSession?

        private func open() throws(NftablesError) -> NftablesSession {
            if let session { return session }
            let session = try NftablesSession()
            self.session = session
            return session
        }

        private func run(_ commands: String) -> String? {
            do throws(NftablesError) {
                try open().run(GuestRules.declaration + "\n" + commands)
                return nil
            } catch {
                return error.description
            }
        }

        private func runJSON(_ commands: String) -> String? {
            if let problem = run("") { return problem }
            do throws(NftablesError) {
                try open().run(json: commands)
                return nil
            } catch {
                return error.description
            }
        }

        /// Makes changes together, or one by one where that fails, so that one that cannot be made spoils no other.
        func run(_ changes: [GuestRules.Change]) -> [String?] {
            let plain = changes.filter { !$0.isJSON }
            let together = plain.isEmpty ? nil : run(plain.map(\.commands).joined(separator: "\n"))
            return changes.map { change in
                if change.isJSON { return runJSON(change.commands) }
                if together == nil || plain.count == 1 { return together }
                return run(change.commands)
            }
        }

        func list() -> GuestRulesListing {
            guard let session = try? open() else { return GuestRulesListing() }
            let tables = [GuestRules.table] + GuestRules.hostTables
            return GuestRulesListing(json: tables.compactMap { try? session.list("list table \($0)") })
        }
    }

    /// What the worker's thread leaves behind for the loop's; the queue between them puts the one after the other.
    private final class Outcome: @unchecked Sendable {
        var problems: [String?] = []
        var listing = GuestRulesListing()
    }

    /// Whether the host's IP is kept off evbd's links.
    private enum HostShield {
        case none
        case underWay([Completion])
        case settled(String?)
    }

    private struct ClosedChange {
        var portIndex: Int32
        var change: ClosedAddresses.Change
    }

    private let programmer: LinkProgrammer
    private let session = Session()
    private var waiting: [(change: GuestRules.Change, then: Completion)] = []
    private var waitingClosed: [ClosedChange] = []
    /// How many changes of closed addresses have been asked for, and how many of them are made.
    private var closedAsked: UInt64 = 0
    private var closedDone: UInt64 = 0
    private var closedWaiters: [(number: UInt64, then: () -> Void)] = []
    private var isFlushing = false
    private var isBusy = false
    private var hostShield = HostShield.none
    /// The changes that have made the rules in force, by the links and ports that they are at.
    private var inForce: [String: GuestRules.Change] = [:]
    private let loop: EventLoop
    private let logger: Logger
    /// Tells when another process removes rules; there once there are any of ours.
    private var watch: EventLoop.Watch?
    private var isLooking = false
    /// What an earlier evbd has left.
    let former: GuestRulesListing
    /// Called with the closed addresses that a port has after another process changed something, by the ports' indices.
    /// Closes again what is missing, and returns whether anything is.
    var refillClosed: [Int32: (Set<HardwareAddress>) -> Bool] = [:]

    /// Reads the rules that an earlier evbd has left, and makes none yet.
    init(programmer: LinkProgrammer, loop: EventLoop, logger: Logger) {
        self.programmer = programmer
        self.loop = loop
        self.logger = logger
        // The worker does not have the session yet.
        former = session.list()
    }

    // MARK: Rules

    /// Makes the rules of a machine's link, or replaces them.
    func protect(_ guest: GuestRules.Guest, then: @escaping Completion) {
        enforce(GuestRules.chains("link", guest.index).out, GuestRules.protect(guest), guest.name, then: then)
    }

    /// Makes the gate of a port, or replaces it.
    func protect(_ gate: GuestRules.Gate, then: @escaping Completion) {
        enforce(GuestRules.chains("port", gate.index).out, GuestRules.protect(gate), gate.name, then: then)
    }

    /// Removes the rules of a link, which may be gone.
    func release(link index: Int32) {
        release(GuestRules.chains("link", index).out, GuestRules.release(link: index))
    }

    /// Removes the rules of a port, which may be gone.
    func release(port index: Int32) {
        waitingClosed.removeAll { $0.portIndex == index }
        refillClosed[index] = nil
        release(GuestRules.chains("port", index).out, GuestRules.release(port: index))
    }

    /// Keeps the host's IP off all links of the group that evbd gives to its own.
    ///
    /// - Parameter then: Is called when that is so, with the problem where it is not.
    func keepHostOff(then: @escaping Completion) {
        switch hostShield {
        case .settled(let problem): return then(problem)
        case .underWay(let waiting): hostShield = .underWay(waiting + [then])
        case .none:
            hostShield = .underWay([then])
            let tables = GuestRules.hostTables
            var problems: [String] = []
            for table in tables {
                let change = GuestRules.keepHostOff(group: MacvlanSpec.group, table: table)
                enforce(table, change, table) { [weak self] problem in
                    if let problem { problems.append(problem) }
                    if table == tables.last { self?.settleHostShield(problems.first) }
                }
            }
        }
    }

    private func settleHostShield(_ problem: String?) {
        guard case .underWay(let waiting) = hostShield else { return }
        hostShield = .settled(problem)
        if let problem {
            logger.warning(
                """
                nftables cannot keep the host's IP off the links that evbd makes; router advertisements may give the host \
                addresses on them
                """,
                metadata: ["problem": "\(problem)"])
        }
        for then in waiting { then(problem) }
    }

    private func release(_ key: String, _ commands: String) {
        inForce[key] = nil
        // What was under way for it ends before this.
        change(GuestRules.Change(commands: commands)) { [weak self] _ in self?.inForce[key] = nil }
    }

    private func enforce(_ key: String, _ rules: GuestRules.Change?, _ name: String, then: @escaping Completion) {
        guard let rules else { return then("nftables cannot have the name \(name) in a rule") }
        watchRules()
        wanted.insert(key)
        change(rules) { [weak self] problem in
            if problem == nil { self?.inForce[key] = rules }
            then(problem)
        }
    }

    // MARK: Closed addresses

    /// Changes which addresses are closed at a port, with the next changes that are made, or soon.
    ///
    /// - Returns: A number to wait for.
    func setClosed(_ changes: [ClosedAddresses.Change], port index: Int32) -> UInt64 {
        guard !changes.isEmpty else { return closedAsked }
        waitingClosed += changes.map { ClosedChange(portIndex: index, change: $0) }
        closedAsked &+= UInt64(changes.count)
        if !isFlushing {
            isFlushing = true
            loop.later { [weak self] in
                self?.isFlushing = false
                self?.submit()
            }
        }
        return closedAsked
    }

    /// Calls back when the changes up to a number are made, or cannot be.
    func awaitClosed(_ number: UInt64, then: @escaping () -> Void) {
        guard number > closedDone else { return then() }
        closedWaiters.append((number, then))
        submit()
    }

    /// Whether the changes up to a number are made.
    func isClosedDone(_ number: UInt64) -> Bool { number <= closedDone }

    private func takeClosed() -> (changes: [GuestRules.Change], count: Int) {
        let taken = waitingClosed.prefix(Self.closedMax)
        guard !taken.isEmpty else { return ([], 0) }
        var last: [Int32: [HardwareAddress: Bool]] = [:]
        for item in taken { last[item.portIndex, default: [:]][item.change.address] = item.change.isClosed }
        let changes = last.keys.sorted().map { index -> GuestRules.Change in
            let addresses = last[index, default: [:]]
            let sorted = addresses.keys.sorted { $0.value < $1.value }
            return GuestRules.Change(
                commands: GuestRules.closed(
                    index, adding: sorted.filter { addresses[$0] == true },
                    removing: sorted.filter { addresses[$0] == false }))
        }
        let count = taken.count
        waitingClosed.removeFirst(count)
        return (changes, count)
    }

    private func closedAreDone(_ count: Int) {
        guard count > 0 else { return }
        closedDone &+= UInt64(count)
        let ready = closedWaiters.filter { $0.number <= closedDone }
        closedWaiters.removeAll { $0.number <= closedDone }
        for waiter in ready { waiter.then() }
    }

    // MARK: Rules that others remove

    private func watchRules() {
        guard watch == nil else { return }
        do {
            let monitor = try TableMonitor(table: "evbd-guests", exceptBy: LinkWorker.threadName)
            watch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in
                if monitor.drain() { self?.lookForRules() }
            }
        } catch {
            logger.warning("evbd will not notice when the guest filter is flushed", metadata: ["reason": "\(error)"])
        }
    }

    private func lookForRules() {
        guard !isLooking, !inForce.isEmpty else { return }
        let session = session
        let outcome = Outcome()
        isLooking = programmer.submit(.perform(LinkTask { outcome.listing = session.list() })) { [weak self] _ in
            self?.isLooking = false
            self?.restore(outcome.listing)
        }
    }

    private func restore(_ listing: GuestRulesListing) {
        let missing = inForce.filter { _, rules in
            rules.ruleCounts.merging(GuestRules.declaredRuleCounts) { first, _ in first }.contains { chain, count in
                listing.ruleCounts[chain, default: 0] < count
            }
        }
        // What is under way may be missing too, which is nothing to tell.
        let isSettled = waitingClosed.isEmpty && !isBusy
        let refilled = refillClosed.filter { index, refill in refill(listing.closed[index] ?? []) }.count
        guard !missing.isEmpty || refilled > 0 && isSettled else { return }
        logger.warning(
            "another process has removed rules of the guest filter; restoring them",
            metadata: ["links": "\(missing.count)", "address sets": "\(refilled)"])
        for rules in missing.values {
            change(rules) { [logger] problem in
                guard let problem else { return }
                logger.error("the guest filter cannot be set up again", metadata: ["problem": "\(problem)"])
            }
        }
    }

    // MARK: What an earlier evbd has left

    /// The rules that were asked for since the start.
    private var wanted: Set<String> = []

    /// Removes rules that an earlier evbd has left and that no port of this one has asked for.
    func releaseLeftovers() {
        for index in former.links where !wanted.contains(GuestRules.chains("link", index).out) { release(link: index) }
        let ports = Set(former.ports).union(former.closed.keys)
        for index in ports.sorted() where !wanted.contains(GuestRules.chains("port", index).out) {
            release(port: index)
        }
        if former.ruleCounts["host-in"] != nil, !wanted.contains(GuestRules.hostTables[0]) { letHostOn() }
        wanted = []
    }

    /// Removes the rules that keep the host's IP off links: there are none of ours any more.
    func letHostOn() {
        hostShield = .none
        for table in GuestRules.hostTables { release(table, GuestRules.removeTable(table)) }
    }

    // MARK: The worker

    private func change(_ change: GuestRules.Change, then: @escaping Completion) {
        waiting.append((change, then))
        submit()
    }

    private func submit() {
        guard !isBusy, !waiting.isEmpty || !waitingClosed.isEmpty else { return }
        // First: a link that is about to be set up has its address open by then.
        let closed = takeClosed()
        let batch = Array(waiting.prefix(Self.batchMax))
        waiting.removeFirst(batch.count)
        let outcome = Outcome()
        let session = session
        let changes = closed.changes + batch.map(\.change)
        isBusy = true
        let isTaken = programmer.submit(.perform(LinkTask { outcome.problems = session.run(changes) })) {
            [weak self] result in
            self?.isBusy = false
            var problems = Array(outcome.problems.dropFirst(closed.changes.count))
            // The worker has ended before it came to this.
            if case .failure(let error) = result { problems = batch.map { _ in "\(error)" } }
            self?.closedAreDone(closed.count)
            for (item, problem) in zip(batch, problems) { item.then(problem) }
            self?.submit()
        }
        guard !isTaken else { return }
        isBusy = false
        closedAreDone(closed.count)
        for item in batch { item.then("evbd is stopping") }
    }
}

// What machines say and hear of the protocols between host and switch: nothing. A machine that could send ECP would
// de-associate its neighbours; one that hears LLDP and ECP learns of them what is none of its business.
//
// `GuestRules` writes the rules. `PortGate` decides about those of a port, `GuestLinks` about those of links.

package import Dataplane
internal import EVBLog
package import EVBTime
package import EventLoop
internal import LinuxSystem
package import Logging
internal import Netlink
internal import Nftables

/// Keeps LLDP and ECP from and to machines, by rules of nftables that it alone owns.
///
/// Changes are made on the kernel worker, all that wait in one transaction.
package final class GuestFilter {
    /// Called with nil when the rules are in force, or with why they are not.
    package typealias Completion = (String?) -> Void

    /// Changes in one transaction: enough for a burst to cost little, and few enough for one to take milliseconds.
    private static let batchMax = 128
    /// How long a change of closed addresses that is not urgent waits for others, or to be taken back: a VSI that the
    /// bridge grants at once is never closed.
    private static let closedDelay = Interval.milliseconds(50)
    /// How far apart transactions are at least that only close what is due: those that come due meanwhile go together.
    private static let closingGap = Interval.milliseconds(20)
    /// What a transaction may take, from beginning to end, without any pause after it.
    private static let cheap = Interval.milliseconds(2)
    /// The most time between transactions that open addresses only, and the part of it that they may take where they are not cheap:
    /// libnftables takes the longer the more links there are, and an association waits for it.
    private static let closedGap = Interval.milliseconds(20)
    private static let closedShare: UInt64 = 4
    /// How long after a refusal by nftables closed addresses are tried again.
    private static let closedRetry = Interval.seconds(1)
    /// How far apart listings of all rules are, as news may be lost; they take at most one part in so many of the time.
    private let comparisonPeriod: Interval
    private static let spentShare: UInt64 = 100
    /// The same for listings after a refusal.
    private static let retryShare: UInt64 = 10

    /// Whether the host's IP is kept off evbd's links.
    private enum HostShield {
        case none
        case underWay([Completion])
        case settled(String?)
    }

    private let programmer: KernelQueue
    /// A change that waits for its transaction.
    private struct Waiting {
        var change: GuestRules.Change
        /// The port whose set of closed addresses it deletes.
        var releasedPort: Int32?
        /// It makes the rules of a link that has none.
        var isCreation = false
        var then: Completion
    }

    private var waiting: [Waiting] = []
    private var gathering: Gathering?
    let closedQueue = ClosedQueue()
    private var flushTimer: Timers.Timer?
    /// When the changes of closed addresses that wait are made at the latest.
    private var flushAt: Instant?
    private var lastChangeAt: Instant?
    /// How long the last transaction took.
    private var lastChangeTime = Interval(nanoseconds: 0)
    private let timers: Timers
    private var changing = Reconciler<Batch>()
    /// How often another process was seen to have removed something, and after how many of these the chains that links share
    /// were declared. Changes go to the kernel itself only while they are as declared.
    private var losses = 0
    private var declaredAfter: Int?
    private var hostShield = HostShield.none
    /// The links whose rules were asked for, and not released since.
    private var linksWithRules: Set<Int32> = []
    /// The changes that have made the rules in force, by the links and ports that they are at.
    private var inForce: [String: GuestRules.Change] = [:]
    private let loop: EventLoop
    private let logger: Logger
    /// Tells when another process removes rules; there once there are any of ours.
    private var watch: EventLoop.Watch?
    private var looking = Reconciler<Set<String>>()
    /// Chains of which another process has removed something, and which are to be made again whatever they have now.
    private var suspects: Set<String> = []
    private var comparisonTimer: Timers.Timer?
    /// The rules that nftables has refused when they were to be restored, and how often in a row it has refused any.
    private var unrestored: Set<String> = []
    private var restoreFailures = 0
    /// How long the last listing took.
    private var lookTime = Interval(nanoseconds: 0)
    /// Called after each listing with the octets that it has.
    package var onListing: ((Int) -> Void)?
    /// What an earlier evbd has left.
    package let former: GuestRulesListing
    /// What evbd's frames are known by at all ports. The one of an earlier run still passes the rules of that run.
    package let mark: UInt32
    /// Called with the closed addresses that a port has after another process changed something, by the ports' indices.
    /// Closes again what is missing, and returns whether anything is.
    var refillClosed: [Int32: (Set<HardwareAddress>) -> Bool] = [:]

    /// Ports that are evbd's no longer and whose gates stay for now, by their names.
    var lingering: [String: EdgeRelay] = [:]

    /// Reads the rules that an earlier evbd has left, and makes none yet.
    package init(
        programmer: KernelQueue, loop: EventLoop, timers: Timers, logger: Logger,
        comparisonPeriod: Interval = .seconds(30), gatherGap: Interval = Gathering.gap
    ) {
        self.comparisonPeriod = comparisonPeriod
        self.programmer = programmer
        self.loop = loop
        self.timers = timers
        self.logger = logger
        former = Self.listing(Self.formerRules())
        mark = former.marks.values.first ?? UInt32.random(in: 1 ... .max)
        for (index, addresses) in former.closed { closedQueue.adopt(addresses, port: index) }
        closedQueue.takeTurns(of: loop)
        flushTimer = timers.timer { [weak self] in self?.flush() }
        gathering = Gathering(timers: timers, gap: gatherGap) { [weak self] in self?.submit() }
    }

    /// What nftables has of an earlier evbd's.
    ///
    /// Not on this thread: Linux lets it wait where a socket of nftables is closed until rules that anyone has removed are freed, in
    /// other network namespaces too. 38 s were seen (Linux 6.1, after a namespace with some thousand rules was deleted).
    private static func formerRules() -> NftablesOperation.Answer {
        let asked = try? BackgroundTask<NftablesOperation.Answer>.outcome { handOver in
            let context = NftablesOperation.makeContext()
            handOver(list.perform(in: context))
            withExtendedLifetime(context) {}
        }
        return asked ?? .listed([])
    }

    // MARK: Rules

    /// Makes the rules of a machine's link, or replaces them.
    package func protect(_ guest: GuestRules.Guest, then: @escaping Completion) {
        let key = GuestRules.chains("link", guest.index).out
        let isNew = linksWithRules.insert(guest.index).inserted && former.ruleCounts[key] == nil
        let creation = isNew ? GuestRules.create(guest) : nil
        enforce(key, GuestRules.protect(guest), guest.name, creation: creation, then: then)
    }

    /// Makes the gate of a port, or replaces it.
    package func protect(_ gate: GuestRules.Gate, then: @escaping Completion) {
        enforce(GuestRules.chains("port", gate.index).out, GuestRules.protect(gate), gate.name, then: then)
    }

    /// Removes the rules of a link, which may be gone.
    package func release(link index: Int32) {
        linksWithRules.remove(index)
        release(GuestRules.chains("link", index).out, GuestRules.release(link: index))
    }

    /// Removes the rules of a port, which may be gone.
    package func release(port index: Int32) {
        closedQueue.forget(port: index)
        refillClosed[index] = nil
        release(GuestRules.chains("port", index).out, GuestRules.release(port: index), port: index)
    }

    /// Keeps the host's IP off all links of the groups that evbd gives to its own, and to those that it deletes.
    ///
    /// - Parameter then: Is called when that is so, with the problem where it is not.
    package func keepHostOff(then: @escaping Completion) {
        switch hostShield {
        case .settled(let problem): return then(problem)
        case .underWay(let waiting): hostShield = .underWay(waiting + [then])
        case .none:
            hostShield = .underWay([then])
            let tables = GuestRules.hostTables
            var problems: [String] = []
            for table in tables {
                let change = GuestRules.keepHostOff(
                    groups: [MacvlanSpec.group, MacvlanSpec.leavingGroup], table: table)
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
            logger.alert(.enforcementFailed).warning(
                """
                nftables cannot keep the host's IP off the links that evbd makes; router advertisements may give the host \
                addresses on them
                """,
                metadata: ["problem": "\(problem)"])
        }
        for then in waiting { then(problem) }
    }

    private func release(_ key: String, _ removal: GuestRules.Change, port: Int32? = nil) {
        inForce[key] = nil
        // What was under way for it ends before this.
        change(removal, releasing: port) { [weak self] _ in self?.inForce[key] = nil }
    }

    /// Makes rules, or replaces them. `creation` makes them where there are none.
    private func enforce(
        _ key: String, _ rules: GuestRules.Change?, _ name: String, creation: TableChanges? = nil,
        then: @escaping Completion
    ) {
        guard let rules else { return then("nftables cannot use the name \(name) in a rule") }
        watchRules()
        wanted?.insert(key)
        var first = rules
        if let creation { first.direct = creation }
        change(first, isCreation: creation != nil) { [weak self] problem in
            if problem == nil { self?.inForce[key] = rules }
            then(problem)
        }
    }

    // MARK: Closed addresses

    /// Changes which addresses are closed at a port, with the next changes that are made, or soon.
    func setClosed(_ changes: [ClosedAddresses.Change], port index: Int32, isUrgent: Bool) {
        let due = isUrgent ? timers.now : timers.now + Self.closedDelay
        for change in changes {
            // What is opened may go with any transaction; what is closed may be taken back before it is due.
            closedQueue.set(change, port: index, due: isUrgent || !change.isClosed ? nil : due)
        }
        // Later: what has changed is to be known everywhere by then.
        if closedQueue.hasTakenBack { loop.later { [closedQueue] in closedQueue.callBack() } }
        flush(at: due)
    }

    /// Calls back when none of these addresses is closed in the kernel any more, or with the problem when nftables has refused that
    /// time and again.
    func awaitOpen(_ addresses: AddressSet, port index: Int32, then: @escaping (String?) -> Void) {
        guard closedQueue.wait(addresses, port: index, then: then) else { return then(nil) }
        let earliest = lastChangeAt.map { $0 + Self.pause(after: lastChangeTime) } ?? timers.now
        flush(at: max(earliest, timers.now))
    }

    /// How long after a transaction that took so long the next one that opens addresses only may begin.
    static func pause(after spent: Interval) -> Interval {
        spent <= cheap ? Interval(nanoseconds: 0) : min(spent * closedShare, closedGap)
    }

    private func flush(at moment: Instant) {
        guard !closedQueue.isEmpty, flushAt.map({ moment < $0 }) ?? true else { return }
        flushAt = moment
        guard moment <= timers.now else { flushTimer?.set(moment); return }
        loop.later { [weak self] in self?.flush() }
    }

    private func flush() {
        flushAt = nil
        submit()
    }

    // MARK: Rules that others remove

    private func watchRules() {
        guard watch == nil else { return }
        do {
            let monitor = try TableMonitor(table: "evbd-guests", exceptBy: KernelWorker.threadName)
            watch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in
                guard monitor.drain() else { return }
                self?.losses += 1
                self?.suspects.formUnion(monitor.takeLostChains())
                self?.lookForRules()
            }
        } catch {
            logger.alert(.enforcementFailed).warning(
                "evbd will not notice when the guest filter is flushed", metadata: ["reason": "\(error)"])
        }
        comparisonTimer = timers.timer { [weak self] in self?.lookForRules() }
        comparisonTimer?.set(timers.now + comparisonPeriod)
    }

    private func lookForRules() {
        let began = timers.now
        comparisonTimer?.set(began + comparisonPeriod)
        // Rules that are on their way are in force before the listing is made.
        guard !inForce.isEmpty || changing.isBusy else { return suspects = [] }
        // The listing under way may be older than this removal; then there is another after it.
        let (all, next) = (suspects, looking.next { suspects })
        guard let (_, turn) = next else { return }
        suspects = []
        _ = programmer.perform(Self.list) { [weak self] answer in
            guard let self, let ended = looking.ended(turn) else { return }
            restore(Self.listing(answer), suspects: all)
            if case .listed(let listings) = answer { onListing?(listings.reduce(0) { $0 + $1.utf8.count }) }
            lookTime = timers.now.since(began)
            comparisonTimer?.set(began + max(comparisonPeriod, lookTime * Self.spentShare))
            if ended.mustCompare { lookForRules() }
        }
    }

    private func restore(_ listing: GuestRulesListing, suspects: Set<String>) {
        // A rule that was replaced is as good as gone.
        let areSharedGone = !suspects.isDisjoint(with: GuestRules.declaredRuleCounts.keys)
        let missing = inForce.filter { _, rules in
            if areSharedGone || !suspects.isEmpty && rules.ruleCounts.keys.contains(where: { Self.isOf(suspects, $0) })
            {
                return true
            }
            return rules.ruleCounts.merging(GuestRules.declaredRuleCounts) { first, _ in first }.contains {
                chain, count in
                listing.ruleCounts[chain, default: 0] < count
            }
        }
        // What is under way may be missing too, which is nothing to tell.
        let isSettled = closedQueue.isEmpty && !changing.isBusy
        let refilled = refillClosed.filter { index, refill in
            let present = listing.closed[index] ?? []
            closedQueue.lost(allBut: present, port: index)
            return refill(present)
        }.count
        if missing.isEmpty { unrestored = [] }
        restoreFailures = unrestored.isEmpty ? 0 : restoreFailures + 1
        guard !missing.isEmpty || refilled > 0 && isSettled else { return }
        logger.alert(.enforcementFailed).log(
            level: unrestored.isEmpty ? .warning : .debug,
            "another process has removed rules of the guest filter; restoring them",
            metadata: ["links": "\(missing.count)", "address sets": "\(refilled)"])
        losses += 1
        for (key, rules) in missing {
            change(rules) { [weak self] problem in
                if let problem { self?.restoringFailed(key, problem) } else { self?.unrestored.remove(key) }
            }
        }
    }

    /// Rules that another process has removed cannot be set up again now. They are looked for again, the later the more often.
    private func restoringFailed(_ key: String, _ problem: String) {
        guard inForce[key] != nil else { return }
        if unrestored.insert(key).inserted {
            logger.alert(.enforcementFailed).error(
                "the guest filter cannot be set up again; trying again", metadata: ["problem": "\(problem)"])
        }
        let delay = Interval.seconds(1 << UInt64(min(restoreFailures, 5)))
        comparisonTimer?.set(timers.now + max(delay, lookTime * Self.retryShare))
    }

    /// Whether a chain is among some that are named without the family of their table.
    private static func isOf(_ names: Set<String>, _ key: String) -> Bool {
        names.contains(key.split(separator: " ").last.map(String.init) ?? key)
    }

    // MARK: What an earlier evbd has left

    /// The rules that were asked for since the start; nil once what an earlier evbd has left is removed.
    private var wanted: Set<String>? = []

    /// Removes rules that an earlier evbd has left and that no port of this one has asked for.
    package func releaseLeftovers() {
        guard let wanted else { return }
        for index in former.links where !wanted.contains(GuestRules.chains("link", index).out) { release(link: index) }
        let ports = Set(former.ports).union(former.closed.keys)
        for index in ports.sorted() where !wanted.contains(GuestRules.chains("port", index).out) {
            release(port: index)
        }
        if former.keepsHostOff, !wanted.contains(GuestRules.hostTables[0]) { letHostOn() }
        self.wanted = nil
    }

    /// Removes the rules that keep the host's IP off links: there are none of ours any more.
    func letHostOn() {
        hostShield = .none
        for table in GuestRules.hostTables {
            release(table, GuestRules.Change(commands: GuestRules.removeTable(table)))
        }
    }

    // MARK: The worker

    // Not kept: LeakSanitizer does not see the array in a global with a tag in its pointer.
    private static var list: NftablesOperation {
        .list(([GuestRules.table] + GuestRules.hostTables).map { "table \($0)" })
    }

    private static func listing(_ answer: NftablesOperation.Answer?) -> GuestRulesListing {
        if case .listed(let listings)? = answer { GuestRulesListing(json: listings) } else { GuestRulesListing() }
    }

    private func operation(_ changes: [GuestRules.Change]) -> NftablesOperation {
        let isDeclared = watch != nil && declaredAfter == losses
        return .change(changes.map { $0.operation(isDirect: isDeclared) }, declaration: GuestRules.declaration)
    }

    private func change(
        _ change: GuestRules.Change, releasing port: Int32? = nil, isCreation: Bool = false, then: @escaping Completion
    ) {
        waiting.append(Waiting(change: change, releasedPort: port, isCreation: isCreation, then: then))
        if !isHeld { submit() }
    }

    /// Whether the rules that wait are all of new links, and wait for those of more.
    private var isHeld: Bool {
        gathering?.holds(newLinks: waiting.count) == true && waiting.allSatisfy(\.isCreation)
    }

    /// What goes to the worker together, in this order.
    private struct Batch {
        /// Closed addresses. First: a link that is about to be set up has its address open by then.
        var closed: [GuestRules.Change] = []
        var items: [Waiting] = []
        /// Closed addresses of ports whose sets are deleted by these items, and begin again.
        var closedAfter: [GuestRules.Change] = []

        var changes: [GuestRules.Change] { closed + items.map(\.change) + closedAfter }
        var isEmpty: Bool { closed.isEmpty && items.isEmpty && closedAfter.isEmpty }
    }

    /// Takes what goes next; closed addresses that are due later than `moment` stay.
    private func nextBatch(dueBy moment: Instant?) -> Batch {
        var batch = Batch(closed: closedQueue.take(dueBy: moment), items: Array(waiting.prefix(Self.batchMax)))
        waiting.removeFirst(batch.items.count)
        let released = batch.items.compactMap(\.releasedPort)
        guard !released.isEmpty else { return batch }
        for index in released { closedQueue.releaseBegins(port: index) }
        batch.closedAfter = closedQueue.take(dueBy: moment)
        return batch
    }

    /// Whether the kernel has all that was asked for.
    package var isSettled: Bool { !changing.isBusy && waiting.isEmpty && closedQueue.isEmpty }

    private func submit() {
        let isBusy = changing.isBusy
        let next = changing.next {
            let batch = nextBatch(dueBy: timers.now)
            return batch.isEmpty ? nil : batch
        }
        // The end of what is under way looks for more.
        if !isBusy, flushAt == nil, let due = closedQueue.nextDue(now: timers.now) {
            flush(at: max(due, timers.now + Self.closingGap))
        }
        guard let (batch, turn) = next else { return }
        let (began, losses) = (timers.now, losses)
        let isTaken = programmer.perform(operation(batch.changes)) { [weak self] answer in
            guard let self, changing.ended(turn) != nil else { return }
            lastChangeTime = timers.now.since(began)
            if case .changed(let problems)? = answer, problems.contains(nil) { declaredAfter = losses }
            ended(batch, answer)
        }
        guard !isTaken else { return }
        changing.reset()
        closedQueue.done()
        for item in batch.items { item.then("evbd is stopping") }
    }

    private func ended(_ batch: Batch, _ answer: NftablesOperation.Answer?) {
        // Without an answer the worker has ended before it came to this.
        let cancelled = batch.changes.map { _ in Optional("evbd is stopping") }
        let problems = if case .changed(let problems)? = answer { problems } else { cancelled }
        let ofItems = Array(problems.dropFirst(batch.closed.count).prefix(batch.items.count))
        let ofClosed = problems.prefix(batch.closed.count) + problems.suffix(batch.closedAfter.count)
        let refusal = ofClosed.compactMap(\.self).first
        if let refusal { closingFailed(refusal) }
        lastChangeAt = timers.now
        closedQueue.done()
        gathering?.transactionEnded(newLinks: batch.items.count(where: \.isCreation))
        for (item, problem) in zip(batch.items, ofItems) { item.then(problem) }
        goOn()
    }

    /// Closed addresses are not as they are to be; the changes are tried again.
    private func closingFailed(_ problem: String) {
        logger.alert(.enforcementFailed).error(
            "nftables refuses a change of the addresses that may not send; trying again",
            metadata: ["problem": "\(problem)"])
        let retry = timers.now + Self.closedRetry
        closedQueue.failed(problem, due: retry)
        flush(at: retry)
    }

    /// Gives all that waits to the worker, which is about to end: evbd stops.
    package func finish() {
        while !waiting.isEmpty || !closedQueue.isEmpty {
            guard programmer.perform(operation(nextBatch(dueBy: nil).changes), completion: { _ in }) else { return }
        }
    }

    /// Makes the changes that came meanwhile, and those that the last transaction had no room for. Closed addresses alone have their
    /// own time; what was refused waits for its next attempt.
    private func goOn() {
        if closedQueue.hasLeftSome || (waiting.isEmpty ? flushAt == nil : !isHeld) { return submit() }
        if let flushAt, flushAt <= timers.now { submit() }
    }
}

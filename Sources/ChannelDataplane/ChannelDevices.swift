package import Dataplane
internal import EVBLog
package import EVBTime
package import EventLoop
package import Logging
internal import Netlink
internal import Nftables

/// The devices of an uplink's S-channels, and the rules by which no frame gets from one channel into another: made as a plan wants
/// it, kept so, and taken over from an earlier evbd without a moment without them.
///
/// A channel's device is an 802.1ad VLAN device on the uplink. One that gets another S-VLAN keeps its device and all links on it: the
/// rules translate. Whose rules others flush gets them back at once, with its channels up: to set links of machines down would take
/// longer, and be noticed more. Where the rules cannot be put back the channels go down until they can.
package final class ChannelDevices {
    /// What all uplinks have in common.
    package struct Room {
        package let programmer: KernelQueue
        package let table: LinkTable
        package let timers: Timers
        package let loop: EventLoop

        package init(programmer: KernelQueue, table: LinkTable, timers: Timers, loop: EventLoop) {
            self.programmer = programmer
            self.table = table
            self.timers = timers
            self.loop = loop
        }
    }

    /// How far apart the rules are read again, as news of them may be lost.
    private let period: Interval
    /// How long news of links are gathered.
    private static let newsPause = Interval.milliseconds(10)
    /// The same step is taken again no sooner: two who fight over a link do so slowly.
    /// Changes of devices that are given to the kernel's queue at a time.
    private static let stepsMax = 32
    private static let patience = Interval.milliseconds(500)
    /// The same for rules, without which frames may go astray.
    private static let rulePatience = Interval.milliseconds(50)
    /// The pauses after a step has failed: the first, which doubles, and the last.
    private static let pauses = (first: Interval.seconds(1), last: Interval.seconds(32))

    private let room: Room
    private let logger: Logger
    private var plan: ChannelPlan
    private var phase = Phase.running
    /// The steps under way: one about rules, or some about devices.
    private var reconciler = Reconciler<[UplinkStep]>()
    /// How many of the steps under way are not done.
    private var outstanding = 0
    private var monitor: TrafficMonitor?
    private var watch: EventLoop.Watch?
    private var timer: Timers.Timer?
    private var comparisonTimer: Timers.Timer?
    private var isComparing = false
    private var newsTimer: Timers.Timer?
    private var isNewsPending = false
    /// The uplink whose rules are known, and these.
    private var rules: (index: Int32, state: UplinkState.Rules)?
    /// The rule for what a bridge forwards to the uplink, where that is a bridge's port.
    private var forwarding = UplinkState.Forwarding.unknown
    /// Whether news came while a step about rules was under way: its answer may be older than what they tell.
    private var isAnswerOld = false
    private var tableMonitor: TableMonitor?
    private var tableWatch: EventLoop.Watch?
    /// The devices as they were last, by name.
    private var seen: [String: (index: Int32, vlanID: UInt16)] = [:]
    /// Devices that have got their alias: of a device that is down the kernel sends no news of that.
    private var marked: Set<Int32> = []
    /// When each step was taken last, and how often it has failed since it last succeeded.
    private var history: [UplinkStep: Attempt] = [:]
    private var planFailures: [ChannelFailure] = []
    private var stepFailures: [UplinkStep: ChannelFailure] = [:]

    private struct Attempt {
        var failures = 0
        /// Until when it is not taken again.
        var rest: Instant
    }

    /// Itself, until all is taken back.
    private var keeper: ChannelDevices?

    private enum Phase {
        case running
        case removing([() -> Void])
        case finished
    }

    /// What is not as wanted, and why: shown as problems of the uplink.
    package private(set) var failures: [ChannelFailure] = []
    /// Called when `failures` or `isSettled` has changed.
    package var onChange: (() -> Void)?
    /// Whether all devices and rules are as wanted, or cannot be.
    package private(set) var isSettled = false

    /// Begins to make it so.
    ///
    /// A plan must have the S-VLANs that hold at the start: channels without one go down.
    ///
    /// - Parameters:
    ///   - plan: what is to be.
    ///   - room: what all uplinks have in common.
    ///   - logger: where it reports.
    ///   - period: how far apart the rules are read again.
    package init(plan: ChannelPlan, _ room: Room, logger: Logger, period: Interval = .seconds(30)) {
        self.plan = plan
        self.room = room
        self.logger = logger
        self.period = period
        timer = room.timers.timer { [weak self] in self?.compare() }
        newsTimer = room.timers.timer { [weak self] in
            self?.isNewsPending = false
            self?.compareSoon()
        }
        comparisonTimer = room.timers.timer { [weak self] in self?.compareAll() }
        comparisonTimer?.set(room.timers.now + period)
        listen()
        compareSoon()
    }

    private func listen() {
        do {
            let monitor = try TrafficMonitor()
            watch = try room.loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in self?.hear() }
            self.monitor = monitor
        } catch {
            logger.warning(
                "changes of tc rules cannot be heard; they are looked at every \(period.nanoseconds / 1_000_000_000) s",
                metadata: ["uplink": "\(plan.uplink)", "error": "\(error)"])
        }
    }

    /// Makes it so by another plan for the same uplink.
    package func want(_ plan: ChannelPlan) {
        guard plan != self.plan else { return }
        self.plan = plan
        history = [:]
        stepFailures = [:]
        compareSoon()
    }

    /// A link has changed: the uplink, a channel's device, a bridge or any other.
    package func linkChanged(_ name: String) {
        guard concerns(name) else { return }
        // News of many links come together, and all devices are compared for each.
        guard !isNewsPending else { return }
        isNewsPending = true
        newsTimer?.set(room.timers.now + Self.newsPause)
    }

    private func concerns(_ name: String) -> Bool {
        if name == plan.uplink || seen[name] != nil { return true }
        if plan.channels.contains(where: { $0.name == name || $0.bridge == name }) { return true }
        return room.table[name]?.alias == UplinkPlan.alias
    }

    /// Takes all back: the devices that evbd has made, with all that is on them, and the rules.
    ///
    /// - Parameter then: is called when all that could be taken back is.
    package func remove(then: @escaping () -> Void) {
        switch phase {
        case .running: phase = .removing([then])
        case .removing(let waiting): phase = .removing(waiting + [then])
        case .finished: return then()
        }
        // Who has given the uplink up does not wait for the end.
        keeper = self
        plan.channels = []
        compareSoon()
    }

    /// evbd stops: all stays in force for the next evbd.
    package func finish() {
        if case .removing(let waiting) = phase { waiting.forEach { $0() } }
        phase = .finished
        keeper = nil
        stopListening()
        timer = nil
        newsTimer = nil
        comparisonTimer = nil
        reconciler.reset()
    }

    // MARK: News

    private func hear() {
        guard let monitor else { return }
        let changed = monitor.receive()
        guard let rules, changed?.contains(rules.index) ?? true else { return }
        isAnswerOld = true
        if case .known(let last) = rules.state { self.rules?.state = .unknown(last: last) }
        compareSoon()
    }

    /// Hears no more news of rules, for tests.
    func deafen() {
        stopListening()
    }

    private func compareAll() {
        comparisonTimer?.set(room.timers.now + period)
        if case .known(let last) = rules?.state { rules?.state = .unknown(last: last) }
        if forwarding != .failed { forwarding = .unknown }
        compareSoon()
    }

    /// Hears of the rule for forwarded frames, once there is one.
    private func listenToTables() {
        guard tableMonitor == nil else { return }
        // Where that fails the comparison finds what is missing.
        guard
            let monitor = try? TableMonitor(
                table: ForwardingRule(uplink: plan.uplink).table, exceptBy: KernelWorker.threadName)
        else { return }
        tableMonitor = monitor
        tableWatch = try? room.loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in
            guard let self, let tableMonitor, tableMonitor.drain(), forwarding != .failed else { return }
            isAnswerOld = true
            forwarding = .unknown
            compareSoon()
        }
    }

    private func stopListening() {
        for watch in [watch, tableWatch] { watch?.cancel() }
        (watch, tableWatch, monitor, tableMonitor) = (nil, nil, nil, nil)
    }

    /// Compares in a later turn of the loop: of many news at once, one is enough.
    private func compareSoon() {
        guard !isComparing else { return }
        isComparing = true
        room.loop.later { [weak self] in
            self?.isComparing = false
            self?.compare()
        }
    }

    // MARK: Comparing

    private func compare() {
        if case .finished = phase { return }
        let next = reconciler.next { [self] in
            room.table.catchUp()
            let state = look()
            let wanted = UplinkPlan(plan, state)
            planFailures = wanted.failures
            return choose(wanted.steps)
        }
        guard let next else {
            if !reconciler.isBusy { rest() }
            return
        }
        note(settled: false)
        outstanding = next.step.count
        for step in next.step { perform(step, next.turn) }
    }

    /// What the kernel has, by the table of links.
    private func look() -> UplinkState {
        var state = UplinkState()
        guard let uplink = room.table[plan.uplink] else {
            rules = nil
            seen = [:]
            return state
        }
        state.uplink = uplink
        for link in room.table.links(alias: UplinkPlan.alias) where link.parentIndex == uplink.index {
            state.devices[link.name] = link
        }
        marked = marked.filter { room.table[$0] != nil }
        for link in marked.compactMap({ room.table[$0] }) where link.parentIndex == uplink.index {
            state.devices[link.name] = link
        }
        var isAnyMissing = false
        for channel in plan.channels {
            if let link = room.table[channel.name] { state.devices[channel.name] = link }
            if state.devices[channel.name] == nil { isAnyMissing = true }
            if let bridge = channel.bridge, state.bridges[bridge] == nil { state.bridges[bridge] = room.table[bridge] }
        }
        for (name, last) in seen where state.devices[name] == nil && room.table.isElsewhere(last.index) {
            state.departed[name] = last.vlanID
        }
        for (name, link) in state.devices where marked.contains(link.index) {
            state.devices[name]?.alias = UplinkPlan.alias
        }
        seen = state.departed.reduce(into: [:]) { $0[$1.key] = seen[$1.key] }
        for (name, link) in state.devices where UplinkPlan.isServiceDevice(link, of: uplink) {
            seen[name] = (link.index, link.vlanID ?? 0)
        }
        // Looks at all links of the host.
        if isAnyMissing {
            let others = room.table.all { UplinkPlan.isServiceDevice($0, of: uplink) }
            state.usedIDs = Set(others.compactMap(\.vlanID))
        }
        if rules?.index != uplink.index { rules = (uplink.index, .unknown(last: nil)) }
        state.rules = rules?.state ?? .unknown(last: nil)
        state.isBridgePort = uplink.masterIndex.flatMap { room.table[$0] }?.kind == "bridge"
        if state.isBridgePort { listenToTables() }
        state.forwarding = forwarding
        return state
    }

    /// The steps to take now: those that do not wait, up to the first about rules, which is taken alone.
    private func choose(_ steps: [UplinkStep]) -> [UplinkStep]? {
        let now = room.timers.now
        isPending = !steps.isEmpty
        let haveRulesFailed = rules?.state == .failed || forwarding == .failed
        stepFailures = stepFailures.filter { steps.contains($0.key) || haveRulesFailed && $0.key.isAboutRules }
        var earliest: Instant?
        defer { timer?.set(earliest) }
        var chosen: [UplinkStep] = []
        for step in steps {
            if let attempt = history[step], attempt.rest > now {
                earliest = Instant.earliest(earliest, attempt.rest)
            } else if step.isAboutRules {
                return chosen.isEmpty ? [step] : chosen
            } else {
                chosen.append(step)
                if chosen.count == Self.stepsMax { return chosen }
            }
        }
        guard chosen.isEmpty else { return chosen }
        return retriedRules(now, &earliest)
    }

    /// The step by which rules that have failed are tried again, once it is time.
    private func retriedRules(_ now: Instant, _ earliest: inout Instant?) -> [UplinkStep]? {
        guard let rest = ruleRest else { return nil }
        guard rest <= now else {
            earliest = Instant.earliest(earliest, rest)
            return nil
        }
        ruleRest = nil
        if forwarding == .failed { forwarding = .unknown }
        if case .failed = rules?.state { rules?.state = .unknown(last: nil) }
        return rules.map { [.readRules(index: $0.index)] }
    }

    /// Whether steps wait.
    private var isPending = false
    /// When the rules are tried again.
    private var ruleRest: Instant?
    private var ruleFailures = 0

    // MARK: Steps

    private func perform(_ step: UplinkStep, _ turn: Reconciler<[UplinkStep]>.Turn) {
        func change(_ command: LinkCommand) {
            _ = room.programmer.submit(command, of: plan.uplink) { [weak self] result in
                if case .success(let link?) = result, link.alias == UplinkPlan.alias { self?.marked.insert(link.index) }
                self?.ended(step, turn, result.map { _ in nil })
            }
        }
        func rule(_ operation: RuleOperation) {
            _ = room.programmer.perform(operation, of: plan.uplink) { [weak self] answer in
                let cancelled = NetlinkError(operation: "change rules", kind: .cancelled, reason: "The queue has ended")
                self?.ended(step, turn, (answer ?? .failure(cancelled)).map { $0 })
            }
        }
        func forward(_ operation: NftablesOperation) {
            _ = room.programmer.perform(operation, of: plan.uplink) { [weak self] answer in
                self?.ended(step, turn, self?.taken(answer) ?? .success(nil))
            }
        }
        if step.isAboutRules { isAnswerOld = false }
        switch step {
        case .mark(_, let index): change(.setAlias(index: index, UplinkPlan.alias))
        case .delete(_, let index): change(.delete(index: index))
        case .setDown(_, let index): change(.setUp(index: index, false))
        case .create(let device): change(.createVLAN(device))
        case .setMTU(_, let index, let mtu): change(.setMTU(index: index, mtu))
        case .setMaster(_, let index, let bridge): change(.setMaster(index: index, bridgeIndex: bridge))
        case .readRules(let index): rule(.read(index: index))
        case .installRules(let index, let wanted): rule(.install(index: index, wanted))
        case .readForwarding: forward(ForwardingRule(uplink: plan.uplink).reading)
        case .installForwarding: forward(ForwardingRule(uplink: plan.uplink).installation)
        case .setUp(_, let index): change(.setUp(index: index, true))
        }
    }

    private func ended(
        _ step: UplinkStep, _ turn: Reconciler<[UplinkStep]>.Turn, _ result: Result<TrafficListing?, NetlinkError>
    ) {
        outstanding -= 1
        switch result {
        case .success(let listing):
            stepFailures[step] = nil
            history[step] = Attempt(rest: room.timers.now + (step.isAboutRules ? Self.rulePatience : Self.patience))
            if let listing { take(listing, step) } else { logger.debug("S-channel: \(step)") }
        case .failure(let error): failed(step, error)
        }
        guard outstanding == 0, reconciler.ended(turn) != nil else { return }
        // Of steps that are not planned any more nothing has to be known.
        if history.count > 4 * ChannelPlan.channelsMax { history = history.filter { $0.value.rest > room.timers.now } }
        compareSoon()
    }

    private func take(_ listing: TrafficListing, _ step: UplinkStep) {
        let isInstalled = if case .installRules = step { true } else { false }
        if !isInstalled, case .unknown(let last?) = rules?.state, UplinkRules.isPoorer(listing, than: last) {
            logger.alert(.enforcementFailed).warning(
                "another program has removed evbd's tc rules of \(plan.uplink); putting them back",
                metadata: ["uplink": "\(plan.uplink)"])
        }
        if isInstalled {
            ruleFailures = 0
            stepFailures = stepFailures.filter { !$0.key.isAboutRules }
        }
        rules?.state = isAnswerOld ? .unknown(last: listing) : .known(listing)
    }

    /// What has come of an operation on the rule for forwarded frames.
    private func taken(_ answer: NftablesOperation.Answer?) -> Result<TrafficListing?, NetlinkError> {
        switch answer {
        case .listed(let listing):
            forwarding = isAnswerOld ? .unknown : ForwardingRule.stands(in: listing) ? .present : .absent
        case .changed(let problems):
            if let problem = problems.compactMap(\.self).first {
                return .failure(NetlinkError(operation: "change nftables", kind: .other, reason: problem))
            }
            forwarding = isAnswerOld ? .unknown : .present
            ruleFailures = 0
        case nil:
            return .failure(NetlinkError(operation: "change nftables", kind: .cancelled, reason: "The queue has ended"))
        }
        return .success(nil)
    }

    private func failed(_ step: UplinkStep, _ error: NetlinkError) {
        // What is gone is no failure: the table says so by the next comparison, or by news that come.
        guard error.kind != .cancelled else { return }
        let failures = (history[step]?.failures ?? 0) + 1
        history[step] = Attempt(failures: failures, rest: room.timers.now + Self.pause(failures))
        let failure = ChannelFailure(step, error, uplink: plan.uplink)
        if step.isAboutRules {
            ruleFailures += 1
            switch step {
            case .readForwarding, .installForwarding: forwarding = .failed
            default: rules?.state = .failed
            }
            ruleRest = room.timers.now + Self.pause(ruleFailures)
        }
        guard stepFailures[step] != failure else { return }
        stepFailures[step] = failure
        guard error.kind != .notFound || failures > 1 else { return }
        logger.alert(.enforcementFailed).error(
            "\(failure.message); \(failure.hint)",
            metadata: ["uplink": "\(plan.uplink)", "channel": "\(failure.subject)"])
    }

    private static func pause(_ failures: Int) -> Interval {
        min(pauses.first * (1 << UInt64(min(max(failures - 1, 0), 5))), pauses.last)
    }

    // MARK: The end of all steps

    /// Nothing is to be done now.
    private func rest() {
        if case .removing(let waiting) = phase { return takeRulesBack(waiting) }
        note(settled: !isPending)
    }

    private func note(settled: Bool) {
        let current =
            reconciler.isBusy ? failures : planFailures + stepFailures.map(\.value).sorted { $0.message < $1.message }
        guard settled != isSettled || current != failures else { return }
        isSettled = settled
        failures = current
        onChange?()
    }

    private func takeRulesBack(_ waiting: [() -> Void]) {
        phase = .finished
        comparisonTimer = nil
        timer = nil
        stopListening()
        func done() {
            keeper = nil
            waiting.forEach { $0() }
        }
        // Whether or not the uplink is a bridge's port by now.
        if forwarding != .absent {
            _ = room.programmer.perform(ForwardingRule(uplink: plan.uplink).removal, of: plan.uplink) { _ in }
        }
        guard let uplink = room.table[plan.uplink] else { return done() }
        let isTaken = room.programmer.perform(RuleOperation.remove(index: uplink.index), of: plan.uplink) {
            [logger, plan] answer in
            if case .failure(let error) = answer {
                logger.error("the tc rules of \(plan.uplink) cannot be removed", metadata: ["error": "\(error)"])
            }
            done()
        }
        if !isTaken { done() }
    }
}

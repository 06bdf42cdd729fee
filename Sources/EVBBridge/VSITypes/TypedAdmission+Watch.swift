internal import BridgeDataplane
internal import Dataplane
internal import EVBLog
internal import EVBTime
internal import EVBWire
internal import EventLoop
internal import LinuxSystem
internal import Logging
internal import Netlink
internal import Nftables

/// Keeps what is in force at ports in force: the kernel tells what goes, and as news get lost, all is compared now and then.
extension TypedAdmission {
    /// How long news of a bridge are gathered: evbd's own changes are among them, and where many VLANs change there are many.
    private static let newsDelay = Interval.milliseconds(100)
    /// How long after news of a bridge the next are taken. Each of evbd's own changes is news, and the loop, which goes first, would
    /// interrupt the worker ten thousand times.
    private static let newsPause = Interval.milliseconds(5)
    /// How long a whole comparison because of news waits at most while the port's own changes are made.
    private static let newsPatience = Interval.seconds(5)
    /// Comparisons because of news take at most about one part in so many of the worker's time.
    private static let newsShare: UInt64 = 10
    /// Regular comparisons take at most one part in so many of the worker's time.
    private static let spentShare: UInt64 = 100
    /// Items that a log line names.
    private static let namesMax = 8
    /// How long after failures in a row something is put back again: each time twice as long, up to 32 times.
    private func delay(after failures: Int) -> Interval {
        retryDelay * (1 << UInt64(min(max(failures, 1), 6) - 1))
    }

    // MARK: News

    /// Watches over rules and entries, from now on.
    package func watchRules() {
        if ruleWatch == nil {
            do {
                let monitor = try TableMonitor(table: PortRules.tableName, exceptBy: KernelWorker.threadName)
                ruleWatch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in
                    if monitor.drain() { self?.restoreRules() }
                }
            } catch {
                logger.alert(.enforcementFailed).warning(
                    "evbd will not notice when its rules are flushed", metadata: ["reason": "\(error)"])
            }
        }
        if bridgeWatch == nil {
            do {
                let monitor = try BridgeMonitor()
                bridgeWatch = try loop.watch(monitor.descriptor, for: .readable) { [weak self] _ in
                    monitor.receive { self?.take($0) }
                    self?.pauseBridgeNews()
                }
            } catch {
                logger.alert(.enforcementFailed).warning(
                    "evbd will not notice at once when forwarding entries are removed",
                    metadata: ["reason": "\(error)"])
            }
        }
        guard comparisonTimer == nil else { return }
        comparisonTimer = timers.timer { [weak self] in self?.compareAll() }
        comparisonTimer?.set(timers.now + comparisonPeriod)
    }

    private func pauseBridgeNews() {
        if newsTimer == nil { newsTimer = timers.timer { [weak self] in self?.bridgeWatch?.update(.readable) } }
        bridgeWatch?.update([])
        newsTimer?.set(timers.now + Self.newsPause)
    }

    /// Ends that.
    func endWatch() {
        ruleWatch?.cancel()
        bridgeWatch?.cancel()
        (ruleWatch, bridgeWatch, newsTimer, comparisonTimer, restoreTimer) = (nil, nil, nil, nil, nil)
        misses.end()
        restoreFailures = 0
    }

    /// Sets the rules up again: another process has removed some, and until they are back frames pass.
    private func restoreRules() {
        let next = restoring.next { true }
        guard let (_, turn) = next else { return }
        _ = programmer.perform(BridgeOperation.restoreRules) { [weak self] answer in
            guard let self, let ended = restoring.ended(turn) else { return }
            switch answer {
            case .restored:
                restoreFailures = 0
                logger.alert(.enforcementFailed).warning(
                    "another process has removed rules of VSI types; they are set up again")
                for name in ports.keys { compare(name, Comparison(rules: true)) }
            case .failed(let error):
                restoreFailures += 1
                logger.alert(.enforcementFailed).log(
                    level: restoreFailures == 1 ? .error : .debug,
                    "another process has removed rules of VSI types, and they cannot be set up again; trying again",
                    metadata: ["reason": "\(error)"])
                if restoreTimer == nil { restoreTimer = timers.timer { [weak self] in self?.restoreRules() } }
                restoreTimer?.set(timers.now + delay(after: restoreFailures))
            case .done, .attached, .changed, .compared, .overlay, .tables, nil: break
            }
            if ended.mustCompare { restoreRules() }
        }
    }

    /// Takes news of a bridge.
    func take(_ event: BridgeEvent) {
        switch event {
        case .entryRemoved(let entry, let index): gather(index, Comparison(entries: [entry]))
        case .portChanged(let index):
            // A VXLAN port that comes or goes changes what all ports of the bridge are to have.
            if registry.isTunnel(index) { for name in ports.keys { gather(name, Comparison(isWhole: true)) } }
            gather(index, Comparison(isWhole: true))
        case .overrun: for name in ports.keys { gather(name, Comparison(isWhole: true)) }
        }
    }

    private func gather(_ index: Int32, _ comparison: Comparison) {
        // The table of links may hear of a new port later than this.
        let name = registry.linkName(index) ?? Links.name(ofIndex: index)
        guard ports[name] == nil else { return gather(name, comparison) }
        // It has gone from another port: from a VXLAN port, where another box has let the address go.
        if !comparison.isWhole { for name in ports.keys { gather(name, comparison) } }
    }

    private func gather(_ name: String, _ comparison: Comparison) {
        guard let port = ports[name], port.isAttached else { return }
        port.watch.gathered.add(comparison)
        guard !port.watch.isGathering else { return }
        port.watch.isGathering = true
        port.watch.gatheredSince = timers.now
        if port.watch.timer == nil {
            port.watch.timer = timers.timer { [weak self, weak port] in
                guard let self, let port, ports[name] === port else { return }
                // A port that goes down has thousands to take back. To compare all of that first would keep the other ports waiting
                // for a tenth of a second, and what is left afterwards is compared soon.
                if port.watch.gathered.isWhole, port.isActive,
                    timers.now.since(port.watch.gatheredSince) < Self.newsPatience
                {
                    port.watch.timer?.set(timers.now + Self.newsDelay)
                    return
                }
                port.watch.endGathering()
                compareNext(port, name)
            }
        }
        // Whole comparisons take their time, and own changes of VLANs ask for them too.
        let spent = Interval(nanoseconds: port.watch.spent)
        port.watch.timer?.set(timers.now + max(Self.newsDelay, spent * Self.newsShare))
    }

    // MARK: Comparisons

    /// Compares all that is in force at all ports.
    private func compareAll() {
        var spent: UInt64 = 0
        for (name, port) in ports {
            spent &+= port.watch.spent
            compare(
                name,
                Comparison(
                    isWhole: true, rules: true, itemsMax: Comparison.regularItemsMax,
                    wholeMax: Comparison.regularItemsMax))
        }
        comparisonTimer?.set(
            timers.now + max(comparisonPeriod, Interval(nanoseconds: spent) * Self.spentShare))
    }

    private func compare(_ name: String, _ comparison: Comparison) {
        guard let port = ports[name], port.isAttached else { return }
        port.watch.pending.add(comparison)
        compareNext(port, name)
    }

    private func compareNext(_ port: Port, _ name: String) {
        guard !port.watch.comparing.isBusy, let comparison = port.watch.takePending() else { return }
        let turn = port.watch.comparing.begin(comparison)
        _ = programmer.perform(BridgeOperation.compare(name, comparison), of: name) { [weak self, weak port] answer in
            guard let self, let port, ports[name] === port, port.watch.comparing.ended(turn) != nil else { return }
            if case .compared(let repair)? = answer {
                report(repair, of: comparison, port, name)
                if let problems = repair.overlay { noteOverlay(problems, port, name) }
                if let tables = repair.tables { noteTables(tables) }
                if repair.isUnfinished { port.watch.pending.add(comparison) }
                retry(repair, of: comparison, port, name)
            }
            compareNext(port, name)
        }
    }

    /// What could not be compared or put back is tried again later, also at ports that regular comparisons leave alone.
    private func retry(_ repair: Repair, of comparison: Comparison, _ port: Port, _ name: String) {
        guard port.watch.noteFailures(repair, of: comparison) else { return }
        if port.watch.retryTimer == nil {
            port.watch.retryTimer = timers.timer { [weak self, weak port] in
                guard let self, let port, ports[name] === port else { return }
                port.watch.takeFailures()
                compareNext(port, name)
            }
        }
        let spent = Interval(nanoseconds: port.watch.spent) * Self.newsShare
        port.watch.retryTimer?.set(timers.now + max(delay(after: port.watch.failures), spent))
    }

    // MARK: What is reported

    private func report(_ repair: Repair, of comparison: Comparison, _ port: Port, _ name: String) {
        port.watch.spent = comparison.isWhole ? repair.spent : max(repair.spent, port.watch.spent)
        if !repair.restored.isEmpty {
            logger.alert(.enforcementFailed).warning(
                "forwarding entries or VLANs of VSIs were gone; they are there again",
                metadata: [
                    "port": "\(name)", "count": "\(repair.restored.count)", "what": "\(Self.names(repair.restored))",
                ])
        }
        if repair.reset > 0 {
            logger.notice(
                "VXLAN ports of the bridge have come or gone: forwarding entries of VSIs are set again",
                metadata: ["port": "\(name)", "count": "\(repair.reset)"])
        }
        let elsewhere = Set(repair.elsewhere)
        if !elsewhere.isSubset(of: port.watch.toldElsewhere) {
            logger.notice(
                "another box has addresses of VSIs now; they stay there until the VSI is associated again here or the other box lets them go",
                metadata: ["port": "\(name)", "count": "\(elsewhere.count)", "what": "\(Self.names(repair.elsewhere))"])
        }
        if comparison.isWhole {
            port.watch.toldElsewhere = elsewhere
        } else {
            port.watch.toldElsewhere.formUnion(elsewhere)
        }
        if repair.hadLostRules || repair.elements > 0 {
            logger.alert(.enforcementFailed).warning(
                "rules of VSI types were gone; they are there again",
                metadata: ["port": "\(name)", "elements": "\(repair.elements)"])
        }
        if let problem = repair.problem, port.watch.toldProblem != problem {
            logger.alert(.enforcementFailed).error(
                "what VSIs have at the port cannot be compared with the kernel or put back; trying again",
                metadata: ["port": "\(name)", "reason": "\(problem)"])
        }
        if comparison.rules || comparison.elements != nil { port.watch.toldProblem = repair.problem }
        reportBridge(repair, of: comparison, port, name)
    }

    private func reportBridge(_ repair: Repair, of comparison: Comparison, _ port: Port, _ name: String) {
        let failed = Set(repair.failures.keys)
        if let (_, error) = repair.failures.first, !failed.isSubset(of: port.watch.toldFailures) {
            logger.alert(.enforcementFailed).error(
                "forwarding entries or VLANs of VSIs cannot be put back; trying again",
                metadata: [
                    "port": "\(name)", "count": "\(failed.count)", "what": "\(Self.names(Array(failed)))",
                    "reason": "\(error)",
                ])
        }
        if comparison.isWhole { port.watch.toldFailures = failed } else { port.watch.toldFailures.formUnion(failed) }
        guard repair.outOfBridge > 0 else {
            if comparison.isWhole { port.watch.isToldOutOfBridge = false }
            return
        }
        guard !port.watch.isToldOutOfBridge else { return }
        port.watch.isToldOutOfBridge = true
        logger.alert(.enforcementFailed).warning(
            "the port is in no Linux bridge: forwarding entries and VLANs of its VSIs are gone until it is back",
            metadata: ["port": "\(name)", "count": "\(repair.outOfBridge)"])
    }

    private static func names(_ items: [Imposition]) -> String {
        let names = items.map(PackedImposition.init).sorted().prefix(namesMax).map { item in
            switch item.imposition {
            case .forwarding(let address, 0): "\(address)"
            case .forwarding(let address, let vid): "\(address) in VLAN \(vid)"
            case .member(let vid): "VLAN \(vid)"
            case .quiet: "learning off"
            default: item.imposition.words
            }
        }
        return names.joined(separator: ", ") + (items.count > namesMax ? ", ..." : "")
    }
}

/// What is under way and known of a port's comparisons.
struct PortWatch {
    var comparing = Reconciler<Comparison>()
    /// What is to be compared next.
    var pending = Comparison()
    var timer: Timers.Timer?
    /// Collections whose elements are to be compared, an operation each, so that other ports have their turns in between.
    private var collections: [PortRules.Collection] = []
    /// The limit of their comparison.
    private var itemsMax = Int.max
    /// News are being gathered until the timer fires, in `gathered`: a comparison that ends meanwhile does not take them.
    var isGathering = false
    var gathered = Comparison()
    var gatheredSince = Instant(nanoseconds: 0)
    /// Nanoseconds that the last comparison of all took.
    var spent: UInt64 = 0
    var toldFailures: Set<Imposition> = []
    var toldElsewhere: Set<Imposition> = []
    var toldProblem: EnforcementError?
    var isToldOutOfBridge = false

    /// What has failed and is compared again when the timer fires, and how often in a row something has.
    private var failed = Comparison()
    private var failedCollections: [PortRules.Collection] = []
    private(set) var failures = 0
    var retryTimer: Timers.Timer?

    /// Notes what a comparison could not put back.
    ///
    /// - Returns: Whether there is anything.
    mutating func noteFailures(_ repair: Repair, of comparison: Comparison) -> Bool {
        let wasWaiting = !failed.isEmpty || !failedCollections.isEmpty
        var again = Comparison()
        if repair.problem != nil {
            again = comparison
            again.elements = nil
            if let collection = comparison.elements, !failedCollections.contains(collection) {
                failedCollections.append(collection)
            }
        }
        for item in repair.failures.keys {
            // One by one: at a large port a comparison of all takes seconds.
            if case .forwarding(let address, let vid) = item {
                again.entries.insert(BridgeEntry(address: HardwareAddress(address.rawValue), vid: vid))
            } else {
                again.add(Comparison(isWhole: true, wholeMax: comparison.wholeMax))
            }
        }
        if !again.isEmpty { failed.add(again) }
        guard repair.problem != nil || !repair.failures.isEmpty else {
            if !wasWaiting { failures = 0 }
            return false
        }
        if !wasWaiting { failures += 1 }
        return !wasWaiting
    }

    /// What has failed is compared next.
    mutating func takeFailures() {
        if !failed.isEmpty { pending.add(failed) }
        collections = failedCollections + collections.filter { !failedCollections.contains($0) }
        (failed, failedCollections) = (Comparison(), [])
    }

    mutating func endGathering() {
        isGathering = false
        pending.add(gathered)
        gathered = Comparison()
    }

    mutating func takePending() -> Comparison? {
        guard !pending.isEmpty else {
            return collections.popLast().map { Comparison(elements: $0, itemsMax: itemsMax) }
        }
        defer { pending = Comparison() }
        // Chains first: what is missing there has frames pass.
        if pending.rules { (collections, itemsMax) = (PortRules.Collection.allCases, pending.itemsMax) }
        return pending
    }
}

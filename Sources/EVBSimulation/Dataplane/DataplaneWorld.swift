internal import EVBTime
internal import EVBWire
internal import EdgeRelayMachine

/// One edge relay over a kernel that fails it, with managers and other processes. Time is in milliseconds.
struct DataplaneWorld {
    enum Event {
        case news([SimulatedKernel.News])
        /// News were lost: all links are read.
        case resync
        case begin(VSIID, LinkOperation, life: Int)
        case finish(VSIID, LinkOperation, LinkResult, life: Int)
        case retry(VSIID, life: Int)
        /// After a restart the bridge goes on with a VSI, or does not.
        case bridgeSpeaks(VSIID, life: Int)
        case turmoil
        case quiet
        case release
        case end
    }

    /// What a VSI's manager wants.
    struct Manager {
        var spec: LinkSpec
        /// The VLAN that the bridge grants.
        var vlan: UInt16?
        var desired: DesiredLink?
        /// The bridge has granted it, in this life of evbd.
        var isGranted = false
        /// The bridge has not spoken of it since evbd was started again; its link stays as it is.
        var isResumed = false
        /// Its link was in another namespace, as it is stored.
        var isElsewhere = false
    }

    let options: DataplaneOptions
    var random: SplitMix64
    var kernel = SimulatedKernel()
    var table = SimulatedTable()
    var machine: RelayMachine
    var managers: [VSIID: Manager] = [:]
    var names: [VSIID] = []
    /// News that are sent and not read yet.
    var socket: [SimulatedKernel.News] = []
    var now = 0
    var life = 0
    var isQuiet = false
    var events: [(time: Int, order: Int, event: Event)] = []
    var order = 0
    var count: UInt64 = 0
    var openings: UInt64 = 0
    var trace: [String] = []
    let listener: ((String) -> Void)?
    var violation: Violation?
    /// Operations and waits that the machine has under way.
    var pending = 0

    init(options: DataplaneOptions, listener: ((String) -> Void)?) {
        self.options = options
        self.listener = listener
        random = SplitMix64(seed: options.seed)
        machine = RelayMachine(policy: LinkPolicy(mode: .vepa, isHeld: false, closesGate: true))
        for number in 0..<options.vsis {
            let vsiID = VSIID(format: .local, high: 0, low: UInt64(number) + 1)
            let address = MACAddress(truncating: 0x5254_0000_0000 + UInt64(number))
            let isCreated = number % 3 != 2
            managers[vsiID] = Manager(
                spec: LinkSpec(
                    isCreated ? .created : .found, name: isCreated ? "vm\(number)" : nil, addresses: [address],
                    mode: number % 4 == 3 ? .private : nil, kind: isCreated ? "macvtap" : nil))
            names.append(vsiID)
        }
    }

    // MARK: The run

    mutating func run() -> DataplaneReport {
        add(.turmoil, in: 1)
        add(.quiet, in: Int(options.turmoil.nanoseconds / 1_000_000))
        while violation == nil, let next = popFirst() {
            now = next.time
            count += 1
            if case .end = next.event { break }
            handle(next.event)
            distribute()
            inspect()
        }
        return DataplaneReport(
            seed: options.seed, events: count, openings: openings, seconds: now / 1000, violation: violation)
    }

    mutating func add(_ event: Event, in delay: Int) {
        order += 1
        let entry = (time: now + delay, order: order, event: event)
        var place = events.count
        while place > 0, events[place - 1].time <= entry.time { place -= 1 }
        events.insert(entry, at: place)
    }

    /// The list is in the order of falling time, those of one time in the order of their coming from its end.
    private mutating func popFirst() -> (time: Int, order: Int, event: Event)? { events.popLast() }

    private mutating func handle(_ event: Event) {
        switch event {
        case .news(let news): read(news)
        case .resync: resynchronize()
        case .begin(let vsiID, let operation, let life): begin(vsiID, operation, life)
        case .finish(let vsiID, let operation, let result, let life):
            guard life == self.life else { return }
            pending -= 1
            // What was sent before the answer is read before it is believed.
            if [.gone, .failed(Self.missing)].contains(result) { readSocket() }
            note("finished \(name(vsiID)) \(operation): \(result)")
            perform(machine.finished(vsiID, operation, result, table))
        case .retry(let vsiID, let life):
            guard life == self.life else { return }
            pending -= 1
            perform(machine.observe(.retry(vsiID), table))
        case .bridgeSpeaks(let vsiID, let life):
            guard life == self.life else { return }
            bridgeSpeaks(vsiID)
        case .turmoil: turmoil()
        case .quiet: calm()
        case .release:
            for vsiID in names { want(vsiID, .absent) }
            add(.end, in: 3_600_000)
        case .end: break
        }
    }

    // MARK: News

    /// Sends on what the kernel tells, late, in disorder or not at all.
    private mutating func distribute() {
        let news = kernel.takeNews()
        guard !news.isEmpty else { return }
        guard !random.chance(isQuiet ? 0 : options.lossThousandths) else {
            note("news are lost: \(news.count)")
            socket = []
            return add(.resync, in: random.within(1...300))
        }
        socket += news
        add(.news(news), in: random.within(0...(random.chance(100) ? 400 : 5)))
    }

    private mutating func read(_ news: [SimulatedKernel.News]) {
        for one in news {
            guard let place = socket.firstIndex(of: one) else { continue }
            // The socket keeps the order; what comes before is read too.
            let ready = socket[...place]
            socket.removeSubrange(...place)
            for item in ready { apply(item) }
        }
    }

    private mutating func readSocket() {
        let all = socket
        socket = []
        for item in all { apply(item) }
    }

    private mutating func apply(_ item: SimulatedKernel.News) {
        let before: SimulatedKernel.Link? =
            switch item {
            case .changed(let link): table.links[link.index]
            case .removed(let index), .moved(let index): table.links[index]
            case .port, .namespaceEnded: nil
            }
        table.take(item)
        note("heard \(item)")
        switch item {
        case .port: perform(machine.observe(.port, table))
        case .namespaceEnded: perform(machine.observe(.namespaceEnd, table))
        case .changed(let link):
            if let before, before.name != link.name { tell(before.name, before) }
            tell(link.name, link)
        case .removed, .moved: if let before { tell(before.name, before) }
        }
    }

    private mutating func tell(_ name: String, _ link: SimulatedKernel.Link) {
        perform(
            machine.observe(
                .link(name: name, address: link.address, owner: link.owner, table.link(at: link.index)), table))
    }

    private mutating func resynchronize() {
        socket = []
        let old = table.links
        table.links = kernel.links.filter { $0.value.namespace == 0 }
        // As the table of links forgets that one has left which is there again.
        table.left.subtract(table.links.keys)
        table.portMTU = kernel.portMTU
        for index in Set(old.keys).union(table.links.keys).sorted() where old[index] != table.links[index] {
            if let link = old[index] { tell(link.name, link) }
            if let link = table.links[index] { tell(link.name, link) }
        }
        perform(machine.observe(.port, table))
        perform(machine.observe(.namespaceEnd, table))
    }

    // MARK: Effects

    mutating func want(_ vsiID: VSIID, _ desired: DesiredLink) {
        guard var manager = managers[vsiID] else { return }
        if let spec = desired.spec, machine.refusal(of: spec, for: vsiID) != nil { return }
        note("wanted \(name(vsiID)) \(desired)")
        if desired == .absent, manager.isResumed {
            // As a station does with one that is given up before the bridge has spoken.
            perform(machine.want(vsiID, .down(manager.spec, vlan: manager.vlan), table))
        }
        manager.desired = desired
        manager.isGranted = desired.isUp
        manager.isResumed = false
        managers[vsiID] = manager
        if desired == .absent { table.wanted.remove(vsiID) } else { table.wanted.insert(vsiID) }
        perform(machine.want(vsiID, desired, table))
        if desired == .absent { forgetIfGone(vsiID) }
    }

    private mutating func forgetIfGone(_ vsiID: VSIID) {
        guard machine.slots[vsiID] == nil, managers[vsiID]?.desired == .absent else { return }
        kernel.abandon(vsiID) { table.links[$0] != nil }
        managers[vsiID]?.desired = nil
        managers[vsiID]?.isElsewhere = false
        table.kept[vsiID] = nil
    }

    mutating func perform(_ effects: [RelayEffect]) {
        for effect in effects {
            switch effect {
            case .submit(let vsiID, let operation):
                note("submit \(name(vsiID)) \(operation)")
                checkSubmission(vsiID, operation)
                pending += 1
                add(.begin(vsiID, operation, life: life), in: random.within(0...20))
            case .settled(let vsiID, let failure):
                note("settled \(name(vsiID)) \(failure?.text ?? "")")
                if managers[vsiID]?.desired == .absent { forgetIfGone(vsiID) }
                // As a station does whose link cannot be had.
                if failure != nil, managers[vsiID]?.desired?.isUp == true, machine.slots[vsiID] == nil {
                    managers[vsiID]?.desired = .absent
                    table.wanted.remove(vsiID)
                    forgetIfGone(vsiID)
                }
            case .store(let vsiID):
                guard let slot = machine.slots[vsiID] else { continue }
                managers[vsiID]?.isElsewhere = slot.actual.isElsewhere
                table.kept[vsiID] =
                    slot.actual.ownership == .adopted ? slot.actual.link.map { ($0.index, $0.name) } : nil
            case .discard(_, let link): kernel.delete(link.index)
            case .retryLater(let vsiID, let failures):
                pending += 1
                add(.retry(vsiID, life: life), in: 1000 << min(failures, 5))
            case .report(let vsiID, let report): note("report \(name(vsiID)) \(report)")
            case .removed, .handBack, .vlanUnused: break
            }
        }
    }

    // MARK: The worker

    static let missing = LinkFailure(.notFound, "no such device")

    private mutating func begin(_ vsiID: VSIID, _ operation: LinkOperation, _ life: Int) {
        // What a run that has ended had not given to the kernel is not done.
        guard life == self.life else { return }
        let isRefused = !isQuiet && operation.isRefusable && random.chance(options.refusalThousandths)
        let result = isRefused ? .failed(LinkFailure(.other, "refused")) : make(vsiID, operation)
        add(.finish(vsiID, operation, result, life: life), in: random.within(0...30))
    }

    private mutating func make(_ vsiID: VSIID, _ operation: LinkOperation) -> LinkResult {
        switch operation {
        case .create(let spec, let vlan, let mode):
            let made = kernel.create(
                SimulatedKernel.Link(
                    index: 0, name: spec.name ?? "", owner: vsiID, address: spec.addresses[0], vlan: vlan,
                    kind: spec.kind, mode: mode, mtu: kernel.portMTU))
            guard let made else { return .failed(LinkFailure(.exists, "name is taken")) }
            return .link(table.value(made), .created(vlan: vlan))
        case .locate:
            let link = kernel.links.values.filter { $0.owner == vsiID && !$0.isAbandoned }.min { $0.index < $1.index }
            guard let link else { return .gone }
            return link.namespace == 0 ? .link(table.value(link), .created(vlan: link.vlan)) : .elsewhere
        case .delete(let index):
            guard kernel.links[index]?.namespace == 0 else { return .failed(Self.missing) }
            kernel.delete(index)
            return .gone
        case .look(let index):
            guard let link = kernel.links[index], link.namespace == 0 else { return .gone }
            return .link(table.value(link))
        case .setMode(let index, let mode): return change(index) { $0.mode = mode }
        case .setMTU(let index, let mtu):
            guard mtu <= kernel.portMTU else { return .failed(LinkFailure(.other, "too great")) }
            return change(index) { $0.mtu = mtu }
        case .setUp(let index, let isUp):
            if isUp { openings += 1 }
            return change(index) { $0.isUp = isUp }
        case .keepFromHost, .installFilter, .openAddresses, .adjust, .reset: return .done
        }
    }

    private mutating func change(_ index: Int32, _ body: (inout SimulatedKernel.Link) -> Void) -> LinkResult {
        guard kernel.links[index]?.namespace == 0 else { return .failed(Self.missing) }
        kernel.change(index, body)
        guard let link = kernel.links[index] else { return .gone }
        return .link(table.value(link))
    }

    // MARK: Words

    func name(_ vsiID: VSIID) -> String { "vsi \(vsiID.low)" }

    mutating func note(_ text: String) {
        let line = "\(now) ms  \(text)"
        if trace.count > 400 { trace.removeFirst(200) }
        trace.append(line)
        listener?(line)
    }
}

extension LinkOperation {
    /// Whether the kernel may refuse it in a simulated world.
    fileprivate var isRefusable: Bool {
        switch self {
        case .look, .installFilter, .openAddresses: false
        default: true
        }
    }
}

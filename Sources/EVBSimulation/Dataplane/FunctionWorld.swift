internal import EVBTime
internal import EVBWire
internal import EdgeRelayMachine

/// One edge relay over a card with virtual functions, which refuses, takes settings in part, and is lost and found again with all of its
/// settings gone. Two VSIs take turns at the first function. Time is in milliseconds.
struct FunctionWorld {
    enum Event {
        /// evbd hears which card the port is, if any.
        case card(Int?)
        case begin(VSIID, LinkOperation, card: Int?, life: Int)
        case finish(VSIID, LinkOperation, LinkResult, life: Int)
        case retry(VSIID, life: Int)
        /// After a restart the bridge goes on with a VSI, or does not.
        case bridgeSpeaks(VSIID, life: Int)
        /// A station gives up a VSI whose link cannot be had.
        case withdraw(VSIID, life: Int)
        case forgotten(VSIID, life: Int)
        case turmoil
        case quiet
        case release
        case end
    }

    /// What a VSI's manager wants.
    struct Manager {
        var number: UInt32
        var spec: LinkSpec
        var vlan: UInt16?
        var desired: DesiredLink?
        /// The bridge has granted it, in this life of evbd.
        var isGranted = false
        /// Who asked waits for the link.
        var isWaiting = false
        /// The bridge has not spoken of it since evbd was started again.
        var isResumed = false
        /// It is stored, for the next life.
        var isStored = false
    }

    /// What evbd has heard of the port.
    struct View: LinkView {
        var card: Int? = 0
        var hasPort: Bool { card != nil }

        func link(at index: Int32) -> KernelLink? { nil }
        func hasLeft(_ index: Int32) -> Bool { false }
        func filter(of vsiID: VSIID, at link: KernelLink?) -> FilterState { .open }
        func isWanted(_ vsiID: VSIID) -> Bool { true }

        func candidate(
            for vsiID: VSIID, _ spec: LinkSpec, vlan: UInt16?, except discarded: Int32?, holder: (String) -> VSIID?
        ) -> LinkCandidate? {
            guard case .assigned(let number, _) = spec.origin, hasPort else { return nil }
            return LinkCandidate(
                KernelLink(index: 0, name: "vf:\(number)", settings: LinkSettings()), .assigned(number: number))
        }
    }

    let options: DataplaneOptions
    var random: SplitMix64
    var view = View()
    var machine = RelayMachine(policy: LinkPolicy(mode: .vepa, isHeld: false, closesGate: true))
    var managers: [VSIID: Manager] = [:]
    var names: [VSIID] = []
    /// The card that is there, and how its functions are set; one that is not among them is as the card makes it.
    var card: Int? = 0
    var lastCard = 0
    var functions: [UInt32: LinkSettings] = [:]
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
    /// Operations and waits that the machine has under way, and news of the card.
    var pending = 0
    var unheard = 0

    init(options: DataplaneOptions, listener: ((String) -> Void)?) {
        self.options = options
        self.listener = listener
        random = SplitMix64(seed: options.seed)
        for place in 0..<max(options.vsis, 2) {
            let vsiID = VSIID(format: .local, high: 0, low: UInt64(place) + 1)
            let number = UInt32(max(place - 1, 0))
            managers[vsiID] = Manager(
                number: number,
                spec: LinkSpec(
                    .assigned(number: number, priority: nil), name: "vf:\(number)",
                    addresses: [MACAddress(truncating: 0x5254_0000_0000 + UInt64(place))]), vlan: 10)
            names.append(vsiID)
        }
    }

    // MARK: The run

    mutating func run() -> DataplaneReport {
        add(.turmoil, in: 1)
        add(.quiet, in: Int(options.turmoil.nanoseconds / 1_000_000))
        while violation == nil, let next = events.popLast() {
            now = next.time
            count += 1
            if case .end = next.event {
                inspectEnd()
                break
            }
            handle(next.event)
            if pending == 0, unheard == 0 { for vsiID in names where violation == nil { inspect(vsiID) } }
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

    private mutating func handle(_ event: Event) {
        switch event {
        case .card(let heard): hear(heard)
        case .begin(let vsiID, let operation, let card, let life):
            guard life == self.life else { return }
            let result = perform(vsiID, operation, on: card)
            add(.finish(vsiID, operation, result, life: life), in: random.within(0...30))
        case .finish(let vsiID, let operation, let result, let life):
            guard life == self.life else { return }
            pending -= 1
            note("finished \(vsiID.low) \(operation): \(result)")
            perform(machine.finished(vsiID, operation, result, view))
        case .retry(let vsiID, let life):
            guard life == self.life else { return }
            pending -= 1
            perform(machine.observe(.retry(vsiID), view))
        case .bridgeSpeaks(let vsiID, let life): if life == self.life { bridgeSpeaks(vsiID) }
        case .withdraw(let vsiID, let life):
            guard life == self.life, let desired = managers[vsiID]?.desired, desired != .absent else { return }
            want(vsiID, desired.lowered)
            add(.forgotten(vsiID, life: life), in: random.within(0...500))
        case .forgotten(let vsiID, let life):
            if life == self.life, managers[vsiID]?.desired?.isUp == false { want(vsiID, .absent) }
        case .turmoil: turmoil()
        case .quiet: calm()
        case .release:
            for vsiID in names where managers[vsiID]?.desired != nil { want(vsiID, .absent) }
            add(.end, in: 3_600_000)
        case .end: break
        }
    }

    private mutating func hear(_ heard: Int?) {
        unheard -= 1
        let former = view.card
        view.card = heard
        note("heard of the card \(heard.map(String.init) ?? "-")")
        if former != nil, former != heard { perform(machine.observe(.portReplaced, view)) }
        perform(machine.observe(.port, view))
    }

    // MARK: Effects

    mutating func want(_ vsiID: VSIID, _ desired: DesiredLink) {
        if let name = desired.spec?.name, let holder = machine.holder(of: name), holder != vsiID,
            !machine.isLingering(holder)
        {
            return
        }
        note("wanted \(vsiID.low) \(desired)")
        managers[vsiID]?.desired = desired
        managers[vsiID]?.isGranted = desired.isUp
        managers[vsiID]?.isWaiting = desired.isUp
        managers[vsiID]?.isResumed = false
        if desired.isUp { managers[vsiID]?.isStored = true }
        perform(machine.want(vsiID, desired, view))
        if machine.slots[vsiID] == nil { ended(vsiID) }
    }

    /// As a station whose VSI was given up: it is stored until its function is reset.
    private mutating func ended(_ vsiID: VSIID) {
        guard managers[vsiID]?.desired == .absent, machine.unclosed[vsiID] == nil else { return }
        managers[vsiID]?.desired = nil
        managers[vsiID]?.isStored = false
    }

    mutating func perform(_ effects: [RelayEffect]) {
        for effect in effects {
            switch effect {
            case .submit(let vsiID, let operation):
                note("submit \(vsiID.low) \(operation)")
                check(vsiID, operation)
                pending += 1
                guard view.hasPort else {
                    add(.finish(vsiID, operation, .failed(LinkFailure(.noPort, "no port")), life: life), in: 0)
                    continue
                }
                add(.begin(vsiID, operation, card: view.card, life: life), in: random.within(0...20))
            case .settled(let vsiID, let failure):
                note("settled \(vsiID.low) \(failure?.text ?? "")")
                // As a station does whose link cannot be had.
                if failure != nil, managers[vsiID]?.isWaiting == true, managers[vsiID]?.desired?.isUp == true {
                    add(.withdraw(vsiID, life: life), in: random.within(0...20))
                }
                managers[vsiID]?.isWaiting = false
                ended(vsiID)
            case .retryLater(let vsiID, let failures):
                pending += 1
                add(.retry(vsiID, life: life), in: 1000 << min(failures - 1, 5))
            case .report(let vsiID, let report): note("report \(vsiID.low) \(report)")
            case .store, .discard, .removed, .handBack, .vlanUnused: break
            }
        }
    }

    // MARK: The card

    private mutating func perform(_ vsiID: VSIID, _ operation: LinkOperation, on asked: Int?) -> LinkResult {
        guard let asked, asked == card else { return .failed(LinkFailure(.notFound, "no such device")) }
        let (number, change): (UInt32, LinkSettings)
        switch operation {
        case .adjust(let function, let settings), .reset(let function, let settings):
            (number, change) = (function, settings)
        default: return .failed(LinkFailure(.other, "not expected"))
        }
        // A card takes one setting after the other, until it refuses one.
        let taken = !isQuiet && random.chance(options.refusalThousandths) ? random.below(4) : 4
        var settings = functions[number] ?? LinkSettings.reset
        if taken > 0, let address = change.address { settings.address = address }
        if taken > 1, let vlan = change.vlan { settings.vlan = vlan }
        if taken > 2, let spoofCheck = change.spoofCheck { settings.spoofCheck = spoofCheck }
        if taken > 3, let state = change.state { settings.state = state }
        functions[number] = settings
        if taken > 3, change.state == .auto, case .adjust = operation { openings += 1 }
        return taken > 3 ? .done : .failed(LinkFailure(.other, "refused"))
    }

    mutating func setCard(isThere: Bool) {
        lastCard += 1
        card = isThere ? lastCard : nil
        functions = [:]
        unheard += 1
        note("the card is \(card.map(String.init) ?? "-")")
        // News keep their order.
        let last = events.compactMap { if case .card = $0.event { $0.time - now } else { nil } }.max() ?? 0
        add(.card(card), in: max(last, random.within(0...200)))
    }

    mutating func note(_ text: String) {
        let line = "\(now) ms  \(text)"
        if trace.count > 400 { trace.removeFirst(200) }
        trace.append(line)
        listener?(line)
    }
}

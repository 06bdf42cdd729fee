internal import EVBTime
internal import EVBWire

/// All VSIs of one station port: what managers want of each, how far the bridge has granted it, and what is to be sent.
///
/// Each VSI has a machine of its own, so that a slow one holds up no other. What they have to say shares the one ECPDU that
/// may be outstanding: TLVs that become ready meanwhile wait and leave together. This type owns the timers and the queue;
/// `StationPort` owns ECP.
///
/// Functions that are called for each VSI and change nothing are inlined: the compiler would copy the station for the call.
///
/// Files: this one has the requests for VSIs, `+VSI` what is kept of each, `+Activity` what is under way, `+Transmit` what leaves, `+Receive` what arrives, `+Time` what time
/// brings, `+Pacing` how much the bridge is given at once, `+Capacity` how many VSIs it can keep, `+State` how a VSI stands,
/// `+Terms` what is asked for one, `+Sweep` what is done to all VSIs, some at a time, `+Cohorts` keep-alives of many VSIs as one.
struct VDPStation {
    /// VSIs that one port can have unless it is told otherwise.
    static let vsisMax = StationPortConfiguration.vsisMaxDefault
    /// The shortest keep-alive period that is kept, whatever the exponents say.
    static let keepAliveMin = Interval.milliseconds(100)

    /// The bridge, as far as VDP needs to know it.
    struct Peer: Equatable {
        var timers: ProtocolTimes
        var usesGroupIDs: Bool
        /// Octets that an ECPDU's payload may have.
        var payloadMax: Int
        /// How VDPDUs are written and read.
        var dialect = WireDialect.ratified
        /// The exponent of the keep-alive period that the bridge's TLV shows; nil where no longer one can be offered.
        var shownKeepAlive: UInt8?
    }

    /// VSIs that the port may have.
    var vsisMax = VDPStation.vsisMax
    /// What its VSIs may take, given what those of other ports take.
    var room = ResourceRoom()
    /// Filter entries of all VSIs.
    var entryCount = 0
    /// Slots are reused.
    var slots: [Record] = []
    /// How often VSIs have failed.
    var failures = SparseSlots(Failures())
    /// What is under way about the VSIs that are on their own.
    var activities = SparseSlots(Activity())
    /// What is wanted and granted. ``setWanted(_:_:)`` and ``setGranted(_:_:)`` are the only writers.
    private(set) var terms = TermsTable()
    private var recentTerms = RecentTerms()
    /// For some slots the request whose answer was awaited when a newer one took its place.
    var overtaken: [Int: VSIRequest] = [:]
    private(set) var index = SlotIndex()
    var freeSlots: [Int] = []
    var deadlines = DeadlineHeap()
    var queue = TransmitQueue()
    /// VSIs whose keep-alives leave together.
    var cohorts = Cohorts<KeepAliveRound>()
    var order = CohortOrder()
    /// Slots whose TLVs are in the ECPDU that is outstanding.
    var inFlight: [Int] = []
    /// The order of answers that is likely.
    var asked = AskedOrder()
    /// VSIs whose exchange is outstanding. ``setExchange(_:_:)`` and ``addOutstanding(_:)`` are the only writers.
    var outstanding = 0
    /// How much the bridge has shown that it can take.
    var pacing = Pacing.batch
    /// When it is trusted with more again, and how long it has to go without a loss for that.
    var trustDeadline = Instant(nanoseconds: 0)
    var trustPatience = VDPStation.trustPatienceMin
    /// VSIs whose exchange is recovering. ``setExchange(_:_:)`` is the only writer.
    var recovering = 0
    /// The bridge has answered at once what it was asked a second time, so the first was lost and not slow.
    var isLossConfirmed = false
    var lastAnswer = Instant(nanoseconds: 0)
    var answering = Answering.unknown
    /// PDUs in a row that ECP has given up, and until when keep-alives wait because of that.
    var payloadsLost = 0
    var heldUntil: Instant?
    var stallDeadline: Instant?
    var pace = BridgePace()
    var spacing = Spacing()
    var offer = KeepAliveOffer()
    var peer: Peer?
    /// How long a request waits for a bridge to be heard before its manager is told.
    var bridgeWait = OperationalTimers().responseWaitDelay
    var events: [StationVSIEvent] = []
    /// What the exchanges about VSIs came to, in their order; nil where it is not wanted.
    var trail: [VSITrailEntry]?
    var isDrained = false
    /// What is being done to all VSIs; nil while nothing is.
    var sweep: Sweep?
    /// VSIs to which it is done at once.
    var sweptAtOnce = 96
    var statistics = StationVDPStatistics()
    var networks = NetworkBindings()

    // MARK: Requests

    /// Takes what a manager wants for a VSI, new or known.
    ///
    /// - Throws: when the port is full, or when the VSI would have to go back from an association.
    mutating func request(_ request: VSIRequest, isResumed: Bool = false, at now: Instant) throws(VSIRequestError) {
        try check(request)
        let slot: Int
        let known = self.slot(of: request.vsiID)
        if let known { catchUp(known, at: now) }
        // That may have ended it.
        if known != nil, let known = self.slot(of: request.vsiID), let vsi = vsi(known) {
            slot = known
            leaveCohort(slot)
            endRequest(slot, .superseded)
            if case .response = vsi.wait { overtaken[slot] = carried(slot)?.request(vsi.vsiID) }
        } else {
            slot = allocate(request.vsiID)
            slots[slot].createdAt = now
        }
        setWanted(slot, request)
        modify(slot) {
            $0.interest = .wanted
            $0.openRequest = now
            if isResumed { $0.boundSince = now }
        }
        failures.remove(slot)
        begin(slot, at: now)
        report(slot)
    }

    /// Takes what a manager wanted of an earlier run.
    ///
    /// - Returns: that it waits now, where that is the only event.
    mutating func resume(
        _ request: VSIRequest, isGranted: Bool, at now: Instant
    ) throws(VSIRequestError) -> VSIChange? {
        let count = events.count
        try self.request(request, isResumed: isGranted, at: now)
        guard events.count == count + 1, case .changed(let change)? = events.last, change.to == .pending else {
            return nil
        }
        events.removeLast()
        return change
    }

    /// Whether a request can be taken.
    ///
    /// - Throws: what ``request(_:isResumed:at:)`` would throw.
    func check(_ request: VSIRequest) throws(VSIRequestError) {
        let known = slot(of: request.vsiID)
        if let known, let vsi = seen(known) {
            if let held = vsi.heldCommand, request.target.command.rawValue < held.rawValue, !isReversible(held) {
                throw .goesBackward(from: held)
            }
        } else {
            guard index.count < vsisMax else { throw .tooManyVSIs(limit: vsisMax) }
            guard index.count < room.vsis else { throw .noRoom(.vsis) }
        }
        let (own, count) = (known.map { Int(slots[$0].countedEntries) } ?? 0, request.filter.entries.count)
        guard count <= own || entryCount - own + count <= room.filterEntries else { throw .noRoom(.filterEntries) }
    }

    /// Takes back what a manager wanted: the VSI is de-associated and then forgotten.
    ///
    /// - Throws: `unknownVSI` when there is no such VSI.
    mutating func withdraw(_ vsiID: VSIID, at now: Instant) throws(VSIRequestError) {
        if let known = slot(of: vsiID) { catchUp(known, at: now) }
        guard let slot = slot(of: vsiID) else { throw .unknownVSI }
        leaveCohort(slot)
        endRequest(slot, .superseded)
        modify(slot) {
            $0.interest = .withdrawn
            $0.openRequest = now
        }
        feed(slot, .command(.deAssociate), at: now)
        report(slot)
    }

    /// Gives the command for what is wanted, or waits for a bridge to give it to.
    mutating func begin(_ slot: Int, at now: Instant) {
        guard !slots[slot].isFree, let asked = wanted(slot) else { return }
        guard let peer, !isDrained else {
            // One that is being released waits for that first.
            if slots[slot].machine.state == .initial { waitForBridge(slot, at: now) }
            return
        }
        let request = asked.request(slots[slot].vsiID)
        if let limit = peer.dialect.limit(for: request) {
            refuse(slot, .inexpressible(limit), at: now)
            return
        }
        guard peer.usesGroupIDs || !request.filter.format.hasGroupID else {
            refuse(slot, .groupIDsUnavailable, at: now)
            return
        }
        guard !isHeldBack(slot, at: now) else { return }
        feed(slot, .command(request.target.command), at: now)
    }

    /// A request waits for a bridge so long and no longer, however often one comes and goes meanwhile.
    private mutating func waitForBridge(_ slot: Int, at now: Instant) {
        guard !slots[slot].isFree else { return }
        setWait(slot, slots[slot].openRequest.map { .bridge(until: max($0 + bridgeWait, now)) } ?? .none)
    }

    /// Group IDs are never sent to a bridge that cannot use them (D.2.12, BGID and SGID), nor anything that its dialect
    /// cannot say.
    private mutating func refuse(_ slot: Int, _ outcome: RequestOutcome, at now: Instant) {
        let isFilter = outcome == .groupIDsUnavailable || outcome == .inexpressible(.filterFormat)
        countFailure(slot)
        trace(slot, .unaskable)
        modify(slot) { if $0.interest == .wanted { $0.interest = .refusedForGood } }
        // What is bound and can be named is released. Not even a De-Associate may carry group IDs: what is bound with them
        // ends here, and with the bridge when its keep-alives stay away.
        let isReleasable = granted(slot).map { !$0.filter.format.hasGroupID } ?? false
        feed(slot, isReleasable ? .command(.deAssociate) : .peerLost, at: now)
        modify(slot) { $0.reason = isFilter ? .invalidFilter : .invalidFormat }
        endRequest(slot, outcome)
        if slots[slot].machine.state == .initial { settle(slot, at: now) }
    }

    // MARK: The machine's owner

    /// Gives an event to a VSI's machine and does what it says.
    mutating func feed(_ slot: Int, _ event: VDPStationMachine.Event, at now: Instant) {
        guard !slots[slot].isFree else { return }
        let action = slots[slot].machine.handle(event)
        let machine = slots[slot].machine
        // A De-Associate still names what had been granted.
        if machine.operCommand == nil, machine.state != .transmitDeassociate { setGranted(slot, nil) }
        if let command = action.send { enqueue(slot, command) }
        if action.startKeepAlive { startKeepAlive(slot, at: now) }
        if let outcome = action.outcome { conclude(slot, outcome, at: now) }
        if slots[slot].machine.state == .initial { settle(slot, at: now) }
    }

    /// Records how a command ended and tells its manager.
    private mutating func conclude(_ slot: Int, _ outcome: VDPStationMachine.Outcome, at now: Instant) {
        traceEnd(slot, outcome)
        switch outcome {
        case .bound:
            statistics.commandsSucceeded &+= 1
            modify(slot) {
                $0.counters.succeeded &+= 1
                $0.reason = .success
                $0.boundSince = $0.boundSince ?? now
            }
            endGranted(slot, at: now)
        case .refused(let refusal):
            countFailure(slot)
            if refusal.isKept { statistics.commandReverts &+= 1 }
            let kept = refusal.isKept ? granted(slot)?.request(slots[slot].vsiID) : nil
            if let kept { setWanted(slot, kept) }
            modify(slot) {
                $0.counters.reverted &+= refusal.isKept ? 1 : 0
                $0.reason = VSIReason(refusal.reason)
                if kept == nil, $0.interest != .withdrawn {
                    $0.interest = refusal.isHard ? .refusedForGood : .wanted
                }
            }
            endRequest(slot, .refused(refusal))
        case .mismatched: fail(slot, .otherFailure, .mismatched)
        case .bridgeDeassociated: fail(slot, .bridgeDeassociated, .bridgeDeassociated)
        case .timedOut: fail(slot, .timeout, .timedOut)
        case .peerLost: modify(slot) { $0.reason = .bridgeLost }
        case .released:
            let isDrained = isDrained
            modify(slot) { $0.reason = $0.interest == .withdrawn ? nil : isDrained ? .drained : $0.reason }
            if slots[slot].interest == .withdrawn { endRequest(slot, .released) }
        }
    }

    private mutating func fail(_ slot: Int, _ reason: VSIReason, _ outcome: RequestOutcome) {
        countFailure(slot)
        modify(slot) { $0.reason = reason }
        endRequest(slot, outcome)
    }

    private mutating func countFailure(_ slot: Int) {
        statistics.commandsFailed &+= 1
        modify(slot) { $0.counters.failed &+= 1 }
    }

    /// Decides what becomes of a VSI whose machine is in INIT.
    mutating func settle(_ slot: Int, at now: Instant) {
        guard let vsi = vsi(slot) else { return }
        setExchange(slot, .idle)
        if !overtaken.isEmpty { overtaken[slot] = nil }
        modify(slot) {
            $0.isReleaseUnanswered = false
            $0.overtakenCommand = nil
        }
        let isWithdrawn = vsi.interest == .withdrawn
        if isWithdrawn { endRequest(slot, .released) }
        // What a bridge took along when it went is asked of the next one, also where it was wanted only once.
        let isCarriedOver = (peer == nil || isDrained) && vsi.boundSince != nil
        let isOver = wanted(slot)?.persistence == .once && vsi.openRequest == nil && !isCarriedOver
        if isWithdrawn || isOver {
            forget(slot)
        } else if peer == nil || isDrained {
            waitForBridge(slot, at: now)
        } else if vsi.interest == .refusedForGood {
            setWait(slot, .none)
        } else {
            setWait(slot, .retry(at: now + backoff(slot, at: now)))
        }
    }

    /// Tells the manager how its request ended, if it has not been told; before that, the change of state that goes with it,
    /// so that links are as they should be when the manager goes on.
    mutating func endRequest(_ slot: Int, _ outcome: RequestOutcome) {
        guard let vsi = vsi(slot), vsi.openRequest != nil else { return }
        slots[slot].openRequest = nil
        if outcome != .superseded { report(slot) }
        events.append(.ended(vsi.vsiID, outcome))
    }

    /// Tells of a change of state, if there was one since it last was told.
    mutating func report(_ slot: Int) {
        guard !slots[slot].isFree, case let state = slots[slot].state, state != slots[slot].reported else { return }
        let (vsiID, reported, reason) = (slots[slot].vsiID, slots[slot].reported, slots[slot].reason)
        slots[slot].reported = state
        events.append(.changed(VSIChange(vsiID: vsiID, from: reported, to: state, reason: reason)))
    }

    // MARK: Slots

    /// Makes room for so many VSIs at once.
    mutating func reserveCapacity(_ count: Int) {
        slots.reserveCapacity(count)
        terms.reserveCapacity(count)
        index.reserveCapacity(count)
        activities.reserveCapacity(count)
        deadlines.reserveCapacity(count)
    }

    private mutating func allocate(_ vsiID: VSIID) -> Int {
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            slots[slot] = Record(vsiID)
        } else {
            slot = slots.count
            slots.append(Record(vsiID))
            terms.append()
        }
        index.add(vsiID, at: slot)
        return slot
    }

    private mutating func forget(_ slot: Int) {
        guard let vsi = vsi(slot) else { return }
        setExchange(slot, .idle)
        setWait(slot, .none)
        if vsi.reported != .deassociated {
            events.append(
                .changed(VSIChange(vsiID: vsi.vsiID, from: vsi.reported, to: .deassociated, reason: vsi.reason)))
        }
        events.append(.forgotten(vsi.vsiID))
        trace(slot, .forgotten)
        index.remove(vsi.vsiID, at: slot)
        slots[slot] = .free
        activities.remove(slot)
        failures.remove(slot)
        terms.forget(slot)
        overtaken[slot] = nil
        networks.set(slot, nil)
        entryCount -= Int(vsi.countedEntries)
        // Whatever still names the slot must not take the next VSI in it for this one.
        inFlight.removeAll { $0 == slot }
        queue.remove(slot)
        freeSlots.append(slot)
    }

    /// Changes a VSI in its place.
    mutating func modify(_ slot: Int, _ change: (inout Record) -> Void) { change(&slots[slot]) }

    /// The slot of a VSI; nil for one that is not known.
    @inline(__always) func slot(of vsiID: VSIID) -> Int? { index.slot(of: vsiID) { slots[$0].vsiID == vsiID } }

    /// Notes what is wanted of a VSI.
    mutating func setWanted(_ slot: Int, _ request: VSIRequest) {
        terms.setWanted(slot, Terms(request, sharing: &recentTerms))
        countEntries(slot)
    }

    /// What its manager wants of the VSI in a slot; nil in a free one.
    @inline(__always) func wanted(_ slot: Int) -> Terms? { terms.wanted[slot] }

    /// What the bridge has granted of it; nil for nothing.
    @inline(__always) func granted(_ slot: Int) -> Terms? { terms.granted(slot) }

    /// Notes what holds for a VSI; nil for nothing.
    mutating func setGranted(_ slot: Int, _ granted: Terms?) {
        guard granted != nil || terms.isGranted(slot) else { return }
        terms.setGranted(slot, granted)
        countEntries(slot)
    }
}

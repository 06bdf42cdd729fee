internal import EVBTime
internal import EVBWire

/// All VSIs of one bridge port: what the station asks for each, what has been granted, and what is to be sent.
///
/// Each VSI has a machine of its own. Who decides on a request is not known here: `decide` goes out, and `decided` comes back
/// any time later. What is to be said waits for ECP, at most one thing for each VSI: something newer takes the place of what
/// has not left yet. How VDPDUs are written and read is the matter of the station's ``WireDialect``.
///
/// Functions that are called for each VSI and change nothing are inlined: the compiler would copy the bridge for the call.
///
/// Files: this one has the VSIs, their events and their timers, `VDPBridge+Exchange.swift` what arrives and what leaves,
/// `VDPBridge+Rounds.swift` what concerns all VSIs at once, `VDPBridge+Cohorts.swift` keep-alives of many VSIs as one.
struct VDPBridge {
    /// VSIs of which nothing holds and that are kept until they have been answered, above those that the port may have.
    static let answersMax = 256
    /// PDUs in which ECP may fail to get an answer across before it is given up. The station asks again in any case.
    static let attemptsMax = 3
    /// VSIs whose time may come in one call.
    static let expiriesMax = 1024
    /// Effects for which memory is kept.
    static let effectsKept = 16
    /// How long after a smaller keep-alive period was agreed on the station may not have heard of it: until the LLDPDU
    /// after the next.
    static let newsDelay = LLDPAgent.transmitInterval * 2

    /// The station, as far as VDP needs to know it.
    struct Station: Equatable {
        /// The times that hold.
        var times: ProtocolTimes
        /// toutKeepAlive (41.5.5.13), which may be longer than that of `times` for a while.
        var keepAliveTimeout: Interval
        /// Whether group IDs may be used: both sides can.
        var usesGroupIDs: Bool
        /// BGID: whether it is not for this side that they may not.
        var offersGroupIDs: Bool
        /// Octets that an ECPDU's payload may have.
        var payloadMax: Int
        var dialect: WireDialect
    }

    /// How one VSI stands: plain values alone, so that tens of thousands of them can be looked at, and changed in their places, at
    /// next to no cost. What holds, is decided or waits to be said is in ``bound``, ``pending`` and ``messages``.
    struct VSI {
        let vsiID: VSIID
        /// When the station first asked for it.
        let createdAt: Instant
        /// Whose answer to use in the manager ID TLV: the manager that was named last.
        var managerID: VSIManagerID
        var machine: VDPBridgeMachine
        /// Since when something is being decided.
        var pendingSince = Instant(nanoseconds: 0)
        var ticket: DecisionTicket?
        var wait = Wait.none
        /// The station is being told something about it.
        var isBeingTold = false
        /// The latest answer of this side, and how the commands have ended.
        var answer: VSIAnswer?
        var counters = VSICommandCounters()
        /// Filter entries that it counts for.
        var countedEntries = 0
        /// The station that it is of, by ``VDPBridge/era``.
        var era: UInt64
        /// The latest of the changes of toutKeepAlive that its wait accounts for, by ``VDPBridge/timing``.
        var timing: UInt64 = 0
        /// A slot that no VSI has.
        var isFree = false

        static let free: VSI = {
            var vsi = VSI(
                vsiID: VSIID(format: .local, high: 0, low: 0), createdAt: Instant(nanoseconds: 0),
                managerID: .unspecified, machine: VDPBridgeMachine(), era: 0)
            vsi.isFree = true
            return vsi
        }()
    }

    /// What holds for a VSI, and the request for it. It never changes: what is granted later is another one.
    final class Bound {
        let request: BridgeRequest
        let grant: BridgeGrant

        init(_ request: BridgeRequest, _ grant: BridgeGrant) { (self.request, self.grant) = (request, grant) }
    }

    /// Something to say about a VSI.
    struct Message {
        var tlv: VSITLV
        /// PDUs that have carried it in vain.
        var attempts = 0
    }

    /// What a VSI's one deadline is for.
    enum Wait: Equatable {
        case none
        /// resourceWaitDelay runs.
        case resource(until: Instant)
        /// toutKeepAlive runs since the station was last heard.
        case keepAlive(heard: Instant, until: Instant)

        var deadline: Instant? {
            switch self {
            case .none: nil
            case .resource(let until), .keepAlive(_, let until): until
            }
        }
    }

    /// VSIs that the port may have.
    var vsisMax: Int
    /// What its VSIs may take, given what those of other ports take.
    var room = ResourceRoom()
    /// Filter entries of all VSIs.
    var entryCount = 0
    /// Limits that have been told of since there is this station.
    var toldLimits: Set<ResourceLimit> = []
    /// Slots are reused.
    var slots: [VSI] = []
    /// For each slot what holds.
    var bound: [Bound?] = []
    /// For each slot what the station is to be told next.
    private(set) var messages: [Message?] = []
    /// For some slots what is being decided.
    var pending: [Int: BridgeRequest] = [:]
    private(set) var index = SlotIndex()
    var freeSlots: [Int] = []
    /// VSIs whose machine is not in INIT. Those of a station that is gone take their places until they are released.
    var livingCount = 0
    /// Those among them that are of a station that is gone.
    var lostCount = 0
    /// Counts the stations that were lost.
    var era: UInt64 = 0
    /// Counts the changes of toutKeepAlive.
    var timing: UInt64 = 0
    var retimings: [Retiming] = []
    /// The walk through all VSIs that is under way.
    var round: Round?
    /// Places that are gone through in one call.
    var placesPerCall = VDPBridge.placesPerCall
    /// Whether a PDU has one answer only.
    var isSlow = false
    var deadlines = DeadlineHeap()
    var queue = TransmitQueue()
    /// VSIs whose keep-alives come together.
    var cohorts = Cohorts<AnswerRound>()
    /// The last PDU was not a cohort's.
    var isCohortTurn = false
    /// What the ECPDU that is outstanding says, and of which slots.
    var inFlight: [(slot: Int, message: Message)] = []
    var slotOfTicket: [DecisionTicket: Int] = [:]
    private var nextTicket: UInt64 = 1
    var station: Station?
    var effects: [BridgeEffect] = []
    var statistics = BridgeVDPStatistics()
    var networks = NetworkBindings()

    init(vsisMax: Int) { self.vsisMax = vsisMax }

    // MARK: What comes from outside

    /// Takes in a decision; one that nobody waits for any more changes nothing.
    mutating func decided(_ ticket: DecisionTicket, _ decision: BridgeDecision, at now: Instant) {
        guard let slot = slotOfTicket[ticket], let pending = pending[slot] else { return }
        slotOfTicket[ticket] = nil
        slots[slot].ticket = nil
        guard !isLost(slots[slot]) else { return }
        switch decision {
        case .grant(let filter):
            statistics.commandsSucceeded &+= 1
            slots[slot].counters.succeeded &+= 1
            if pending.command == .associate {
                statistics.associationTimes.record(now.since(slots[slot].pendingSince))
            }
            // What the station is not told of is not granted to it.
            let filter = station?.dialect.expressed(filter) ?? filter
            bound[slot] = Bound(pending, BridgeGrant(command: pending.command, filter: filter))
            feed(slot, .granted, at: now)
        case .refuse(let refusal): feed(slot, .refused(refusal), at: now)
        }
    }

    /// An operator takes a VSI back. False when nothing is known of it.
    mutating func deassociate(_ vsiID: VSIID, at now: Instant) -> Bool {
        guard let slot = place(of: vsiID, at: now), slots[slot].machine.state != .initial else { return false }
        feed(slot, .retracted, at: now)
        return true
    }

    /// A VSI is associated on another port now: nothing holds for it here, and nothing is said of it.
    mutating func moved(_ vsiID: VSIID, at now: Instant) {
        guard let slot = place(of: vsiID, at: now) else { return }
        setMessage(slot, nil)
        feed(slot, .moved, at: now)
        forgetIfOver(slot)
    }

    // MARK: Time

    /// The next moment at which ``advance(to:)`` has something to do.
    var nextDeadline: Instant? {
        let due = Instant.earliest(deadlines.next?.deadline, cohorts.deadlines.next?.deadline)
        return Instant.earliest(round?.workedAt, due)
    }

    /// Lets time pass. Of many VSIs whose time has come at once some have their turn, and ``nextDeadline`` is past for the rest.
    mutating func advance(to now: Instant) {
        goOn(at: now)
        expireCohorts(at: now)
        var left = Self.expiriesMax
        while left > 0, let next = deadlines.next, next.deadline <= now {
            left -= 1
            bringUpToDate(next.member, at: now)
            guard let due = deadlines.next, due == next else { continue }
            let wait = slots[next.member].wait
            setWait(next.member, .none)
            switch wait {
            case .none: break
            case .resource:
                statistics.resourceWaitTimeouts &+= 1
                feed(next.member, .resourceWaitOver, at: now)
            case .keepAlive:
                statistics.keepAliveTimeouts &+= 1
                feed(next.member, .keepAliveTimeout, at: now)
            }
        }
    }

    // MARK: The machine's owner

    /// Gives an event to a VSI's machine and does what it says.
    mutating func feed(_ slot: Int, _ event: VDPBridgeMachine.Event, at now: Instant) {
        guard !slots[slot].isFree else { return }
        let vsiID = slots[slot].vsiID
        let wasLiving = slots[slot].machine.state != .initial
        let action = slots[slot].machine.handle(event)
        let isLiving = slots[slot].machine.state != .initial
        livingCount += (isLiving ? 1 : 0) - (wasLiving ? 1 : 0)
        if action.cancel { cancelDecision(slot) }
        if let answer = action.answer { answerStation(slot, answer) }
        if action.startKeepAlive, let station {
            slots[slot].timing = timing
            setWait(slot, .keepAlive(heard: now, until: now + station.keepAliveTimeout))
        }
        if action.decide != nil { askForDecision(slot, at: now) } else { settlePending(slot) }
        countEntries(slot)
        if action.bind != nil, let bound = bound[slot] { effects.append(.vsi(.bound(vsiID, bound.grant))) }
        if let release = action.release { effects.append(.vsi(.released(vsiID, release))) }
        if !isLiving {
            bound[slot] = nil
            networks.set(slot, nil)
            setWait(slot, .none)
            forgetIfOver(slot)
        }
    }

    private mutating func askForDecision(_ slot: Int, at now: Instant) {
        guard let station, let pending = pending[slot] else { return }
        let ticket = DecisionTicket(number: nextTicket)
        nextTicket &+= 1
        slots[slot].ticket = ticket
        slots[slot].pendingSince = now
        slotOfTicket[ticket] = slot
        setWait(slot, .resource(until: now + station.times.resourceWaitDelay))
        effects.append(.decide(ticket, pending))
    }

    private mutating func cancelDecision(_ slot: Int) {
        guard let ticket = slots[slot].ticket else { return }
        slotOfTicket[ticket] = nil
        slots[slot].ticket = nil
        effects.append(.cancel(ticket))
    }

    /// A request that is not being decided any more need not be remembered.
    private mutating func settlePending(_ slot: Int) {
        guard !pending.isEmpty else { return }
        if case .processing = slots[slot].machine.state { return }
        pending[slot] = nil
    }

    mutating func setWait(_ slot: Int, _ wait: Wait) {
        assert(cohorts.number(of: slot) == nil, "a VSI of a cohort has no deadline of its own")
        slots[slot].wait = wait
        deadlines.set(slot, wait.deadline)
    }

    // MARK: Slots

    /// The slot of a VSI; nil for one that is not known.
    @inline(__always) func slot(of vsiID: VSIID) -> Int? { index.slot(of: vsiID) { slots[$0].vsiID == vsiID } }

    /// Where a VSI stands; nil for one of which nothing is known, or nothing any more.
    private mutating func place(of vsiID: VSIID, at now: Instant) -> Int? {
        guard let known = slot(of: vsiID) else { return nil }
        leaveCohort(known)
        bringUpToDate(known, at: now)
        return slots[known].isFree ? nil : known
    }

    /// Where a VSI stands; a new one is given a place.
    mutating func slot(for vsiID: VSIID, manager: VSIManagerID, at now: Instant) -> Int {
        if let known = place(of: vsiID, at: now) { return known }
        let machine = VDPBridgeMachine(canKeep: station?.dialect.saysKeep ?? true)
        let vsi = VSI(vsiID: vsiID, createdAt: now, managerID: manager, machine: machine, era: era)
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            slots[slot] = vsi
        } else {
            slot = slots.count
            slots.append(vsi)
            bound.append(nil)
            messages.append(nil)
        }
        index.add(vsiID, at: slot)
        return slot
    }

    mutating func forgetIfOver(_ slot: Int) {
        guard !slots[slot].isFree, isOver(slot) else { return }
        setWait(slot, .none)
        queue.remove(slot)
        entryCount -= slots[slot].countedEntries
        index.remove(slots[slot].vsiID, at: slot)
        slots[slot] = .free
        (bound[slot], pending[slot]) = (nil, nil)
        freeSlots.append(slot)
    }

    /// Replaces what a VSI's station is to be told next.
    mutating func setMessage(_ slot: Int, _ message: Message?) {
        assert(cohorts.number(of: slot) == nil, "of a VSI of a cohort there is nothing else to say")
        messages[slot] = message
        if message != nil {
            queue.append(slot, isKeepAlive: false)
        } else {
            queue.remove(slot)
        }
    }

    /// Takes what the station is to be told of a VSI next.
    mutating func takeMessage(_ slot: Int) -> Message? {
        defer { messages[slot] = nil }
        return messages[slot]
    }

    /// All VSIs.
    var vsis: [VSI] { slots.filter { !$0.isFree } }

    /// Filter entries that a VSI asks for or holds, whichever are more.
    @inline(__always) func filterEntries(_ slot: Int) -> Int {
        guard slots[slot].machine.state != .initial else { return 0 }
        let held = bound[slot].map { max($0.request.filter.entries.count, $0.grant.filter.entries.count) } ?? 0
        return pending.isEmpty ? held : max(held, pending[slot]?.filter.entries.count ?? 0)
    }

    /// Nothing holds, is decided or has to be said of a VSI: it can be forgotten.
    @inline(__always) private func isOver(_ slot: Int) -> Bool {
        slots[slot].machine.state == .initial && messages[slot] == nil && !slots[slot].isBeingTold
    }
}

internal import EVBTime
internal import EVBWire

// What concerns all VSIs of a port at once is done to some of them in each call, so that a port with many does not hold up the
// others. Two things do: the station is lost, and toutKeepAlive has changed. A VSI whose turn has not come is dealt with before
// anything else happens to it, and is not seen as it was.

extension VDPBridge {
    /// A walk through all places.
    struct Round {
        var next = 0
        let end: Int
        /// When it was last worked at.
        var workedAt: Instant
    }

    /// A change of toutKeepAlive that VSIs have still to follow.
    struct Retiming {
        let number: UInt64
        let timeout: Interval
        let at: Instant
    }

    /// Places that are gone through in one call, unless the owner says otherwise.
    static let placesPerCall = 64
    /// Changes of toutKeepAlive that may wait for a round at a time.
    static let retimingsMax = 8

    /// VSIs of the station that is there, and whose machine is not in INIT.
    var presentCount: Int { livingCount - lostCount }

    /// Whether a VSI is of a station that is gone, and has still to be released.
    func isLost(_ vsi: VSI) -> Bool { vsi.era != era }

    /// Whether there is a VSI in a place of which something holds or is decided.
    func isShown(at place: Int) -> Bool {
        slots[place].machine.state != .initial && slots[place].era == era
    }

    /// Whether VSIs of a station that is gone have still to be released.
    var isReleasing: Bool { lostCount > 0 }

    /// The station is not heard any more: nothing that it was granted holds.
    mutating func stationLost(at now: Instant) {
        station = nil
        toldLimits = []
        inFlight = []
        queue = TransmitQueue()
        forgetCohortAnswers()
        retimings = []
        era &+= 1
        lostCount = livingCount
        beginRound(at: now)
    }

    /// What was agreed with the station has changed. What runs is timed again from when the station was last heard; it ends
    /// sooner only once the station had time to learn of it.
    mutating func stationChanged(_ changed: Station, at now: Instant) {
        let former = station
        station = changed
        guard let former, former.keepAliveTimeout != changed.keepAliveTimeout else { return }
        if retimings.count >= Self.retimingsMax {
            while round != nil { goOn(at: now) }
        }
        timing &+= 1
        retimings.append(Retiming(number: timing, timeout: changed.keepAliveTimeout, at: now))
        beginRound(at: now)
    }

    private mutating func beginRound(at now: Instant) {
        round = Round(end: slots.count, workedAt: now)
        goOn(at: now)
    }

    /// Goes on with the round that is under way, if there is one.
    mutating func goOn(at now: Instant) {
        guard let current = round else { return }
        let end = min(current.next + placesPerCall, current.end)
        for slot in current.next..<end { bringUpToDate(slot, at: now) }
        round = end < current.end ? Round(next: end, end: current.end, workedAt: now) : nil
        if round == nil { retimings = [] }
    }

    /// Does to a VSI what the round would do. One of a station that is gone is forgotten then.
    mutating func bringUpToDate(_ slot: Int, at now: Instant) {
        guard !slots[slot].isFree else { return }
        leaveOutdatedCohort(slot)
        guard slots[slot].era != era else { return retime(slot) }
        if slots[slot].machine.state != .initial { lostCount -= 1 }
        slots[slot].era = era
        slots[slot].isBeingTold = false
        setMessage(slot, nil)
        feed(slot, .stationLost, at: now)
        forgetIfOver(slot)
    }

    private mutating func retime(_ slot: Int) {
        let known = slots[slot].timing
        guard known != timing, case .keepAlive(let heard, var until) = slots[slot].wait else { return }
        for change in retimings where change.number > known {
            let renewed = heard + change.timeout
            let sooner = max(renewed, change.at + change.timeout + Self.newsDelay)
            until = renewed > until ? renewed : min(until, sooner)
        }
        slots[slot].timing = timing
        setWait(slot, .keepAlive(heard: heard, until: until))
    }
}

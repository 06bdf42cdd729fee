internal import EVBProtocol
internal import EVBTime

/// What one run is like: which faults it has and how much of each, drawn from its seed.
///
/// Most runs have some faults only. A run that has everything at once seldom gets far enough for what comes late.
struct Swarm {
    let faults: Set<Fault>
    /// Thousandths of the frames that meet each fate.
    let loss: Int
    let duplicate: Int
    let reorder: Int
    let corrupt: Int
    /// The longest that a frame is under way.
    let delayMax: Interval
    /// The mean time between two things that happen to a station.
    let pause: Interval
    /// The longest that a decision takes.
    let decisionMax: Interval
    /// Thousandths of the requests that are refused.
    let refuse: Int
    /// The smallest and the largest of each number that either side is configured with.
    let least: OperationalTimers
    let most: OperationalTimers
    /// VSIs that the bridge allows on a port.
    let vsisMax: Int
    /// Whether a station that restarts asks again for what was wanted.
    let storeIsKept: Bool
    /// Whether the draft may be spoken.
    let hasDraft: Bool
    private let isSlow: Bool

    init(options: SimulationOptions, random: inout SplitMix64) {
        let isFull = random.chance(100)
        let chosen = options.faults.intersection(Fault.allCases.filter { _ in isFull || random.chance(400) })
        faults = chosen
        isSlow = options.slowBridge != nil
        hasDraft = !isSlow && !chosen.isDisjoint(with: [.draft, .dialect])
        func amount(_ fault: Fault, _ range: ClosedRange<Int>) -> Int {
            let amount = random.within(range)
            return chosen.contains(fault) ? amount : 0
        }
        loss = amount(.loss, 5...300)
        duplicate = amount(.duplicate, 5...200)
        reorder = amount(.reorder, 5...200)
        corrupt = amount(.corrupt, 1...20)
        refuse = amount(.refuse, 20...400)
        delayMax = faults.contains(.delay) ? .milliseconds(UInt64(random.within(5...2000))) : .milliseconds(2)
        pause = .milliseconds(UInt64(random.within(2000...120_000)))
        let rwd = random.within(isSlow ? 18...20 : 14...20)
        let rka = random.within(19...24)
        least = OperationalTimers(
            retries: UInt8(random.within(0...3)), rte: UInt8(random.within(isSlow ? 14...15 : 9...13)),
            rwd: UInt8(rwd), rka: UInt8(rka))
        most = OperationalTimers(
            retries: UInt8(random.within(3...7)), rte: UInt8(random.within(isSlow ? 15...16 : 13...16)),
            rwd: UInt8(rwd + random.below(3)), rka: UInt8(rka + random.below(3)))
        let wait = most.resourceWaitDelay
        decisionMax = faults.contains(.slow) ? wait / 100 * UInt64(random.within(1...150)) : .milliseconds(10)
        vsisMax = faults.contains(.shortage) ? random.within(1...options.vsis) : 1 << 14
        storeIsKept = random.chance(700)
    }

    // MARK: Bounds that follow

    /// The longest of each time that a side keeps.
    private var longest: ProtocolTimes {
        var timers = most
        // The station offers a slow bridge a period that all its VSIs fit.
        if isSlow { timers.reinitKeepAliveExponent = max(timers.reinitKeepAliveExponent, 26) }
        return hasDraft ? Self.longer(timers.times, .draft) : timers.times
    }

    private static func longer(_ one: ProtocolTimes, _ other: ProtocolTimes) -> ProtocolTimes {
        var times = one
        times.retries = max(one.retries, other.retries)
        times.ackTimer = max(one.ackTimer, other.ackTimer)
        times.responseWaitDelay = max(one.responseWaitDelay, other.responseWaitDelay)
        times.reinitKeepAlive = max(one.reinitKeepAlive, other.reinitKeepAlive)
        times.resourceWaitDelay = max(one.resourceWaitDelay, other.resourceWaitDelay)
        times.keepAliveTimeout = max(one.keepAliveTimeout, other.keepAliveTimeout)
        return times
    }

    /// How long an ECPDU, once sent, can still reach the other side.
    var flight: Interval { longest.ackTimer * (UInt64(longest.retries) + 1) + delayMax * 2 + .milliseconds(1) }

    /// How long a keep-alive can wait in a station's queue: every other VSI may have its turn before it, and a command in
    /// between, each in a PDU that fails or with an answer that does not come, and after each of the others' keep-alives the
    /// next may be held for a second.
    func queueing(vsis: Int) -> Interval {
        (flight + max(.milliseconds(200), longest.ackTimer * 2)) * UInt64(2 * vsis + 2) + .seconds(UInt64(vsis))
    }

    /// The ageing bound of the station: how long it can take a VSI for associated that the bridge does not hold. A keep-alive
    /// is due within reinitKeepAlive, and if it is not answered within respWaitDelay the VSI ends.
    func stationAgeing(vsis: Int) -> Interval {
        longest.reinitKeepAlive + longest.responseWaitDelay + queueing(vsis: vsis)
    }

    /// The ageing bound of the bridge: how long it can hold a VSI that the station has forgotten. A request may be under
    /// decision for resourceWaitDelay, toutKeepAlive then runs, and where that has been made shorter the station's news are
    /// waited for.
    var bridgeAgeing: Interval {
        longest.resourceWaitDelay + longest.keepAliveTimeout + flight + .seconds(60)
    }

    /// How long after the last fault all has come right: the LLDP information of either side has aged out and been heard
    /// anew, everything that failed has been tried again after the longest pause between tries, and what was left on one side
    /// has aged out. Twice, since one may wait for the other.
    func settling(vsis: Int) -> Interval {
        let retry = Interval.seconds(60)
        let ageing = stationAgeing(vsis: vsis) + bridgeAgeing
        return (.seconds(181) + retry + ageing) * 2
    }

    /// How long nothing may change after that: every LLDPDU has been refreshed, and every VSI kept alive.
    var standstill: Interval {
        let times = isSlow ? longest : hasDraft ? Self.longer(least.times, .draft) : least.times
        return .seconds(130) + times.keepAliveTimeout * 2
    }
}

internal import EVBTime

/// What one run of an uplink is like, drawn from its seed: some faults, and how much of each.
struct ChannelSwarm {
    let faults: Set<ChannelFault>
    /// Thousandths of the frames that meet each fate.
    let loss: Int
    let duplicate: Int
    let reorder: Int
    /// The longest that a frame is under way.
    let delayMax: Interval
    /// The mean time between two things that happen.
    let pause: Interval
    /// The ports of a side's channels have one name as a chassis.
    let sharesChassis: Bool
    /// reinitKeepAlive's exponent.
    let keepAlive: UInt8

    init(options: ChannelOptions, random: inout SplitMix64) {
        // Who names faults means all of them.
        let isFull = random.chance(100) || options.faults.count < ChannelFault.allCases.count
        let chosen = options.faults.intersection(ChannelFault.allCases.filter { _ in isFull || random.chance(400) })
        faults = chosen
        func amount(_ fault: ChannelFault, _ range: ClosedRange<Int>) -> Int {
            let amount = random.within(range)
            return chosen.contains(fault) ? amount : 0
        }
        loss = random.flag() ? amount(.loss, 1...10) : amount(.loss, 10...300)
        duplicate = amount(.duplicate, 5...200)
        reorder = amount(.reorder, 5...200)
        delayMax = chosen.contains(.delay) ? .milliseconds(UInt64(random.within(5...2000))) : .milliseconds(2)
        pause = .seconds(UInt64(random.within(5...300)))
        sharesChassis = random.flag()
        keepAlive = UInt8(random.within(20...24))
    }

    /// How long after something a change of a channel may still come of it: what a neighbour said holds for 121 s, a peer that is
    /// silent is left for another after 90 s, and what is under way arrives.
    static let aftermath = Interval.seconds(300)

    /// How long one side may have a channel that the other has not: its neighbour's word ages.
    var ageing: Interval { .seconds(122) + delayMax * 2 }

    /// How long after the last fault all has come right: a false neighbour is left, channels come up, and VSIs that failed are
    /// asked for again.
    static let settling = Interval.seconds(800)
    /// How long nothing may change after that.
    static let standstill = Interval.seconds(400)
}

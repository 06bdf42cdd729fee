package import EVBTime

/// A token bucket that lets a cost be known afterwards: what is taken beyond what there is, is owed.
struct Account {
    private var bucket: TokenBucket
    private var debt: UInt64 = 0

    /// A full one; see ``TokenBucket``.
    init(burst: UInt64, perSecond: UInt64) { bucket = TokenBucket(burst: burst, perSecond: perSecond) }

    /// What may be spent now; 0 while something is owed.
    mutating func available(at now: Instant) -> UInt64 {
        let available = bucket.available(at: now)
        let paid = min(available, debt)
        bucket.take(paid)
        debt -= paid
        return debt > 0 ? 0 : available - paid
    }

    /// Spends something, now or in the future.
    mutating func pay(_ cost: UInt64, at now: Instant) {
        let available = available(at: now)
        bucket.take(min(cost, available))
        if cost > available { debt &+= cost - available }
    }

    /// How long it takes until so much may be spent, when nothing may be spent now.
    func time(for number: UInt64) -> Interval { bucket.time(for: number &+ debt) }
}

/// The time of the loop that a port's neighbour may take: a second's worth at once, and a small part of each second. So a
/// neighbour that floods leaves the loop to the others most of the time, however much its frames give to do.
///
/// Used on the thread of the loop.
package final class LoopShare {
    /// Microseconds that may be taken at once. Sixteen thousand VSIs take less.
    private static let burst: UInt64 = 1_000_000
    /// Microseconds of each second for all ports together, and for one port at the least: the keep-alives of 16,384 VSIs, every
    /// 8 s, take as much.
    private static let (allMax, portMin): (UInt64, UInt64) = (300_000, 65_000)
    /// Microseconds that there are to be after a pause: the work of one turn.
    private static let turn: UInt64 = 2000

    private var account: Account

    /// A share that is one of so many.
    package init(of count: Int) {
        // A lone port has no other to leave time to; clients have their turns between its slices.
        let share = count > 1 ? max(Self.allMax / UInt64(count), Self.portMin) : 1_000_000
        account = Account(burst: Self.burst, perSecond: share)
    }

    /// Notes that the loop has worked for the neighbour.
    package func spend(_ time: Interval, at now: Instant) { account.pay(time.nanoseconds / 1000, at: now) }

    /// How long nothing is to be taken from the neighbour; nil where something may be taken now.
    package func pause(at now: Instant) -> Interval? {
        account.available(at: now) > 0 ? nil : account.time(for: Self.turn)
    }
}

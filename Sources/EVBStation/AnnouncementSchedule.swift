package import EVBTime
package import EVBWire

/// When which VSI's addresses are announced. Pure.
///
/// Each VSI has five rounds, as after a migration of QEMU's. All VSIs of a port share one limit: a thousand that come back at once
/// are announced one after the other, the first round of each before the second of any.
package struct AnnouncementSchedule {
    /// When the rounds begin, in milliseconds.
    package static let rounds: [UInt64] = [0, 50, 200, 400, 750]
    /// Frames that are sent in one turn of the loop; a VSI is not cut in two.
    package static let framesPerTurn: UInt64 = 64
    /// Frames of a port in one second.
    package static let framesPerSecond: UInt64 = 500

    private struct Entry {
        var vsiID: VSIID
        var began: Instant
        var round: Int
    }

    /// The VSIs by their numbers in `deadlines`.
    private var entries: [Entry?] = []
    private var numbers: [VSIID: Int] = [:]
    private var free: [Int] = []
    private var deadlines = DeadlineHeap()
    private var bucket = TokenBucket(burst: framesPerTurn, perSecond: framesPerSecond)

    /// When the limit has made up for what was sent beyond it: a VSI is not cut in two.
    private var resumesAt: Instant?

    package init() {}

    /// VSIs that have rounds left.
    package var count: Int { numbers.count }

    /// Begins with the first round of a VSI, also where some of an earlier beginning are left.
    package mutating func begin(_ vsiID: VSIID, at now: Instant) {
        let number: Int
        if let known = numbers[vsiID] {
            number = known
        } else if let unused = free.popLast() {
            number = unused
        } else {
            number = entries.count
            entries.append(nil)
        }
        numbers[vsiID] = number
        entries[number] = Entry(vsiID: vsiID, began: now, round: 0)
        deadlines.set(number, now)
    }

    /// Announces a VSI no more.
    package mutating func end(_ vsiID: VSIID) {
        guard let number = numbers.removeValue(forKey: vsiID) else { return }
        deadlines.set(number, nil)
        entries[number] = nil
        free.append(number)
    }

    /// The moment of the next round, or at which the limit allows it.
    package mutating func nextDeadline(at now: Instant) -> Instant? {
        guard let (deadline, _) = deadlines.next else { return nil }
        if let resumesAt, resumesAt > now { return max(deadline, resumesAt) }
        guard available(at: now) == 0 else { return deadline }
        return max(deadline, now + bucket.time(for: 1))
    }

    /// Frames that may be sent now.
    private mutating func available(at now: Instant) -> UInt64 {
        guard let resumesAt else { return bucket.available(at: now) }
        guard resumesAt <= now else { return 0 }
        // What has flowed in until then was spent before.
        bucket.take(bucket.available(at: resumesAt))
        self.resumesAt = nil
        return bucket.available(at: now)
    }

    /// Sends what is due.
    ///
    /// - Parameters:
    ///   - now: The time.
    ///   - send: Announces a VSI once, and gives back how many frames that took; nil ends its announcement.
    package mutating func advance(to now: Instant, _ send: (VSIID) -> Int?) {
        var left = min(available(at: now), Self.framesPerTurn)
        while left > 0, let (deadline, number) = deadlines.next, deadline <= now, let entry = entries[number] {
            guard let frames = send(entry.vsiID) else {
                end(entry.vsiID)
                continue
            }
            let count = UInt64(max(frames, 1))
            let paid = min(count, bucket.available(at: now))
            bucket.take(paid)
            if paid < count { resumesAt = now + bucket.time(for: count - paid) }
            left = paid < count ? 0 : left - min(left, count)
            let round = entry.round + 1
            guard round < Self.rounds.count else {
                end(entry.vsiID)
                continue
            }
            entries[number]?.round = round
            deadlines.set(number, max(entry.began + .milliseconds(Self.rounds[round]), now))
        }
    }
}

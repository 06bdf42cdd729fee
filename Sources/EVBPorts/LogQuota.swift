package import EVBTime

/// How many lines the log takes, so that no peer fills a disk and no port hides what happens at another.
///
/// Every source of lines (a port, the VSIs of a port, the clients) has a small share of its own. Beyond it lines are taken from
/// one reserve for all of them. What is over that is counted, and told a while later by one line for each source. With 48 hostile
/// ports that makes at most 200,000 lines a day, some 60 MB of text; with one it is 46,000 lines, some 14 MB.
///
/// Pure: the time is given, and nothing is written here.
package struct LogQuota {
    /// The shares.
    package struct Limits {
        /// Lines of one source at once, and how often one more.
        var ownBurst: UInt64
        var ownEvery = Interval.seconds(90)
        /// Lines of all sources with a reserve together, beyond their own: a burst of 10,000 VSIs that come and go, told in full.
        package var reserve: UInt64
        var reserveEvery = Interval.seconds(2)
        /// Sources that are told apart; further ones share one.
        package var sourcesMax = 512
        /// Messages that are told apart in what is left out.
        var messagesMax = 8

        /// When the first lines that are left out are told, and how far apart that is at most while it goes on.
        var firstSummary: Interval
        var lastSummary = Interval.seconds(600)

        package init(ownBurst: UInt64 = 50, reserve: UInt64 = 20_000, firstSummary: Interval = .seconds(5)) {
            self.ownBurst = ownBurst
            self.reserve = reserve
            self.firstSummary = firstSummary
        }
    }

    /// Where a line comes from.
    package struct Source: Hashable {
        /// A port, or part of the daemon.
        var name: String
        /// Whether the line is about a VSI, of which a port may have thousands.
        var isAboutVSI = false
        /// Whether it may use the reserve: lines about VSIs and the daemon's own may, those of a port and of clients not.
        var hasReserve = true

        package init(name: String, isAboutVSI: Bool = false, hasReserve: Bool = true) {
            self.name = name
            self.isAboutVSI = isAboutVSI
            self.hasReserve = hasReserve
        }

        /// All sources beyond the limit.
        static let others = Source(name: "others")
    }

    /// What was left out of a source.
    package struct Summary: Equatable {
        package let source: String
        package let count: UInt64
        /// `9880 VSI associated, 20 VSI released`.
        package let text: String
    }

    private struct Share {
        var bucket: TokenBucket
        var leftOut: [String: UInt64] = [:]
        var more: UInt64 = 0
        /// When what is left out is told; nil while nothing is.
        var due: Instant?
        var wait: Interval

        var count: UInt64 { leftOut.values.reduce(more, &+) }
    }

    private let limits: Limits
    private var reserve: TokenBucket
    private var shares: [Source: Share] = [:]
    /// Lines that were left out since the start.
    package private(set) var leftOut: UInt64 = 0

    /// Full shares.
    package init(_ limits: Limits = Limits()) {
        self.limits = limits
        reserve = TokenBucket(burst: limits.reserve, every: limits.reserveEvery)
    }

    /// Whether a line may be written now; if not, it is counted.
    ///
    /// - Parameters:
    ///   - source: where it comes from.
    ///   - message: its text without what varies.
    ///   - now: the time.
    /// - Returns: true for a line that may be written.
    package mutating func admit(_ source: Source, _ message: String, at now: Instant) -> Bool {
        let key = shares[source] != nil || shares.count < limits.sourcesMax ? source : .others
        var share =
            shares[key]
            ?? Share(bucket: TokenBucket(burst: limits.ownBurst, every: limits.ownEvery), wait: limits.firstSummary)
        defer { shares[key] = share }
        if share.bucket.available(at: now) > 0 {
            share.bucket.take()
            return true
        }
        if key.hasReserve, reserve.available(at: now) > 0 {
            reserve.take()
            return true
        }
        leftOut &+= 1
        if share.leftOut[message] != nil || share.leftOut.count < limits.messagesMax {
            share.leftOut[message, default: 0] &+= 1
        } else {
            share.more &+= 1
        }
        if share.due == nil { share.due = now + share.wait }
        return false
    }

    /// When something is to be told next; nil while nothing is.
    package var nextSummary: Instant? { shares.values.lazy.compactMap(\.due).min() }

    /// What is to be told now. Where lines go on being left out, the next time is twice as far away.
    package mutating func summaries(at now: Instant) -> [Summary] {
        var summaries: [Summary] = []
        for (source, var share) in shares {
            guard let due = share.due, due <= now else { continue }
            if share.count == 0 {
                // A whole wait without a line that was left out: it is over.
                share.due = nil
                share.wait = limits.firstSummary
            } else {
                var words = share.leftOut.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
                    "\($0.value) \($0.key)"
                }
                if share.more > 0 { words.append("\(share.more) others") }
                summaries.append(
                    Summary(source: source.name, count: share.count, text: words.joined(separator: ", ")))
                share.leftOut = [:]
                share.more = 0
                share.wait = min(share.wait + share.wait, limits.lastSummary)
                share.due = now + share.wait
            }
            shares[source] = share
        }
        return summaries.sorted { $0.source < $1.source }
    }
}

import EVBTime
import Testing

@testable import EVBPorts

/// How many lines the log takes, and what is told of the others.
struct LogQuotaTests {
    private static func seconds(_ count: UInt64) -> Instant { Instant(nanoseconds: count * 1_000_000_000) }

    private static func source(_ port: Int, isAboutVSI: Bool) -> LogQuota.Source {
        LogQuota.Source(name: "port\(port)", isAboutVSI: isAboutVSI)
    }

    @Test("MGT-04 SEC-121 48 hostile ports write at most 200,000 lines a day, each told of what was left out")
    func attackOfADay() {
        var quota = LogQuota()
        var written: UInt64 = 0
        var summaries: UInt64 = 0
        var told: UInt64 = 0
        // The bursts first; then an hour stands for the 24 of a day.
        for _ in 0..<25_000 where quota.admit(Self.source(0, isAboutVSI: true), "VSI refused", at: Self.seconds(0)) {
            written += 1
        }
        let burst = written
        #expect(burst <= 20_100)
        written = 0
        for second in 1...3600 as ClosedRange<UInt64> {
            for port in 0..<48 {
                for isAboutVSI in [false, true] {
                    let isWritten = quota.admit(
                        Self.source(port, isAboutVSI: isAboutVSI), "line \(second % 20)", at: Self.seconds(second))
                    if isWritten { written += 1 }
                }
            }
            let due = quota.summaries(at: Self.seconds(second))
            summaries += UInt64(due.count)
            told += due.reduce(0) { $0 + $1.count }
            #expect(due.allSatisfy { $0.text.utf8.count < 400 })
        }
        // Shares are full at first: 50 lines for each of 96 sources.
        let bursts: UInt64 = 96 * 50
        #expect((written - bursts + summaries) * 24 + bursts + burst <= 200_000, "\(written) \(summaries)")
        #expect(written > 96 * 80)
        let last = quota.summaries(at: Self.seconds(1_000_000)).reduce(0) { $0 + $1.count }
        #expect(told + last == quota.leftOut, "every line that was left out is told of, once")
        let after = quota.summaries(at: Self.seconds(2_000_000))
        #expect(after.isEmpty && quota.nextSummary == nil)
    }

    @Test("SEC-122 10,000 honest VSIs that come and go are told in full, also right after a start")
    func honestBurst() {
        var quota = LogQuota()
        let source = Self.source(1, isAboutVSI: true)
        let comes = (0..<10_000).count { _ in quota.admit(source, "VSI associated", at: Self.seconds(1)) }
        let goes = (0..<10_000).count { _ in quota.admit(source, "VSI released", at: Self.seconds(2)) }
        #expect(comes == 10_000 && goes == 10_000)
        #expect(quota.nextSummary == nil && quota.leftOut == 0)
    }

    @Test("SEC-123 what is left out is told after a while without any further line, and more seldom while it goes on")
    func summaries() {
        var quota = LogQuota(LogQuota.Limits(ownBurst: 2, reserve: 1))
        let source = Self.source(1, isAboutVSI: true)
        func attempt(_ count: Int, _ message: String, at second: UInt64) -> Int {
            (0..<count).count { _ in quota.admit(source, message, at: Self.seconds(second)) }
        }
        #expect(attempt(10, "VSI associated", at: 10) == 3)
        #expect(attempt(1, "VSI released", at: 10) == 0)
        #expect(quota.nextSummary == Self.seconds(15))
        let early = quota.summaries(at: Self.seconds(14))
        #expect(early.isEmpty)
        let first = quota.summaries(at: Self.seconds(15))
        #expect(
            first == [LogQuota.Summary(source: "port1", count: 8, text: "7 VSI associated, 1 VSI released")])
        #expect(attempt(5, "a", at: 16) == 1 && quota.nextSummary == Self.seconds(25))
        let second = quota.summaries(at: Self.seconds(25))
        #expect(second.map(\.count) == [4])
        #expect(quota.nextSummary == Self.seconds(45))
        // A whole wait without any: over.
        let over = quota.summaries(at: Self.seconds(45))
        #expect(over.isEmpty && quota.nextSummary == nil)
        #expect(quota.leftOut == 12)
    }

    @Test("SEC-124 a flood of one port, or of clients, hides nothing of another port")
    func fairness() {
        var quota = LogQuota()
        let clients = LogQuota.Source(name: "clients", hasReserve: false)
        let ofClients = (0..<1000).count { _ in quota.admit(clients, "x", at: Self.seconds(1)) }
        _ = (0..<30_000).count { _ in quota.admit(Self.source(1, isAboutVSI: true), "x", at: Self.seconds(1)) }
        let ofThePort = quota.admit(Self.source(1, isAboutVSI: false), "link down", at: Self.seconds(1))
        let ofAnother = (0..<60).count { _ in quota.admit(Self.source(2, isAboutVSI: true), "x", at: Self.seconds(1)) }
        #expect(ofClients == 50 && ofThePort && ofAnother == 50)
        // The number of sources is bounded too.
        for number in 0..<2000 { _ = quota.admit(LogQuota.Source(name: "s\(number)"), "x", at: Self.seconds(1)) }
        let due = quota.summaries(at: Self.seconds(100))
        #expect(!due.isEmpty && due.count <= 513)
    }
}

import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

@Suite struct HistogramTests {
    @Test(
        "OPS-601 a duration falls into the bucket whose upper end it does not exceed, and the longest into one above all"
    )
    func buckets() {
        for scale in [DurationHistogram.Scale.turn, .exchange, .procedure] {
            var histogram = DurationHistogram(scale)
            #expect(scale.bounds == scale.bounds.sorted() && Set(scale.bounds).count == 15)
            for bound in scale.bounds {
                histogram.record(bound)
                histogram.record(bound + Interval(nanoseconds: 1))
            }
            #expect(histogram.counts == [1] + Array(repeating: 2, count: 14) + [1])
            #expect(histogram.longest == (scale.bounds.last ?? .seconds(0)) + Interval(nanoseconds: 1))
            #expect(histogram.sum == scale.bounds.reduce(15) { $0 + 2 * $1.nanoseconds })
            histogram.record(Interval(nanoseconds: .max))
            #expect(histogram.counts.last == 2, "a sum beyond all numbers is no trap")
        }
    }

    @Test("OPS-602 both sides time associations and ECP's round trips, and nothing else")
    func associations() throws {
        let bench = PairBench().start()
        try bench.request(1)
        bench.run(for: .seconds(1))
        let (station, bridge) = (bench.station.snapshot.statistics, bench.bridge.snapshot.statistics)
        // There and back, 50 us each; the bridge decides at once.
        #expect(station.ecpRoundTrips.counts.first == 1 && station.ecpRoundTrips.sum == 100_000)
        #expect(station.vdp.associationTimes.counts.reduce(0, +) == 1)
        #expect(station.vdp.associationTimes.longest >= .microseconds(100))
        #expect(bridge.vdp.associationTimes.counts.reduce(0, +) == 1)
        // Neither a pre-association nor keep-alives are associations.
        try bench.request(2, .preAssociated)
        bench.run(for: .seconds(60))
        #expect(bench.station.snapshot.statistics.vdp.keepAlives > 0)
        #expect(bench.station.snapshot.statistics.vdp.associationTimes.counts.reduce(0, +) == 1)
        #expect(bench.bridge.snapshot.statistics.vdp.associationTimes.counts.reduce(0, +) == 1)
    }

    @Test("OPS-602 the round trip of an ECPDU that was sent again begins with its first sending")
    func repeated() throws {
        let bench = PairBench().start()
        let before = bench.station.snapshot.statistics.ecpRoundTrips
        var isLost = false
        bench.losesFromStation = { frame in
            guard case .ecp(let ecpdu) = frame.payload, ecpdu.operation == .request, !isLost else { return false }
            isLost = true
            return true
        }
        try bench.request(1)
        bench.run(for: .seconds(1))
        let after = bench.station.snapshot.statistics
        #expect(isLost && after.ecpTxRetries == 1)
        #expect(after.ecpRoundTrips.counts.reduce(0, +) == before.counts.reduce(0, +) + 1)
        #expect(after.ecpRoundTrips.longest > .milliseconds(160), "the ack timer of RTE 14 is among it")
    }

    @Test("OPS-602 an association is timed until the bridge's decision, however late it is")
    func slowDecision() throws {
        let bench = PairBench().start()
        bench.decision = { _ in nil }
        try bench.request(1)
        bench.run(for: .seconds(2))
        for case .decide(let ticket, let request) in bench.bridgeEffects {
            bench.bridgeDoes { $0.decided(ticket, .grant(request.filter), at: $1) }
        }
        bench.run(for: .seconds(1))
        let times = [
            bench.station.snapshot.statistics.vdp.associationTimes,
            bench.bridge.snapshot.statistics.vdp.associationTimes,
        ]
        for time in times { #expect(time.longest >= .milliseconds(1999) && time.counts.reduce(0, +) == 1) }
    }
}

import EVBTime
import Testing

@testable import EVBProtocol
@testable import EVBWire

/// What is shown of a port in brief is what all that is shown of it says.
@Suite struct BriefTests {
    private func compare(_ bench: PairBench, _ comment: Comment) {
        let (station, bridge) = (bench.station.snapshot, bench.bridge.snapshot)
        let (brief, other) = (bench.station.brief, bench.bridge.brief)
        #expect(brief.isLinkUp == station.isLinkUp && other.isLinkUp == bridge.isLinkUp, comment)
        #expect(brief.peer == station.peer && other.station == bridge.station, comment)
        #expect(brief.dialect == station.dialect && other.dialect == bridge.dialect, comment)
        #expect(brief.timers == station.timers && other.timers == bridge.timers, comment)
        #expect(brief.reflectiveRelay == station.reflectiveRelay, comment)
        #expect(brief.isRelayRefused == station.notices.contains(.reflectiveRelayRefused), comment)
        #expect(other.reflectsFrames == bridge.reflectsFrames, comment)
    }

    @Test("SPD-179 a port in brief is as it is in full, whichever way it goes")
    func same() {
        let bench = PairBench()
        compare(bench, "before the link is up")
        #expect(bench.station.brief.peer == nil && !bench.station.brief.isLinkUp)
        bench.start()
        compare(bench, "both are heard")
        #expect(bench.station.brief.reflectiveRelay == .on && bench.bridge.brief.station != nil)
        let refusing = PairBench.bridgeConfiguration(.automatic, reflects: false, rte: 15)
        bench.bridgeDoes { $0.reconfigure(refusing, at: $1) }
        bench.run(for: .seconds(120))
        compare(bench, "reflective relay is refused, and other timers hold")
        #expect(bench.station.brief.reflectiveRelay == .off)
        bench.setLink(up: false)
        compare(bench, "the link is down")
        let draft = PairBench(station: .draft, bridge: .draft).start()
        compare(draft, "the draft is spoken")
        #expect(draft.station.brief.dialect == .draft)
    }
}

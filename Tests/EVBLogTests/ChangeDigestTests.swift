import EVBTime
import Testing

@testable import EVBLog

/// A digest that `#expect` can call.
private final class Bench {
    private var digest = ChangeDigest()

    func begin(_ cause: String, expecting: Int, isReturn: Bool, at now: Instant) -> ChangeDigest.Summary? {
        digest.begin(cause, expecting: expecting, isReturn: isReturn, at: now)
    }
    func take(_ outcome: ChangeDigest.Outcome, _ vsi: String, reason: String?, at now: Instant) -> Bool {
        digest.take(outcome, vsi, reason: reason, at: now)
    }
    func advance(to now: Instant) -> ChangeDigest.Summary? { digest.advance(to: now) }
    func end() -> ChangeDigest.Summary? { digest.end() }
    var nextDeadline: Instant? { digest.nextDeadline }
    var isSummingUp: Bool { digest.isSummingUp }
    var lastLost: Int { digest.lastLost }
}

@Suite struct ChangeDigestTests {
    private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    @Test(
        "OPS-511 a flap of 40 VSIs is one line when it goes and one when they are back, with those that are refused by name"
    )
    func flap() {
        let digest = Bench()
        #expect(digest.begin("link down", expecting: 40, isReturn: false, at: at(0)) == nil)
        for number in 0..<40 {
            #expect(digest.advance(to: at(1)) == nil)
            #expect(digest.take(.lost, "v\(number)", reason: "bridge-lost", at: at(1)))
        }
        #expect(digest.nextDeadline == at(1), "nothing more is expected")
        let down = digest.advance(to: at(1))
        #expect(down?.text == "link down: 40 VSIs lost (bridge-lost) in 0.0 s: v0, v1, v2 and 37 more")
        #expect(down?.alert == .vsiLost && down?.counts == [.lost: 40] && digest.lastLost == 40)
        // The switch is found a while after the link is up, and belongs to that.
        #expect(digest.begin("link up", expecting: 40, isReturn: true, at: at(5000)) == nil)
        #expect(digest.begin("EVB bridge found", expecting: 40, isReturn: true, at: at(6000)) == nil)
        for number in 0..<38 { #expect(digest.take(.associated, "v\(number)", reason: nil, at: at(6100))) }
        #expect(digest.advance(to: at(6150)) == nil)
        #expect(digest.take(.refused, "v38", reason: "insufficient-resources", at: at(6200)))
        #expect(digest.take(.refused, "v39", reason: "other-failure", at: at(6200)))
        let up = digest.advance(to: at(6200))
        #expect(
            up?.text
                == "link up: 38 VSIs associated again in 1.2 s; 1 refused (insufficient-resources): v38; "
                + "1 refused (other-failure): v39")
        #expect(up?.alert == .vsiRefused && !digest.isSummingUp && digest.nextDeadline == nil)
    }

    @Test("OPS-512 the change of one VSI has its line at once, and so have those of a few")
    func few() {
        let digest = Bench()
        #expect(digest.begin("link down", expecting: 3, isReturn: false, at: at(0)) == nil)
        for number in 0..<10 { #expect(!digest.take(.lost, "v\(number)", reason: "timeout", at: at(0))) }
        #expect(digest.nextDeadline == nil)
        // One a second never is an upheaval.
        for second in 3..<100 as Range<UInt64> {
            #expect(!digest.take(.associated, "v", reason: nil, at: at(second * 1000)))
        }
        // More than ten in two seconds are.
        let summed = (0..<40).map { digest.take(.associated, "v\($0)", reason: nil, at: at(200_000)) }
        #expect(summed.count { $0 } == 30 && summed.prefix(10).allSatisfy { !$0 })
        #expect(digest.nextDeadline == at(202_000) && digest.advance(to: at(201_999)) == nil)
        let summary = digest.advance(to: at(202_000))
        #expect(summary?.text == "many changes at once: 30 VSIs associated in 0.0 s" && summary?.alert == .vsiSummary)
    }

    @Test("OPS-513 an upheaval ends after a time, however many changes still come, and what is kept of it is bounded")
    func bounds() {
        let digest = Bench()
        _ = digest.begin("link up", expecting: 1_000_000, isReturn: true, at: at(0))
        var summaries: [ChangeDigest.Summary] = []
        var lines = 0
        for number in 0..<100_000 as Range<UInt64> {
            if let summary = digest.advance(to: at(number)) { summaries.append(summary) }
            if !digest.take(.refused, "v", reason: "r\(number % 1000)", at: at(number)) { lines += 1 }
        }
        if let rest = digest.end() { summaries.append(rest) }
        #expect(summaries.count == 4 && lines == 30, "one in 30 s, and ten lines before the next")
        #expect(summaries.reduce(0) { $0 + ($1.counts[.refused] ?? 0) } + lines == 100_000)
        #expect(summaries.allSatisfy { $0.text.utf8.count < 600 })
        #expect(digest.end() == nil)
        // One without any change has no line.
        _ = digest.begin("link up", expecting: 40, isReturn: true, at: at(200_000))
        #expect(digest.nextDeadline == at(230_000) && digest.advance(to: at(230_000)) == nil && !digest.isSummingUp)
        // What goes in the middle of a return is another line.
        _ = digest.begin("link up", expecting: 40, isReturn: true, at: at(300_000))
        _ = digest.take(.associated, "v", reason: nil, at: at(300_500))
        let half = digest.begin("link down", expecting: 40, isReturn: false, at: at(301_000))
        #expect(half?.text == "link up: 1 VSI associated again in 0.5 s" && digest.isSummingUp)
    }
}

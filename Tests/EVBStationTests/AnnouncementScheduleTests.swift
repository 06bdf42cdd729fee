import EVBTime
import EVBWire
import Testing

@testable import EVBStation

@Suite struct AnnouncementScheduleTests {
    private func vsi(_ number: UInt64) -> VSIID { VSIID(format: .uuid, high: 1, low: number) }
    private let start = Instant(nanoseconds: 1_000_000_000)

    /// Runs a schedule to its end, or to a time.
    private func run(
        _ schedule: inout AnnouncementSchedule, from: Instant, until: Instant, frames: Int = 1
    ) -> [(vsiID: VSIID, after: Interval, turn: Int)] {
        var sent: [(vsiID: VSIID, after: Interval, turn: Int)] = []
        var now = from
        var turn = 0
        while let deadline = schedule.nextDeadline(at: now), deadline <= until {
            now = max(now, deadline)
            turn += 1
            schedule.advance(to: now) {
                sent.append(($0, now.since(start), turn))
                return frames
            }
        }
        return sent
    }

    @Test("HEAL-1101 a VSI is announced at 0, 50, 200, 400 and 750 ms")
    func rounds() {
        var schedule = AnnouncementSchedule()
        schedule.begin(vsi(1), at: start)
        let sent = run(&schedule, from: start, until: start + .seconds(60))
        #expect(sent.map(\.after) == [0, 50, 200, 400, 750].map { Interval.milliseconds($0) })
        #expect(schedule.count == 0)
    }

    @Test(
        "HEAL-1102 a thousand VSIs that come back at once are spread: few a turn, 500 a second, each once before any twice"
    )
    func burst() {
        var schedule = AnnouncementSchedule()
        for number in 0..<1000 { schedule.begin(vsi(UInt64(number)), at: start) }
        let sent = run(&schedule, from: start, until: start + .seconds(60))
        #expect(sent.count == 5000 && schedule.count == 0)
        #expect(Set(sent.prefix(1000).map(\.vsiID)).count == 1000)
        #expect(sent[999].after <= .milliseconds(2000))
        #expect(Dictionary(grouping: sent, by: \.turn).values.allSatisfy { $0.count <= 64 })
        for (place, frame) in sent.enumerated() where place >= 564 {
            #expect(frame.after.nanoseconds - sent[place - 564].after.nanoseconds >= 1_000_000_000)
        }
    }

    @Test("HEAL-1102 a bridge that takes VSIs and gives them back on and on makes it no longer and no faster")
    func flapping() {
        var schedule = AnnouncementSchedule()
        var count = 0
        for step in 0..<10_000 {
            let now = start + .milliseconds(UInt64(step))
            schedule.begin(vsi(UInt64(step % 10)), at: now)
            schedule.advance(to: now) { _ in
                count += 1
                return 1
            }
            #expect(schedule.count <= 10)
        }
        #expect(count <= 64 + 10 * 500)
    }

    @Test("HEAL-1102 large filters count by their frames; what is ended or cannot be sent is over")
    func ends() {
        var schedule = AnnouncementSchedule()
        for number in 0..<10 { schedule.begin(vsi(UInt64(number)), at: start) }
        schedule.end(vsi(3))
        schedule.end(vsi(3))
        var first: [VSIID] = []
        schedule.advance(to: start) {
            first.append($0)
            return 243
        }
        #expect(first.count == 1)
        let sent = run(&schedule, from: start, until: start + .seconds(60), frames: 243)
        #expect(sent.count == 9 * 5 - 1 && !sent.contains { $0.vsiID == vsi(3) })
        for (place, frame) in sent.enumerated() {
            #expect(frame.after >= .milliseconds(UInt64(place) * 243 * 2), "500 frames a second")
        }
        schedule.begin(vsi(1), at: start)
        schedule.advance(to: start + .seconds(100)) { _ in nil }
        #expect(schedule.count == 0 && schedule.nextDeadline(at: start) == nil)
    }
}

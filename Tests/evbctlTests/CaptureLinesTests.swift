import EVBModel
import Testing

@testable import evbctl

@Suite struct CaptureLinesTests {
    @Test("CAP-115 a frame is a line: when, which way, from whom to whom, and what evbd makes of it")
    func line() {
        var frame = CapturedFrame(
            timeNanoseconds: 1_795_944_288_000_000_007, direction: .received,
            octets: "0180c2000000" + "020000000099" + "894010010007", length: 60, ignored: true,
            view: ["ECP request 7, VDP", "ignored: \u{1B}[2J"])
        #expect(
            Presenter(colour: false).frame(frame)
                == "2026-11-29T09:24:48.000000007Z received 02:00:00:00:00:99 > 01:80:c2:00:00:00 "
                + "ECP request 7, VDP; ignored: \\u{1B}[2J")
        frame.octets = "0180"
        frame.direction = .sent
        #expect(Presenter(colour: false).frame(frame).hasPrefix("2026-11-29T09:24:48.000000007Z sent ? > ? ECP"))
        #expect(Units.time(nanoseconds: -1_000_000) == "-1 ms")
    }
}

import EVBControl
import JSON
import LinuxSystem
import Testing

@testable import ControlServer
@testable import EVBModel
@testable import EventLoop

/// Sources that are drawn as fast as clients read, as captures are.
@Suite struct ControlStreamTests {
    private static func message(_ number: Int) -> [UInt8] {
        let text = JSONValue.string("\(number) " + String(repeating: "x", count: 1000))
        return VarlinkReply(parameters: .object([.init("text", text)]), continues: true).octets
    }

    /// The numbers of the messages that have come.
    private static func numbers(_ replies: [VarlinkReply]) -> [Int] {
        replies.compactMap { reply in
            guard case .string(let text)? = reply.parameters["text"] else { return nil }
            return text.split(separator: " ").first.flatMap { Int($0) }
        }
    }

    @Test("CAP-103 a source waits for a client that does not read, and others are served meanwhile")
    func slow() throws {
        let bench = try ControlBench(limits: .init(queuedOctets: 200_000))
        let slow = try TestClient(bench.path)
        try slow.call("io.evbd.Capture", "{\"port\":\"eth0\"}", more: true)
        try bench.turn(until: { bench.service.requests.count == 1 })
        let reply = bench.service.seen[0].reply
        var drawn = 0
        #expect(
            reply.stream {
                drawn += 1
                return Self.message(drawn)
            })
        try bench.turn(200)
        let first = drawn
        #expect(first > 50 && first < 1000, "the kernel's buffer and 64 KiB, and no more: \(first)")
        try bench.turn(200)
        #expect(drawn == first && bench.counters.slow == 0)

        let other = try TestClient(bench.path)
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "7"))) }
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: other).error == nil)

        var got: [Int] = []
        try bench.turn(until: {
            got += Self.numbers(try slow.replies())
            return got.count > 2 * first
        })
        #expect(got == Array(1...got.count))
    }

    @Test("CAP-103 a source that had nothing is asked again when it says so, and may end the call")
    func pauses() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        try client.call("io.evbd.Capture", "{\"port\":\"eth0\"}", more: true)
        try bench.turn(until: { bench.service.requests.count == 1 })
        let reply = bench.service.seen[0].reply
        var waiting = [1, 2]
        var (asked, ends) = (0, false)
        reply.stream {
            asked += 1
            if waiting.isEmpty, ends { reply.fail(ControlError(.noSuchPort(port: "eth0"))) }
            return waiting.isEmpty ? nil : Self.message(waiting.removeFirst())
        }
        var replies: [VarlinkReply] = []
        try bench.turn(until: {
            replies += try client.replies()
            return replies.count == 2
        })
        try bench.turn(10)
        #expect(asked == 3, "not asked again without a reason")
        waiting = [3]
        ends = true
        reply.sourceHasMore()
        try bench.turn(until: {
            replies += try client.replies()
            return replies.count == 4
        })
        #expect(Self.numbers(replies) == [1, 2, 3])
        #expect(replies.last?.error == "io.evbd.NoSuchPort" && replies.last?.continues == false)
        // The call is over, and the next one is taken.
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "7"))) }
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: client).error == nil)
    }

    @Test("CAP-104 a socket that is for looking only has no captures")
    func readOnly() throws {
        let bench = try ControlBench(access: .readOnly)
        let client = try TestClient(bench.path)
        try client.call("io.evbd.Capture", "{\"port\":\"eth0\"}", more: true)
        var replies: [VarlinkReply] = []
        try bench.turn(until: {
            replies += try client.replies()
            return !replies.isEmpty
        })
        #expect(replies.first?.error == "io.evbd.NotShown" && bench.service.requests.isEmpty)
        #expect(replies.first?.parameters["method"] == .string("Capture"))
    }

    @Test("a call without a reply has no source, and one that went has none any more")
    func gone() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        try client.call("io.evbd.Capture", "{\"port\":\"eth0\"}", more: true, oneway: true)
        try bench.turn(until: { bench.service.requests.count == 1 })
        #expect(!bench.service.seen[0].reply.stream { nil })
        let other = try TestClient(bench.path)
        try other.call("io.evbd.Capture", "{\"port\":\"eth0\"}", more: true)
        try bench.turn(until: { bench.service.requests.count == 2 })
        var asked = 0
        let reply = bench.service.seen[1].reply
        reply.stream {
            asked += 1
            return nil
        }
        try bench.turn(until: { asked == 1 })
        _ = consume other
        try bench.turn(until: { reply.isGone })
        reply.sourceHasMore()
        try bench.turn(5)
        #expect(asked == 1)
    }
}

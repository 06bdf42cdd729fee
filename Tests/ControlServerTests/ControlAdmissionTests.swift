import EVBControl
import LinuxSystem
import Testing

@testable import ControlServer
@testable import EVBModel
@testable import EventLoop

@Suite struct ControlAdmissionTests {
    private let limits = ControlServer.Limits(clients: 6, clientsPerUser: 3)

    /// Clients from their users and uses, the first the one that has been quiet for longest.
    private func places(_ list: [(UInt32, ControlPlace.Use)]) -> [ControlPlace] {
        list.enumerated().map { ControlPlace(user: $1.0, use: $1.1, lastActive: UInt64($0)) }
    }

    private func decide(_ user: UInt32, _ list: [(UInt32, ControlPlace.Use)]) -> ControlAdmission {
        ControlAdmission.decide(user: user, among: places(list), limits: limits)
    }

    @Test func thereIsAPlace() {
        #expect(decide(1, []) == .admitted)
        #expect(decide(1, [(1, .busy), (1, .busy), (2, .busy), (2, .busy), (2, .busy)]) == .admitted)
    }

    @Test func withinItsShareTheLongestIdleGivesWay() {
        #expect(decide(1, [(2, .idle), (1, .busy), (1, .idle), (1, .idle)]) == .inPlaceOf(2))
        #expect(decide(1, [(1, .stuck), (1, .busy), (1, .idle)]) == .inPlaceOf(2))
        #expect(decide(1, [(1, .busy), (1, .stuck), (1, .stuck)]) == .inPlaceOf(1))
        #expect(decide(1, [(1, .busy), (1, .busy), (1, .busy)]) == .refused)
        // A user's share is its own: nobody else gives way to more of it.
        #expect(decide(1, [(1, .busy), (1, .busy), (1, .busy), (2, .idle)]) == .refused)
    }

    @Test func whoHasMostGivesWayToAnotherUser() {
        let full: [(UInt32, ControlPlace.Use)] = [
            (1, .busy), (1, .busy), (1, .idle), (2, .idle), (2, .idle), (3, .idle),
        ]
        #expect(decide(9, full) == .inPlaceOf(2))
        #expect(decide(9, [(1, .busy), (2, .busy), (2, .busy), (2, .busy), (1, .busy), (1, .busy)]) == .inPlaceOf(0))
        #expect(decide(9, [(1, .busy), (2, .stuck), (2, .busy), (2, .busy), (1, .idle), (3, .idle)]) == .inPlaceOf(1))
    }

    @Test func noCallIsInterruptedForAsMany() {
        // A sixth user where five have one each, and the first two: interrupting that one would only turn the tables.
        let full: [(UInt32, ControlPlace.Use)] = [
            (1, .busy), (1, .busy), (2, .busy), (3, .busy), (4, .busy), (5, .busy),
        ]
        #expect(decide(9, full) == .inPlaceOf(0))
        #expect(decide(2, full) == .refused)
        #expect(decide(2, [(1, .idle), (1, .busy), (2, .busy), (3, .busy), (4, .busy), (5, .busy)]) == .inPlaceOf(0))
    }
}

@Suite struct ControlServerFairnessTests {
    @Test func aNewcomerTakesThePlaceOfTheLongestIdle() throws {
        let bench = try ControlBench(limits: .init(clients: 3, clientsPerUser: 2))
        let first = try TestClient(bench.path)
        try bench.turn()
        let second = try TestClient(bench.path)
        try bench.turn(until: { bench.server?.clientCount == 2 })
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: first).error == nil)
        let third = try TestClient(bench.path)
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: third).error == nil)
        _ = try second.replies()
        #expect(second.hasEnded && bench.counters.displaced == 1)
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: first).error == nil)
    }

    @Test func aHalfMessageKeepsNobodyOut() throws {
        let bench = try ControlBench(limits: .init(clients: 1))
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        var kept: [TestClient] = []
        for _ in 0..<20 {
            let half = try TestClient(bench.path)
            try half.send("{\"method\":\"io.evbd.Get")
            try bench.turn(2)
            kept.append(half)
            #expect(try bench.reply(to: "io.evbd.GetVersion", from: try TestClient(bench.path)).error == nil)
        }
        #expect(bench.counters.surplus == 0)
    }

    @Test func whoIsTurnedAwayIsToldWhy() throws {
        let bench = try ControlBench(limits: .init(clients: 2))
        let monitors = try [TestClient(bench.path), TestClient(bench.path)]
        for monitor in monitors { try monitor.call("io.evbd.Monitor", more: true) }
        try bench.turn(until: { bench.service.requests.count == 2 })
        let surplus = try TestClient(bench.path)
        var replies: [VarlinkReply] = []
        try bench.turn(until: {
            replies += try surplus.replies(); return surplus.hasEnded
        })
        #expect(replies.map(\.error) == ["io.evbd.Busy"])
        #expect(bench.counters.surplus == 1 && bench.counters.accepted == 2 && bench.server?.clientCount == 2)
    }

    @Test func aThousandCallsOfOneDoNotKeepAnotherWaiting() throws {
        let bench = try ControlBench()
        let greedy = try TestClient(bench.path)
        let modest = try TestClient(bench.path)
        var order: [ControlRequest] = []
        bench.service.onRequest = { request, reply in
            order.append(request)
            reply.answer(.version(VersionReport(version: "1")))
        }
        try greedy.send(String(repeating: "{\"method\":\"io.evbd.GetStatus\"}\0", count: 1000))
        try modest.call("io.evbd.GetVersion")
        try bench.turn(until: { order.contains(.getVersion) })
        #expect(try #require(order.firstIndex(of: .getVersion)) < 10)
        var count = 0
        try bench.turn(until: {
            count += try greedy.replies().count; return count == 1000
        })
    }

    /// The last words of one who hangs up are done in turns too.
    @Test func lastWordsDoNotKeepOthersWaiting() throws {
        let bench = try ControlBench()
        var order: [ControlRequest] = []
        bench.service.onRequest = { request, reply in
            order.append(request)
            reply.answer(.version(VersionReport(version: "1")))
        }
        let modest = try TestClient(bench.path)
        do {
            let greedy = try TestClient(bench.path)
            let call = "{\"method\":\"io.evbd.Deassociate\",\"parameters\":{\"vsiID\":\"x\"}}\0"
            // What changes nothing is not done for one who has gone.
            try greedy.send(String(repeating: call, count: 1000) + "{\"method\":\"io.evbd.GetStatus\"}\0")
        }
        try modest.call("io.evbd.GetVersion")
        try bench.turn(until: { order.count == 1001 })
        #expect(try #require(order.firstIndex(of: .getVersion)) < 10)
        try bench.turn(until: { bench.server?.clientCount == 1 })
        #expect(order.count == 1001 && !order.contains(.getStatus))
    }

    @Test func whatWaitsForAllIsBounded() throws {
        let bench = try ControlBench(limits: .init(queuedOctets: 400_000, heldOctets: 1_000_000))
        let slow = try (0..<4).map { _ in try TestClient(bench.path) }
        for client in slow { try client.call("io.evbd.Monitor", more: true) }
        try bench.turn(until: { bench.service.requests.count == 4 })
        let event = ControlEvent(timeMilliseconds: 0, kind: .notice, message: String(repeating: "x", count: 1000))
        // Each stays below its own bound, with what the kernel takes besides.
        for _ in 0..<10_000 where bench.counters.slow == 0 {
            for entry in bench.service.seen { entry.reply.send(event) }
            try bench.turn()
        }
        #expect(bench.counters.slow == 1 && bench.server?.clientCount == 3)
    }

    @Test func aReadOnlySocketChangesNothing() throws {
        let bench = try ControlBench(access: .readOnly)
        let client = try TestClient(bench.path)
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        for method in ControlMethod.allCases where method.changesSomething {
            let reply = try bench.reply(to: method.qualifiedName, from: client)
            #expect(reply.error == "io.evbd.ReadOnly" && reply.parameters["method"] == .string(method.rawValue))
        }
        #expect(bench.service.requests.isEmpty)
        for method in [ControlMethod.getVersion, .getStatus, .listPorts] {
            #expect(try bench.reply(to: method.qualifiedName, from: client).error == nil)
        }
    }
}

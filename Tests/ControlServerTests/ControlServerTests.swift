import EVBControl
import Glibc
import JSON
import LinuxSystem
import Testing
import VSISamples

@testable import ControlServer
@testable import EVBModel
@testable import EventLoop

@Suite struct ControlServerCallTests {
    @Test func requestsReachTheServiceWithThePeer() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        let vsi = "\"vsiID\":\"x\",\"port\":\"p\",\"typeID\":1"
        let calls: [(String, String, ControlRequest)] = [
            ("GetVersion", "{}", .getVersion), ("GetStatus", "{}", .getStatus), ("ListPorts", "{}", .listPorts),
            ("GetPort", "{\"interface\":\"eth0\"}", .getPort(interface: "eth0")),
            ("ListVSIs", "{}", .listVSIs(ListVSIsRequest())),
            ("ListVSIDetails", "{\"port\":\"p\"}", .listVSIDetails(port: "p")),
            (
                "ListVSIs", "{\"port\":\"p\",\"state\":\"preassociated-rr\"}",
                .listVSIs(ListVSIsRequest(port: "p", state: .preassociatedRR))
            ),
            ("GetVSI", "{\"vsiID\":\"x\"}", .getVSI(vsiID: "x", port: nil)),
            ("Associate", "{\(vsi)}", .associate(VSIRequest(vsiID: "x", port: "p", typeID: 1))),
            (
                "PreAssociate", "{\(vsi),\"reserve\":true,\"wait\":5}",
                .preAssociate(VSIRequest(vsiID: "x", port: "p", typeID: 1, reserve: true, waitMilliseconds: 5))
            ),
            ("Deassociate", "{\"vsiID\":\"x\"}", .deassociate(DeassociateRequest(vsiID: "x"))),
            ("Retry", "{\"vsiID\":\"x\",\"wait\":7}", .retry(RetryRequest(vsiID: "x", waitMilliseconds: 7))),
            ("Drain", "{\"port\":\"p\"}", .drain(DrainRequest(port: "p", seconds: 7200))),
            ("EndDrain", "{\"port\":\"p\"}", .endDrain(EndDrainRequest(port: "p"))),
            ("Probe", "{\"port\":\"p\",\"vsis\":3}", .probe(ProbeRequest(port: "p", vsis: 3))),
            ("GetHistory", "{\"vsiID\":\"x\"}", .getHistory(GetHistoryRequest(vsiID: "x"))),
            ("RetryAll", "{\"port\":\"p\"}", .retryAll(RetryAllRequest(port: "p"))),
            ("GetStatistics", "{\"interface\":null}", .getStatistics(interface: nil)),
            ("GetMetrics", "{}", .getMetrics(vsis: false)), ("GetMetrics", "{\"vsis\":true}", .getMetrics(vsis: true)),
            (
                "Misbehave", "{\"interface\":\"port0\",\"misbehaviour\":{\"silent\":\"all\",\"vlan\":7}}",
                .misbehave(
                    MisbehaveRequest(interface: "port0", misbehaviour: Misbehaviour(silent: .all, vlan: 7)))
            ),
            (
                "Misbehave", "{\"interface\":\"port0\"}",
                .misbehave(MisbehaveRequest(interface: "port0", misbehaviour: nil))
            ),
            ("Reload", "{\"dryRun\":true}", .reload(ReloadRequest(dryRun: true, endVSIs: false))),
            ("Reload", "{\"endVSIs\":true,\"dryRun\":null}", .reload(ReloadRequest(dryRun: false, endVSIs: true))),
            ("GetConfiguration", "{\"defaults\":true}", .getConfiguration(GetConfigurationRequest(defaults: true))),
            ("FetchTypes", "{}", .fetchTypes),
            ("GetLogLevel", "{}", .getLogLevel),
            ("SetLogLevel", "{\"level\":\"debug\"}", .setLogLevel(SetLogLevelRequest(level: "debug"))),
            ("SetLogLevel", "{\"level\":null}", .setLogLevel(SetLogLevelRequest(level: nil))),
        ]
        #expect(Set(calls.map(\.0)).union(["Monitor", "Capture"]) == Set(ControlMethod.allCases.map(\.rawValue)))
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "7"))) }
        for (method, parameters, _) in calls {
            let reply = try bench.reply(to: "io.evbd.\(method)", parameters, from: client)
            #expect(reply == VarlinkReply(parameters: .object([.init("version", .string("7"))])))
        }
        #expect(bench.service.requests == calls.map(\.2))
        let peer = PeerCredentials(pid: getpid(), uid: geteuid(), gid: getegid())
        #expect(bench.service.seen.allSatisfy { $0.peer == peer })
        #expect(bench.counters.calls == calls.count)
    }

    @Test(arguments: [
        ("io.evbd.GetPort", "{}", "InvalidParameter", "parameter", "interface"),
        ("io.evbd.GetPort", "{\"interface\":7}", "InvalidParameter", "parameter", "interface"),
        ("io.evbd.SetLogLevel", "{\"level\":\"loud\"}", "InvalidParameter", "parameter", "level"),
        ("io.evbd.GetStatus", "{\"x\":7}", "InvalidParameter", "parameter", "x"),
        ("io.evbd.ListVSIs", "{\"state\":\"gone\"}", "InvalidParameter", "parameter", "state"),
        (
            "io.evbd.Associate", "{\"vsiID\":\"x\",\"port\":\"p\",\"typeID\":1,\"reserve\":false}", "InvalidParameter",
            "parameter", "reserve"
        ),
        (
            "io.evbd.Associate", "{\"vsiID\":\"x\",\"port\":\"p\",\"typeID\":1,\"filters\":[{\"vlan\":5000}]}",
            "InvalidParameter", "parameter", "filters[0].vlan"
        ),
        ("io.evbd.Reboot", "{}", "MethodNotFound", "method", "io.evbd.Reboot"),
        ("io.nobody.GetStatus", "{}", "InterfaceNotFound", "interface", "io.nobody"),
        ("GetStatus", "{}", "InterfaceNotFound", "interface", "GetStatus"),
        ("org.varlink.service.GetNothing", "{}", "MethodNotFound", "method", "org.varlink.service.GetNothing"),
        ("org.varlink.service.GetInterfaceDescription", "{}", "InvalidParameter", "parameter", "interface"),
        (
            "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"a.b\"}", "InterfaceNotFound", "interface",
            "a.b"
        ),
    ]) func whatTheServerRefusesItself(
        _ method: String, _ parameters: String, _ error: String, _ key: String, _ value: String
    ) throws {
        let bench = try ControlBench()
        let reply = try bench.reply(to: method, parameters, from: try TestClient(bench.path))
        #expect(reply.error == "org.varlink.service.\(error)")
        #expect(reply.parameters == .object([.init(key, .string(value))]))
        #expect(bench.service.requests.isEmpty)
    }

    @Test(
        "SEC-104 a name that the kernel would expand, or no terminal shows, is refused at the socket with the rule",
        arguments: [
            ("GetPort", "interface", "\"interface\":\"NAME\""), ("ListVSIs", "port", "\"port\":\"NAME\""),
            ("GetStatistics", "interface", "\"interface\":\"NAME\""),
            ("Misbehave", "interface", "\"interface\":\"NAME\""),
            ("Deassociate", "port", "\"vsiID\":\"x\",\"port\":\"NAME\""),
            ("Associate", "port", "\"vsiID\":\"x\",\"typeID\":1,\"port\":\"NAME\""),
            ("PreAssociate", "port", "\"vsiID\":\"x\",\"typeID\":1,\"port\":\"NAME\""),
            (
                "Associate", "link.name",
                "\"vsiID\":\"x\",\"typeID\":1,\"port\":\"p\",\"link\":{\"name\":\"NAME\"}"
            ),
            (
                "PreAssociate", "link.name",
                "\"vsiID\":\"x\",\"typeID\":1,\"port\":\"p\",\"link\":{\"name\":\"NAME\"}"
            ),
        ]) func namesAreCheckedAtTheSocket(_ method: String, _ argument: String, _ parameters: String) throws
    {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        // A port may be named by an alternative name of its interface.
        let isLink = argument == "link.name"
        let long = String(repeating: "x", count: isLink ? 16 : 128)
        for name in ["vm%d", "a\\u001b[31m", "\\u202evm", "a/b", "a b", "a:b", ".", "", long] {
            let text =
                "{" + parameters.split(separator: "NAME", omittingEmptySubsequences: false).joined(separator: name)
                + "}"
            let reply = try bench.reply(to: "io.evbd.\(method)", text, from: client)
            #expect(reply.error == "io.evbd.InvalidArgument", "\(name): \(reply)")
            #expect(reply.parameters["argument"] == .string(argument))
            #expect(reply.parameters["hint"] == .string(isLink ? InterfaceName.rule : InterfaceName.ruleOfPorts))
        }
        #expect(bench.service.requests.isEmpty)
    }

    @Test(arguments: ["Monitor", "Capture"]) func aStreamNeedsMore(_ method: String) throws {
        let bench = try ControlBench()
        let reply = try bench.reply(to: "io.evbd.\(method)", "{\"port\":\"eth0\"}", from: try TestClient(bench.path))
        #expect(reply.error == VarlinkService.expectedMore)
        #expect(bench.service.requests.isEmpty)
    }

    @Test func theServiceTellsWhatItIs() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        let info = try bench.reply(to: "org.varlink.service.GetInfo", from: client)
        #expect(info.parameters["version"] == .string("1.2.3"))
        #expect(info.parameters["interfaces"] == .array([.string("org.varlink.service"), .string("io.evbd")]))
        let description = try bench.reply(
            to: "org.varlink.service.GetInterfaceDescription", "{\"interface\":\"io.evbd\"}", from: client)
        #expect(description.parameters["description"] == .string(ControlInterface.description))
    }

    @Test func errorsOfTheService() throws {
        let bench = try ControlBench()
        let error = ControlError(.noSuchPort(port: "eth9"))
        bench.service.onRequest = { _, reply in reply.fail(error) }
        let reply = try bench.reply(
            to: "io.evbd.GetPort", "{\"interface\":\"eth9\"}", from: try TestClient(bench.path))
        #expect(reply == VarlinkReply(parameters: error.parameters, error: "io.evbd.NoSuchPort"))
    }

    @Test func callsOfAClientAreHandledOneAfterAnother() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        for port in ["a", "b", "c"] { try client.call("io.evbd.GetPort", "{\"interface\":\"\(port)\"}") }
        try bench.turn(5)
        #expect(bench.service.requests == [.getPort(interface: "a")])
        #expect(try client.replies().isEmpty)
        // Another client is not kept waiting by the first.
        let other = try TestClient(bench.path)
        try other.call("io.evbd.GetVersion")
        try bench.turn(until: { bench.service.requests.count == 2 })
        #expect(bench.service.requests.last == .getVersion)
        for number in 0..<4 {
            let handle = try #require(bench.service.seen.map(\.reply)[[0, 2, 3, 1][number]] as ControlReplyHandle?)
            #expect(handle.answer(.version(VersionReport(version: "\(number)"))))
            #expect(!handle.answer(.version(VersionReport(version: "again"))))
            try bench.turn(3)
        }
        #expect(try client.replies().map { $0.parameters["version"] } == ["0", "1", "2"].map { .string($0) })
        #expect(try other.replies().map { $0.parameters["version"] } == [.string("3")])
    }

    @Test func manyPipelinedCalls() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        let call = "{\"method\":\"io.evbd.GetVersion\"}\0"
        #expect(try client.send(String(repeating: call, count: 500)) == 500 * call.utf8.count)
        var count = 0
        try bench.turn(until: {
            count += try client.replies().count; return count == 500
        })
        #expect(bench.service.requests.count == 500)
    }

    @Test func onewayIsNotAnswered() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        bench.service.onRequest = { _, reply in #expect(reply.answer(.version(VersionReport(version: "1")))) }
        try client.call("io.evbd.GetStatus", oneway: true)
        try client.call("io.evbd.Nonsense", oneway: true)
        try client.call("io.evbd.GetVersion")
        var replies: [VarlinkReply] = []
        try bench.turn(until: {
            replies += try client.replies(); return !replies.isEmpty
        })
        #expect(replies.count == 1 && replies[0].error == nil)
        #expect(bench.service.requests == [.getStatus, .getVersion])
    }

    @Test func aMessageInHalves() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        try client.send("{\"method\":\"io.evbd.Get")
        try bench.turn(3)
        #expect(bench.service.requests.isEmpty && !client.hasEnded)
        try client.send("Status\"}")
        try bench.turn(3)
        #expect(bench.service.requests.isEmpty)
        try client.send("\0")
        try bench.turn(until: { !bench.service.requests.isEmpty })
        #expect(bench.service.requests == [.getStatus])
    }
}

@Suite struct ControlServerBoundTests {
    @Test(arguments: [
        "hello\0", "\0", "{}\0", "[]\0", "{\"method\":7}\0", "\u{1}\u{2}\0",
        "{\"method\":\"a.b\",\"parameters\":" + String(repeating: "[", count: 50_000) + "\0",
    ]) func garbageCostsTheConnection(_ text: String) throws {
        let bench = try ControlBench()
        let bad = try TestClient(bench.path)
        let good = try TestClient(bench.path)
        try bad.send(text)
        try bench.turn(until: {
            _ = try bad.replies(); return bad.hasEnded
        })
        #expect(bench.counters.broken == 1 && bench.server?.clientCount == 1)
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: good).error == nil)
    }

    @Test func aMessageTooLong() throws {
        let bench = try ControlBench(limits: .init(messageOctets: 1000))
        let client = try TestClient(bench.path)
        try client.send(String(repeating: " ", count: 1000))
        try bench.turn(5)
        _ = try client.replies()
        #expect(!client.hasEnded)
        try client.send(" ")
        try bench.turn(until: {
            _ = try client.replies(); return client.hasEnded
        })
        #expect(bench.counters.broken == 1)
    }

    @Test func aClientThatSendsAndIsNotAnsweredStopsBeingRead() throws {
        let bench = try ControlBench(limits: .init(messageOctets: 1000))
        let client = try TestClient(bench.path)
        let call = "{\"method\":\"io.evbd.GetVersion\"}\0"
        let all = String(repeating: call, count: 200_000)
        var sent = 0
        // Far less than this fits into the kernel's buffers: in the end nothing more is taken.
        for _ in 0..<200 {
            sent += try client.send(String(all.dropFirst(sent).prefix(50_000)))
            try bench.turn()
        }
        #expect(bench.service.requests.count == 1)
        #expect(sent < 2_000_000)
        // Once it is answered, everything that was sent is handled, and nothing is lost.
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        bench.service.seen[0].reply.answer(.version(VersionReport(version: "1")))
        var count = 0
        try bench.turn(until: {
            count += try client.replies().count; return count == sent / call.utf8.count
        })
    }

    @Test func aMonitorThatNeverReadsIsDroppedAndNobodyElse() throws {
        let bench = try ControlBench(limits: .init(queuedOctets: 50_000))
        let slow = try TestClient(bench.path)
        let quick = try TestClient(bench.path)
        try slow.call("io.evbd.Monitor", more: true)
        try quick.call("io.evbd.Monitor", more: true)
        try bench.turn(until: { bench.service.requests.count == 2 })
        var gone: [Int] = []
        for (index, entry) in bench.service.seen.enumerated() { entry.reply.onGone = { gone.append(index) } }
        let event = ControlEvent(timeMilliseconds: 0, kind: .notice, message: String(repeating: "x", count: 1000))
        var sent = 0
        var received = 0
        while !bench.service.seen[0].reply.isGone, sent < 10_000 {
            bench.service.seen[0].reply.send(event)
            #expect(bench.service.seen[1].reply.send(event))
            sent += 1
            // Told later, not in the middle of sending.
            #expect(gone.isEmpty)
            try bench.turn()
            received += try quick.replies().filter(\.continues).count
        }
        #expect(gone == [0] && bench.counters.slow == 1 && sent > 50)
        #expect(received == sent && bench.server?.clientCount == 1)
        #expect(!bench.service.seen[0].reply.send(event))
    }

    @Test func aPlaceIsFreeAgainWhenAClientGoes() throws {
        let bench = try ControlBench(limits: .init(clients: 1))
        for _ in 0..<10 {
            let client = try TestClient(bench.path)
            try bench.turn(until: { bench.server?.clientCount == 1 })
            _ = consume client
            try bench.turn(until: { bench.server?.clientCount == 0 })
        }
        #expect(bench.counters.accepted == 10 && bench.counters.surplus == 0)
    }
}

@Suite struct ControlServerListTests {
    @Test func aLongListComesInPages() throws {
        let bench = try ControlBench(limits: .init(queuedOctets: 200_000))
        let client = try TestClient(bench.path)
        var drawn = 0
        let vsis = (0..<5000).lazy.map { number in
            drawn += 1
            return ControlBench.vsi(number)
        }
        bench.service.onRequest = { _, reply in reply.answer(vsis: vsis) }
        try client.call("io.evbd.ListVSIs", more: true)
        // Nobody reads: it is not drawn beyond what may wait.
        try bench.turn(200)
        #expect(drawn < 5000 && bench.counters.slow == 0)
        var replies: [VarlinkReply] = []
        try bench.turn(until: {
            replies += try client.replies(); return replies.last?.continues == false
        })
        #expect(replies.dropLast().allSatisfy(\.continues) && replies.count > 10)
        let names = replies.flatMap { reply -> [JSONValue] in
            guard case .array(let items)? = reply.parameters["vsis"] else { return [] }
            return items.compactMap { $0["vsiID"] }
        }
        #expect(names == (0..<5000).map { .string("local:\($0)") })
        // The connection goes on after that.
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: client).error == nil)
    }

    @Test(arguments: [0, 1, 64, 65, 200]) func withoutMoreItComesInOne(_ count: Int) throws {
        let bench = try ControlBench()
        bench.service.onRequest = { _, reply in reply.answer(vsis: (0..<count).map { ControlBench.vsi($0) }) }
        let client = try TestClient(bench.path)
        for _ in 0..<2 {
            let reply = try bench.reply(to: "io.evbd.ListVSIs", from: client)
            guard case .array(let items)? = reply.parameters["vsis"] else {
                Issue.record("no list")
                return
            }
            #expect(items.count == count && !reply.continues)
        }
    }

    @Test func aListThatDoesNotFitInOneReply() throws {
        let bench = try ControlBench(limits: .init(queuedOctets: 50_000))
        bench.service.onRequest = { _, reply in reply.answer(vsis: (0..<1000).map { ControlBench.vsi($0) }) }
        let client = try TestClient(bench.path)
        #expect(try bench.reply(to: "io.evbd.ListVSIs", from: client).error == "io.evbd.Busy")
        bench.service.onRequest = { _, reply in reply.answer(.version(VersionReport(version: "1"))) }
        #expect(try bench.reply(to: "io.evbd.GetVersion", from: client).error == nil)
    }
}

@Suite struct ControlServerGoneTests {
    @Test func aWaitIsAnsweredLater() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        try client.call("io.evbd.Associate", "{\"vsiID\":\"x\",\"port\":\"p\",\"typeID\":1,\"wait\":1000}")
        try bench.turn(until: { bench.service.requests.count == 1 })
        try bench.turn(10)
        #expect(try client.replies().isEmpty)
        let handle = bench.service.seen[0].reply
        handle.onGone = { Issue.record("it is not gone") }
        #expect(handle.answer(.vsi(ControlBench.vsi(1))))
        let replies = try client.replies()
        #expect(replies.map { $0.parameters["vsi"]?["state"] } == [.string("associated")])
        _ = consume client
        try bench.turn(until: { bench.server?.clientCount == 0 })
        try bench.turn(2)
    }

    @Test func aWaitOfAClientThatGoes() throws {
        let bench = try ControlBench()
        do {
            let client = try TestClient(bench.path)
            try client.call("io.evbd.Associate", "{\"vsiID\":\"x\",\"port\":\"p\",\"typeID\":1,\"wait\":1000}")
            try bench.turn(until: { bench.service.requests.count == 1 })
        }
        var gone = 0
        let handle = bench.service.seen[0].reply
        handle.onGone = { gone += 1 }
        try bench.turn(until: { gone > 0 })
        #expect(
            handle.isGone && !handle.answer(.vsi(ControlBench.vsi(1))) && !handle.fail(ControlError(.busy(limit: "x"))))
        try bench.turn(3)
        #expect(gone == 1 && bench.server?.clientCount == 0)
        // Who asks too late is told too.
        handle.onGone = { gone += 1 }
        #expect(gone == 1)
        try bench.turn()
        #expect(gone == 2)
    }

    @Test func whatAClientAskedBeforeItWentIsDone() throws {
        let bench = try ControlBench()
        do {
            let client = try TestClient(bench.path)
            try client.call("io.evbd.Deassociate", "{\"vsiID\":\"x\"}", oneway: true)
            try client.call("io.evbd.Deassociate", "{\"vsiID\":\"y\"}", oneway: true)
        }
        var gone = 0
        bench.service.onRequest = { _, reply in reply.onGone = { gone += 1 } }
        try bench.turn(until: { gone == 2 })
        #expect(
            bench.service.requests
                == [.deassociate(DeassociateRequest(vsiID: "x")), .deassociate(DeassociateRequest(vsiID: "y"))])
        #expect(bench.server?.clientCount == 0)
    }

    @Test func aClientThatHasSaidEverythingIsStillAnswered() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        try client.call("io.evbd.GetVersion")
        shutdown(client.descriptor.rawValue, Int32(SHUT_WR))
        try bench.turn(until: { bench.service.requests.count == 1 })
        try bench.turn(5)
        #expect(!bench.service.seen[0].reply.isGone)
        bench.service.seen[0].reply.answer(.version(VersionReport(version: "1")))
        var replies: [VarlinkReply] = []
        try bench.turn(until: {
            replies += try client.replies(); return client.hasEnded
        })
        #expect(replies.count == 1)
    }

    @Test func theEndOfTheServerIsTheEndOfItsWaits() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        try client.call("io.evbd.Monitor", more: true)
        try bench.turn(until: { bench.service.requests.count == 1 })
        var gone = 0
        bench.service.seen[0].reply.onGone = { gone += 1 }
        bench.server?.close()
        bench.dropServer()
        try bench.turn(2)
        _ = try client.replies()
        #expect(gone == 1 && client.hasEnded)
        #expect(throws: SystemError.self) { try Files.status(bench.path) }
    }

    @Test func aServerThatIsDroppedWithoutACloseIsClosed() throws {
        let bench = try ControlBench()
        let client = try TestClient(bench.path)
        try client.call("io.evbd.Monitor", more: true)
        try bench.turn(until: { bench.service.requests.count == 1 })
        bench.dropServer()
        try bench.turn(2)
        _ = try client.replies()
        #expect(client.hasEnded && bench.service.seen[0].reply.isGone)
    }
}

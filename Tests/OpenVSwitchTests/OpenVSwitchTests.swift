import EVBControl
import EVBSettings
import EVBTime
import EventLoop
import Foundation
import LinuxSystem
import Logging
import OVSDB
import Testing

@testable import OpenVSwitch

/// A server of OVSDB on the same loop, that says what a test gives it.
private final class FakeServer {
    private let loop: EventLoop
    private let path: String
    private var listener: Int32 = -1
    private var watches: [EventLoop.Watch] = []
    private var connection: Int32 = -1
    var heard = ""
    var rows: String

    init(_ loop: EventLoop, _ path: String, rows: String) {
        (self.loop, self.path, self.rows) = (loop, path, rows)
    }

    func start() throws {
        listener = try UnixSocket.listen(path, backlog: 4).release()
        watches.append(
            try loop.watch(listener, for: .readable) { [self] _ in
                let owner = FileDescriptor(owning: dup(listener))
                guard let accepted = try? UnixSocket.accept(owner) else { return }
                connection = accepted.release()
                if let watch = try? loop.watch(connection, for: .readable, { [self] _ in read() }) {
                    watches.append(watch)
                }
            })
    }

    private func read() {
        guard let octets = try? UnixSocket.read(connection, upTo: 1 << 16), !octets.isEmpty else { return stop() }
        let text = String(decoding: octets, as: UTF8.self)
        heard += text
        if text.contains("monitor_cond_since") {
            say(#"{"id":1,"error":null,"result":[false,"00000000-0000-0000-0000-000000000000",\#(rows)]}"#)
        }
    }

    func say(_ text: String) { _ = try? UnixSocket.write(connection, Array(text.utf8)[...]) }

    func stop() {
        for watch in watches { watch.cancel() }
        watches = []
        for number in [listener, connection] where number >= 0 { close(number) }
        (listener, connection) = (-1, -1)
        unlink(path)
    }
}

@Suite struct OpenVSwitchTests {
    private static let rows = """
        {"Bridge":{"b0000000-0000-4000-8000-000000000001":{"initial":{"name":"br0","ports":["uuid","a0000000-0000-4000-8000-000000000001"]}}},\
        "Port":{"a0000000-0000-4000-8000-000000000001":{"initial":{"interfaces":["uuid","1f000000-0000-4000-8000-000000000001"]}}},\
        "Interface":{"1f000000-0000-4000-8000-000000000001":{"initial":{"name":"vnet0","ifindex":7}}}}
        """

    /// Runs the loop until something is so.
    private func run(_ loop: EventLoop, _ timers: Timers, until isSo: @escaping () -> Bool) throws {
        var timer: Timers.Timer?
        let end = timers.now + .seconds(30)
        timer = timers.timer {
            if isSo() || timers.now >= end { loop.stop() } else { timer?.set(timers.now + .milliseconds(5)) }
        }
        timer?.set(timers.now)
        try loop.run()
        #expect(isSo())
    }

    @Test(
        "OVL-112 the connection is made when a port needs it, comes back after a loss, and what was known stays meanwhile"
    )
    func connection() throws {
        let directory = NSTemporaryDirectory() + "/ovs-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        var settings = OpenVSwitchSettings()
        settings.socket = directory + "/db.sock"
        let client = OpenVSwitch(
            settings, loop: loop, timers: timers, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var changed: [String] = []
        client.onChange = { changed.append($0) }
        #expect(client.state == .idle)

        client.set(.possible, of: "uplink0")
        #expect(client.loss?.isAbsent == true)
        let server = FakeServer(loop, settings.socket, rows: Self.rows)
        try server.start()
        try run(loop, timers) { client.isConnected && !changed.isEmpty }
        #expect(changed == ["vnet0"])
        #expect(client.port("vnet0")?.bridge == "br0")
        #expect(client.loss == nil)

        // A verdict is written once; an echo is answered.
        client.write(SwitchPort.Verdict(status: "associated"), of: "vnet0")
        client.write(SwitchPort.Verdict(status: "associated"), of: "nothing")
        server.say(#"{"method":"echo","params":[],"id":"echo"}"#)
        try run(loop, timers) { server.heard.contains("evb-status") && server.heard.contains(#""id":"echo""#) }

        server.stop()
        try run(loop, timers) { client.loss != nil }
        #expect(client.isKnown)
        #expect(client.port("vnet0") != nil)
        // Back, without that row.
        server.rows = "{}"
        try server.start()
        try run(loop, timers) { client.isConnected && client.port("vnet0") == nil }
        #expect(changed.last == "vnet0")

        // What is no database.
        server.say("nonsense")
        try run(loop, timers) { client.loss != nil }
        #expect(client.loss?.reason.contains("no JSON") == true)
        client.set(nil, of: "uplink0")
        #expect(client.state == .idle)
        server.stop()
    }

    @Test("OVL-115 a message that is long is read beside the loop, and what follows it after it")
    func longMessages() throws {
        let directory = NSTemporaryDirectory() + "/ovs-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        var settings = OpenVSwitchSettings()
        settings.socket = directory + "/db.sock"
        let client = OpenVSwitch(
            settings, loop: loop, timers: timers, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var changed: Set<String> = []
        client.onChange = { changed.insert($0) }
        let server = FakeServer(loop, settings.socket, rows: "{}")
        try server.start()
        client.set(.certain, of: "uplink0")
        try run(loop, timers) { client.isConnected }
        // What is long is read beside the loop, in the order in which it came.
        let many = (0..<300).map { number in
            let end = String(repeating: "0", count: 12 - "\(number)".count) + "\(number)"
            return
                #""1f000000-0000-4000-8001-\#(end)":{"insert":{"name":"i\#(number)","external_ids":["map",[["iface-id","\#(end)"]]]}}"#
        }
        let ports = (0..<300).map { number in
            let end = String(repeating: "0", count: 12 - "\(number)".count) + "\(number)"
            return
                #""a0000000-0000-4000-8001-\#(end)":{"insert":{"interfaces":["uuid","1f000000-0000-4000-8001-\#(end)"]}}"#
        }
        let bridge = (0..<300).map { number in
            #"["uuid","a0000000-0000-4000-8001-\#(String(repeating: "0", count: 12 - "\(number)".count) + "\(number)")"]"#
        }
        let update = { (rows: String) in
            #"{"method":"update3","params":["evbd","00000000-0000-0000-0000-000000000000",{\#(rows)}],"id":null}"#
        }
        server.say(
            update(
                #""Bridge":{"b0000000-0000-4000-8001-000000000001":{"insert":{"name":"br1","ports":["set",[\#(bridge.joined(separator: ","))]]}}},"Port":{\#(ports.joined(separator: ","))},"Interface":{\#(many.joined(separator: ","))}"#
            )
                + update(#""Bridge":{"b0000000-0000-4000-8001-000000000001":{"modify":{"name":"br2"}}}"#))
        try run(loop, timers) { client.table.ports.count == 300 && client.port("i299")?.bridge == "br2" }
        try run(loop, timers) { changed.count == 300 }
        server.stop()
    }
}

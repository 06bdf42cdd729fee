// A control server with a service that does as it is told, and clients that behave as badly as they like. All in one
// thread: the loop is run turn by turn, and the kernel keeps what is on its way.

import EVBControl
import FoundationEssentials
import LinuxSystem
import Logging
import Testing
import VSISamples

@testable import ControlServer
@testable import EVBModel
@testable import EventLoop

final class FakeService: ControlService {
    var seen: [(request: ControlRequest, peer: PeerCredentials, reply: ControlReplyHandle)] = []
    var onRequest: ((ControlRequest, ControlReplyHandle) -> Void)?

    func handle(_ request: ControlRequest, from peer: PeerCredentials, reply: ControlReplyHandle) {
        seen.append((request, peer, reply))
        onRequest?(request, reply)
    }

    var requests: [ControlRequest] { seen.map(\.request) }
}

final class TestClient {
    let descriptor: FileDescriptor
    private var decoder = VarlinkDecoder(limit: VarlinkDecoder.maximumReply)
    private(set) var hasEnded = false

    init(_ path: String) throws {
        descriptor = try UnixSocket.connect(path)
    }

    /// Sends what the kernel takes.
    @discardableResult
    func send(_ text: String) throws -> Int {
        try UnixSocket.write(descriptor.rawValue, Array(text.utf8)[...]) ?? 0
    }

    func call(_ method: String, _ parameters: String = "{}", more: Bool = false, oneway: Bool = false) throws {
        let flags = (more ? ",\"more\":true" : "") + (oneway ? ",\"oneway\":true" : "")
        try send("{\"method\":\"\(method)\",\"parameters\":\(parameters)\(flags)}\0")
    }

    /// The replies that have come; `hasEnded` tells whether the server has closed.
    func replies() throws -> [VarlinkReply] {
        while !hasEnded {
            do {
                guard let octets = try UnixSocket.read(descriptor.rawValue, upTo: 1 << 20) else { break }
                hasEnded = octets.isEmpty
                decoder.append(octets)
            } catch {
                hasEnded = true
            }
        }
        var replies: [VarlinkReply] = []
        while let message = try decoder.next() { replies.append(try VarlinkReply(message: message)) }
        return replies
    }
}

final class ControlBench {
    let path = "/tmp/evbd-server-\(UUID().uuidString)"
    let loop: EventLoop
    let service = FakeService()
    private(set) var server: ControlServer?

    init(
        limits: ControlServer.Limits = ControlServer.Limits(), access: ControlServer.Access = .full
    ) throws {
        loop = try EventLoop()
        server = try Self.makeServer(loop, path, service, limits, access: access)
    }

    static func makeServer(
        _ loop: EventLoop, _ path: String, _ service: any ControlService,
        _ limits: ControlServer.Limits = ControlServer.Limits(), users: ControlUsers = .group(nil),
        access: ControlServer.Access = .full
    ) throws -> ControlServer {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try ControlServer(
            loop: loop, path: path, users: users, access: access, version: "1.2.3", service: service, limits: limits,
            logger: logger)
    }

    deinit {
        server?.close()
    }

    func dropServer() {
        server = nil
    }

    var counters: ControlServer.Counters { server?.counters ?? ControlServer.Counters() }

    /// Asks every descriptor once, and does what was put off.
    func turn(_ count: Int = 1) throws {
        for _ in 0..<count {
            loop.later { [loop] in loop.later { loop.stop() } }
            try loop.run()
        }
    }

    /// Turns until something is so, and fails after far more turns than it can take.
    func turn(until condition: () throws -> Bool, _ location: SourceLocation = #_sourceLocation) throws {
        for _ in 0..<10_000 {
            if try condition() { return }
            try turn()
        }
        Issue.record("it did not come so", sourceLocation: location)
    }

    /// Sends a call and gives its one reply.
    func reply(
        to method: String, _ parameters: String = "{}", from client: TestClient,
        _ location: SourceLocation = #_sourceLocation
    ) throws -> VarlinkReply {
        try client.call(method, parameters)
        var replies: [VarlinkReply] = []
        try turn(
            until: {
                replies += try client.replies(); return !replies.isEmpty || client.hasEnded
            }, location)
        #expect(replies.count == 1, sourceLocation: location)
        return try #require(replies.first, sourceLocation: location)
    }

    static func vsi(_ number: Int, state: VSIState = .associated) -> VSIStatus {
        VSIStatus(
            vsiID: "local:\(number)", vsiIDFormat: .local, port: "eth0", managerID: nil, typeID: 1, typeVersion: 0,
            state: state, reason: nil, filters: [VSIFilter(vlan: 100)], link: nil)
    }
}

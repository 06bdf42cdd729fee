import EVBControl
import FoundationEssentials
import Glibc
import LinuxSystem
import Testing

@testable import ControlServer
@testable import EventLoop

@Suite struct ControlSocketFileTests {
    private let path = "/tmp/evbd-file-\(UUID().uuidString)"
    private let service = FakeService()

    private func serve(_ path: String, group: String? = nil) throws -> ControlServer {
        try serve(path, .group(group))
    }

    private func serve(_ path: String, _ users: ControlUsers) throws -> ControlServer {
        try ControlBench.makeServer(try EventLoop(), path, service, users: users)
    }

    @Test func theSocketIsForItsGroup() throws {
        let server = try serve(path, group: "root")
        let status = try Files.status(path)
        #expect(status.kind == .socket && status.mode == 0o660 && status.group == 0)
        server.close()
        server.close()
        #expect(throws: SystemError.self) { try Files.status(path) }
    }

    @Test func aSocketForEverybody() throws {
        let server = try serve(path, .everyone)
        #expect(try Files.status(path).mode == 0o666)
        server.close()
    }

    @Test func anAbandonedSocketIsReplaced() throws {
        _ = try UnixSocket.listen(path, backlog: 1)
        #expect(try Files.status(path).kind == .socket)
        let server = try serve(path)
        _ = try UnixSocket.connect(path)
        server.close()
    }

    @Test func aSocketInUseIsNot() throws {
        let first = try serve(path)
        #expect(throws: ControlServerError.inUse(path: path)) { try serve(path) }
        _ = try UnixSocket.connect(path)
        first.close()
    }

    @Test func aSocketWhoseQueueIsFullIsInUseToo() throws {
        let listener = try UnixSocket.listen(path, backlog: 0)
        let waiting = try UnixSocket.connect(path)
        #expect(throws: ControlServerError.inUse(path: path)) { try serve(path) }
        _ = consume waiting
        _ = consume listener
        try Files.unlink(path)
    }

    @Test func somethingElseIsLeftAlone() throws {
        try Files.write(path, Array("precious".utf8), mode: 0o600)
        #expect(throws: ControlServerError.notASocket(path: path)) { try serve(path) }
        #expect(try Files.read(path, limit: 100) == Array("precious".utf8))
        try Files.unlink(path)
    }

    @Test func whatCannotBe() {
        #expect(throws: ControlServerError.noDirectory(path: "/nonexistent/s")) { try serve("/nonexistent/s") }
        let long = "/tmp/" + String(repeating: "s", count: 103)
        #expect(throws: ControlServerError.pathTooLong(path: long)) { try serve(long) }
        #expect(throws: ControlServerError.noSuchGroup("no-such-group")) { try serve(path, group: "no-such-group") }
        #expect(throws: SystemError.self) { try Files.status(path) }
        #expect(
            "\(ControlServerError.noDirectory(path: "/run/x/s"))"
                == "the directory of /run/x/s does not exist: create it, or set another path under control")
    }
}

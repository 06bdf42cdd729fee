import FoundationEssentials
import LinuxSystem
import Testing

@testable import EVBControl

/// A daemon that says what it is told to, before it is asked: the kernel keeps it for the client.
final class Puppet {
    let path = "/tmp/evbd-client-\(UUID().uuidString)"
    let listener: FileDescriptor
    var peer: FileDescriptor?

    init() throws {
        listener = try UnixSocket.listen(path, backlog: 1)
    }

    deinit {
        _ = try? Files.unlink(path)
    }

    func client(hearing text: String, thenCloses: Bool = false) throws -> ControlClient {
        let client = try ControlClient(socket: path)
        let accepted = try UnixSocket.accept(listener)
        if let accepted {
            _ = try UnixSocket.write(accepted.rawValue, Array(text.utf8)[...])
            if !thenCloses { peer = consume accepted }
        }
        return client
    }

    func heard() throws -> String {
        guard let descriptor = peer?.rawValue else { return "" }
        return String(decoding: try UnixSocket.read(descriptor, upTo: 10_000) ?? [], as: UTF8.self)
    }
}

@Suite struct ControlClientTests {
    @Test func aCallAndItsReply() throws {
        let puppet = try Puppet()
        let client = try puppet.client(hearing: "{\"parameters\":{\"version\":\"9\"}}\0")
        let answer = try client.call(.getVersion, NoParameters(), timeoutMilliseconds: 5000)
        #expect(try answer.value("version", as: String.self) == "9")
        #expect(try puppet.heard() == "{\"method\":\"io.evbd.GetVersion\",\"parameters\":{}}\0")
        let error = #expect(throws: ControlClientError.self) { try answer.value("version", as: Int.self) }
        #expect(error == .garbled(socket: puppet.path, detail: "version is not as expected in the reply"))
    }

    @Test func aStreamOfReplies() throws {
        let puppet = try Puppet()
        let client = try puppet.client(
            hearing: "{\"parameters\":{\"n\":1},\"continues\":true}\0{\"parameters\":{\"n\":2}}\0")
        var numbers: [Int] = []
        let request = ListVSIsRequest()
        try client.stream(.listVSIs, request, timeoutMilliseconds: 5000) { answer throws(ControlClientError) in
            numbers.append(try answer.value("n", as: Int.self))
            return true
        }
        #expect(numbers == [1, 2])
        #expect(try puppet.heard().contains("\"more\":true"))
    }

    @Test func nobodyIsThere() throws {
        let absent = #expect(throws: ControlClientError.self) { try ControlClient(socket: "/nonexistent/s") }
        #expect(absent == .noDaemon(socket: "/nonexistent/s", cause: .absent))
        let path: String
        do {
            let puppet = try Puppet()
            path = puppet.path + "x"
            _ = try UnixSocket.listen(path, backlog: 1)
        }
        let abandoned = #expect(throws: ControlClientError.self) { try ControlClient(socket: path) }
        #expect(abandoned == .noDaemon(socket: path, cause: .abandoned))
        try Files.unlink(path)
    }

    @Test func noAnswerInTime() throws {
        let puppet = try Puppet()
        let client = try puppet.client(hearing: "{\"parameters\":")
        let error = #expect(throws: ControlClientError.self) {
            try client.call(.getVersion, NoParameters(), timeoutMilliseconds: 20)
        }
        #expect(error == .silent(socket: puppet.path, milliseconds: 20))
    }

    @Test(arguments: [
        ("", ControlClientError.closed(socket: "")), ("{\"parameters\":", .closed(socket: "")),
        ("hello\0", .garbled(socket: "", detail: "a message is not understood: no JSON at octet 0")),
        (
            "{\"error\":\"io.evbd.NoSuchPort\",\"parameters\":{\"port\":\"e\",\"message\":\"m\",\"hint\":\"h\"}}\0",
            .refused(ControlError(.noSuchPort(port: "e"), message: "m", hint: "h"))
        ),
        (
            "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"x\"}}\0",
            .misunderstood(error: "org.varlink.service.InvalidParameter", detail: "x")
        ),
        ("{\"error\":\"io.evbd.New\"}\0", .misunderstood(error: "io.evbd.New", detail: nil)),
    ]) func answersThatAreNone(_ text: String, _ expected: ControlClientError) throws {
        let puppet = try Puppet()
        let client = try puppet.client(hearing: text, thenCloses: true)
        let error = #expect(throws: ControlClientError.self) {
            try client.call(.getVersion, NoParameters(), timeoutMilliseconds: 5000)
        }
        switch (error, expected) {
        case (.closed, .closed): break
        case (.garbled(_, let detail)?, .garbled(_, let wanted)): #expect(detail == wanted)
        default: #expect(error == expected)
        }
    }
}

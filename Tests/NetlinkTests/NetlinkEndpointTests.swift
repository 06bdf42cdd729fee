import Glibc
import LinuxSystem
import Netlink
import NetnsSupport
import Testing

@Suite struct NetlinkEndpointTests {
    @Test func aTakenPortIsRefused() throws {
        let first = try NetlinkEndpoint(port: 0x7100_0001)
        #expect(throws: SystemError(call: "bind netlink port \(0x7100_0001)", code: EADDRINUSE)) {
            try NetlinkEndpoint(port: 0x7100_0001)
        }
        #expect(first.descriptor >= 0)
    }

    @Test func nothingWaitsAtFirst() throws {
        let endpoint = try NetlinkEndpoint(port: 0x7100_0002)
        let summary = try endpoint.receive(limit: 5) { _, _, _ in Issue.record("a datagram from nowhere") }
        #expect(summary == NetlinkEndpoint.ReceiveSummary())
    }

    @Test func thePortOfTheKernelIsRefused() throws {
        let endpoint = try NetlinkEndpoint(port: 0x7100_0003)
        #expect(throws: SystemError(call: "send to netlink port 0", code: EINVAL)) {
            try endpoint.send(UnsafeRawBufferPointer(start: nil, count: 0), to: 0)
        }
    }
}

@Suite(.enabled(if: inOwnNamespace, "needs CAP_NET_ADMIN, to send to another socket: EVBD_TEST_NETNS=1 unshare -n"))
struct NetlinkEndpointTrafficTests {
    private func send(_ octets: [UInt8], from sender: NetlinkEndpoint, to port: UInt32) throws {
        try octets.withUnsafeBytes { try sender.send($0, to: port) }
    }

    @Test func aDatagramComesWithItsSender() throws {
        let receiver = try NetlinkEndpoint(port: 0x7200_0001)
        let sender = try NetlinkEndpoint(port: 0x7200_0002)
        try send([1, 2, 3], from: sender, to: 0x7200_0001)
        try send([4], from: sender, to: 0x7200_0001)
        var datagrams: [[UInt8]] = []
        let summary = try receiver.receive(limit: 10) { octets, port, credentials in
            datagrams.append(Array(octets))
            #expect(port == 0x7200_0002)
            #expect(credentials?.processID == getpid())
            #expect(credentials?.userID == geteuid())
            #expect(credentials?.groupID == getegid())
        }
        #expect(datagrams == [[1, 2, 3], [4]])
        #expect(summary.datagrams == 2)
        #expect(!summary.mayHaveMore)
    }

    @Test func credentialsAreTheSendersAndNotOurs() throws {
        let receiver = try NetlinkEndpoint(port: 0x7200_0003)
        // Another process sends, to the port id of this test.
        let program = """
            import socket,struct; s=socket.socket(socket.AF_NETLINK,socket.SOCK_RAW,0); s.bind((0x72000013,0)); \
            s.sendto(b'hello',(0x72000003,0))
            """
        try runShell("python3 -c \"\(program)\"")
        var senders: [Int32?] = []
        _ = try receiver.receive(limit: 10) { octets, port, credentials in
            #expect(Array(octets) == Array("hello".utf8))
            #expect(port == 0x7200_0013)
            senders.append(credentials?.processID)
        }
        #expect(senders.count == 1)
        #expect(senders.first.flatMap { $0 } != nil)
        #expect(senders.first != getpid())
    }

    @Test func aLongDatagramIsCutCountedAndTheNextOneComes() throws {
        let receiver = try NetlinkEndpoint(port: 0x7200_0004)
        let sender = try NetlinkEndpoint(port: 0x7200_0005)
        let limit = NetlinkEndpoint.datagramLengthMax
        try send([UInt8](repeating: 1, count: limit + 1), from: sender, to: 0x7200_0004)
        var lengths: [Int] = []
        var summary = try receiver.receive(limit: 10) { octets, _, _ in lengths.append(octets.count) }
        #expect(summary.truncated == 1)
        #expect(lengths == [limit])
        lengths = []
        try send([UInt8](repeating: 2, count: limit), from: sender, to: 0x7200_0004)
        summary = try receiver.receive(limit: 10) { octets, _, _ in lengths.append(octets.count) }
        #expect(summary.truncated == 0)
        #expect(lengths == [limit])
    }

    @Test func theLimitIsKept() throws {
        let receiver = try NetlinkEndpoint(port: 0x7200_0006)
        let sender = try NetlinkEndpoint(port: 0x7200_0007)
        for octet in 1...3 {
            try send([UInt8(octet)], from: sender, to: 0x7200_0006)
        }
        #expect(try receiver.receive(limit: 2) { _, _, _ in }.mayHaveMore)
        let rest = try receiver.receive(limit: 2) { octets, _, _ in #expect(octets.first == 3) }
        #expect(rest.datagrams == 1)
        #expect(!rest.mayHaveMore)
    }

    @Test func nobodyThereAndAFullBufferAreErrors() throws {
        let receiver = try NetlinkEndpoint(port: 0x7200_0008)
        let sender = try NetlinkEndpoint(port: 0x7200_0009)
        #expect(throws: SystemError(call: "send to netlink port \(0x7200_0099)", code: ECONNREFUSED)) {
            try send([1], from: sender, to: 0x7200_0099)
        }
        #expect(throws: SystemError(call: "send to netlink port \(0x7200_0008)", code: EAGAIN)) {
            for _ in 0..<10_000 {
                try send([UInt8](repeating: 0, count: 1000), from: sender, to: 0x7200_0008)
            }
        }
        // What was sent before is there.
        #expect(try receiver.receive(limit: 1) { _, _, _ in }.datagrams == 1)
    }

    @Test func libnlKeepsOffAPortThatIsTaken() throws {
        let endpoint = try NetlinkEndpoint(port: UInt32(getpid()))
        let links = try (0..<5).map { _ in try Links() }
        for links in links {
            #expect(try links.link(named: "lo")?.name == "lo")
        }
        let other = try NetlinkEndpoint(port: 0x7200_0010)
        try send([9], from: other, to: UInt32(getpid()))
        var first: [UInt8?] = []
        _ = try endpoint.receive(limit: 2) { octets, _, _ in first.append(octets.first) }
        #expect(first == [9])
    }
}

import EVBProtocol
import EVBTime
import Glibc
import LinuxSystem
import Netlink
import Testing

@testable import EVBDaemon
@testable import LibvirtServer

/// What evbd makes of other processes and of its own pid file.
struct ProcessTests {
    private func temporaryPath(_ name: String) -> String {
        "/tmp/evbd-test-\(Processes.ownID)-\(name)-\(UInt64.random(in: .min ... .max))"
    }

    @Test("effective capabilities are read from /proc/PID/status")
    func readsCapabilities() {
        let status = "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t0000000000001000\nCapBnd:\t000001ffffffffff\n"
        #expect(Privileges.effectiveCapabilities(inStatus: status) == 0x1000)
        #expect(Privileges.effectiveCapabilities(inStatus: "Name:\tx\n") == 0)
        #expect(Privileges.effectiveCapabilities(inStatus: "CapEff:\tzz\n") == 0)
    }

    @Test("the pid file holds the number, and only its owner's goes")
    func pidFile() throws {
        let file = PIDFile(path: temporaryPath("pid"), number: UInt32(bitPattern: Processes.ownID))
        try file.write()
        #expect(try Files.read(file.path, limit: 64) == Array("\(Processes.ownID)\n".utf8))
        file.remove()
        #expect(throws: SystemError.self) { try Files.read(file.path, limit: 64) }
        try Files.write(file.path, Array("1\n".utf8), mode: 0o644)
        file.remove()
        #expect(try Files.read(file.path, limit: 64) == Array("1\n".utf8))
        _ = try Files.unlink(file.path)
    }

    @Test("a pid file of nobody is no obstacle", arguments: ["", "garbage\n", "-5\n", "0\n", "2147483646\n"])
    func stalePIDFile(content: String) throws {
        let path = temporaryPath("stale")
        try Files.write(path, Array(content.utf8), mode: 0o644)
        defer { _ = try? Files.unlink(path) }
        #expect(RivalDaemon.findOwner(ofPIDFile: path) == nil)
    }

    /// What /proc/PID/status says, as far as it matters.
    private static func status(_ name: String, user: UInt32, state: String = "S (sleeping)") -> String {
        "Name:\t\(name)\nUmask:\t0022\nState:\t\(state)\nPid:\t4711\nUid:\t\(user)\t\(user)\t\(user)\t7\nGid:\t0\t0\t0\t0\n"
    }

    @Test(
        "SEC-91 a pid file names a rival only where its process is lldpad or evbd, of root or evbd's user, and lives",
        arguments: [
            (status("lldpad", user: 0), true), (status("evbd", user: 0), true), (status("evbd", user: 61017), true),
            (status("lldpad", user: 61017), false), (status("lldpad", user: 1000), false),
            (status("evbd", user: 1000), false), (status("lldpad", user: 0, state: "Z (zombie)"), false),
            (status("evbd", user: 0, state: "Z (zombie)"), false), (status("evbd", user: 0, state: "X (dead)"), false),
            (status("bash", user: 0), false), (status("lldpad\\nUid:\\t0", user: 0), false), ("Name:\tlldpad\n", false),
            ("", false), (nil, false),
        ] as [(String?, Bool)])
    func ownerOfPIDFile(status: String?, isRival: Bool) throws {
        let path = temporaryPath("owner")
        try Files.write(path, Array("4711\n".utf8), mode: 0o644)
        defer { _ = try? Files.unlink(path) }
        func find() -> RivalDaemon.Conflict? {
            RivalDaemon.findOwner(ofPIDFile: path, ownUser: 61017) { $0 == 4711 ? status : nil }
        }
        // Written by root, or by evbd's user: as the file is.
        let isOurs = try [0, 61017].contains(Files.status(path).owner)
        #expect((find() != nil) == (isRival && isOurs))
        // One that others may write says nothing.
        try Files.setMode(path, 0o666)
        #expect(find() == nil)
    }

    @Test("SEC-92 only root's socket of exactly lldpad's name is lldpad")
    func abstractNames() throws {
        let name = "evbd-test-\(Processes.ownID)-\(UInt64.random(in: .min ... .max))"
        var sockets: [Int32] = []
        defer { for number in sockets { close(number) } }
        func bindAbstract(_ text: String) throws {
            let number = try systemCall("socket") { socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0) }
            sockets.append(number)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0[1...].copyBytes(from: text.utf8) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + text.utf8.count)
            try withUnsafePointer(to: &address) { pointer throws(SystemError) in
                try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic throws(SystemError) in
                    _ = try systemCall("bind") { bind(number, generic, length) }
                }
            }
        }
        try bindAbstract("x @\(name)")
        try bindAbstract("\(name)x")
        #expect(try UnixSockets.owners(ofAbstract: name).isEmpty)
        try bindAbstract(name)
        #expect(try UnixSockets.owners(ofAbstract: name) == [Processes.ownUser])
    }

    @Test("SEC-93 a lock is one process's, ends with it, and can be taken by no other user")
    func lockFile() throws {
        let path = temporaryPath("lock")
        defer { _ = try? Files.unlink(path) }
        var first: LockFile? = try LockFile(path)
        #expect(try Files.status(path).mode == 0o600)
        for _ in 0..<3 {
            #expect(throws: LockFile.Failure.held(by: Processes.ownID)) { try LockFile(path) }
        }
        withExtendedLifetime(first) {}
        first = nil
        #expect(throws: Never.self) { try LockFile(path) }
        #expect(throws: LockFile.Failure.self) { try LockFile("/proc/evbd.lock") }
    }

    @Test("so many at once and then so many a second, to the nanosecond and to the end of time")
    func tokenBucket() {
        var bucket = TokenBucket(burst: 100, perSecond: 10)
        #expect(bucket.available(at: Instant(nanoseconds: 0)) == 100)
        bucket.take(1000)
        #expect(bucket.available(at: Instant(nanoseconds: 99_999_999)) == 0)
        // Looked at often, nothing of the time between is lost.
        for now in 99_999_999...100_000_000 { _ = bucket.available(at: Instant(nanoseconds: UInt64(now))) }
        #expect(bucket.available(at: Instant(nanoseconds: 100_000_000)) == 1)
        #expect(bucket.time(for: 5) == .milliseconds(500))
        #expect(bucket.available(at: Instant(nanoseconds: .max)) == 100)
        bucket.take(.max)
        #expect(bucket.available(at: Instant(nanoseconds: .max)) == 0)
        #expect(bucket.time(for: .max) == Interval(nanoseconds: .max))
        var slow = TokenBucket(burst: 2, every: .seconds(60))
        #expect(slow.available(at: Instant(nanoseconds: 0)) == 2)
        slow.take(2)
        #expect(slow.available(at: Instant(nanoseconds: 59_999_999_999)) == 0)
        #expect(slow.available(at: Instant(nanoseconds: 60_000_000_000)) == 1)
        #expect(slow.time(for: 2) == .seconds(120))
        #expect(slow.available(at: Instant(nanoseconds: .max)) == 2)
    }
}

import EVBProtocol
import LinuxSystem
import Testing

@testable import EVBDaemon

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
        let file = PIDFile(path: temporaryPath("pid"))
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

    @Test("journal fields: names in capitals, values with newlines by length")
    func journalFields() {
        #expect(JournalSocket.fieldName("vsi") == "EVBD_VSI")
        #expect(JournalSocket.fieldName("bridge port") == "EVBD_BRIDGE_PORT")
        var entry: [UInt8] = []
        JournalSocket.append("A", "b", to: &entry)
        JournalSocket.append("C", "d\ne", to: &entry)
        #expect(entry == Array("A=b\nC\n".utf8) + [3, 0, 0, 0, 0, 0, 0, 0] + Array("d\ne\n".utf8))
    }

    @Test("MGT-04 a peer fills no log: some lines at once, then so many a second, the rest counted")
    func logBudget() {
        var budget = LogBudget(burst: 3, perSecond: 2)
        func lines(_ count: Int, at seconds: UInt64) -> (written: Int, suppressed: UInt64) {
            let verdicts = (0..<count).map { _ in budget.take(at: Instant(nanoseconds: seconds * 1_000_000_000)) }
            return (verdicts.count { $0.isAllowed }, verdicts.reduce(0) { $0 + $1.suppressed })
        }
        #expect(lines(10, at: 5) == (3, 0))
        #expect(lines(10, at: 6) == (2, 7))
        #expect(lines(10, at: 1000) == (3, 8))
        #expect(lines(1, at: UInt64.max / 1_000_000_000) == (1, 7))
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
    }
}

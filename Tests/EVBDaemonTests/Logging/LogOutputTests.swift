import EVBControl
import EVBModel
import EVBProtocol
import EVBTime
import Glibc
import LinuxSystem
import Logging
import Testing

@testable import EVBDaemon
@testable import EVBPorts

/// A log whose reader stands still, ends, or goes on.
@Suite(.serialized) struct LogOutputTests {
    init() { signal(SIGPIPE, SIG_IGN) }

    /// How lines reach the reader.
    enum Way: CaseIterable {
        case pipe, socket, pipeThatBlocks
    }

    /// Reads all that comes, once it is told to; in the end in any case, so that a writer that waits for it is late and not stuck.
    private final class Reader: @unchecked Sendable {
        private let descriptor: Int32
        private let go = UnsafeMutablePointer<sem_t>.allocate(capacity: 2)
        private var done: UnsafeMutablePointer<sem_t> { go + 1 }
        private var octets: [UInt8] = []

        init(_ descriptor: Int32) {
            self.descriptor = descriptor
            sem_init(go, 0, 0)
            sem_init(done, 0, 0)
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { context in
                    if let context { Unmanaged<Reader>.fromOpaque(context).takeRetainedValue().read() }
                    return nil
                }, Unmanaged.passRetained(self).toOpaque())
            pthread_detach(thread)
        }

        deinit {
            sem_destroy(go)
            sem_destroy(done)
            go.deallocate()
        }

        func start() { sem_post(go) }

        private func read() {
            var deadline = timespec()
            clock_gettime(CLOCK_REALTIME, &deadline)
            deadline.tv_sec += 8
            sem_timedwait(go, &deadline)
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while case let count = Glibc.read(descriptor, &buffer, buffer.count), count > 0 {
                octets += buffer[..<count]
                if String(decoding: octets.suffix(200), as: UTF8.self).contains("THE END") { break }
            }
            sem_post(done)
        }

        var lines: [Substring] {
            sem_wait(done)
            return String(decoding: octets, as: UTF8.self).split(separator: "\n")
        }
    }

    private static func ends(_ way: Way) throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        if way == .socket {
            try systemCall("socketpair") { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) }
        } else {
            try systemCall("pipe") { pipe(&ends) }
        }
        return (ends[0], ends[1])
    }

    @Test(
        "SEC-701 a reader that stands still stops no writer; what is lost is counted, and told when it reads again",
        .timeLimit(.minutes(1)), arguments: Way.allCases)
    func readerStandsStill(way: Way) throws {
        let (reading, writing) = try Self.ends(way)
        defer { for end in [reading, writing] { close(end) } }
        let flags = fcntl(writing, F_GETFL)
        let output = LogOutput(
            LogDescriptor(writing, isReopened: way != .pipeThatBlocks), quota: LogQuota())
        defer { output.end() }
        let reader = Reader(reading)
        let start = MonotonicClock.now()
        var slowest: UInt64 = 0
        for number in 0..<20_000 {
            let before = MonotonicClock.now()
            output.write(Array("line \(number), with something behind it to fill the pipe and the queue\n".utf8))
            slowest = max(slowest, MonotonicClock.now() - before)
        }
        #expect(MonotonicClock.now() - start < 7_000_000_000 && slowest < 2_000_000_000, "a line waited for the reader")
        let lost = output.counters.lost
        #expect(lost > 0 && lost < 20_000)
        // What is shared with other processes stays as it was.
        #expect(fcntl(writing, F_GETFL) == flags)
        reader.start()
        // Until the thread has told what was lost, too.
        output.flush(milliseconds: 10_000)
        output.write(Array("THE END\n".utf8))
        let lines = reader.lines
        let told = lines.filter { $0.contains("log lines were lost") }
        #expect(told.count == 1 && told[0].contains(" warning \(lost) log lines were lost"))
        let numbers = lines.filter { $0.hasPrefix("line ") }.compactMap { Int($0.dropFirst(5).prefix { $0.isNumber }) }
        #expect(numbers.count + Int(lost) == 20_000 && numbers == numbers.sorted())
        #expect(lines.last == "THE END")
    }

    @Test("SEC-702 a reader that is gone costs lines, not the process")
    func readerIsGone() throws {
        for way in Way.allCases {
            let (reading, writing) = try Self.ends(way)
            defer { close(writing) }
            let output = LogOutput(
                LogDescriptor(writing, isReopened: way != .pipeThatBlocks), quota: LogQuota())
            defer { output.end() }
            output.write(Array("one\n".utf8))
            output.flush(milliseconds: 10_000)
            close(reading)
            for _ in 0..<10 { output.write(Array("two\n".utf8)) }
            output.flush(milliseconds: 10_000)
            #expect(output.counters.lost == 10, "\(way)")
        }
    }

    @Test("SEC-105 nothing that a terminal obeys reaches the log, in the message or in a field")
    func handlerEscapes() throws {
        let (reading, writing) = try Self.ends(.pipe)
        defer { for end in [reading, writing] { close(end) } }
        let output = LogOutput(LogDescriptor(writing), quota: LogQuota())
        defer { output.end() }
        let logger = Logger(label: "test") { _ in DaemonLogHandler(threshold: LogThreshold(.info), output: output) }
        let hostile = "a\u{1B}[2J\u{9B}1m\u{202E}\u{2066}\u{61C}\u{2028}\nb\u{7F}"
        logger.notice("m\(hostile)", metadata: ["name": "\(hostile)"])
        logger.debug("not seen")
        logger.notice("THE END")
        let reader = Reader(reading)
        reader.start()
        let lines = reader.lines
        #expect(lines.count == 2)
        for scalar in lines.joined().unicodeScalars { #expect((0x20...0x7E).contains(scalar.value)) }
        #expect(lines[0].contains("name=a\\u{1B}[2J\\u{009B}1m\\u{202E}"))
    }

    @Test("SEC-1170 a value from the wire is one value of a line, whatever it says")
    func valueIsOne() throws {
        let (reading, writing) = try Self.ends(.pipe)
        defer { for end in [reading, writing] { close(end) } }
        let output = LogOutput(LogDescriptor(writing), quota: LogQuota())
        defer { output.end() }
        let logger = Logger(label: "test") { _ in DaemonLogHandler(threshold: LogThreshold(.info), output: output) }
        logger.notice("heard", metadata: ["chassis": "x\" reason=\"none"])
        logger.notice("heard", metadata: ["chassis": "x\"y"])
        logger.notice("THE END")
        let reader = Reader(reading)
        reader.start()
        let lines = reader.lines
        try #require(lines.count == 3)
        #expect(lines[0].hasSuffix(#"heard chassis="x\" reason=\"none""#))
        #expect(lines[1].hasSuffix(#"heard chassis="x\"y""#))
    }

    @Test("SEC-123 the log tells what it left out without any further line")
    func summaryWithoutALine() throws {
        let (reading, writing) = try Self.ends(.pipe)
        defer { for end in [reading, writing] { close(end) } }
        let limits = LogQuota.Limits(ownBurst: 2, reserve: 1, firstSummary: .milliseconds(100))
        let output = LogOutput(LogDescriptor(writing), quota: LogQuota(limits))
        defer { output.end() }
        let logger = Logger(label: "test") { _ in DaemonLogHandler(threshold: LogThreshold(.info), output: output) }
        for number in 0..<10 {
            logger.notice("VSI associated", metadata: ["port": "uplink0", "vsi": "\(number)"])
        }
        #expect(output.counters.leftOut == 7)
        var entry = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        var text = ""
        while !text.contains("left out"), poll(&entry, 1, 10_000) > 0 {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = read(reading, &buffer, buffer.count)
            text += String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
        }
        #expect(text.split(separator: "\n").count == 4)
        #expect(text.hasSuffix(" warning log lines were left out: 7 VSI associated source=uplink0\n"))
    }

    @Test("OPS-521 a level that a client sets holds until the configuration is read again, and the log says who set it")
    func temporaryLevel() throws {
        let (reading, writing) = try Self.ends(.pipe)
        defer { for end in [reading, writing] { close(end) } }
        let output = LogOutput(LogDescriptor(writing), quota: LogQuota())
        defer { output.end() }
        for isFixed in [false, true] {
            let threshold = LogThreshold(.notice, isFixed: isFixed)
            let logger = Logger(label: "test") { _ in DaemonLogHandler(threshold: threshold, output: output) }
            func set(_ level: String?) -> LogLevelReport {
                Requester.$current.withValue(.client(name: "evbctl", pid: 7, uid: 0)) {
                    threshold.report(SetLogLevelRequest(level: level), logger)
                }
            }
            #expect(
                threshold.report(nil, logger)
                    == LogLevelReport(level: "notice", configured: "notice", isTemporary: false))
            #expect(set("debug") == LogLevelReport(level: "debug", configured: "notice", isTemporary: true))
            #expect(logger.logLevel == .debug)
            #expect(set(nil) == LogLevelReport(level: "notice", configured: "notice", isTemporary: false))
            // Both times at a level at which the line is seen.
            #expect(set("error").level == "error" && logger.logLevel == .error)
            threshold.follow(.info)
            #expect(logger.logLevel == (isFixed ? .notice : .info) && !threshold.isTemporary)
        }
        output.write(Array("THE END\n".utf8))
        let reader = Reader(reading)
        reader.start()
        let lines = reader.lines.dropLast().map { $0.split(separator: " ", maxSplits: 1)[1] }
        let changes = [("notice", "debug"), ("debug", "notice"), ("notice", "error")].map { from, to in
            "notice log level set by a client from=\(from) level=\(to) who=\"evbctl[7] uid 0\""
        }
        #expect(lines.map(String.init) == changes + changes)
    }

    @Test("a change of the level reaches loggers that were copied before, unless the command line has set it")
    func threshold() throws {
        let (reading, writing) = try Self.ends(.pipe)
        defer { for end in [reading, writing] { close(end) } }
        let output = LogOutput(LogDescriptor(writing), quota: LogQuota())
        defer { output.end() }
        let threshold = LogThreshold(.notice)
        let logger = Logger(label: "test") { _ in DaemonLogHandler(threshold: threshold, output: output) }
        var copy = logger
        copy[metadataKey: "port"] = "uplink0"
        #expect(copy.logLevel == .notice)
        threshold.follow(.debug)
        #expect(logger.logLevel == .debug && copy.logLevel == .debug)
        copy.logLevel = .error
        #expect(logger.logLevel == .debug && copy.logLevel == .error, "a logger's own level is its own")
        let fixed = LogThreshold(.trace, isFixed: true)
        fixed.follow(.error)
        #expect(fixed.level == .trace)
    }
}

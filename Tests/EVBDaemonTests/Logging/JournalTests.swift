import EVBLog
import EVBTime
import Glibc
import LinuxSystem
import Logging
import Testing

@testable import EVBDaemon
@testable import EVBPorts

/// Plays journald: a datagram socket that reads entries of the native protocol.
private final class Journal {
    let path = "/tmp/evbd-journal-\(getpid())-\(UInt32.random(in: 0...(.max)))"
    private var descriptor: Int32 = -1

    /// An entry: its fields, in their order.
    typealias Entry = [(name: String, value: String)]

    init() throws { try open() }

    deinit { close() }

    func open() throws {
        descriptor = try systemCall("socket") { socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        _ = try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                try systemCall("bind") { bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
        }
    }

    func close() {
        Glibc.close(descriptor)
        unlink(path)
    }

    /// What is there now, up to so many entries, with the seals of those that came as memory.
    func read(_ count: Int = 1, milliseconds: Int32 = 10_000) throws -> [(entry: Entry, seals: Int32?)] {
        var found: [(Entry, Int32?)] = []
        var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while found.count < count, poll(&event, 1, milliseconds) > 0 {
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            var control = [UInt8](repeating: 0, count: 64)
            let (length, sent) = try buffer.withUnsafeMutableBytes { octets in
                try control.withUnsafeMutableBytes { ancillary in
                    var vector = iovec(iov_base: octets.baseAddress, iov_len: octets.count)
                    return try withUnsafeMutablePointer(to: &vector) { vector in
                        var message = msghdr()
                        message.msg_iov = vector
                        message.msg_iovlen = 1
                        message.msg_control = ancillary.baseAddress
                        message.msg_controllen = ancillary.count
                        let length = try systemCall("recvmsg") { recvmsg(descriptor, &message, 0) }
                        // A cmsghdr of 16 octets, then the descriptor.
                        let sent =
                            message.msg_controllen >= 20 ? ancillary.load(fromByteOffset: 16, as: Int32.self) : nil
                        return (length, sent)
                    }
                }
            }
            guard let sent else {
                found.append((try Self.fields(buffer[..<length]), nil))
                continue
            }
            defer { Glibc.close(sent) }
            // F_GET_SEALS
            let seals = fcntl(sent, 1034)
            var octets = [UInt8](repeating: 0, count: 4 << 20)
            let size = try systemCall("pread") { pread(sent, &octets, octets.count, 0) }
            found.append((try Self.fields(octets[..<size]), seals))
        }
        return found
    }

    private struct Malformed: Error {}

    static func fields(_ octets: ArraySlice<UInt8>) throws -> Entry {
        var rest = octets
        var entry: Entry = []
        while !rest.isEmpty {
            guard let end = rest.firstIndex(of: 0x0A) else { throw Malformed() }
            let line = rest[..<end]
            rest = rest[(end + 1)...]
            if let equals = line.firstIndex(of: UInt8(ascii: "=")) {
                entry.append(
                    (
                        String(decoding: line[..<equals], as: UTF8.self),
                        String(decoding: line[(equals + 1)...], as: UTF8.self)
                    ))
            } else {
                let count = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
                rest = rest.dropFirst(8)
                guard rest.count > count else { throw Malformed() }
                entry.append(
                    (String(decoding: line, as: UTF8.self), String(decoding: rest.prefix(count), as: UTF8.self)))
                rest = rest.dropFirst(count + 1)
            }
        }
        return entry
    }
}

extension [(name: String, value: String)] {
    fileprivate subscript(_ name: String) -> String? { first { $0.name == name }?.value }
}

@Suite(.serialized) struct JournalTests {
    private func bench(_ journal: Journal, _ limits: LogQuota.Limits = .init()) throws -> (Logger, LogOutput) {
        let output = LogOutput(try #require(JournalSocket(path: journal.path)), quota: LogQuota(limits))
        let logger = Logger(label: "test") { _ in DaemonLogHandler(threshold: LogThreshold(.info), output: output) }
        return (logger, output)
    }

    @Test("OPS-501 an entry of the journal has a line's facts as fields of their own, its priority and its MESSAGE_ID")
    func fields() throws {
        let journal = try Journal()
        let (logger, output) = try bench(journal)
        defer { output.end() }
        logger.alert(.vsiRefused).warning(
            "VSI refused",
            metadata: [
                "port": "uplink0", "vsi": "v", "mac": .array(["a", "b"]), "link": "vm0", "type": "5 v1", "manager": "0",
                "reason": "no\u{1B}[2J\nroom", "who": "evbctl[7] uid 0", "to": "deassociated", "bridge port": "7",
            ])
        let entry = try #require(try journal.read().first).entry
        #expect(
            entry.map { "\($0.name)=\($0.value)" } == [
                #"MESSAGE=VSI refused port=uplink0 reason=no\u{1B}[2J\nroom vsi=v mac=a,b link=vm0 type="5 v1" "#
                    + #"manager=0 bridge port=7 who="evbctl[7] uid 0""#,
                "PRIORITY=4", "SYSLOG_IDENTIFIER=evbd", "MESSAGE_ID=\(LogAlert.vsiRefused.messageID)", "PORT=uplink0",
                #"REASON=no\u{1B}[2J\nroom"#, "VSI=v", "MAC=a", "MAC=b", "LINK=vm0", "TYPE=5 v1", "MANAGER=0",
                "EVBD_BRIDGE_PORT=7", "EVBD_TO=deassociated", "WHO=evbctl[7] uid 0",
            ])
        logger.notice("plain", metadata: ["error": "EIO", "mac": .array((0..<10).map { "\($0)" })])
        let plain = try #require(try journal.read().first).entry
        #expect(plain["PRIORITY"] == "5" && plain["MESSAGE_ID"] == nil && plain["REASON"] == "EIO")
        #expect(plain.filter { $0.name == "MAC" }.map(\.value) == (0..<8).map { "\($0)" } + ["and 2 more"])
    }

    @Test("SPD-180 a line whose facts come as they are is written as one whose facts come by their keys")
    func packed() throws {
        let journal = try Journal()
        var (logger, output) = try bench(journal)
        defer { output.end() }
        logger[metadataKey: "port"] = "uplink0"
        logger[metadataKey: "who"] = "evbd"
        var facts = LogFacts()
        let added: [(String, String)] = [
            ("to", "lost"), ("zone", "a b"), ("who", "evbctl[7] uid 0"), ("vsi", "v"), ("cause", "no\u{1B}room"),
            ("type", "5 v1"), ("from", "associated"), ("link", ""), ("manager", "0"), ("vsi", "w"),
        ]
        for (key, value) in added { facts.set(key, value) }
        for addresses in [[], ["a"], (0..<10).map { "\($0)" }] {
            facts.set(.mac, .list(addresses))
            logger.alert(.vsiLost).warning("VSI lost", metadata: facts.packed)
            logger.alert(.vsiLost).warning("VSI lost", metadata: facts.metadata)
            let entries = try journal.read(2).map { $0.entry.map { "\($0.name)=\($0.value)" } }
            #expect(entries.count == 2 && entries[0] == entries[1])
        }
        logger.notice("m", metadata: facts.packed)
        let entry = try #require(try journal.read().first).entry
        #expect(
            entry["MESSAGE"]
                == #"m port=uplink0 vsi=w mac="0,1,2,3,4,5,6,7,and 2 more" link= type="5 v1" manager=0 "#
                + #"cause=no\u{1B}room from=associated zone="a b" who="evbctl[7] uid 0""#)
    }

    @Test("OPS-502 what a program says as it ends is an entry too, critical, with all of its lines")
    func end() throws {
        let journal = try Journal()
        let (_, output) = try bench(journal)
        defer { output.end() }
        output.say("evbd.yaml:1: a\nevbd.yaml:2: \u{1B}b", level: .critical, alert: .daemonFailed)
        let entry = try #require(try journal.read().first).entry
        #expect(entry["MESSAGE"] == "evbd.yaml:1: a\nevbd.yaml:2: \\u{1B}b")
        #expect(entry["PRIORITY"] == "2" && entry["MESSAGE_ID"] == LogAlert.daemonFailed.messageID)
    }

    @Test("OPS-503 an entry that is too long for a datagram comes as sealed memory")
    func memory() throws {
        let journal = try Journal()
        let (_, output) = try bench(journal)
        defer { output.end() }
        let text = String(repeating: "0123456789", count: 100_000)
        output.write(LogEntry(level: .notice, text: text))
        output.flush(milliseconds: 10_000)
        let read = try #require(try journal.read().first)
        #expect(read.entry["MESSAGE"] == text)
        // F_SEAL_SEAL, SHRINK, GROW and WRITE: journald takes no other.
        #expect(read.seals.map { $0 & 15 } == 15)
    }

    @Test(
        "OPS-504 a journal that is not read stops no writer; what is lost is counted, and reported when it reads again")
    func notRead() throws {
        let journal = try Journal()
        let (_, output) = try bench(journal)
        defer { output.end() }
        let number = 20_000
        for line in 0..<number { output.write(LogEntry(level: .notice, text: "line \(line)")) }
        let lost = output.counters.lost
        #expect(lost > 0 && lost < number)
        // All that was taken, and then what was lost.
        var texts: [String] = []
        while texts.last?.contains("log lines were lost") != true {
            let read = try journal.read()
            try #require(!read.isEmpty, "after \(texts.count) entries")
            texts += read.compactMap { $0.entry["MESSAGE"] }
        }
        #expect(texts.last == "\(lost) log lines were lost: the reader of the log stood still count=\(lost)")
        let lines = texts.dropLast().compactMap { Int($0.dropFirst(5)) }
        #expect(lines.count + Int(lost) == number && lines == lines.sorted())
    }

    @Test("OPS-505 a journal that comes back under its name is found again; without one, entries are lost and counted")
    func restart() throws {
        let journal = try Journal()
        let (logger, output) = try bench(journal)
        defer { output.end() }
        logger.notice("one")
        #expect(try journal.read().first?.entry["MESSAGE"] == "one")
        journal.close()
        logger.notice("two")
        #expect(output.counters.lost == 1)
        try journal.open()
        logger.notice("three")
        #expect(try journal.read().first?.entry["MESSAGE"] == "three")
        #expect(output.counters.lost == 1)
    }

    @Test("OPS-506 every alert has a MESSAGE_ID of its own, and the catalog for journalctl -x explains it")
    func catalog() throws {
        let ids = LogAlert.allCases.map(\.messageID)
        #expect(Set(ids).count == ids.count && ids.allSatisfy { $0.count == 32 && $0.allSatisfy(\.isHexDigit) })
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let text = String(
            decoding: try Files.read("/\(root)/Packaging/systemd/evbd.catalog", limit: 1 << 20), as: UTF8.self)
        let headings = text.split(separator: "\n").filter { $0.hasPrefix("-- ") }.map { String($0.dropFirst(3)) }
        #expect(headings == ids)
        let page = String(decoding: try Files.read("/\(root)/Documentation/logs.md", limit: 1 << 20), as: UTF8.self)
        for id in ids { #expect(page.contains(id)) }
    }
}

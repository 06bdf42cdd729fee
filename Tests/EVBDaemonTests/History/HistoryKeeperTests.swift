import EVBHistory
import EVBModel
import EVBPorts
import EVBSettings
import EVBWire
import EventLoop
import FoundationEssentials
import Glibc
import LinuxSystem
import Logging
import Testing

@testable import EVBDaemon

@Suite struct HistoryKeeperTests {
    private func keeper(_ directory: String, _ loop: EventLoop, _ timers: Timers) -> HistoryKeeper {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return HistoryKeeper(
            runtimeDirectory: directory, limits: ResourceLimits(), loop: loop, timers: timers, logger: logger,
            clock: { 1_795_000_000_000 })
    }

    /// What a keeper knows once it has read its file.
    private func histories(
        _ keeper: HistoryKeeper, of vsiID: VSIID, port: String?
    ) -> [(key: HistoryKey, entry: HistoryBook.Entry)] {
        keeper.finishReading()
        var found: [(key: HistoryKey, entry: HistoryBook.Entry)] = []
        keeper.histories(of: vsiID, port: port) { found = $0 }
        return found
    }

    @Test("SPD-160 what happens, and what is asked, while the file is read has its turn after that")
    func whileReading() throws {
        let directory = "/tmp/evbd-history-\(UUID().uuidString)"
        try Files.makeDirectory(directory, mode: 0o700)
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        let vsiID = VSIID(format: .uuid, high: 7, low: 9)
        let first = keeper(directory, loop, timers)
        for kind in [VSIHistoryEvent.Kind.requested, .asked, .granted] {
            first.take(VSIRecord(port: "eth0", vsiID: vsiID, kind: kind))
        }
        first.finish()
        let next = keeper(directory, loop, timers)
        next.take(VSIRecord(port: "eth0", vsiID: vsiID, kind: .restored))
        var answers: [[VSIHistoryEvent.Kind]] = []
        next.histories(of: vsiID, port: nil) { answers.append($0.flatMap { $0.entry.events.map(\.kind) }) }
        next.take(VSIRecord(port: "eth0", vsiID: vsiID, kind: .linkUp))
        // Nothing is said of what is not read.
        #expect(answers.isEmpty)
        // The loop ends what the thread has begun.
        next.histories(of: vsiID, port: "eth0") { _ in loop.stop() }
        try loop.run()
        #expect(answers == [[.requested, .asked, .granted, .restored, .linkUp]])
        next.finish()
        let last = histories(keeper(directory, loop, timers), of: vsiID, port: nil).first?.entry
        #expect(last?.events.map(\.kind) == [.requested, .asked, .granted, .restored, .linkUp])
        #expect(last?.events.map(\.number) == [1, 2, 3, 4, 5])
    }

    @Test("SPD-341 what happens to many VSIs is noted in its turn, when it is asked for, and by an evbd that ends")
    func many() throws {
        let directory = "/tmp/evbd-history-\(UUID().uuidString)"
        try Files.makeDirectory(directory, mode: 0o700)
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        let vsiIDs = (0..<100).map { VSIID(format: .uuid, high: 7, low: $0) }
        let record = { (place: Int, detail: String) in
            VSIRecord(port: "eth0", vsiID: vsiIDs[place], kind: .restored, detail: detail)
        }
        var asked: [Int] = []
        let first = keeper(directory, loop, timers)
        first.take(VSIRecords(count: 0) { _ in nil })
        first.take(record(5, "before"))
        first.take(
            VSIRecords(count: 100) { place in
                asked.append(place)
                return place.isMultiple(of: 10) ? nil : record(place, "one of many")
            })
        first.take(record(5, "behind"))
        #expect(asked.isEmpty)
        func details(_ keeper: HistoryKeeper, _ vsiID: VSIID) -> [String?] {
            histories(keeper, of: vsiID, port: nil).flatMap { $0.entry.events.map(\.detail) }
        }
        #expect(details(first, vsiIDs[5]) == ["before", "one of many", "behind"])
        #expect(asked == Array(0..<100) && details(first, vsiIDs[10]).isEmpty)
        first.take(VSIRecords(count: 2) { record($0, "last") })
        first.finish()
        let next = keeper(directory, loop, timers)
        #expect(details(next, vsiIDs[1]) == ["one of many", "last"] && details(next, vsiIDs[0]) == ["last"])
    }

    @Test("SPD-160 an evbd that ends while it reads the file writes what has happened behind what was there")
    func endWhileReading() throws {
        let directory = "/tmp/evbd-history-\(UUID().uuidString)"
        try Files.makeDirectory(directory, mode: 0o700)
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        let vsiID = VSIID(format: .uuid, high: 7, low: 9)
        for round in 0..<3 {
            let keeper = keeper(directory, loop, timers)
            keeper.take(VSIRecord(port: "eth0", vsiID: vsiID, kind: .retried, detail: "\(round)"))
            keeper.finish()
        }
        let all = histories(keeper(directory, loop, timers), of: vsiID, port: nil).first?.entry.events
        #expect(all?.map(\.detail) == ["0", "1", "2"])
    }

    @Test("OPS-240 a file that ends at any octet has all whole lines before, and is written as a whole afterwards")
    func tornAtEachOctet() throws {
        let directory = "/tmp/evbd-history-\(UUID().uuidString)"
        try Files.makeDirectory(directory, mode: 0o700)
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        let vsiID = VSIID(format: .uuid, high: 7, low: 9)
        let first = keeper(directory, loop, timers)
        for kind in [VSIHistoryEvent.Kind.requested, .asked, .refused, .asked, .granted] {
            first.take(VSIRecord(port: "eth0", vsiID: vsiID, kind: kind, detail: "\(kind)\twith a tab"))
        }
        first.finish()
        let path = "\(directory)/history"
        let octets = try Files.read(path, limit: 1 << 20)
        let heading = octets.prefix { $0 != 10 }.count + 1
        for length in heading...octets.count {
            try Files.write(path, Array(octets[..<length]), mode: 0o600)
            let next = keeper(directory, loop, timers)
            let events = histories(next, of: vsiID, port: nil).first?.entry.events ?? []
            #expect(events.count == octets[heading..<length].count { $0 == 10 })
            #expect(throws: SystemError.self) { try Files.status("\(path).rejected") }
        }
        // What a new run adds goes with what it has read.
        let last = keeper(directory, loop, timers)
        last.take(VSIRecord(port: "eth0", vsiID: vsiID, kind: .linkUp, detail: "vm1"))
        last.finish()
        let whole = histories(keeper(directory, loop, timers), of: vsiID, port: "eth0")
        #expect(whole.first?.entry.events.map(\.kind) == [.requested, .asked, .refused, .granted, .linkUp])
        #expect(whole.first?.entry.events[1].count == 2)
    }

    /// Lets a loop run until the file has so many lines behind its heading; gives its number among the files of its system.
    private func inode(_ path: String, lines: Int, _ loop: EventLoop) throws -> UInt64 {
        let end = loop.now() + 10_000_000_000
        var (looked, there) = (stat(), 0)
        func look() {
            var found = stat()
            if stat(path, &found) == 0, found.st_size != looked.st_size || found.st_ino != looked.st_ino {
                looked = found
                there = ((try? Files.read(path, limit: 1 << 24)) ?? []).count { $0 == 10 } - 1
            }
            if there == lines || loop.now() > end { return loop.stop() }
            loop.later { look() }
        }
        look()
        try loop.run()
        #expect(there == lines)
        return UInt64(looked.st_ino)
    }

    @Test("SPD-352 what happens to thousands of VSIs is added to the file, at once and as often as it is much")
    func added() throws {
        let directory = "/tmp/evbd-history-\(UUID().uuidString)"
        try Files.makeDirectory(directory, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (loop, path) = (try EventLoop(), "\(directory)/history")
        let keeper = keeper(directory, loop, Timers(loop: loop))
        // No time comes: nothing waits for one.
        loop.onDeadline = {}
        var files: Set<UInt64> = []
        for part in 1...2 {
            for number in 0..<4096 {
                let vsiID = VSIID(format: .uuid, high: UInt64(part), low: UInt64(number))
                keeper.take(VSIRecord(port: "eth0", vsiID: vsiID, kind: .requested, detail: "of part \(part)"))
            }
            files.insert(try inode(path, lines: 4096 * part, loop))
        }
        #expect(files.count == 1)
        // Each of these is in the place of the one before: at last the file is written without those.
        var lines = 2 * 4096
        for _ in 0..<4 {
            for _ in 0..<4096 {
                keeper.take(VSIRecord(port: "eth0", vsiID: VSIID(format: .uuid, high: 1, low: 1), kind: .asked))
            }
            let isEnough = lines > 2 * (2 * 4096 + 1) + HistoryKeeper.slack
            lines = isEnough ? 2 * 4096 + 1 : lines + 4096
            files.insert(try inode(path, lines: lines, loop))
        }
        #expect(files.count == 2)
        keeper.finish()
    }

    @Test("OPS-240 a file that is not evbd's, or that others can write to, is set aside")
    func setAside() throws {
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        for (octets, mode) in [
            (Array("evbd-history 1\nx\n".utf8), 0o600), ([1, 2, 3], 0o600), (Array("evbd-history 1\n".utf8), 0o666),
        ] {
            let directory = "/tmp/evbd-history-\(UUID().uuidString)"
            try Files.makeDirectory(directory, mode: 0o700)
            try Files.write("\(directory)/history", octets, mode: UInt32(mode))
            keeper(directory, loop, timers).finishReading()
            #expect(try Files.status("\(directory)/history.rejected").kind == .regular)
        }
    }
}

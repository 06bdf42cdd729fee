import EVBProtocol
import EVBTime
import EVBWire
import Glibc
import LinuxSystem
import Testing

@testable import EVBStation
@testable import EventLoop

/// A directory of a test's own, removed at its end.
private final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/evbd-journal-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit {
        for name in (try? Files.list(path, limit: 1000)) ?? [] { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var file: String { "\(path)/journal" }

    /// The octets of the journal.
    var octets: [UInt8] {
        get throws { try Files.read(file, limit: 1 << 28) }
    }

    func open(loop: EventLoop? = nil) throws -> (journal: VSIJournal, content: VSIJournal.Content) {
        let journal = VSIJournal(directory: path, loop: loop)
        return (journal, try journal.open())
    }

    /// What a run finds that begins with these octets.
    func read(_ octets: [UInt8]) throws -> VSIJournal.Content {
        try Files.write(file, octets, mode: 0o600)
        return try open().content
    }
}

private func vsi(_ number: UInt64, addresses: Int = 1, isGranted: Bool = false) throws -> StoredVSI {
    let filter = try FilterInfo(
        checking: (0..<addresses).map {
            FilterEntry(vid: 100, macAddress: MACAddress(truncating: 0x5254_0000_0000 + number << 8 + UInt64($0)))
        })
    return StoredVSI(
        port: "eth\(number % 2)",
        request: VSIRequest(
            vsiID: VSIID(format: .uuid, high: 0xE7BD, low: number), target: .associated,
            managerID: VSIManagerID(short: 5, placement: .last), typeID: 7, typeVersion: 1, filter: filter),
        owner: .control, isGranted: isGranted, label: number.isMultiple(of: 3) ? "web \"\(number)\" \u{E9}" : nil)
}

extension VSIJournal.Content {
    fileprivate var vsis: [StoredVSI] { parts.flatMap(\.self) }
}

extension StoredVSI {
    fileprivate var key: String { "\(port) \(request.vsiID)" }
}

private func sorted(_ vsis: some Sequence<StoredVSI>) -> [StoredVSI] { vsis.sorted { $0.key < $1.key } }

@Suite struct VSIJournalTests {
    /// A journal of six VSIs, of which one is gone, one is granted, one withdrawn, and one was written twice.
    private func sample(_ scratch: Scratch) throws -> (octets: [UInt8], vsis: [StoredVSI]) {
        let journal = try scratch.open().journal
        var vsis = try (1...6).map { try vsi($0) }
        for vsi in vsis { try journal.write(vsi) }
        try journal.mark(vsis[0].request.vsiID, port: vsis[0].port, .gone)
        try journal.mark(vsis[1].request.vsiID, port: vsis[1].port, .granted)
        try journal.mark(vsis[2].request.vsiID, port: vsis[2].port, .withdrawnAfterGrant)
        vsis[1].isGranted = true
        (vsis[2].isGranted, vsis[2].isWithdrawn) = (true, true)
        vsis[3] = try vsi(4, addresses: 2, isGranted: true)
        try journal.write(vsis[3])
        return (try scratch.octets, sorted(vsis.dropFirst()))
    }

    @Test("SPD-101 a journal that ends at any octet gives the VSIs of its whole lines, and is written on")
    func cut() throws {
        let scratch = try Scratch()
        let (octets, vsis) = try sample(scratch)
        #expect(sorted(try scratch.read(octets).vsis) == vsis)
        let more = try vsi(9)
        for end in octets.indices {
            let content = try scratch.read(Array(octets[..<end]))
            let wholeLines = octets[..<end].count { $0 == UInt8(ascii: "\n") }
            // Each but the first, which is gone, and the fourth, whose first line is struck out and whose second is the last.
            #expect(content.vsis.count == [0, 0, 0, 1, 2, 2, 3, 4][wholeLines])
            let known = Set(vsis.map(\.key))
            #expect(content.vsis.allSatisfy { known.contains($0.key) })
            guard end.isMultiple(of: 9) || octets.count - end < 80 else { continue }
            let journal = try scratch.open().journal
            try journal.write(more)
            let after = try scratch.open().content
            #expect(after.vsis.last == more && after.vsis.count == content.vsis.count + 1 && after.damaged.isEmpty)
        }
    }

    @Test(
        "SPD-102 an octet that is another costs the VSI of its line, and at an end of line the next one; what is read is as it was written"
    )
    func flipped() throws {
        let scratch = try Scratch()
        let (octets, vsis) = try sample(scratch)
        let start = JournalLine.firstLine.count
        for place in start..<octets.count {
            var wrong = octets
            wrong[place] ^= 1 << UInt8(place % 8)
            let content = try scratch.read(wrong)
            #expect(content.vsis.count >= vsis.count - 2 && content.vsis.allSatisfy { vsis.contains($0) })
            guard content.vsis.count < vsis.count else { continue }
            #expect(!content.damaged.isEmpty)
            // It is set aside once.
            if place.isMultiple(of: 9) { #expect(try scratch.open().content.damaged.isEmpty) }
        }
    }

    @Test("SPD-101 a journal that is opened once more takes no line for a repetition of itself")
    func openedAgain() throws {
        let scratch = try Scratch()
        let (octets, vsis) = try sample(scratch)
        try Files.write(scratch.file, octets, mode: 0o600)
        let journal = VSIJournal(directory: scratch.path, loop: nil)
        for time in 1...3 { #expect(sorted(try journal.open().vsis) == vsis, "time \(time)") }
        #expect(sorted(try scratch.open().content.vsis) == vsis)
    }

    @Test("SPD-211 a long journal, whose halves are read at the same time, gives what its lines say in their order")
    func halves() throws {
        let scratch = try Scratch()
        let vsis = try (1...600).map { try vsi($0) }
        var lines = vsis.map { JournalLine.encode($0) }
        // In the first half, in the second, and without an end; one VSI is in both halves.
        (lines[20][40], lines[550][40]) = (0, 0)
        let repeated = try vsi(31, addresses: 3)
        lines[500] = JournalLine.encode(repeated)
        let torn = Array(JournalLine.encode(try vsi(601)).dropLast(5))
        var expected = vsis
        expected[500] = repeated
        for place in [550, 30, 20] { expected.remove(at: place) }

        let content = try scratch.read(JournalLine.firstLine + lines.joined() + torn)
        #expect(content.vsis == expected)
        #expect(content.damaged == [Array(lines[20].dropLast()), Array(lines[550].dropLast()), torn])
        #expect(content.cause == .notJSON)
        let next = try scratch.open().content
        #expect(sorted(next.vsis) == sorted(expected) && next.damaged.isEmpty)
    }

    @Test("SPD-340 lines of any lengths that are checked together are each taken, or set aside, by their own octets")
    func together() throws {
        let scratch = try Scratch()
        for count in 1...9 {
            let vsis = try (0..<count).map { try vsi(UInt64(7 * $0 % 5 + 10 * $0), addresses: 1 + 3 * $0 % 4) }
            let lines = vsis.map { JournalLine.encode($0) }
            #expect(try scratch.read(JournalLine.firstLine + lines.joined()).vsis == vsis)
            for wrong in 0..<count {
                for place in [11, 60, lines[wrong].count - 2] {
                    var damaged = lines
                    damaged[wrong][place] ^= 1
                    let content = try scratch.read(JournalLine.firstLine + damaged.joined())
                    var left = vsis
                    left.remove(at: wrong)
                    #expect(content.vsis == left, "\(count) lines, octet \(place) of line \(wrong)")
                    #expect(content.damaged == [Array(damaged[wrong].dropLast())])
                }
            }
        }
    }

    @Test("SPD-103 a journal of a later version is refused as a whole, as is one that is no journal")
    func versions() throws {
        let scratch = try Scratch()
        let later = Array("evbd-vsis 2\n".utf8) + (try sample(scratch).octets.dropFirst(12))
        for (octets, words) in [
            (later, "version 2"), (Array("evbd-vsis x\n".utf8), "not evbd's"), ([0, 1, 2], "not evbd's"),
        ] {
            do {
                _ = try scratch.read(octets)
                Issue.record("it was read")
            } catch let refusal as VSIJournal.Refusal {
                #expect(refusal.description.contains(words))
            }
            #expect(try scratch.octets == octets)
        }
        for end in 0..<12 { #expect(try scratch.read(Array(later[..<end].prefix(10))).vsis.isEmpty) }
    }

    @Test(
        "SPD-104 whatever happens, the file has what counts, and is at most twice as long and a little more",
        arguments: [false, true])
    func bounded(hasLoop: Bool) throws {
        let seed =
            UInt64(Glibc.getenv("EVBD_SEED").flatMap { String(cString: $0) } ?? "")
            ?? UInt64.random(in: 0...0xFFFF_FFFF)
        print("VSIJournalTests.bounded: EVBD_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        let scratch = try Scratch()
        let other = try Scratch()
        let loop = hasLoop ? try EventLoop() : nil
        let journal = try scratch.open(loop: loop).journal
        var model: [String: StoredVSI] = [:]
        var compactions = 0
        func change() throws {
            let number = random.next() % 120
            switch random.next() % 4 {
            case 0, 1:
                let vsi = try vsi(number, addresses: Int(random.next() % 8) + 1)
                try journal.write(vsi)
                model[vsi.key] = vsi
            case 2:
                let vsi = try vsi(number)
                #expect(try journal.mark(vsi.request.vsiID, port: vsi.port, .granted) == (model[vsi.key] != nil))
                model[vsi.key]?.isGranted = true
                model[vsi.key]?.isWithdrawn = false
            default:
                let vsi = try vsi(number)
                try journal.mark(vsi.request.vsiID, port: vsi.port, .gone)
                model[vsi.key] = nil
            }
        }
        // What a run would find that began now.
        func look() throws {
            for name in ["journal", "journal.new"] where (try? Files.status("\(scratch.path)/\(name)")) != nil {
                try Files.write(
                    "\(other.path)/\(name)", try Files.read("\(scratch.path)/\(name)", limit: 1 << 28), mode: 0o600)
                if name == "journal.new" { compactions += 1 }
            }
            let content = try other.open().content
            #expect(sorted(content.vsis) == sorted(model.values) && content.damaged.isEmpty, "EVBD_SEED=\(seed)")
        }
        let lineMax = 2048
        var rounds = 0
        func round() throws {
            for _ in 0..<20 { try change() }
            rounds += 1
            let needed = model.values.reduce(0) { $0 + JournalLine.encode($1).count }
            // With a loop some changes come before the rest is copied.
            #expect(journal.length <= 2 * needed + VSIJournal.slack + (hasLoop ? 40 : 1) * lineMax, "EVBD_SEED=\(seed)")
            try look()
        }
        if let loop {
            func turn() {
                do { try round() } catch { Issue.record(error) }
                if rounds < 200 { loop.laterSlice { turn() } } else { loop.stop() }
            }
            loop.laterSlice { turn() }
            try loop.run()
            #expect(compactions > 0, "EVBD_SEED=\(seed)")
        } else {
            for _ in 0..<200 { try round() }
        }
    }

    @Test("SPD-105 a file that another process has removed is there again with all VSIs at the next change")
    func removed() throws {
        let scratch = try Scratch()
        let journal = try scratch.open().journal
        for number in 1...50 { try journal.write(try vsi(UInt64(number))) }
        unlink(scratch.file)
        try journal.mark(try vsi(1).request.vsiID, port: "eth1", .granted)
        let content = try scratch.open().content
        #expect(content.vsis.count == 50 && content.vsis.count(where: \.isGranted) == 1)
        // A file of another process is none of evbd's.
        unlink(scratch.file)
        try Files.write(scratch.file, [], mode: 0o600)
        try journal.write(try vsi(51))
        #expect(try scratch.open().content.vsis.count == 51)
    }

    @Test("SPD-321 a look at the file's place holds for a millisecond; that the file was removed is noticed behind it")
    func looks() throws {
        let scratch = try Scratch()
        let journal = try scratch.open(loop: try EventLoop()).journal
        func change(_ number: UInt64) throws -> Bool {
            try journal.write(try vsi(number))
            unlink(scratch.file)
            try journal.mark(try vsi(number).request.vsiID, port: "eth\(number % 2)", .granted)
            return (try? Files.status(scratch.file)) != nil
        }
        // A machine that stands still for a millisecond sees to it that there is a look.
        let wasSpared = try (1...100).contains { try !change(UInt64($0)) }
        #expect(wasSpared)
        usleep(1100)
        try journal.write(try vsi(200))
        let content = try scratch.open().content
        #expect(content.vsis.count == content.vsis.count(where: \.isGranted) + 1 && content.vsis.count > 1)
    }

    @Test("SPD-106 a grant and a release write one octet, and a VSI is written once as a whole")
    func octetsWritten() throws {
        let scratch = try Scratch()
        let journal = try scratch.open().journal
        let vsi = try vsi(1)
        try journal.write(vsi)
        let length = journal.length
        #expect(length < 600)
        try journal.mark(vsi.request.vsiID, port: vsi.port, .granted)
        try journal.mark(vsi.request.vsiID, port: vsi.port, .withdrawnAfterGrant)
        try journal.mark(vsi.request.vsiID, port: vsi.port, .gone)
        #expect(journal.length == length)
    }
}

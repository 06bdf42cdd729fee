import EVBTime
import EVBWire
import EventLoop
import Glibc
import LinuxSystem
import Logging
import Testing
import VSISamples

@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBModel
@testable import EVBProtocol
@testable import EVBSettings

/// A runtime directory of a test's own, and what was logged about it.
private final class Bench {
    let path: String
    let journalPath: String

    init() throws {
        var template = Array("/tmp/evbd-holdings-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
        journalPath = "\(path)/holdings"
    }

    deinit {
        for name in (try? Files.list(path, limit: 100)) ?? [] { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    func journal(_ limits: ResourceLimits = ResourceLimits(), loop: EventLoop? = nil) -> HoldingsJournal {
        HoldingsJournal(
            runtimeDirectory: path, limits: limits, loop: loop,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    var text: String { String(decoding: (try? Files.read(journalPath, limit: 1 << 26)) ?? [], as: UTF8.self) }

    func write(_ text: String, mode: UInt32 = 0o600) throws {
        unlink(journalPath)
        try Files.write(journalPath, Array(text.utf8), mode: mode)
    }

    func read(_ ports: Set<String> = ["a", "b"], _ limits: ResourceLimits = ResourceLimits()) -> Set<Holding> {
        Set(journal(limits).read(ports: ports))
    }
}

private func holding(
    _ number: UInt64, on port: String = "a", _ state: Holding.State = .associated, _ addresses: [Holding.Address] = []
) -> Holding {
    Holding(holder: .init(vsiID: vsi(number), port: port), state: state, addresses: addresses)
}

private func address(_ number: UInt64, vid: UInt16 = 0, isShared: Bool = false) -> Holding.Address {
    Holding.Address(mac: MACAddress(truncating: 0x5254_0000_0000 | number), vid: vid, isShared: isShared)
}

private func seconds(_ number: UInt64) -> Instant { Instant(nanoseconds: number * 1_000_000_000) }

@Suite struct HoldingsJournalTests {
    @Test("SEC-25 who holds what is read as it was written, by a write a turn and not a VSI")
    func roundTrip() throws {
        let bench = try Bench()
        let journal = bench.journal()
        #expect(journal.read(ports: ["a", "b"]).isEmpty)
        let all = [
            holding(1, .associated, [address(1), address(2, vid: 4094), address(3, vid: 10, isShared: true)]),
            holding(2, .reserved, [address(4, vid: 1)]), holding(1, on: "b", .lost),
        ]
        for one in all + [holding(3)] { journal.set(one.holder, one) }
        journal.set(holding(3).holder, nil)
        journal.flush()
        #expect(bench.read() == Set(all))
        #expect(journal.writes == (1, 0))
        // The same again is no news; a change is one line.
        for one in all { journal.set(one.holder, one) }
        journal.flush()
        #expect(journal.writes == (1, 0))
        let changed = holding(2, .associated, [address(5)])
        for number in 0..<1000 as Range<UInt64> {
            journal.set(holding(2).holder, holding(2, .reserved, [address(number)]))
        }
        journal.set(changed.holder, changed)
        journal.flush()
        #expect(journal.writes.added + journal.writes.whole == 2)
        #expect(bench.read() == [all[0], changed, all[2]])
        #expect(bench.read(["b"]) == [all[2]], "what is held elsewhere is forgotten")
    }

    @Test func linesNameVSIsAsEverywhere() throws {
        let ids = [
            vsi(1), VSIID(format: .uuid, high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210),
            VSIID(format: .local, high: 1, low: 2), VSIID(format: .mac, high: 0, low: 0x5254_00AB_CDEF),
            VSIID(format: VSIIDFormat(rawValue: 77), high: .max, low: 0),
        ]
        for vsiID in ids {
            let one = Holding(
                holder: .init(vsiID: vsiID, port: "a"), state: .associated, addresses: [address(0xAF, vid: 10)])
            let line = String(decoding: HoldingChange.held(one).line, as: UTF8.self)
            #expect(line == "+ a \(vsiID) associated 52:54:00:00:00:af/10 .\n")
            #expect(HoldingChange(Array(line.utf8.dropLast())[...]) == .held(one))
            #expect(HoldingChange.ended(one.holder).line == Array("- a \(vsiID) .\n".utf8))
        }
    }

    @Test("SEC-25 a torn line, garbage and a file of others cost no more than themselves")
    func garbage() throws {
        let bench = try Bench()
        let good = holding(1, .associated, [address(1, vid: 10)])
        let line = String(decoding: HoldingChange.held(good).line, as: UTF8.self)
        let heading = "evbd-holdings 1\n"
        let other = String(decoding: HoldingChange.held(holding(2, .associated, [address(2)])).line, as: UTF8.self)
        for length in 0..<other.utf8.count {
            try bench.write(heading + line + other.prefix(length))
            #expect(bench.read() == [good], "torn after \(length) octets")
            // What was written behind a torn line is not taken for its end.
            try bench.write(heading + other.prefix(length) + "\n" + line)
            #expect(bench.read().contains(good))
            #expect(bench.read().count == (length == other.utf8.count - 1 ? 2 : 1))
        }
        let vsiID = vsi(3)
        for garbage in [
            "", ".", "+ a .", "+ a x associated .", "+ a \(vsiID) elsewhere .", "+ a \(vsiID) associated 1/2 .",
            "+ a \(vsiID) associated 52:54:00:00:00:0g/1 .", "+ a \(vsiID) associated 52:54:00:00:00:01/4096 .",
            "+ a \(vsiID) associated 52:54:00:00:00:01/1/mine .", "+ a \(vsiID) associated 52:54:00:00:00:01/-1 .",
            "- a \(vsiID) more .", "* a \(vsiID) associated .", "\u{0}\u{FFFF}", String(repeating: "x", count: 100_000),
        ] {
            try bench.write(heading + garbage + "\n" + line)
            #expect(bench.read() == [good], "\(garbage.prefix(80))")
        }
        for text in ["", "evbd-holdings 2\n" + line, line, "\n"] {
            try bench.write(text)
            #expect(bench.read().isEmpty)
        }
        try bench.write(heading + line, mode: 0o666)
        #expect(bench.read().isEmpty, "other users could have written it")
        // Nothing of all that is in the way of what comes next.
        let journal = bench.journal()
        _ = journal.read(ports: ["a"])
        journal.set(good.holder, good)
        journal.flush()
        #expect(bench.read() == [good])
    }

    @Test("SEC-25 the journal is bounded: by the limits as it is read, and by twice what is needed as it is written")
    func bounds() throws {
        let bench = try Bench()
        let journal = bench.journal()
        var longest = 0
        for round in 0..<200 as Range<UInt64> {
            for number in 0..<100 as Range<UInt64> {
                let one = holding(number, .associated, [address(round), address(round &+ 1)])
                journal.set(one.holder, one)
            }
            journal.flush()
            longest = max(longest, try Files.status(bench.journalPath).size)
        }
        let needed = bench.text.split(separator: "\n").suffix(100).reduce(0) { $0 + $1.utf8.count + 1 }
        #expect(longest <= 2 * needed + 65_536 + 100)
        #expect(journal.writes.whole < 40 && journal.writes.whole + journal.writes.added == 200)
        #expect(bench.read().count == 100)
        #expect(bench.read(["a"], ResourceLimits(vsis: 7)).count == 7)
        #expect(bench.read(["a"], ResourceLimits(filterEntries: 9)).count == 4)
        for number in 0..<100 as Range<UInt64> { journal.set(holding(number).holder, nil) }
        journal.flush()
        #expect(throws: SystemError.self, "no file where there is nothing") { try Files.status(bench.journalPath) }
    }

    @Test("SPD-178 a file that has become too long has a successor, some lines a turn, and lacks nothing meanwhile")
    func successor() throws {
        let (bench, loop) = (try Bench(), try EventLoop())
        let journal = bench.journal(loop: loop)
        var held: [UInt64: Holding] = [:]
        func set(_ number: UInt64, _ one: Holding?) {
            held[number] = one
            journal.set(holding(number).holder, one)
        }
        for number in 0..<8000 as Range<UInt64> { set(number, holding(number, .associated, [address(number)])) }
        journal.flush()
        let length = try Files.status(bench.journalPath).size
        var (turns, turnsWithSuccessor) = (0, 0)
        func turn() {
            let hasSuccessor = (try? Files.status("\(bench.journalPath).new")) != nil
            if hasSuccessor { turnsWithSuccessor += 1 }
            for number in 0..<100 as Range<UInt64> where turns < 75 { set(UInt64(turns) * 100 + number, nil) }
            // Some that were copied already, and some that were not, are others by now, or there once more.
            for number in 0..<20 as Range<UInt64> where turns < 75 {
                let one = number * 400 &+ UInt64(turns)
                set(one, holding(one, .reserved, [address(one, vid: UInt16(turns + 1))]))
            }
            journal.flush()
            if (turns % 10 == 0 && turns < 100) || turnsWithSuccessor == 1 {
                #expect(bench.read() == Set(held.values), "turn \(turns)")
            }
            turns += 1
            if turns < 80 || hasSuccessor { loop.later(turn) } else { loop.stop() }
        }
        loop.later(turn)
        try loop.run()
        #expect(bench.read() == Set(held.values))
        #expect(journal.writes.whole >= 2 && turnsWithSuccessor >= 2, "\(journal.writes), \(turnsWithSuccessor)")
        let now = try Files.status(bench.journalPath).size
        #expect(now < length, "\(now) octets")
        #expect(!(try Files.list(bench.path, limit: 100)).contains("holdings.new"))
    }

    @Test("SPD-178 a file that can have no successor goes on as it is")
    func noSuccessor() throws {
        let (bench, loop) = (try Bench(), try EventLoop())
        let journal = bench.journal(loop: loop)
        try Files.makeDirectory("\(bench.journalPath).new", mode: 0o700)
        for number in 0..<4000 as Range<UInt64> { journal.set(holding(number).holder, holding(number)) }
        journal.flush()
        for number in 1..<4000 as Range<UInt64> { journal.set(holding(number).holder, nil) }
        journal.flush()
        #expect(bench.read() == [holding(0)] && journal.writes == (1, 1))
        rmdir("\(bench.journalPath).new")
    }

    @Test("SPD-178 a file that can have no successor does not grow beyond what the next start reads")
    func boundWithoutSuccessor() throws {
        let (bench, loop) = (try Bench(), try EventLoop())
        let limits = ResourceLimits(vsis: 100, filterEntries: 100)
        let journal = bench.journal(limits, loop: loop)
        try Files.makeDirectory("\(bench.journalPath).new", mode: 0o700)
        for round in 0..<100 as Range<UInt64> {
            for number in 0..<100 as Range<UInt64> {
                let one = holding(number, .associated, [address(round)])
                journal.set(one.holder, one)
            }
            journal.flush()
            if round % 10 == 9 { #expect(bench.read(["a"], limits).count == 100, "round \(round)") }
        }
        rmdir("\(bench.journalPath).new")
    }

    @Test("SEC-25 where it cannot be written nothing else fails, and it is made good as soon as it can be")
    func cannotBeWritten() throws {
        let bench = try Bench()
        let journal = bench.journal()
        // As root, permissions stop nothing: a directory is in the way.
        try Files.makeDirectory(bench.journalPath, mode: 0o700)
        #expect(journal.read(ports: ["a"]).isEmpty)
        journal.set(holding(1).holder, holding(1))
        journal.flush()
        journal.set(holding(2).holder, holding(2))
        journal.flush()
        rmdir(bench.journalPath)
        journal.flush()
        #expect(bench.read() == [holding(1), holding(2)])
        // The file was full for a while.
        try bench.write("evbd-holdings 1\n")
        journal.set(holding(3).holder, holding(3))
        journal.flush()
        #expect(journal.writes.whole >= 1)
    }
}

@Suite struct ReservationTests {
    private final class Clock {
        var time = seconds(0)
    }

    /// A run of evbd: its registry, and two ports that accept all.
    private final class Run {
        let journal: HoldingsJournal
        let registry: BridgeRegistry
        private let clock: Clock
        private var admissions: [String: AcceptingAdmission] = [:]
        var deadline: Instant?
        var moved: [String] = []

        init(_ bench: Bench) {
            let clock = Clock()
            self.clock = clock
            journal = bench.journal()
            registry = BridgeRegistry(journal: journal) { clock.time }
            registry.onDeadline = { [unowned self] in deadline = $0 }
            registry.onMoved = { [unowned self] in moved.append("\($1) \($2)") }
            registry.restore(ports: ["a", "b"])
            for port in ["a", "b"] {
                admissions[port] = AcceptingAdmission(registry: registry)
                registry.begin(port, keepAlive: .seconds(20))
            }
        }

        /// Whether a station gets what it asks for, as a port does it.
        func ask(_ number: UInt64, _ address: String, on port: String, _ command: VDPCommand = .associate) throws
            -> Bool
        {
            let asked = try request(command: command, id: vsi(number), [entry(address, 0)])
            guard registry.judge(asked, on: port) == .free else { return false }
            var decision: BridgeDecision?
            admissions[port]?.decide(asked, on: port) { decision = $0.decision }
            guard case .grant(let filter)? = decision else { return false }
            admissions[port]?.bind(
                vsi(number), BridgeGrant(command: command, filter: filter), request: asked, on: port)
            registry.bound(vsi(number), command, on: port)
            return true
        }

        func release(_ number: UInt64, on port: String) {
            admissions[port]?.release(vsi(number), on: port)
            registry.released(vsi(number), on: port)
        }

        func pass(_ interval: Interval) {
            clock.time = clock.time + interval
            registry.endReservations()
        }
    }

    /// A run that granted something, and was killed.
    private func killed(_ bench: Bench, _ body: (Run) throws -> Void) throws {
        let run = Run(bench)
        try body(run)
        run.journal.flush()
    }

    @Test("SEC-25 after a restart an address is its holder's until that has asked again")
    func holderComes() throws {
        let bench = try Bench()
        try killed(bench) { (run: Run) throws in
            #expect(try run.ask(1, machineOne, on: "a"))
            #expect(try run.ask(2, machineTwo, on: "a", .preAssociateWithReservation))
            #expect(try run.ask(3, "52:54:00:00:00:03", on: "a", .preAssociate))
        }
        let run = Run(bench)
        #expect(run.registry.reservations.count == 2)
        #expect(try run.ask(4, machineOne, on: "b") == false && run.ask(5, machineTwo, on: "b") == false)
        #expect(try run.ask(5, machineTwo, on: "a") == false, "nor another VSI of the same station")
        #expect(run.registry.counters(of: "b")[.vdpAddressConflicts] == 2)
        #expect(try run.ask(6, "52:54:00:00:00:03", on: "b"), "a Pre-Associate without reservation held nothing")
        run.registry.heard("a", isFound: true, keepAlive: .seconds(20))
        run.pass(.seconds(25))
        #expect(try run.ask(1, machineOne, on: "a"), "the holder")
        run.pass(.seconds(1000))
        #expect(run.registry.reservations.count == 0 && run.deadline == nil)
        #expect(try run.ask(4, machineOne, on: "b") == false, "it holds as any other now")
        #expect(try run.ask(5, machineTwo, on: "b"), "and what has not been asked for is free")
        run.release(1, on: "a")
        #expect(try run.ask(4, machineOne, on: "b"))
    }

    @Test("SEC-25 what is reserved is free when its time is over, or its holder lets it go, or its port leaves")
    func ends() throws {
        let bench = try Bench()
        let addresses = (1...4).map { "52:54:00:00:00:0\($0)" }
        func fill(_ run: Run) throws {
            for number in 1...4 { #expect(try run.ask(UInt64(number), addresses[number - 1], on: "a")) }
        }
        func isFree(_ run: Run, _ number: Int) throws -> Bool {
            try run.ask(UInt64(number) + 10, addresses[number - 1], on: "b", .preAssociate)
        }
        try killed(bench, fill)
        // No station is heard: an LLDPDU's time (121 s), toutKeepAlive (20 s) and 10 s.
        var run = Run(bench)
        run.pass(.seconds(150))
        #expect(try isFree(run, 1) == false)
        run.pass(.seconds(2))
        #expect(try isFree(run, 1) && isFree(run, 2))
        #expect(run.registry.ledger.load == (0, 0) && run.registry.places.count == 0)
        // It did not come back, and the next run knows.
        run.journal.flush()
        #expect(Run(bench).registry.reservations.count == 0)

        try killed(bench, fill)
        run = Run(bench)
        run.pass(.seconds(100))
        // A station with a shorter keep-alive is heard.
        run.registry.heard("a", isFound: true, keepAlive: .seconds(5))
        run.registry.departed(vsi(1), from: "a")
        #expect(try isFree(run, 1) && isFree(run, 2) == false)
        // It has another filter now.
        #expect(try run.ask(2, "52:54:00:00:00:0f", on: "a") && isFree(run, 2))
        run.pass(.seconds(14))
        #expect(try isFree(run, 3) == false)
        run.registry.heard("a", isFound: false, keepAlive: .seconds(30))
        run.pass(.seconds(20))
        #expect(try isFree(run, 3) == false, "other timers were agreed")
        run.registry.leave("a")
        #expect(try isFree(run, 3) && isFree(run, 4))
        run.journal.flush()
        #expect(bench.text.isEmpty)
    }

    @Test("SEC-25 SEC-21 a VSI that was associated before a restart is alive elsewhere for another station")
    func places() throws {
        let bench = try Bench()
        try killed(bench) { (run: Run) throws in
            #expect(try run.ask(1, machineOne, on: "a") && run.ask(1, machineOne, on: "b"))
            #expect(run.moved == ["a b"])
            run.release(1, on: "a")
            #expect(try run.ask(1, machineOne, on: "a") == false, "both keep it alive")
            #expect(try run.ask(2, machineTwo, on: "a"))
        }
        let run = Run(bench)
        #expect(try run.ask(1, machineOne, on: "a") == false, "it does not come back by a restart")
        #expect(run.registry.places.port(of: vsi(1)) == "b")
        // One that migrates meanwhile moves once.
        #expect(try run.ask(2, machineTwo, on: "b") && run.moved == ["a b"])
        #expect(try run.ask(2, machineTwo, on: "a") == false)
        #expect(!run.registry.reservations.contains(.init(vsiID: vsi(2), port: "a")))
        run.journal.flush()
        let next = Run(bench)
        #expect(try next.ask(2, machineTwo, on: "a") == false && next.ask(2, machineTwo, on: "b"))
        // The holder is not there any more when its time is over.
        next.pass(.seconds(1000))
        #expect(try next.ask(1, machineOne, on: "a"))
    }

    @Test("SEC-25 addresses that were shared by their types are shared after a restart")
    func shared() throws {
        let bench = try Bench()
        let journal = bench.journal()
        for (number, port) in [(1, "a"), (2, "b")] as [(UInt64, String)] {
            journal.set(
                holding(number, on: port).holder,
                holding(number, on: port, .associated, [address(7, isShared: true), address(number)]))
        }
        journal.flush()
        let run = Run(bench)
        #expect(run.registry.reservations.count == 2 && run.registry.ledger.load == (2, 3))
        let pattern = try #require(MACPattern("52:54:00:00:00:07"))
        let asked = try request(id: vsi(2), [entry("52:54:00:00:00:07", 0)])
        #expect(throws: Never.self) { try run.registry.claim(asked.filter, for: asked, on: "b", shared: [pattern]) }
        #expect(throws: AddressLedger.Obstacle.self) { try run.registry.claim(asked.filter, for: asked, on: "b") }
    }
}

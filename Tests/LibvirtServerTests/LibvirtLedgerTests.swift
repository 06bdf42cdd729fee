import EVBProtocol
import EVBTime
import EVBWire
import Testing
import VSISamples

@testable import LibvirtServer

/// Plays libvirtds against a ledger, on a clock of its own.
private final class LedgerBench {
    let ledger = LibvirtLedger()
    var now = Instant(nanoseconds: 1_000_000_000_000)
    private var orders: [VSIID: UInt64] = [:]
    private var lastSender: UInt32 = 0

    func header(_ caller: UInt32) -> NetlinkHeader {
        var header = NetlinkHeader()
        header.port = caller
        return header
    }

    @discardableResult
    func ask(
        _ number: UInt64, by caller: UInt32 = 1, _ operation: LibvirtRequest.Operation = .associate
    ) -> [LibvirtLedger.Poll] {
        let profile = LibvirtRequest.PortProfile(
            macAddress: nil, vlan: 0, priority: 0, managerID: 0, typeID: 1, typeVersion: 0, instance: vsi(number),
            operation: operation)
        let taken = ledger.take(profile, header(caller), at: now)
        orders[vsi(number)] = taken.order
        return taken.answered
    }

    /// The sender of a poll that is held; nil if it is to be answered now.
    func hold(by caller: UInt32 = 1) -> UInt32? {
        lastSender += 1
        let poll = LibvirtLedger.Poll(header: header(caller), interfaceIndex: 2, sender: lastSender)
        return ledger.poll(poll, at: now) ? lastSender : nil
    }

    /// The senders of the polls that the end of a request answers.
    @discardableResult
    func end(_ number: UInt64, granted: Bool = true, kept: Bool = false) -> [UInt32] {
        guard let order = orders[vsi(number)] else { return [] }
        return ledger.end(
            vsi(number), order, response: granted ? LibvirtReply.success : 3, isGranted: granted, isKept: kept, at: now
        ).map(\.sender)
    }

    /// The VSIs whose failure libvirt has read.
    func failuresRead() -> [VSIID] { ledger.takeReadFailures().map(\.vsi) }

    func shown(to caller: UInt32 = 1) -> [VSIID: UInt16?] {
        let poll = LibvirtLedger.Poll(header: header(caller), interfaceIndex: 2, sender: 0)
        return Dictionary(uniqueKeysWithValues: ledger.answer(to: poll).map { ($0.instance, $0.response) })
    }

    func pass(_ interval: Interval) -> (answered: [UInt32], overdue: [VSIID]) {
        now = now + interval
        let due = ledger.advance(to: now)
        return (due.answered.map(\.sender), due.overdue)
    }
}

@Suite struct LibvirtLedgerTests {
    private let bench = LedgerBench()

    @Test("VDP-41 a poll waits for the bridge's answer, and for no longer than a second")
    func holdsThePoll() throws {
        bench.ask(1)
        let first = try #require(bench.hold())
        #expect(bench.end(1) == [first])
        #expect(bench.shown() == [vsi(1): 0])
        #expect(bench.hold() == nil, "it is decided")

        bench.ask(2)
        let slow = try #require(bench.hold())
        #expect(bench.pass(.milliseconds(999)).answered.isEmpty)
        #expect(bench.ledger.nextDeadline == bench.now + .milliseconds(1))
        #expect(bench.pass(.milliseconds(1)).answered == [slow])
        #expect(bench.shown()[vsi(2)] == .some(nil), "under way")
        let next = try #require(bench.hold())
        #expect(bench.end(2, granted: false) == [next])
        #expect(bench.shown()[vsi(2)] == 3)
    }

    @Test func aPollThatComesAfterTheAnswerIsNotHeld() {
        bench.ask(1)
        #expect(bench.end(1).isEmpty)
        #expect(bench.hold() == nil)
        #expect(bench.hold(by: 9) == nil, "nobody that asked")
    }

    @Test func eachOfSeveralThreadsHearsOfItsOwn() throws {
        // As libvirtd's workers do it: each request is followed by its poll.
        var polls: [UInt32] = []
        for number in UInt64(1)...20 {
            bench.ask(number)
            polls.append(try #require(bench.hold()))
        }
        for (number, poll) in zip(UInt64(1)..., polls).reversed() { #expect(bench.end(number) == [poll]) }
    }

    @Test func anotherRequestDoesNotKeepFromAnOutcome() throws {
        bench.ask(1)
        let first = try #require(bench.hold())
        bench.ask(2)
        let second = try #require(bench.hold())
        #expect(bench.pass(.seconds(1)).answered == [first, second])
        bench.now = bench.now + .milliseconds(60)
        // Both are polled again later; the first is decided before, and the bridge says nothing to the second.
        #expect(bench.end(1).isEmpty)
        #expect(bench.hold() == nil, "the first's: there is an outcome that nobody has heard")
        #expect(bench.shown() == [vsi(1): 0, vsi(2): nil])
        let again = try #require(bench.hold(), "the second's")
        #expect(bench.hold() == nil, "more polls than requests: one is not about a request under way")
        #expect(bench.end(2) == [again])
    }

    @Test func requestsThatNobodyPollsAreNeitherAwaitedNorGivenUp() throws {
        // A libvirtd that has restarted asks for all of its VSIs, and polls none.
        for number in UInt64(1)...100 { bench.ask(number) }
        bench.now = bench.now + .seconds(1)
        bench.ask(101)
        let poll = try #require(bench.hold())
        for number in UInt64(1)...50 { #expect(bench.end(number).isEmpty) }
        #expect(bench.end(101) == [poll])
        bench.ask(102)
        #expect(bench.hold() != nil)
        #expect(bench.pass(.seconds(10)).overdue == [vsi(102)])
        #expect(bench.shown()[vsi(70)] == .some(nil))
    }

    @Test("VDP-41 what libvirt is about to give up is given up before, whatever it was")
    func givesUp() throws {
        bench.ask(1)
        bench.ask(2, by: 2, .disassociate)
        #expect(bench.hold() != nil && bench.hold(by: 2) != nil)
        var overdue: [VSIID] = []
        for _ in 0..<9 { overdue += bench.pass(.seconds(1)).overdue }
        #expect(overdue.isEmpty)
        #expect(Set(bench.pass(.milliseconds(500)).overdue) == [vsi(1), vsi(2)])
        #expect(bench.pass(.seconds(100)).overdue.isEmpty)
        #expect(bench.ledger.counters.requestsGivenUp == 2)
    }

    @Test func anOutcomeIsReadableForAMinuteAndIsThenForgotten() throws {
        bench.ask(1)
        bench.ask(2)
        bench.end(1, granted: false)
        bench.end(2)
        #expect(bench.pass(.milliseconds(59_999)).answered.isEmpty)
        #expect(bench.shown() == [vsi(1): 3, vsi(2): 0])
        let deadline = try #require(bench.ledger.nextDeadline)
        #expect(deadline.since(bench.now) <= .milliseconds(5_001))
        _ = bench.pass(deadline.since(bench.now))
        #expect(bench.shown() == [vsi(2): 0], "the second is bound")
        #expect(bench.ledger.nextDeadline == nil)
        #expect(bench.ledger.lose(vsi(2), at: bench.now)?.entry.profile.instance == vsi(2))
        #expect(bench.ledger.lose(vsi(2), at: bench.now) == nil, "once")
        _ = bench.pass(.seconds(65))
        #expect(bench.ledger.entries.isEmpty && bench.ledger.callers.isEmpty)
    }

    @Test("HEAL-107 a failure that libvirt reads is not one that it does not look at")
    func readFailures() throws {
        // A machine starts, and the bridge refuses while libvirt polls.
        bench.ask(1)
        _ = try #require(bench.hold())
        bench.end(1, granted: false, kept: true)
        #expect(bench.failuresRead() == [vsi(1)] && bench.failuresRead().isEmpty)

        // The bridge refuses before the first poll.
        bench.ask(2)
        bench.end(2, granted: false, kept: true)
        #expect(bench.failuresRead().isEmpty)
        bench.now = bench.now + .milliseconds(2)
        #expect(bench.hold() == nil)
        #expect(bench.failuresRead() == [vsi(2)])

        // A machine runs, and the bridge takes its VSI back: libvirt has read its success long before.
        bench.ask(4)
        _ = try #require(bench.hold())
        bench.end(4)
        #expect(bench.ledger.lose(vsi(4), isKept: true, at: bench.now) != nil)
        #expect(bench.failuresRead().isEmpty)

        // A libvirtd that has restarted, or has heard of a loss, asks and does not poll.
        bench.ask(3)
        bench.end(3, granted: false, kept: true)
        bench.now = bench.now + .seconds(1)
        #expect(bench.hold() == nil)
        #expect(bench.failuresRead().isEmpty)
    }

    @Test("HEAL-107 what the port goes on asking for is not forgotten, and is success when it is granted at last")
    func keptFailures() throws {
        bench.ask(1)
        bench.end(1)
        #expect(bench.ledger.lose(vsi(1), isKept: true, at: bench.now) != nil)
        bench.ask(1)
        bench.end(1, granted: false, kept: true)
        _ = bench.pass(.seconds(1000))
        #expect(bench.shown() == [vsi(1): 3])
        #expect(bench.ledger.regain(vsi(1), at: bench.now).isEmpty)
        #expect(bench.shown() == [vsi(1): 0])
        #expect(bench.ledger.lose(vsi(1), isKept: true, at: bench.now) != nil, "libvirt hears of the next loss")
        // A poll for another VSI goes on waiting.
        bench.ask(2)
        let first = try #require(bench.hold())
        #expect(bench.pass(.seconds(1)).answered == [first])
        _ = bench.shown()
        let poll = try #require(bench.hold())
        bench.ledger.settle(vsi(1), at: bench.now)
        #expect(bench.end(2) == [poll])
        bench.ledger.settle(vsi(2), at: bench.now)
        _ = bench.pass(.seconds(70))
        #expect(bench.ledger.entries.isEmpty && bench.ledger.callers.isEmpty)
    }

    @Test("HEAL-203 a loss that libvirtd has not got is kept until the VSI is had again or given up")
    func undelivered() throws {
        for number in UInt64(1)...4 {
            bench.ask(number)
            bench.end(number)
            _ = bench.ledger.lose(vsi(number), isKept: number != 4, at: bench.now)
            bench.ledger.setDelivered(vsi(number), false)
        }
        #expect(bench.ledger.undelivered.count == 4)
        bench.ledger.setDelivered(vsi(1), true)
        _ = bench.ledger.regain(vsi(2), at: bench.now)
        bench.ask(3, by: 2)
        #expect(Array(bench.ledger.undelivered) == [vsi(4)])
        _ = bench.pass(.seconds(70))
        #expect(bench.ledger.undelivered.isEmpty)
        bench.ledger.setDelivered(vsi(4), false)
        #expect(bench.ledger.undelivered.isEmpty, "what is not known is not kept")
    }

    @Test func outcomesAreBounded() {
        for number in UInt64(1)...UInt64(LibvirtLedger.outcomesMax + 10) {
            bench.ask(number)
            bench.end(number, granted: false)
        }
        #expect(bench.ledger.entries.count == LibvirtLedger.outcomesMax)
        #expect(bench.ledger.entries[vsi(10)] == nil && bench.ledger.entries[vsi(11)] != nil)
    }

    @Test("VDP-41 an answer shows what its caller may wait for, with 10,000 VSIs on the port")
    func showsTheRightOnes() throws {
        for number in UInt64(1)...5_000 {
            bench.ask(number, by: 1)
            bench.end(number)
            bench.ask(number + 10_000, by: 2)
            bench.end(number + 10_000)
        }
        _ = bench.shown()
        // Slow threads: they asked before hundreds of others did.
        for number in UInt64(20_001)...20_020 { bench.ask(number) }
        bench.end(20_001)
        for number in UInt64(1)...2_000 { bench.ask(number, by: 2) }
        for number in UInt64(1)...2_000 { bench.end(number) }
        let shown = bench.shown()
        #expect(shown.count == LibvirtLedger.entriesMax)
        #expect(shown[vsi(20_001)] == 0)
        for number in UInt64(20_002)...20_020 { #expect(shown[vsi(number)] == .some(nil)) }
        let others = bench.shown(to: 3)
        #expect(others.count == LibvirtLedger.entriesMax && others[vsi(2_000)] == 0)
    }

    @Test func heldPollsAreBoundedAndCounted() throws {
        let callers = UInt32(LibvirtLedger.heldMax + 76)
        for caller in 1...callers {
            bench.ask(UInt64(caller), by: caller)
            #expect((bench.hold(by: caller) != nil) == (caller <= UInt32(LibvirtLedger.heldMax)))
        }
        #expect(bench.ledger.counters.holdsDeclined == 76)
        #expect(bench.pass(.seconds(1)).answered.count == LibvirtLedger.heldMax)
        #expect(bench.ledger.counters.holdsExpired == UInt64(LibvirtLedger.heldMax))
        #expect(bench.ledger.held.isEmpty)

        // A thousand polls for one request: one of them waits.
        bench.ask(7, by: 7)
        let held = (0..<1_000).compactMap { _ in bench.hold(by: 7) }
        #expect(held.count == 1)
        #expect(bench.ledger.releaseAll().map(\.sender) == held)
        #expect(bench.ledger.held.isEmpty && bench.ledger.callers[7]?.polls == 0)
    }

    @Test func anotherManagersRequestAnswersThePollForTheFormerOne() throws {
        bench.ask(1, by: 1)
        let poll = try #require(bench.hold(by: 1))
        #expect(bench.ask(1, by: 2).map(\.sender) == [poll])
        #expect(bench.ledger.callers[1] == nil)
        #expect(bench.shown(to: 1) == [vsi(1): nil], "others' are shown too")
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max)])
    func randomCallersLeaveNothingBehind(seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<20_000 {
            let number = random.next() % 40
            let caller = UInt32(random.next() % 3 + 1)
            switch random.next() % 6 {
            case 0, 1: bench.ask(number, by: caller, random.next() % 4 == 0 ? .disassociate : .associate)
            case 2, 3: _ = bench.hold(by: caller)
            case 4: bench.end(number, granted: random.next() % 2 == 0)
            default: _ = bench.pass(.milliseconds(random.next() % 700))
            }
            let ledger = bench.ledger
            let polls = ledger.callers.values.reduce(0) { $0 + $1.polls }
            #expect(polls == ledger.held.count, "seed \(seed)")
            let open = ledger.callers.values.reduce(0) { $0 + $1.polled.count + $1.unpolled.count }
            #expect(open == ledger.entries.values.count { $0.response == nil }, "seed \(seed)")
            #expect(ledger.vsis.count == ledger.entries.count, "seed \(seed)")
            if let deadline = ledger.nextDeadline, deadline <= bench.now { _ = bench.pass(.milliseconds(0)) }
        }
        for number in UInt64(0)..<40 { bench.end(number, granted: false) }
        _ = bench.pass(.seconds(100))
        #expect(bench.ledger.entries.isEmpty && bench.ledger.callers.isEmpty, "seed \(seed)")
        #expect(bench.ledger.held.isEmpty && bench.ledger.nextDeadline == nil, "seed \(seed)")
    }
}

/// A small generator, so that a failure can be played again from its seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

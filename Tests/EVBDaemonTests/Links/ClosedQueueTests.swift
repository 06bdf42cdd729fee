import EVBTime
import LinuxSystem
import Testing

@testable import EVBDaemon
@testable import EdgeRelays
@testable import EventLoop

/// The changes of closed addresses that are on their way to the kernel.
@Suite struct ClosedQueueTests {
    private let queue = ClosedQueue()
    private let one = HardwareAddress(0x5254_0000_0001)
    private let two = HardwareAddress(0x5254_0000_0002)

    private func set(_ address: HardwareAddress, _ isClosed: Bool) {
        queue.set(ClosedAddresses.Change(address: address, isClosed: isClosed), port: 2)
    }

    @Test("SEC-508 what is closed and opened again before the kernel has it costs nothing, and nothing waits for it")
    func takenBack() {
        set(one, true)
        #expect(!queue.isEmpty)
        set(one, false)
        #expect(queue.isEmpty && !queue.isOpening([one], port: 2))
        #expect(queue.take().isEmpty)
    }

    @Test(
        "SEC-1165 a closing that may be taken back stays until it is due, whatever transaction goes before; an urgent one does not"
    )
    func due() {
        func moment(_ count: UInt64) -> Instant { Instant(nanoseconds: count) }
        func ask(_ address: HardwareAddress, _ isClosed: Bool, due: UInt64?) {
            queue.set(
                ClosedAddresses.Change(address: address, isClosed: isClosed), port: 2, due: due.map(moment))
        }
        #expect(queue.nextDue(now: moment(1)) == nil)
        ask(one, true, due: 50)
        ask(two, true, due: 60)
        #expect(queue.nextDue(now: moment(1)) == moment(50))
        #expect(queue.take(dueBy: moment(49)).isEmpty && !queue.isOpening([one], port: 2))
        #expect(queue.take(dueBy: moment(50)) == [GuestRules.closed(2, adding: [one], removing: [])])
        #expect(queue.nextDue(now: moment(55)) == moment(60))
        queue.done()
        ask(two, false, due: nil)
        #expect(queue.isEmpty && queue.nextDue(now: moment(55)) == nil, "it was never closed")
        ask(two, true, due: 99)
        ask(one, false, due: nil)
        #expect(queue.nextDue(now: moment(56)) == moment(56))
        #expect(queue.take(dueBy: moment(56)) == [GuestRules.closed(2, adding: [], removing: [one])])
        queue.done()
        ask(two, true, due: nil)
        #expect(
            queue.take(dueBy: moment(57)) == [GuestRules.closed(2, adding: [two], removing: [])], "it is urgent now")
        queue.failed("refused", due: moment(1057))
        queue.done()
        #expect(queue.take(dueBy: moment(1056)).isEmpty && queue.nextDue(now: moment(58)) == moment(1057))
        #expect(queue.take(dueBy: moment(1057)).count == 1)
    }

    @Test("SEC-509 an opening is waited for until its transaction is done; one that is taken back ends the wait too")
    func waits() {
        set(one, true)
        #expect(queue.take() == [GuestRules.closed(2, adding: [one], removing: [])])
        queue.done()
        set(one, false)
        var calls = 0
        queue.wait([one], port: 2) { _ in calls += 1 }
        #expect(queue.isOpening([one], port: 2) && !queue.isOpening([two], port: 2) && !queue.isOpening([one], port: 3))
        #expect(queue.take() == [GuestRules.closed(2, adding: [], removing: [one])])
        queue.callBack()
        #expect(calls == 0)
        queue.done()
        #expect(calls == 1 && !queue.isOpening([one], port: 2))

        set(one, true)
        _ = queue.take()
        queue.done()
        set(one, false)
        queue.wait([one], port: 2) { _ in calls += 1 }
        set(one, true)
        queue.callBack()
        #expect(calls == 2 && queue.isEmpty)
    }

    /// Runs the loop until something is so.
    private func run(_ loop: EventLoop, until isSo: @escaping () -> Bool) throws {
        var looks = 0
        func look() {
            looks += 1
            if isSo() || looks > 1_000_000 { loop.stop() } else { loop.laterSlice(look) }
        }
        loop.laterSlice(look)
        try loop.run()
    }

    @Test(
        "SPD-166 those who wait are called back in turns, all of them, and one whose address is opened once more waits on",
        arguments: [false, true])
    func turns(hasLoop: Bool) throws {
        let loop = try EventLoop()
        if hasLoop { queue.takeTurns(of: loop) }
        let addresses = (0..<2000).map { HardwareAddress(0x5254_0000_0000 + UInt64($0)) }
        for address in addresses { set(address, true) }
        _ = queue.take()
        queue.done()
        for address in addresses { set(address, false) }
        var (called, again): (Set<HardwareAddress>, Bool) = ([], false)
        for address in addresses {
            queue.wait([address], port: 2) { [self] _ in
                #expect(!queue.isOpening([address], port: 2), "it is open")
                #expect(called.insert(address).inserted, "it is called once")
                guard address == addresses[0] else { return }
                // While the others wait for their turns, the last one is closed, and is to be opened again.
                set(addresses[1999], true)
                _ = queue.take()
                set(addresses[1999], false)
                again = true
            }
        }
        _ = queue.take()
        queue.done()
        try run(loop) { called.count >= 1999 }
        #expect(again && called.count == 1999 && !called.contains(addresses[1999]))
        _ = queue.take()
        queue.done()
        try run(loop) { called.count == 2000 }
        #expect(called.count == 2000)
    }

    @Test("SPD-172 a transaction has as many changes as it may, closings first, and leaves others for the next")
    func bounded() {
        func moment(_ count: UInt64) -> Instant { Instant(nanoseconds: count) }
        let most = ClosedQueue.changesMax
        let addresses = (0..<3 * most).map { HardwareAddress(0x5254_0000_0000 + UInt64($0)) }
        for address in addresses.prefix(2 * most) { set(address, true) }
        _ = queue.take()
        queue.done()
        #expect(!queue.hasLeftSome)
        var called: [Int] = []
        for (number, address) in addresses.prefix(2 * most).enumerated() {
            set(address, false)
            queue.wait([address, addresses[0]], port: 2) { _ in called.append(number) }
        }
        for address in addresses.suffix(most) { set(address, true) }
        // One is taken back, and one is asked for twice.
        set(addresses[1], true)
        set(addresses[2], false)
        #expect(queue.nextDue(now: moment(7)) == moment(7))
        let closed = GuestRules.closed(2, adding: Array(addresses.suffix(most)), removing: [])
        #expect(queue.take(dueBy: moment(7)) == [closed] && queue.hasLeftSome)
        queue.done()
        queue.callBack()
        #expect(called.isEmpty, "the first one is closed still")
        let opened = [addresses[0]] + addresses[2...most]
        #expect(queue.take(dueBy: moment(7)) == [GuestRules.closed(2, adding: [], removing: opened)])
        #expect(queue.hasLeftSome && queue.installed(port: 2).count == 2 * most)
        queue.done()
        #expect(called.sorted() == Array(0...most))
        let rest = Array(addresses[(most + 1)..<(2 * most)])
        #expect(queue.take(dueBy: moment(7)) == [GuestRules.closed(2, adding: [], removing: rest)])
        #expect(!queue.hasLeftSome && queue.isEmpty)
        queue.done()
        #expect(called.sorted() == Array(0..<2 * most) && queue.nextDue(now: moment(7)) == nil)
    }

    @Test("SPD-172 what is asked for and taken back while the kernel takes nothing leaves nothing behind")
    func toggled() {
        queue.adopt([one], port: 2)
        for _ in 0..<100_000 {
            set(one, false)
            set(one, true)
            queue.set(ClosedAddresses.Change(address: two, isClosed: true), port: 2, due: Instant(nanoseconds: 50))
            set(two, false)
        }
        #expect(queue.isEmpty && queue.entryCount < 10_000)
        set(two, true)
        #expect(queue.take() == [GuestRules.closed(2, adding: [two], removing: [])])
        #expect(queue.entryCount == 0)
    }

    @Test("SPD-172 who waits for several addresses is called when the last one is open, whatever comes between")
    func several() {
        for address in [one, two] { set(address, true) }
        _ = queue.take()
        queue.done()
        var calls = 0
        for address in [one, two] { set(address, false) }
        queue.wait([one, two], port: 2) { _ in calls += 1 }
        // What becomes of one of them is not all.
        set(one, true)
        queue.callBack()
        set(one, false)
        #expect(calls == 0)
        _ = queue.take()
        queue.failed("refused")
        queue.done()
        #expect(calls == 0 && queue.isOpening([one, two], port: 2))
        set(two, true)
        _ = queue.take()
        queue.done()
        #expect(calls == 1, "one is open, and two stays closed")
    }

    @Test("SEC-510 addresses that another process has removed are asked for again; a lost port ends all waits")
    func lost() {
        queue.adopt([one, two], port: 2)
        set(one, true)
        #expect(queue.isEmpty)
        queue.lost(allBut: [two], port: 2)
        set(one, true)
        set(two, true)
        #expect(queue.take() == [GuestRules.closed(2, adding: [one], removing: [])])
        set(one, false)
        var calls = 0
        queue.wait([one], port: 2) { _ in calls += 1 }
        queue.forget(port: 2)
        #expect(calls == 1 && queue.isEmpty && queue.installed(port: 2).isEmpty)
    }

    @Test("SEC-511 what is asked of a set that is deleted first waits for the last of its deletions")
    func released() {
        queue.adopt([one], port: 2)
        queue.forget(port: 2)
        queue.forget(port: 2)
        set(one, true)
        queue.set(ClosedAddresses.Change(address: two, isClosed: true), port: 3)
        #expect(queue.take() == [GuestRules.closed(3, adding: [two], removing: [])])
        queue.releaseBegins(port: 2)
        #expect(queue.take().isEmpty && !queue.isEmpty)
        queue.releaseBegins(port: 2)
        queue.releaseBegins(port: 2)
        #expect(queue.take() == [GuestRules.closed(2, adding: [one], removing: [])])
        queue.failed("refused")
        #expect(queue.take().count == 2, "both belong to one transaction")
    }

    @Test(
        "SEC-1115 who waits for an opening that nftables refuses time and again hears why; it is asked for again all the same"
    )
    func refusedOpening() {
        set(one, true)
        set(two, true)
        _ = queue.take()
        queue.done()
        var heard: [String] = []
        set(one, false)
        queue.wait([one], port: 2) { heard.append("one: \($0 ?? "open")") }
        for attempt in 1...ClosedQueue.refusalsMax {
            #expect(heard.isEmpty, "after \(attempt - 1) refusals")
            _ = queue.take()
            // One that comes late has not been refused as often.
            if attempt == 2 {
                set(two, false)
                queue.wait([two], port: 2) { heard.append("two: \($0 ?? "open")") }
            }
            queue.failed("no memory")
            queue.done()
        }
        #expect(heard == ["one: no memory"])
        #expect(queue.isOpening([one], port: 2), "it goes on")
        _ = queue.take()
        queue.done()
        #expect(heard == ["one: no memory", "two: open"] && !queue.isOpening([one], port: 2))
    }
}

import LinuxSystem
import Logging
import Netlink
import Synchronization
import Testing

@testable import Dataplane
@testable import EventLoop

/// Indices far above those of the host's own links.
private func link(_ number: Int32, _ name: String? = nil, mtu: UInt32 = 1500) -> Link {
    var link = Link(index: 1_000_000 + number, name: name ?? "t\(number)")
    (link.kind, link.mtu, link.alias) = ("macvtap", mtu, "alias \(number)")
    return link
}

/// A reading of all links that ends when the test says so.
private final class Reading: Sendable {
    let isAllowed = Atomic<Bool>(false)
    let count = Atomic<Int>(0)
    let answer = Mutex<Result<[Link], NetlinkError>>(.success([]))

    func perform() -> Result<[Link], NetlinkError> {
        count.add(1, ordering: .relaxed)
        while !isAllowed.load(ordering: .acquiring) {}
        return answer.withLock { $0 }
    }
}

private final class Bench {
    let loop: EventLoop
    let timers: Timers
    let reading = Reading()
    let table: LinkTable
    private var timer: Timers.Timer?
    /// Turns of the loop.
    private(set) var turns = 0

    init() throws {
        loop = try EventLoop()
        timers = Timers(loop: loop)
        let reading = reading
        table = try LinkTable(
            loop: loop, timers: timers, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            reader: { reading.perform() })
    }

    func run(until isSo: @escaping () -> Bool) throws {
        check(isSo)
        try loop.run()
    }

    private func check(_ isSo: @escaping () -> Bool) {
        turns += 1
        if isSo() { return loop.stop() }
        loop.later { [weak self] in self?.check(isSo) }
    }

    /// Works for so long.
    func work(_ nanoseconds: UInt64) {
        let end = loop.now() + nanoseconds
        while loop.now() < end {}
    }
}

@Suite struct LinkTableTests {
    @Test(
        "SEC-1113 a thousand links that change at once are heard of over many turns, in order, and the table has them at once"
    )
    func news() throws {
        let bench = try Bench()
        var heard: [String] = []
        var most = (count: 0, turn: 0)
        var inTurn = 0
        bench.table.onChange = { name in
            guard name.hasPrefix("t") else { return }
            heard.append(name)
            inTurn = most.turn == bench.turns ? inTurn + 1 : 1
            most = (max(most.count, inTurn), bench.turns)
            // A fifth of what a turn has for it.
            bench.work(WorkQueue<Int>.timePerTurn / 5)
        }
        let all = (0..<1000).map { LinkEvent.changed(link($0)) }
        bench.table.take(all)
        #expect(bench.table[1_000_999]?.name == "t999" && bench.table.links(alias: "alias 500").count == 1)
        #expect(heard.count < 20, "others have their turns")
        // The rest changes again before it has been heard of.
        bench.table.take((500..<1000).map { LinkEvent.changed(link($0, mtu: 1400)) })
        try bench.run { heard.count >= 1000 }
        #expect(heard == (0..<1000).map { "t\($0)" }, "each of them once")
        #expect(most.count <= 10 && bench.turns >= 100, "\(most.count) in one of \(bench.turns) turns")
    }

    @Test(
        "SEC-1113 all links are read beside the loop, compared a part in each turn, and news that come meanwhile count")
    func reading() throws {
        let bench = try Bench()
        let (first, gone, late) = (link(1), link(2), link(3))
        bench.table.take([.changed(first), .changed(gone), .changed(link(4)), .overrun])
        #expect(!bench.table.isComplete)
        var isCaughtUp = false
        bench.table.whenCaughtUp { isCaughtUp = true }
        try bench.run { bench.reading.count.load(ordering: .relaxed) == 1 }
        // While it is being read, which has been done before this: one goes, one comes, one is another's by now.
        bench.table.take([.removed(index: gone.index, name: gone.name), .changed(late), .changed(link(1, mtu: 9000))])
        bench.reading.answer.withLock { $0 = .success([first, gone] + (10..<3010).map { link($0) }) }
        var heard: Set<String> = []
        bench.table.onChange = { heard.insert($0) }
        #expect(!isCaughtUp && bench.table[link(10).index] == nil)
        bench.reading.isAllowed.store(true, ordering: .releasing)
        try bench.run { (10..<3010).contains { bench.table[link($0).index] != nil } }
        let began = bench.turns
        try bench.run { isCaughtUp }
        #expect(bench.turns - began >= 3000 / LinkTable.comparedPerTurn - 2, "\(bench.turns - began) turns")
        #expect(bench.table.isComplete)
        #expect(bench.table[gone.index] == nil && bench.table[late.index] == late, "news count")
        #expect(bench.table[first.index]?.mtu == 9000)
        #expect(bench.table[link(4).index] == nil && bench.table["t4"] == nil, "it went without news")
        try bench.run { heard.isSuperset(of: ["t4", "t10", "t3009"]) }
        #expect(bench.table["t3009"] != nil)
    }

    @Test("SEC-1113 a reading during which news were lost again does not count, nor does one that fails")
    func lostAgain() throws {
        let bench = try Bench()
        bench.table.take([.overrun])
        try bench.run { bench.reading.count.load(ordering: .relaxed) == 1 }
        bench.reading.answer.withLock { $0 = .success([link(1)]) }
        bench.table.take([.overrun])
        bench.reading.isAllowed.store(true, ordering: .releasing)
        try bench.run { bench.reading.count.load(ordering: .relaxed) == 2 }
        try bench.run { bench.table.isComplete }
        #expect(bench.table["t1"] != nil)
        let error = NetlinkError(operation: "list the links", kind: .other, reason: "interrupted")
        bench.reading.answer.withLock { $0 = .failure(error) }
        bench.table.take([.overrun])
        try bench.run { bench.reading.count.load(ordering: .relaxed) == 4 }
        #expect(bench.table["t1"] != nil && !bench.table.isComplete, "what is known stays")
        bench.reading.answer.withLock { $0 = .success([]) }
        try bench.run { bench.table.isComplete }
        #expect(bench.table["t1"] == nil)
    }
}

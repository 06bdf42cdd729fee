// One port, client or list does not keep the others waiting: in counts of turns, commands and looks, not in time.

import EVBControl
import EVBProtocol
import EVBWire
import Synchronization
import Testing

@testable import ControlServer
@testable import Dataplane
@testable import EVBDaemon
@testable import EVBModel
@testable import EVBPorts
@testable import EVBSettings
@testable import EventLoop
@testable import Netlink

@Suite struct QueueTests {
    @Test("SEC-71 a queue gives what it was given, in order, whatever is taken in between")
    func fifo() {
        let seed = UInt64.random(in: 1 ... .max)
        var state = seed
        func dice(_ bound: UInt64) -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state % bound
        }
        var queue = FIFO<Int>()
        var model: [Int] = []
        for number in 0..<20_000 {
            // Grows and shrinks by turns.
            if dice(10) < (number / 2000 % 2 == 0 ? 7 : 3) {
                queue.append(number)
                model.append(number)
            } else {
                #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()), "seed \(seed)")
            }
            #expect(queue.count == model.count && queue.first == model.first && queue.isEmpty == model.isEmpty)
        }
        #expect(queue.all == model && queue.removeAll() == model && queue.isEmpty)
    }

    @Test("SEC-72 what one port has the kernel do waits for two commands of another port, however many that has")
    func lanes() throws {
        let made = Mutex<[Int32]>([])
        let loop = try EventLoop()
        let programmer = try KernelQueue(loop: loop) { command in
            if case .look(let index) = command { made.withLock { $0.append(index) } }
            return .success(nil)
        }
        var order: [Int32] = []
        for number in 1...1000 as ClosedRange<Int32> {
            #expect(programmer.submit(.look(index: number), of: "busy") { _ in order.append(number) })
        }
        for number in -3 ... -1 as ClosedRange<Int32> {
            #expect(programmer.submit(.look(index: number), of: "quiet") { _ in order.append(number) })
        }
        #expect(programmer.submit(.look(index: 0), of: "busy") { _ in loop.stop() })
        try loop.run()
        let all = made.withLock { $0 }
        #expect(order == all.dropLast(), "completions come in the order of the changes")
        #expect(all.filter { $0 > 0 } == Array(1...1000) && all.filter { $0 < 0 } == [-3, -2, -1])
        // Ahead of the quiet port's first are those that the worker had, and one in turn before each of the others.
        let places = all.indices.filter { all[$0] < 0 }
        #expect(places.last.map { $0 <= KernelQueue.windowMax + 6 } == true, "at \(places)")
        programmer.finish()
    }

    @Test(
        "SEC-73 work that takes long is done over many turns of the loop, in its order, and others have theirs in between"
    )
    func slices() throws {
        let loop = try EventLoop()
        var done: [Int] = []
        var turns = 0
        var isOver = false
        let queue = WorkQueue<Int>(loop: loop) { number in
            // Half of what a queue may take of a turn.
            let end = loop.now() + WorkQueue<Int>.timePerTurn / 2
            while loop.now() < end {}
            done.append(number)
        }
        func others() {
            turns += 1
            if isOver { loop.stop() } else { loop.later(others) }
        }
        loop.later {
            queue.append(contentsOf: Array(0..<60))
            #expect(done.count < 5, "the rest is left for later turns")
            others()
        }
        loop.later { queue.append(contentsOf: [60]) }
        func look() {
            isOver = queue.isEmpty
            if !isOver { loop.later(look) }
        }
        loop.later(look)
        try loop.run()
        #expect(done == Array(0...60))
        #expect(turns >= 20, "others had \(turns) turns")
    }

    @Test("SEC-73 work that waits for its turn knows when it was added")
    func age() throws {
        let loop = try EventLoop()
        var ages: [UInt64] = []
        var nested: UInt64?
        var waiting: WorkQueue<Int>?
        let queue = WorkQueue<Int>(loop: loop) { number in
            guard let queue = waiting, let addedAt = queue.workAddedAt else { return }
            ages.append(loop.now() - addedAt)
            if number == 1 {
                queue.finish { $0 == 3 }
                nested = queue.workAddedAt
                #expect(nested == addedAt, "what was done in between does not count")
            }
            let end = loop.now() + WorkQueue<Int>.timePerTurn
            while loop.now() < end {}
            if number == 4 { loop.stop() }
        }
        waiting = queue
        loop.later { queue.append(contentsOf: [1, 2, 3, 4]) }
        try loop.run()
        #expect(ages.count == 4 && nested != nil && queue.workAddedAt == nil)
        #expect(ages.last.map { $0 >= 3 * WorkQueue<Int>.timePerTurn } == true, "\(ages)")
    }

    @Test("SEC-73 work of one thing can be done before the rest, and all of it at once")
    func sooner() throws {
        let loop = try EventLoop()
        var done: [Int] = []
        let queue = WorkQueue<Int>(loop: loop) { number in
            let end = loop.now() + WorkQueue<Int>.timePerTurn
            while loop.now() < end {}
            done.append(number)
        }
        queue.append(contentsOf: Array(0..<10))
        #expect(done == [0])
        queue.finish { $0 % 4 == 1 }
        #expect(done == [0, 1, 5, 9])
        queue.finish()
        #expect(done == [0, 1, 5, 9, 2, 3, 4, 6, 7, 8] && queue.isEmpty)
    }
}

/// A port that counts what is asked of it.
private final class Source: VSISource {
    let name: String
    let vsiIDs: [VSIID]
    private(set) var built = 0

    init(_ name: String, _ numbers: [UInt64]) {
        self.name = name
        vsiIDs = numbers.map { VSIID(format: .uuid, high: 1, low: $0) }
    }

    func vsiState(_ vsiID: VSIID) -> EVBModel.VSIState? { vsiID.low % 1000 == 7 ? .pending : .associated }

    func vsiStatus(_ vsiID: VSIID) -> VSIStatus? {
        built += 1
        return ControlBench.vsi(Int(vsiID.low))
    }
}

@Suite struct ListingTests {
    @Test("SEC-74 a list has the VSIs by port and name, and builds nothing of those that do not match")
    func filters() {
        let sources = [Source("port1", (0..<3000).reversed()), Source("port0", [9, 7, 1007])]
        let all = Array(VSIListing(sources, state: .pending))
        #expect(all.count == 3003, "each is looked at once")
        #expect(all.compactMap { $0?.vsiID } == ["local:7", "local:1007", "local:7", "local:1007", "local:2007"])
        #expect(sources.map(\.built) == [3, 2])
        #expect(VSIListing(sources, state: .preassociated).allSatisfy { $0 == nil })
        #expect(sources.map(\.built) == [3, 2])
        #expect(VSIListing(sources, state: nil).count { $0 != nil } == 3003)
    }

    @Test("SEC-74 while nothing matches in ten thousand VSIs, another client's calls are answered in between")
    func turns() throws {
        let bench = try ControlBench()
        var looks = 0
        let vsis = (0..<10_000).lazy.map { _ -> VSIStatus? in
            looks += 1
            // So that all of it takes some twenty turns of the server's.
            let end = bench.loop.now() + 20_000
            while bench.loop.now() < end {}
            return nil
        }
        bench.service.onRequest = { request, reply in
            if case .listVSIs = request {
                reply.answer(lookingAt: vsis)
            } else {
                reply.answer(.version(VersionReport(version: "1")))
            }
        }
        let (slow, quick) = (try TestClient(bench.path), try TestClient(bench.path))
        try slow.call("io.evbd.ListVSIs", more: true)
        var between: [Int] = []
        while looks < 10_000, between.count < 1000 {
            _ = try bench.reply(to: "io.evbd.GetVersion", from: quick)
            between.append(looks)
        }
        #expect(between.count >= 4, "calls answered after so many looks: \(between)")
        let replies = try slow.replies()
        #expect(replies.count <= 1, "empty pages are not sent")
        try bench.turn(until: { try replies.last?.continues == false || slow.replies().last?.continues == false })
    }
}

@Suite struct ResourcePoolTests {
    @Test("SEC-84 a port has what there is, less what the other ports take")
    func room() {
        let pool = ResourcePool(limits: ResourceLimits(vsisPerPort: 5, vsis: 10, filterEntries: 100))
        #expect(pool.room(for: "a") == ResourceRoom(vsis: 10, filterEntries: 100))
        pool.set(ResourceUse(vsis: 4, filterEntries: 60), of: "a")
        pool.set(ResourceUse(vsis: 3, filterEntries: 30), of: "b")
        #expect(pool.room(for: "a") == ResourceRoom(vsis: 7, filterEntries: 70))
        #expect(pool.room(for: "c") == ResourceRoom(vsis: 3, filterEntries: 10))
        pool.set(ResourceUse(vsis: 1, filterEntries: 10), of: "a")
        pool.set(ResourceUse(), of: "b")
        #expect(pool.total == ResourceUse(vsis: 1, filterEntries: 10))
        // A lower limit may be exceeded already: then there is no room, and no trap.
        pool.limits = ResourceLimits(vsisPerPort: 1, vsis: 1, filterEntries: 1)
        #expect(pool.room(for: "b") == ResourceRoom(vsis: 0, filterEntries: -9))
    }
}

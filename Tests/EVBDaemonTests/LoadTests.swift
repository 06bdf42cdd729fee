// One port, client or list does not keep the others waiting: in counts of turns, commands and looks, not in time.

import EVBControl
import EVBProtocol
import EVBWire
import Synchronization
import Testing
import VSISamples

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
        var waiting: KeyedWorkQueue<Int, Int>?
        let queue = KeyedWorkQueue<Int, Int>(loop: loop, key: { $0 }) { number in
            guard let queue = waiting, let addedAt = queue.workAddedAt else { return }
            ages.append(loop.now() - addedAt)
            if number == 1 {
                queue.finish(3)
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
        let queue = KeyedWorkQueue<Int, Int>(loop: loop, key: { $0 % 4 }) { number in
            let end = loop.now() + WorkQueue<Int>.timePerTurn
            while loop.now() < end {}
            done.append(number)
        }
        queue.append(contentsOf: Array(0..<10))
        #expect(done == [0])
        queue.finish(1)
        #expect(done == [0, 1, 5, 9])
        queue.finish()
        #expect(done == [0, 1, 5, 9, 2, 3, 4, 6, 7, 8] && queue.isEmpty)
    }
}

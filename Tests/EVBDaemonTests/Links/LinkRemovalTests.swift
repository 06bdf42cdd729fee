import EVBWire
import Glibc
import LinuxSystem
import Netlink
import Nftables
import Synchronization
import Testing

@testable import Dataplane
@testable import EVBDaemon
@testable import EdgeRelayMachine
@testable import EdgeRelays
@testable import EventLoop

/// Links that wait to be deleted are deleted together.
@Suite struct LinkRemovalTests {
    /// What a worker was given.
    private final class Notes: Sendable {
        let operations = Mutex<[any KernelOperation]>([])

        func perform(_ operation: any KernelOperation) -> any Sendable {
            operations.withLock { $0.append(operation) }
            switch operation {
            case let removal as LinkRemoval: return removal.indices.map { Self.answer($0) }
            case .delete(let index) as LinkCommand: return Self.answer(index)
            case is LinkCommand: return LinkCommand.Answer.success(nil)
            default: return NftablesOperation.Answer.changed([nil])
            }
        }

        private static func answer(_ index: Int32) -> LinkCommand.Answer {
            guard index == 3 else { return .success(nil) }
            return .failure(NetlinkError(operation: "delete 3", kind: .permissionDenied, reason: "not this one"))
        }
    }

    @Test("SPD-140 deletions of all ports go together, each with its answer; operations on one link keep their order")
    func queue() throws {
        let loop = try EventLoop()
        let notes = Notes()
        let queue = try KernelQueue(loop: loop, worker: KernelWorker(capacity: 16, perform: { notes.perform($0) }))
        // The worker has as much as it gets at a time, so that all that follows waits.
        for index in 0..<Int32(KernelQueue.windowMax) { #expect(queue.submit(.look(index: 100 + index)) { _ in }) }
        var answers: [Int32: Result<Link?, NetlinkError>] = [:]
        func submit(_ command: LinkCommand, _ lane: String) {
            let isTaken = queue.submit(command, of: lane) { result in
                if case .delete(let index) = command { answers[index] = result }
                if answers.count == 5 { loop.stop() }
            }
            #expect(isTaken)
        }
        submit(.delete(index: 1), "a")
        submit(.setUp(index: 2, false), "a")
        submit(.delete(index: 2), "a")
        submit(.delete(index: 3), "a")
        submit(.delete(index: 4), "b")
        #expect(queue.perform(NftablesOperation.change([], declaration: ""), of: "b") { _ in })
        submit(.delete(index: 5), "b")
        try loop.run()
        queue.finish()
        let performed = notes.operations.withLock { $0 }
        let removals = performed.compactMap { $0 as? LinkRemoval }
        #expect(removals.first.map { Set($0.indices) } == [1, 3, 4], "2 waits for its own command, and 5 for nftables")
        let down = performed.firstIndex { ($0 as? LinkCommand) == .setUp(index: 2, false) }
        let deleted = performed.firstIndex { operation in
            if let removal = operation as? LinkRemoval { return removal.indices.contains(2) }
            return (operation as? LinkCommand) == .delete(index: 2)
        }
        #expect(try #require(down) < #require(deleted))
        for index in [1, 2, 4, 5] as [Int32] { #expect(answers[index] == .success(nil)) }
        guard case .failure(let error)? = answers[3] else { return #expect(answers[3] == nil) }
        #expect(error.reason == "not this one")
        #expect(queue.statistics.counts["delete link"] == .init(succeeded: 4, failed: 1))
    }

    @Test("SPD-140 a removal is bounded, and those at the end go together too")
    func bound() throws {
        let loop = try EventLoop()
        let notes = Notes()
        let queue = try KernelQueue(loop: loop, worker: KernelWorker(capacity: 16, perform: { notes.perform($0) }))
        for index in 0..<Int32(KernelQueue.windowMax) { #expect(queue.submit(.look(index: index)) { _ in }) }
        let count = LinkRemoval.linksMax + 44
        var ended = 0
        for index in 0..<Int32(count) { #expect(queue.submit(.delete(index: 10 + index)) { _ in ended += 1 }) }
        queue.finish()
        let removals = notes.operations.withLock { $0 }.compactMap { $0 as? LinkRemoval }
        #expect(ended == count && removals.map(\.indices.count) == [LinkRemoval.linksMax, 44])
    }

    @Test("SPD-140 the worker has two removals at a time, and what comes then is performed after a third at the most")
    func removalsAtATime() throws {
        let loop = try EventLoop()
        let notes = Notes()
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let (reading, writing) = (ends[0], ends[1])
        defer { for end in ends { close(end) } }
        // The first removal lasts until the other operation is there.
        let isFirst = Mutex(true)
        let worker = try KernelWorker(capacity: 16) { operation in
            let isHeld = operation is LinkRemoval && isFirst.withLock { first in exchange(&first, with: false) }
            var octet: UInt8 = 0
            if isHeld { _ = read(reading, &octet, 1) }
            return notes.perform(operation)
        }
        let queue = try KernelQueue(loop: loop, worker: worker)
        let count = Int32(8 * LinkRemoval.linksMax)
        var left = count + 1
        func end() {
            left -= 1
            if left == 0 { loop.stop() }
        }
        func comeLater() {
            #expect(queue.submit(.look(index: 1), of: "b") { _ in end() })
            #expect(write(writing, [1], 1) == 1)
        }
        for number in 1...Int32(KernelQueue.windowMax) {
            let isLast = number == Int32(KernelQueue.windowMax)
            #expect(queue.submit(.look(index: -number)) { _ in if isLast { comeLater() } })
        }
        for index in 0..<count { #expect(queue.submit(.delete(index: 10 + index), of: "a") { _ in end() }) }
        try loop.run()
        queue.finish()
        let operations = notes.operations.withLock { $0 }
        let place = try #require(operations.firstIndex { ($0 as? LinkCommand) == .look(index: 1) })
        #expect(place <= KernelQueue.windowMax + 3, "of \(operations.count)")
    }

    @Test(
        "SPD-143 a link that has left and is back while links were deleted together is deleted again",
        arguments: [false, true])
    func cameBack(_ isBack: Bool) throws {
        let bench = try FunctionBench()
        let vsiID = VSIID(format: .local, high: 0, low: 1)
        var link = Link(index: 1_900_001, name: "vm1")
        (link.kind, link.macvlanMode, link.parentIndex) = ("macvtap", .vepa, FunctionBench.port.index)
        (link.alias, link.group) = (EdgeRelay.alias(vsiID), MacvlanSpec.group)
        link.address = HardwareAddress(0x5254_0000_0001)
        link.isUp = true
        bench.tell(.changed(link))
        bench.card.state.withLock { $0.links[link.index] = link }
        let specification = EdgeRelay.Specification(
            name: "vm1", kind: .macvtap, address: MACAddress(truncating: 0x5254_0000_0001))
        bench.relay.raise(vsiID, .make(specification), vid: nil) { _ in }
        let failure = try bench.finish { done in
            bench.relay.remove(vsiID, completion: done)
            bench.tell(.moved(index: link.index, name: link.name))
            if isBack { bench.tell(.changed(link)) }
            bench.relay.linkChanged(link.name)
            if !isBack { bench.tell(.removed(index: link.index, name: link.name)) }
        }
        try bench.settle()
        #expect(failure == nil && bench.relay.isEmpty)
        // The kernel of the bench says of the first that it is gone, as the real one does of a link that has left.
        #expect(bench.card.state.withLock { $0.removals.count } == (isBack ? 2 : 1))
        bench.end()
    }

    @Test("SPD-141 links that are to be deleted are not set down one by one before, and all are gone")
    func notSetDown() throws {
        let bench = try FunctionBench()
        let all = (0..<300).map { (number: UInt64($0), vsiID: VSIID(format: .local, high: 0, low: UInt64($0) + 1)) }
        for (number, vsiID) in all {
            var link = Link(index: 1_900_001 + Int32(number), name: "vm\(number)")
            (link.kind, link.macvlanMode, link.parentIndex) = ("macvtap", .vepa, FunctionBench.port.index)
            (link.alias, link.isUp, link.group) = (EdgeRelay.alias(vsiID), true, MacvlanSpec.group)
            link.address = HardwareAddress(0x5254_0000_0000 + number)
            bench.tell(.changed(link))
            bench.card.state.withLock { $0.links[link.index] = link }
            let demand = EdgeRelay.Demand.make(
                EdgeRelay.Specification(
                    name: link.name, kind: .macvtap, address: MACAddress(truncating: 0x5254_0000_0000 + number)))
            bench.relay.raise(vsiID, demand, vid: nil) { _ in }
        }
        // One is cut and stays.
        for (_, vsiID) in all { bench.relay.cut(vsiID) }
        let failure = try bench.finish { done in
            var (waiting, failures) = (all.count - 1, 0)
            for (_, vsiID) in all.dropLast() {
                bench.relay.remove(vsiID) { result in
                    if case .failure = result { failures += 1 }
                    waiting -= 1
                    if waiting == 0 { done(.success(())) }
                }
            }
        }
        try bench.settle()
        let state = bench.card.state.withLock { $0 }
        #expect(failure == nil && state.links.values.map(\.name) == ["vm299"])
        #expect(state.links.values.allSatisfy { !$0.isUp }, "what is not deleted is set down")
        #expect(state.closed.count <= 8, "those that the worker had by then, and the one that stays")
        #expect(state.removals.flatMap(\.self).count == 299, "each is deleted once")
        bench.end()
    }
}

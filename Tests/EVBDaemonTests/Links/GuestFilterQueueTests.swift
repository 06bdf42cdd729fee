import EVBProtocol
import EVBSettings
import EVBTime
import EVBWire
import LinuxSystem
import Logging
import Netlink
import Nftables
import Synchronization
import Testing

@testable import Dataplane
@testable import EVBDaemon
@testable import EdgeRelays
@testable import EventLoop

/// nftables as a note pad: what it is given, and what it refuses or lists.
private final class Pad: Sendable {
    struct State {
        var changes: [[String]] = []
        /// For each transaction, whether all of it can be given to the kernel itself.
        var areDirect: [Bool] = []
        /// Of each change in their order, what the kernel itself is given.
        var direct: [[TableChange]] = []
        var refuses: [String] = []
        var listing = "{}"
    }

    let state = Mutex(State())

    func perform(_ operation: any KernelOperation) -> any Sendable {
        state.withLock { state in
            switch operation as? NftablesOperation {
            case .change(let changes, _)?:
                state.changes.append(changes.map(\.commands))
                state.areDirect.append(changes.allSatisfy { $0.direct != nil })
                state.direct += changes.map { $0.direct?.changes ?? [] }
                return NftablesOperation.Answer.changed(
                    changes.map { change in state.refuses.contains { change.commands.contains($0) } ? "refused" : nil })
            case .list?: return NftablesOperation.Answer.listed([state.listing])
            default: return LinkCommand.Answer.success(nil)
            }
        }
    }

    var changes: [[String]] { state.withLock { $0.changes } }
    var areDirect: [Bool] { state.withLock { $0.areDirect } }
    var direct: [[TableChange]] { state.withLock { $0.direct } }
}

private final class Bench {
    let loop: EventLoop
    let timers: Timers
    let queue: KernelQueue
    let filter: GuestFilter
    let pad = Pad()
    private var timer: Timers.Timer?

    init(gatherGap: Interval = Gathering.gap) throws {
        let pad = pad
        loop = try EventLoop()
        timers = Timers(loop: loop)
        queue = try KernelQueue(loop: loop, worker: KernelWorker(capacity: 16, perform: { pad.perform($0) }))
        filter = GuestFilter(
            programmer: queue, loop: loop, timers: timers,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, comparisonPeriod: .seconds(3600),
            gatherGap: gatherGap)
    }

    /// Runs the loop until something is so.
    func run(until isSo: @escaping () -> Bool) throws {
        let timer = timers.timer { [unowned self] in check(isSo) }
        self.timer = timer
        timer.set(timers.now)
        try loop.run()
        self.timer = nil
    }

    private func check(_ isSo: () -> Bool) {
        if isSo() { loop.stop() } else { timer?.set(timers.now + .milliseconds(1)) }
    }
}

/// The guest filter and the port's gate with a kernel that makes notes.
@Suite struct GuestFilterQueueTests {
    @Test("SEC-1131 one transaction is under way, and what comes meanwhile is made together after it")
    func batches() throws {
        let bench = try Bench()
        var problems: [String?] = []
        for index in 1...200 as ClosedRange<Int32> {
            bench.filter.protect(GuestRules.Guest(index: index, name: "vm\(index)")) { problems.append($0) }
        }
        try bench.run { problems.count == 200 }
        #expect(bench.pad.changes.map(\.count) == [1, 128, 71])
        #expect(problems.allSatisfy { $0 == nil })
        bench.queue.finish()
    }

    @Test("SEC-1131 rules of links that are made in numbers wait for those of others, and no other change does")
    func gathering() throws {
        let bench = try Bench(gatherGap: .seconds(3600))
        var answers = 0
        func protect(_ indices: ClosedRange<Int32>) {
            for index in indices {
                bench.filter.protect(GuestRules.Guest(index: index, name: "vm\(index)")) { _ in answers += 1 }
            }
        }
        var counts: [Int] { bench.pad.changes.map(\.count) }
        protect(1...3)
        try bench.run { answers == 3 }
        protect(4...5)
        #expect(counts == [1, 2], "they wait")
        bench.filter.release(link: 1)
        try bench.run { bench.filter.isSettled }
        #expect(counts == [1, 2, 3], "a release is made at once, with what is before it")
        protect(6...36)
        #expect(counts == [1, 2, 3])
        protect(37...37)
        try bench.run { answers == 37 }
        #expect(counts == [1, 2, 3, 32], "enough have come")
        bench.filter.release(link: 2)
        try bench.run { bench.filter.isSettled }
        protect(38...38)
        protect(39...39)
        try bench.run { answers == 39 }
        #expect(counts == [1, 2, 3, 32, 1, 1, 1], "one link after another waits for none")
        bench.queue.finish()
    }

    @Test("SEC-1131 rules that wait for those of other links are made when the time for that is over")
    func gathered() throws {
        let bench = try Bench()
        var answers = 0
        for index in 1...3 as ClosedRange<Int32> {
            bench.filter.protect(GuestRules.Guest(index: index, name: "vm\(index)")) { _ in answers += 1 }
        }
        try bench.run { answers == 3 }
        bench.filter.protect(GuestRules.Guest(index: 4, name: "vm4")) { _ in answers += 1 }
        try bench.run { answers == 4 }
        bench.queue.finish()
    }

    @Test("SEC-1131 rules of a link that has none are created, those of one that has or may have some are replaced")
    func creation() throws {
        let bench = try Bench()
        var answers = 0
        func protect(_ index: Int32, _ name: String) throws {
            let before = answers
            bench.filter.protect(GuestRules.Guest(index: index, name: name)) { _ in answers += 1 }
            try bench.run { answers > before }
        }
        // The first transaction declares what links share, by commands.
        try protect(1, "vm1")
        try protect(2, "vm2")
        try protect(2, "renamed")
        bench.filter.release(link: 2)
        try protect(2, "vm2")
        #expect(bench.pad.direct.map(\.count) == [0, 4, 10, 6, 4])
        bench.queue.finish()
    }

    @Test("SEC-1131 a change that nftables refuses is reported to the one who asked, and spoils no other")
    func refusal() throws {
        let bench = try Bench()
        bench.pad.state.withLock { $0.refuses = ["\"bad\""] }
        var problems: [String: String?] = [:]
        for (index, name) in ["one", "bad", "two"].enumerated() {
            bench.filter.protect(GuestRules.Guest(index: Int32(index + 1), name: name)) { problems[name] = $0 }
        }
        try bench.run { problems.count == 3 }
        #expect(problems["bad"] == .some("refused") && problems["one"] == .some(nil) && problems["two"] == .some(nil))
        bench.queue.finish()
    }

    @Test(
        "SEC-1120 an association waits for as long as transactions of closed addresses cost, and not longer than it has to"
    )
    func pauses() {
        let pauses = [0, 2, 3, 5, 100].map { GuestFilter.pause(after: .milliseconds($0)) }
        #expect(pauses == [0, 0, 12, 20, 20].map { Interval.milliseconds($0) })
    }

    @Test("SEC-1131 what waits when evbd stops is made all the same")
    func stop() throws {
        let bench = try Bench()
        for index in 1...300 as ClosedRange<Int32> {
            bench.filter.protect(GuestRules.Guest(index: index, name: "vm\(index)")) { _ in }
        }
        bench.filter.finish()
        bench.queue.finish()
        #expect(bench.pad.changes.map(\.count).reduce(0, +) == 300)
    }

    @Test("SEC-1131 the gate's latest rules count, whatever comes of those before; refused ones are tried again")
    func gate() throws {
        let bench = try Bench()
        let table = try LinkTable(
            loop: bench.loop, timers: bench.timers, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var configuration = PortSettings(interface: "lo")
        configuration.guestFilter = true
        let gate = PortGate(
            filter: bench.filter, portName: "lo", table: table, policy: RelayPolicy(configuration, isReflected: true),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        var isAlone = false
        gate.hasLoneGuest = { isAlone }
        #expect(!gate.isRaised)
        bench.pad.state.withLock { $0.refuses = ["0x888e"] }
        gate.follow()
        isAlone = true
        gate.follow()
        isAlone = false
        gate.follow()
        #expect(gate.isRaised)
        try bench.run { bench.pad.changes.joined().count { $0.contains("port-1-out") } == 3 }
        try bench.run { bench.filter.isSettled }
        #expect(gate.isRaised, "the refusal was of rules that count no more")
        isAlone = true
        gate.follow()
        try bench.run { !gate.isRaised }
        bench.pad.state.withLock { $0.refuses = [] }
        gate.follow()
        #expect(gate.isRaised)
        try bench.run { bench.filter.isSettled }
        #expect(gate.isRaised)
        bench.queue.finish()
    }
}

extension EnforcementTests {
    /// What another process removes, with a kernel that makes notes.
    @Suite struct GuestFilterRestoringTests {
        @Test("SEC-1117 rules of the guest filter that cannot be restored are restored later, without news")
        func restoring() throws {
            let bench = try Bench()
            var isProtected = false
            bench.filter.protect(GuestRules.Guest(index: 7, name: "vm7")) { _ in isProtected = true }
            try bench.run { isProtected }
            bench.pad.state.withLock { $0.refuses = ["vm7"] }
            // Another process removes evbd's table; the listing has nothing of it.
            let nftables = try NftablesSession()
            try nftables.run("add table netdev evbd-guests\ndelete table netdev evbd-guests")
            func attempts() -> Int { bench.pad.changes.joined().count { $0.contains("vm7") } - 1 }
            try bench.run { attempts() >= 2 }
            bench.pad.state.withLock { $0.refuses = [] }
            let before = attempts()
            try bench.run { attempts() > before }
            try bench.run { bench.filter.isSettled }
            bench.queue.finish()
        }
    }
}

extension EnforcementTests {
    /// Which way changes go. Listens to nftables, and removes evbd's table.
    @Suite struct GuestFilterWayTests {
        @Test(
            "SEC-1163 changes go to the kernel itself once what links share is declared, and by commands after a refusal of all"
        )
        func direct() throws {
            let bench = try Bench()
            func protect(_ index: Int32) throws {
                var isDone = false
                bench.filter.protect(GuestRules.Guest(index: index, name: "vm\(index)")) { _ in isDone = true }
                try bench.run { isDone }
            }
            bench.pad.state.withLock { $0.refuses = ["vm1"] }
            for index in 1...4 as ClosedRange<Int32> { try protect(index) }
            #expect(
                bench.pad.areDirect == [false, false, true, true], "the declaration of the first was refused with it")
            let closed = ClosedAddresses.Change(address: HardwareAddress(1), isClosed: true)
            bench.filter.setClosed([closed], port: 9, isUrgent: true)
            try bench.run { bench.pad.areDirect.count == 5 }
            bench.filter.release(link: 2)
            try bench.run { bench.pad.areDirect.count == 6 }
            bench.filter.release(port: 9)
            try bench.run { bench.pad.areDirect.count == 7 }
            #expect(bench.pad.areDirect.suffix(3) == [true, true, false], "a port's set is deleted by a command")
            // Another process removes something.
            let session = try NftablesSession()
            try session.run("add table netdev evbd-guests\nadd chain netdev evbd-guests guests")
            try session.run("delete table netdev evbd-guests")
            try bench.run { bench.pad.areDirect.count >= 8 && bench.filter.isSettled }
            let before = bench.pad.areDirect
            #expect(before[7] == false, "what is put back comes with the declaration")
            try protect(5)
            #expect(bench.pad.areDirect.last == true)
            bench.queue.finish()
        }
    }
}

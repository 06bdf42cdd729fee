import EVBSettings
import EVBTime
import EVBWire
import Glibc
import LinuxSystem
import Logging
import Netlink
import Nftables
import Synchronization
import Testing
import VSISamples

@testable import BridgeDataplane
@testable import Dataplane
@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol
@testable import EventLoop

private func mac(_ number: UInt64) -> MACAddress { MACAddress(truncating: 0x5254_0000_0000 | number) }

private func frames(_ addresses: UInt64..., profile: VSIProfile = VSIProfile()) -> GrantedFrames {
    GrantedFrames(entries: addresses.map { FilterEntry(vid: 0, macAddress: mac($0)) }, profile: profile)
}

private let all = Comparison(isWhole: true, rules: true)

extension BridgeEnforcer {
    /// Compares all, the collections one after the other.
    fileprivate func compareAll(_ name: String) -> Repair {
        var repair = compare(name, all)
        for collection in PortRules.Collection.allCases {
            let part = compare(name, Comparison(elements: collection))
            repair.elements += part.elements
            repair.hadLostRules = repair.hadLostRules || part.hadLostRules
            repair.problem = repair.problem ?? part.problem
        }
        return repair
    }
}

/// A kernel at which rules cannot be set up and comparisons cannot be made, so many times.
private final class Failing: Sendable {
    struct State {
        var restoreFailures = 0
        var compareFailures = 0
        var restores = 0
        var failed = 0
        var comparisons: [Comparison] = []
        /// Changes and whole comparisons in the order in which they were made.
        var order: [String] = []
        /// Changes wait.
        var isHeld = false
    }

    let state = Mutex(State())

    func perform(_ operation: any KernelOperation) -> any Sendable {
        if case .change? = operation as? BridgeOperation {
            while state.withLock({ $0.isHeld }) { usleep(1000) }
            state.withLock { $0.order.append("change") }
        }
        if case .compare(_, let comparison)? = operation as? BridgeOperation, comparison.isWhole {
            state.withLock { $0.order.append("compare") }
        }
        return state.withLock { state in
            let error = EnforcementError(description: "no memory")
            switch operation as? BridgeOperation {
            case .attach?: return BridgeOperation.Answer.attached(hasInherited: false)
            case .change?: return BridgeOperation.Answer.changed(BridgeEnforcer.Outcome())
            case .restoreRules?:
                state.restores += 1
                guard state.restoreFailures > 0 else { return BridgeOperation.Answer.restored(wereMissing: true) }
                state.restoreFailures -= 1
                return BridgeOperation.Answer.failed(error)
            case .compare(_, let comparison)?:
                state.comparisons.append(comparison)
                guard state.compareFailures > 0 else { return BridgeOperation.Answer.compared(Repair()) }
                state.compareFailures -= 1
                state.failed += 1
                return BridgeOperation.Answer.compared(Repair(problem: error))
            default: return BridgeOperation.Answer.done
            }
        }
    }
}

extension EnforcementTests {
    /// What is found missing without any news of it, and put back.
    @Suite struct BridgeCompareTests {
        private let one = ClaimToken(number: 1)
        private let two = ClaimToken(number: 2)

        @Test("SEC-1128 a comparison puts back entries, and nothing that is evbd's no more or another port's")
        func entries() throws {
            let bench = try Switch("nfm")
            let (port, other) = (bench.ports[0], bench.ports[1])
            let enforcer = BridgeEnforcer()
            for name in bench.ports { _ = try enforcer.attach(name) }
            #expect(enforcer.change(port, [.grant(one, frames(1, 2, 3))]).failures.isEmpty)
            #expect(enforcer.compare(port, all).restored.isEmpty, "nothing is missing")
            try bench.command("bridge", "fdb", "del", "\(mac(1))", "dev", port, "master")
            // News of the ones that evbd has removed itself, and of one that is there.
            let news = [1, 2, 9].map { BridgeEntry(address: HardwareAddress(mac($0).rawValue), vid: 0) }
            #expect(
                enforcer.compare(port, Comparison(entries: Set(news))).restored == [.forwarding(mac(1), 0)])
            #expect(try bench.fixed(1) == port)
            // A VSI has moved: the newer port keeps the address.
            #expect(enforcer.change(other, [.grant(two, frames(2))]).failures.isEmpty)
            #expect(enforcer.compare(port, all).restored.isEmpty)
            #expect(try bench.fixed(2) == other)
            // Another process has pointed it elsewhere.
            try bench.command("bridge", "fdb", "replace", "\(mac(3))", "dev", other, "master", "static")
            let repair = enforcer.compare(port, all)
            #expect(repair.restored.isEmpty && repair.failures.keys.elementsEqual([.forwarding(mac(3), 0)]))
            for name in bench.ports { try enforcer.detach(name) }
        }

        @Test("SEC-1128 what was another process's and goes is evbd's from then on, and goes with its VSI")
        func foreign() throws {
            let bench = try Switch("nfn")
            let port = bench.ports[0]
            try bench.command("bridge", "fdb", "add", "\(mac(1))", "dev", port, "master", "static")
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            #expect(enforcer.change(port, [.grant(one, frames(1))]).failures.isEmpty)
            #expect(try bench.listed(.forwarding).isEmpty)
            try bench.command("bridge", "fdb", "del", "\(mac(1))", "dev", port, "master")
            #expect(enforcer.compare(port, all).restored == [.forwarding(mac(1), 0)])
            #expect(try bench.listed(.forwarding) == [.forwarding(mac(1), 0)])
            #expect(enforcer.change(port, [.withdraw(one)]).failures.isEmpty)
            #expect(try bench.entry(1) == nil && bench.listed(.forwarding).isEmpty)
            try enforcer.detach(port)
        }

        @Test("SEC-1128 a port that is back in its bridge gets its entries a part at a time")
        func returns() throws {
            let bench = try Switch("nfo")
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            let entries = (1...600).map { FilterEntry(vid: 0, macAddress: mac(UInt64($0))) }
            let grant = GrantedFrames(entries: entries, profile: VSIProfile())
            #expect(enforcer.change(port, [.grant(one, grant)]).failures.isEmpty)
            try bench.command("ip", "link", "set", port, "nomaster")
            #expect(enforcer.compare(port, all).outOfBridge == 600)
            try bench.command("ip", "link", "set", port, "master", bench.bridge)
            let first = enforcer.compare(port, all)
            #expect(first.restored.count == 512 && first.isUnfinished)
            let second = enforcer.compare(port, all)
            #expect(second.restored.count == 88 && !second.isUnfinished)
            #expect(enforcer.compare(port, all).restored.isEmpty)
            try enforcer.detach(port)
        }

        @Test("SEC-1128 a comparison finds rules, elements, sets and the table that are gone, and all is as before")
        func rules() throws {
            let bench = try Switch("nfp")
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            let profile = VSIProfile(octetsPerSecond: 8000, etherTypes: [0x0800])
            #expect(
                enforcer.change(port, [.grant(one, frames(1, profile: profile)), .grant(two, frames(2))]).failures
                    .isEmpty)
            let nothing = enforcer.compareAll(port)
            #expect(nothing == Repair(spent: nothing.spent), "nothing is missing")
            func everything() throws -> [Set<Imposition>] {
                try PortRules.Collection.allCases.map { try bench.listed($0) }
            }
            let before = try everything()
            let table = PortRules.table
            let steps = [
                ("flush table \(table)", true, 0), ("flush chain \(table) ethertypes-0800", true, 0),
                ("flush map \(table) untagged-\(port)", false, 2), ("delete set \(table) forwarding-\(port)", true, 2),
                ("flush map \(table) ports", true, 0), ("delete table \(table)", true, 0),
                ("flush set \(table) sentplain-\(port)", false, 2), ("flush map \(table) egress", true, 0),
                ("flush chain \(table) to-\(port)", true, 0),
                ("flush map \(table) dropped", true, 0),
            ]
            for (words, isLost, elements) in steps {
                try bench.nftables.run(words)
                let repair = enforcer.compareAll(port)
                #expect(repair.hadLostRules == isLost && repair.elements == elements, "\(words)")
                #expect(repair.problem == nil, "\(words)")
                #expect(try everything() == before, "\(words)")
                let next = enforcer.compareAll(port)
                #expect(!next.hadLostRules && next.elements == 0, "after \(words)")
            }
            try enforcer.detach(port)
            #expect(!bench.hasTable)
        }

        @Test("SEC-1128 without news all is compared now and then, and put back")
        func periodic() throws {
            let bench = try Switch("nfq")
            let port = bench.ports[0]
            let loop = try EventLoop()
            let timers = Timers(loop: loop)
            let queue = try KernelQueue(loop: loop)
            let admission = TypedAdmission(
                programmer: queue, timers: timers, loop: loop, runtimeDirectory: "/tmp", registry: BridgeRegistry(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                comparisonPeriod: .milliseconds(20))
            admission.configure(port, try database("types: [{ type: 100 }]"))
            // No news come.
            admission.ruleWatch?.cancel()
            admission.bridgeWatch?.cancel()
            admission.decide(try request([entry("52:54:00:00:00:01", 0)]), on: port) { _ in loop.stop() }
            try loop.run()
            #expect(try bench.fixed(1) == port)
            try bench.command("bridge", "fdb", "del", "\(mac(1))", "dev", port, "master")
            try bench.nftables.run("flush table \(PortRules.table)")
            var looks = 0
            var timer: Timers.Timer?
            timer = timers.timer {
                looks += 1
                let isBack = (try? bench.fixed(1)) == port && enforcerHasRules(bench, port)
                if isBack || looks == 500 { loop.stop() } else { timer?.set(timers.now + .milliseconds(10)) }
            }
            timer?.set(timers.now)
            try loop.run()
            timer = nil
            #expect(try bench.fixed(1) == port && enforcerHasRules(bench, port))
            admission.leave(port)
            queue.finish()
        }

        @Test("SEC-1116 an element that nftables refuses keeps no other from being put back")
        func refusedElement() throws {
            let bench = try Switch("nfr")
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            let limited = VSIProfile(etherTypes: [0x0800])
            let addresses = (1...100).map { FilterEntry(vid: 0, macAddress: mac(UInt64($0))) }
            let grants: [ClaimChange] = [
                .grant(one, GrantedFrames(entries: addresses, profile: VSIProfile())),
                .grant(two, frames(200, profile: limited)),
            ]
            #expect(enforcer.change(port, grants).failures.isEmpty)
            // The chain that one of them leads to is gone, so that nftables does not take that one.
            try bench.nftables.run(
                "flush map \(PortRules.table) untagged-\(port)\nflush chain \(PortRules.table) ethertypes-0800\ndelete chain \(PortRules.table) ethertypes-0800"
            )
            let repair = enforcer.compare(port, Comparison(elements: .untagged))
            #expect(repair.problem?.description.contains("nftables refuses") == true && repair.elements == 100)
            #expect(try bench.listed(.untagged).count == 100)
            #expect(enforcer.compareAll(port).problem == nil, "with its chain it is back")
            #expect(try bench.listed(.untagged).count == 101)
            // The whole table, with an element that cannot be there: the others are.
            enforcer.ports[port]?.actual[.untagged(mac(300))] = .pass([0x0806])
            try bench.nftables.run("delete table \(PortRules.table)")
            #expect(throws: EnforcementError.self) { try enforcer.restoreRules() }
            #expect(try bench.listed(.untagged).count == 101 && bench.listed(.forwarding).count == 101)
            enforcer.ports[port]?.actual[.untagged(mac(300))] = nil
            try enforcer.detach(port)
        }

        @Test("SEC-1117 what cannot be set up again or put back is tried again without news, and then no more")
        func retries() throws {
            let bench = try Switch("nfs")
            let port = bench.ports[0]
            let loop = try EventLoop()
            let timers = Timers(loop: loop)
            let kernel = Failing()
            let queue = try KernelQueue(loop: loop, worker: KernelWorker(capacity: 16, perform: { kernel.perform($0) }))
            let admission = TypedAdmission(
                programmer: queue, timers: timers, loop: loop, runtimeDirectory: "/tmp", registry: BridgeRegistry(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, comparisonPeriod: .seconds(3600),
                retryDelay: .milliseconds(2))
            admission.configure(port, try database("types: [{ type: 100 }]"))
            kernel.state.withLock { ($0.restoreFailures, $0.compareFailures) = (3, 4) }
            // Another process flushes evbd's table.
            try bench.nftables.run("add table \(PortRules.table)\ndelete table \(PortRules.table)")
            func run(looks most: Int = 5000, until isSo: @escaping (Failing.State) -> Bool) throws {
                var looks = 0
                var timer: Timers.Timer?
                timer = timers.timer {
                    looks += 1
                    if looks == most || kernel.state.withLock({ isSo($0) }) { return loop.stop() }
                    timer?.set(timers.now + .milliseconds(1))
                }
                timer?.set(timers.now)
                try loop.run()
                timer = nil
            }
            try run { $0.restores >= 4 && $0.compareFailures == 0 }
            try run(looks: 200) { _ in false }
            let state = kernel.state.withLock { $0 }
            #expect(state.restores == 4, "three were refused")
            #expect(state.compareFailures == 0 && state.failed == 4)
            let elements = Set(state.comparisons.compactMap(\.elements))
            #expect(elements == Set(PortRules.Collection.allCases), "the collections follow the rules")
            // What the kernel says of the rules that are put back may come behind the comparison: then it is made once more.
            let comparisons = state.comparisons.count { $0.rules }
            #expect((2...3).contains(comparisons), "and what has failed is compared again")
            try run(looks: 200) { _ in false }
            #expect(kernel.state.withLock { $0.comparisons.count } == state.comparisons.count, "nothing is left")
            admission.leave(port)
            queue.finish()
        }

        @Test("SEC-718 a port that has much to change is compared as a whole when that is made, and not before")
        func patience() throws {
            let bench = try Switch("nfw")
            let port = bench.ports[0]
            let loop = try EventLoop()
            let timers = Timers(loop: loop)
            let kernel = Failing()
            let queue = try KernelQueue(loop: loop, worker: KernelWorker(capacity: 16, perform: { kernel.perform($0) }))
            let admission = TypedAdmission(
                programmer: queue, timers: timers, loop: loop, runtimeDirectory: "/tmp", registry: BridgeRegistry(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, comparisonPeriod: .seconds(3600))
            admission.configure(port, try database("types: [{ type: 100 }]"))
            func run(_ looks: Int, until isSo: @escaping () -> Bool = { false }) throws {
                var left = looks
                var timer: Timers.Timer?
                timer = timers.timer {
                    left -= 1
                    if left == 0 || isSo() { return loop.stop() }
                    timer?.set(timers.now + .milliseconds(1))
                }
                timer?.set(timers.now)
                try loop.run()
                timer = nil
            }
            try run(5000) { admission.ports[port]?.isAttached == true && admission.isSettled(on: port) }
            kernel.state.withLock { ($0.isHeld, $0.order) = (true, []) }
            for number in UInt64(1)...3 {
                let asked = try request(command: .associate, id: vsi(number), [entry("52:54:00:00:00:0\(number)", 0)])
                admission.decide(asked, on: port) { _ in }
            }
            admission.take(.overrun)
            // News are gathered for a tenth of a second.
            try run(300)
            kernel.state.withLock { $0.isHeld = false }
            try run(5000) { kernel.state.withLock { $0.order.contains("compare") } }
            let order = kernel.state.withLock { $0.order }
            #expect(order.count > 2 && order.firstIndex(of: "compare") == order.count - 1, "\(order)")
            admission.leave(port)
            queue.finish()
        }

        private func enforcerHasRules(_ bench: Switch, _ port: String) -> Bool {
            guard let rules = PortRules(port: port) else { return false }
            return rules.ruleCounts.allSatisfy { chain, count in
                let listing = try? bench.nftables.list("list chain \(PortRules.table) \(chain)")
                return listing.map { PortRules.ruleCount(in: $0) } == count
            }
        }

        @Test(
            "SEC-1132 a regular comparison leaves a port alone that has more than it may compare; one because of news does not"
        )
        func large() throws {
            let bench = try Switch("nfl")
            let port = bench.ports[0]
            let enforcer = BridgeEnforcer()
            _ = try enforcer.attach(port)
            #expect(enforcer.change(port, [.grant(one, frames(1, 2))]).failures.isEmpty)
            try bench.command("bridge", "fdb", "del", "\(mac(1))", "dev", port, "master")
            try bench.command("nft", "flush", "chain", "bridge", "evbd", "arriving")
            let regular = enforcer.compare(port, Comparison(isWhole: true, rules: true, itemsMax: 1, wholeMax: 1))
            #expect(regular.restored.isEmpty && !regular.hadLostRules)
            let repair = enforcer.compare(port, all)
            #expect(repair.restored == [.forwarding(mac(1), 0)] && repair.hadLostRules)
            try enforcer.detach(port)
        }
    }
}

@Suite struct ComparisonTests {
    private static func entry(_ number: UInt64) -> BridgeEntry {
        BridgeEntry(address: HardwareAddress(mac(number).rawValue), vid: 0)
    }

    @Test("SEC-1132 what joins a comparison has the higher limit of those that ask for it")
    func limits() {
        let limited = Comparison(isWhole: true, rules: true, itemsMax: 8, wholeMax: 8)
        var comparison = Comparison(entries: [Self.entry(1)])
        comparison.add(limited)
        #expect(comparison.isWhole && comparison.wholeMax == 8 && comparison.itemsMax == 8)
        #expect(comparison.entries.count == 1, "looked up where the port is too large for a whole comparison")
        comparison.add(all)
        #expect(comparison.wholeMax == .max && comparison.itemsMax == .max && comparison.entries.isEmpty)
        comparison.add(limited)
        #expect(comparison.wholeMax == .max && comparison.itemsMax == .max)
    }

    @Test("SEC-1132 of more entries than are looked up one by one some are, and the rest by a regular comparison")
    func many() {
        var comparison = Comparison()
        comparison.add(Comparison(entries: Set((1...1000).map { Self.entry($0) })))
        #expect(comparison.isWhole && comparison.wholeMax == Comparison.regularItemsMax && !comparison.rules)
        #expect(comparison.entries.count == 256)
    }
}

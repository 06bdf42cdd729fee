import EVBSettings
import EVBTime
import EVBWire
import LinuxSystem
import Logging
import Netlink
import Nftables
import Synchronization
import Testing
import VSISamples

@testable import Dataplane
@testable import EVBDaemon
@testable import EdgeRelayMachine
@testable import EdgeRelays
@testable import EventLoop

/// A kernel with forty network namespaces, of which one has one link that is looked for.
private final class Kernel: Sendable {
    struct State {
        var searches: [(aliases: Int, namespaces: [UInt32])] = []
        var created: Set<String> = []
        var elsewhere = ""
        var lastIndex: Int32 = 2_000_000
    }

    let state = Mutex(State())

    func perform(_ operation: any KernelOperation) -> any Sendable {
        state.withLock { state in
            switch operation {
            case let search as LinkSearch:
                let all = search.namespaces ?? Array(1...40)
                let part = Array(all.prefix(LinkSearch.namespacesMax))
                state.searches.append((search.aliases.count, part))
                let found = part.contains(20) ? search.aliases.intersection([state.elsewhere]) : []
                let rest = Array(all.dropFirst(LinkSearch.namespacesMax))
                return LinkSearch.Answer.success(LinkSearch.Found(aliases: found, rest: rest))
            case .change(let changes, _) as NftablesOperation:
                return NftablesOperation.Answer.changed(changes.map { _ in nil })
            case is NftablesOperation: return NftablesOperation.Answer.listed([])
            case let command as LinkCommand:
                guard case .create(let spec) = command else { return LinkCommand.Answer.success(nil) }
                state.created.insert(spec.name)
                state.lastIndex += 1
                return LinkCommand.Answer.success(Link(index: state.lastIndex, name: spec.name))
            default: return ForwardingRead.Answer.success(OwnAddresses())
            }
        }
    }
}

@Suite struct RelaySearchTests {
    @Test("SEC-1114 fifty links that are not here are looked for together, in some namespaces at a time")
    func together() throws {
        let loop = try EventLoop()
        let timers = Timers(loop: loop)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let kernel = Kernel()
        let queue = try KernelQueue(loop: loop, worker: KernelWorker(capacity: 16, perform: { kernel.perform($0) }))
        var settings = PortSettings(interface: "px0")
        settings.guestFilter = false
        let port = Link(index: 1_900_000, name: "px0")
        // The port is made up: it is there still when news of the kernel's own links are lost.
        let table = try LinkTable(loop: loop, timers: timers, logger: logger) { .success([port]) }
        table.take([.changed(port)])
        let relay = EdgeRelay(
            programmer: queue, table: table, timers: timers,
            filter: GuestFilter(programmer: queue, loop: loop, timers: timers, logger: logger), portName: "px0",
            policy: RelayPolicy(settings, isReflected: true), isPort: { _ in false }, logger: logger)
        func demand(_ number: Int) -> EdgeRelay.Demand {
            .make(
                EdgeRelay.Specification(
                    name: "vm\(number)", kind: .macvlan,
                    address: MACAddress(truncating: 0x5254_0000_0000 + UInt64(number))))
        }
        let all = (0..<50).map { (number: $0, vsiID: VSIID(format: .local, high: 0, low: UInt64($0) + 1)) }
        kernel.state.withLock { $0.elsewhere = EdgeRelay.alias(all[7].vsiID) }
        for (number, vsiID) in all { relay.resume(vsiID, demand(number), vid: nil, isElsewhere: false) }
        for (number, vsiID) in all { relay.raise(vsiID, demand(number), vid: nil) { _ in } }
        var timer: Timers.Timer?
        timer = timers.timer {
            if kernel.state.withLock({ $0.created.count }) == 49 { return loop.stop() }
            timer?.set(timers.now + .milliseconds(1))
        }
        timer?.set(timers.now)
        try loop.run()
        timer = nil
        let (searches, created) = kernel.state.withLock { ($0.searches.prefix(6), $0.created) }
        // The first is looked for alone, for it came when no search was under way; the others meanwhile.
        #expect(searches.map { $0.namespaces.count } == [16, 16, 8, 16, 16, 8])
        #expect(searches.map { $0.aliases } == [1, 1, 1, 49, 49, 48])
        #expect(created == Set((0..<50).filter { $0 != 7 }.map { "vm\($0)" }), "the one that is elsewhere has no twin")
        #expect(relay.isElsewhere(all[7].vsiID))
        relay.portCloses()
        queue.finish()
    }
}

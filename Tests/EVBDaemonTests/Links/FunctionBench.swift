import EVBTime
import EVBWire
import LinuxSystem
import Logging
import Netlink
import Nftables
import Synchronization

@testable import Dataplane
@testable import EVBSettings
@testable import EdgeRelays
@testable import EventLoop

/// The edge relay of the port px0 over a worker that notes what a card is to set.
final class FunctionBench {
    /// A card that takes settings of virtual functions, and refuses some.
    final class Card: Sendable {
        struct State {
            var settings: [VirtualFunctionSettings] = []
            /// Whether the card refuses the request of that number for that function.
            var refuses: @Sendable (_ function: UInt32, _ number: Int) -> Bool = { _, _ in false }
            var counts: [UInt32: Int] = [:]
            /// How its switch was told to relay, and before how many settings of functions.
            var modes: [(mode: CardSwitchMode, before: Int)] = []
            var modeFailure: NetlinkError?
            /// Links of the host, which it sets up and down and deletes.
            var links: [Int32: Link] = [:]
            /// The links that it was told to set down, and those that it was told to delete, by operations.
            var closed: [Int32] = []
            var removals: [[Int32]] = []

            mutating func delete(_ indices: [Int32]) {
                removals.append(indices)
                for index in indices { links[index] = nil }
            }
        }

        let state = Mutex(State())

        func perform(_ operation: any KernelOperation) -> any Sendable {
            switch operation {
            case let command as LinkCommand: return perform(command)
            case .change(let changes, _) as NftablesOperation:
                return NftablesOperation.Answer.changed(changes.map { _ in nil })
            case is NftablesOperation: return NftablesOperation.Answer.listed([])
            case let removal as LinkRemoval:
                state.withLock { $0.delete(removal.indices) }
                return removal.indices.map { _ in LinkCommand.Answer.success(nil) }
            case is LinkSearch: return LinkSearch.Answer.success(LinkSearch.Found(aliases: [], rest: []))
            default: return ForwardingRead.Answer.success(OwnAddresses())
            }
        }

        private func perform(_ command: LinkCommand) -> LinkCommand.Answer {
            switch command {
            case .look(let index): return .success(state.withLock { $0.links[index] })
            case .setUp(let index, let isUp):
                return state.withLock { state in
                    if !isUp { state.closed.append(index) }
                    state.links[index]?.isUp = isUp
                    return .success(state.links[index])
                }
            case .delete(let index):
                state.withLock { $0.delete([index]) }
                return .success(nil)
            case .setCardSwitch(_, let mode):
                return state.withLock { state in
                    state.modes.append((mode, state.settings.count))
                    return state.modeFailure.map { .failure($0) } ?? .success(nil)
                }
            default: return set(command)
            }
        }

        private func set(_ command: LinkCommand) -> LinkCommand.Answer {
            guard case .setVirtualFunction(let port, let settings) = command, port == FunctionBench.port.index else {
                return .failure(NetlinkError(operation: "\(command)", kind: .other, reason: "not expected"))
            }
            guard settings.number != FunctionBench.barrier else { return .success(nil) }
            return state.withLock { state in
                state.settings.append(settings)
                state.counts[settings.number, default: 0] += 1
                guard state.refuses(settings.number, state.counts[settings.number] ?? 0) else { return .success(nil) }
                return .failure(
                    NetlinkError(operation: "set VF \(settings.number) of px0", kind: .notSupported, reason: "refused"))
            }
        }

        /// What was set since the last call.
        func take() -> [VirtualFunctionSettings] {
            state.withLock { state in
                defer { state.settings = [] }
                return state.settings
            }
        }
    }

    /// How the card was told to relay since the last call.
    func takeModes() -> [CardSwitchMode] {
        card.state.withLock { state in
            defer { state.modes = [] }
            return state.modes.map(\.mode)
        }
    }

    /// The links that the kernel has, as far as the bench has said so.
    private final class Said: Sendable {
        let links = Mutex<[Int32: Link]>([:])
    }

    static let port = Link(index: 1_900_000, name: "px0")
    /// A function that no VSI has.
    static let barrier: UInt32 = 999

    let card = Card()
    private let said = Said()
    let programmer: KernelQueue
    let relay: EdgeRelay
    let table: LinkTable
    private(set) var settings = PortSettings(interface: "px0")
    private(set) var isReflected = true
    private let loop: EventLoop
    private let timers: Timers

    init(_ change: (inout PortSettings) -> Void = { _ in }) throws {
        let (card, said) = (card, said)
        loop = try EventLoop()
        timers = Timers(loop: loop)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        programmer = try KernelQueue(loop: loop, worker: KernelWorker(capacity: 16, perform: { card.perform($0) }))
        // The links are made up: when news of the kernel's own are lost, what it has instead is what was said here.
        table = try LinkTable(loop: loop, timers: timers, logger: logger) { [said] in
            .success(said.links.withLock { Array($0.values) })
        }
        settings.guestFilter = false
        change(&settings)
        relay = EdgeRelay(
            programmer: programmer, table: table, timers: timers,
            filter: GuestFilter(programmer: programmer, loop: loop, timers: timers, logger: logger), portName: "px0",
            policy: RelayPolicy(settings, isReflected: true), isPort: { _ in false }, logger: logger)
        tell(.changed(Self.port))
    }

    /// The port comes or goes, without a word to the relay.
    func setPort(isThere: Bool) {
        tell(isThere ? .changed(Self.port) : .removed(index: Self.port.index, name: Self.port.name))
    }

    /// News of a link, as the kernel would have it.
    func tell(_ event: LinkEvent) {
        said.links.withLock { links in
            switch event {
            case .changed(let link): links[link.index] = link
            case .removed(let index, _): links[index] = nil
            default: break
            }
        }
        table.take([event])
    }

    /// Configuration or bridge change.
    func change(isReflected: Bool? = nil, _ change: (inout PortSettings) -> Void = { _ in }) {
        change(&settings)
        self.isReflected = isReflected ?? self.isReflected
        relay.apply(RelayPolicy(settings, isReflected: self.isReflected))
    }

    /// Runs the loop until `start` has called back what it is given.
    ///
    /// - Returns: Why it failed; nil where it did not.
    func finish(_ start: (@escaping EdgeRelay.Completion) -> Void) throws -> NetlinkError? {
        var outcome: Result<Void, NetlinkError>?
        start { [loop] result in
            outcome = result
            loop.stop()
        }
        // What an earlier call has left may stop the loop too.
        while outcome == nil { try loop.run() }
        if case .failure(let error)? = outcome { return error }
        return nil
    }

    /// Runs the loop until `start` has called back what it is given, and tells whether that went well.
    func isDone(_ start: (@escaping EdgeRelay.Completion) -> Void) throws -> Bool { try finish(start) == nil }

    /// Runs the loop for a time: for what waits on purpose.
    func pass(milliseconds: UInt64) throws {
        let timer = timers.timer { [loop] in loop.stop() }
        timer.set(timers.now + .milliseconds(milliseconds))
        try loop.run()
    }

    /// Runs the loop until the worker has done all, and what came of that.
    func settle(_ change: () -> Void = {}) throws {
        change()
        var (count, quietRounds) = (0, 0)
        // What the end of one request leads to is behind the barrier after it.
        while quietRounds < 2 {
            let barrier = LinkCommand.setVirtualFunction(
                portIndex: Self.port.index, VirtualFunctionSettings(number: Self.barrier))
            _ = programmer.submit(barrier, of: "px0") { [loop] _ in
                loop.later { loop.stop() }
            }
            try loop.run()
            let now = card.state.withLock { $0.settings.count }
            quietRounds = now == count ? quietRounds + 1 : 0
            count = now
        }
    }

    func end() {
        relay.portCloses()
        programmer.finish()
    }
}

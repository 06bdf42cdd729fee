import LinuxSystem
import Logging
import Netlink
import Synchronization
import Testing

@testable import BridgeDataplane
@testable import Dataplane
@testable import EVBDaemon
@testable import EventLoop

/// Keeps the lines that are logged.
private final class Lines: Sendable {
    let lines = Mutex<[String]>([])
}

private struct LineHandler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let words = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        lines.lines.withLock { $0.append("\(event.message) \(words.joined(separator: " "))") }
    }
}

@Suite struct KernelQueueTests {
    @Test("SEC-1121 what the kernel is asked for is data: logged with port and kind, counted, and performed again")
    func dataOfOperations() throws {
        let loop = try EventLoop()
        let lines = Lines()
        let seen = Mutex<[any KernelOperation]>([])
        let worker = try KernelWorker(
            capacity: 16,
            perform: { operation in
                seen.withLock { $0.append(operation) }
                switch operation {
                case let change as NftablesOperation:
                    if case .list = change { return NftablesOperation.Answer.listed(["{}"]) }
                    return NftablesOperation.Answer.changed([nil, "refused"])
                case is LinkCommand: return LinkCommand.Answer.success(nil)
                case is BridgeOperation: return BridgeOperation.Answer.attached(hasInherited: true)
                default: return ForwardingRead.Answer.success(OwnAddresses())
                }
            })
        let queue = try KernelQueue(
            loop: loop, worker: worker, logger: Logger(label: "test") { _ in LineHandler(lines: lines) })
        var answers: [String] = []
        let change = NftablesOperation.change(
            [.init(commands: "add table x"), .init(commands: "{}", isJSON: true)], declaration: "")
        #expect(queue.perform(change, of: "eth0") { answers.append("\($0 == .changed([nil, "refused"]))") })
        #expect(queue.perform(NftablesOperation.list(["table x"])) { answers.append("\($0 == .listed(["{}"]))") })
        #expect(queue.submit(.look(index: 1), of: "eth0") { answers.append("\($0 == .success(nil))") })
        #expect(
            queue.perform(BridgeOperation.attach("eth1"), of: "eth1") {
                if case .attached(hasInherited: true, _)? = $0 { answers.append("attached") }
            })
        #expect(
            queue.perform(ForwardingRead.ownAddresses(index: 1, limit: 5)) { _ in
                answers.append("read")
                loop.stop()
            })
        try loop.run()
        queue.finish()
        #expect(answers.sorted() == ["attached", "read", "true", "true", "true"])
        #expect(
            queue.statistics.description
                == "attach bridge port 1+0, change nftables 0+1, list nftables 1+0, read link 1+0, read own addresses 1+0"
        )
        let logged = lines.lines.withLock { $0 }
        #expect(logged.contains("kernel operation kind=change nftables port=eth0 problem=refused"))
        #expect(logged.contains("kernel operation kind=attach bridge port port=eth1"))
        // Performed again by another kernel, they are the same.
        let again = seen.withLock { $0 }
        #expect(again.count == 5 && again.compactMap { $0 as? NftablesOperation }.first == change)
        #expect(again.compactMap { $0 as? LinkCommand } == [.look(index: 1)])
        #expect(again.map { $0.kind }.filter { $0 == "read own addresses" }.count == 1)
    }

    @Test("SEC-1121 after the end nothing is taken, and nothing is performed twice")
    func end() throws {
        let loop = try EventLoop()
        let queue = try KernelQueue(loop: loop) { _ in .success(nil) }
        var calls = 0
        for index in 1...5 as ClosedRange<Int32> { #expect(queue.submit(.look(index: index)) { _ in calls += 1 }) }
        queue.finish()
        queue.finish()
        #expect(calls == 5 && !queue.submit(.look(index: 1)) { _ in calls += 1 })
        #expect(queue.statistics.counts["read link"] == .init(succeeded: 5))
    }
}

import EVBSettings
import EVBTime
import Glibc
import LinuxSystem
import Logging
import Netlink
import Synchronization
import Testing

@testable import BridgeDataplane
@testable import Dataplane
@testable import EVBDaemon
@testable import EVBPorts
@testable import EventLoop

/// What the worker was given, and how it answers.
private final class Notes: Sendable {
    struct State {
        var commands: [Bool] = []
        var looks = 0
        var refuses = false
        /// What a look says whatever the kernel has.
        var seen: Bool?
    }

    let state = Mutex(State())

    func perform(_ command: LinkCommand) -> Result<Link?, NetlinkError> {
        let (refuses, seen) = state.withLock { state in
            if case .setHairpin(_, let isOn) = command { state.commands.append(isOn) }
            if case .look = command { state.looks += 1 }
            return (state.refuses, state.seen)
        }
        if refuses { return .failure(NetlinkError(operation: "set", kind: .notSupported, reason: "refused")) }
        do throws(NetlinkError) {
            return command.perform(with: try Links()).map { link in
                guard case .look = command, let seen, var link else { return link }
                link.hairpin = seen
                return link
            }
        } catch {
            return .failure(error)
        }
    }
}

extension EnforcementTests {
    /// A flag on a port of a real bridge, with a worker that makes notes.
    @Suite struct HairpinFlagTests {
        private final class Bench {
            let bridge: Switch
            let loop: EventLoop
            let timers: Timers
            let queue: KernelQueue
            let notes = Notes()
            let directory: String
            let room: HairpinFlag.Room
            private var timer: Timers.Timer?
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

            init(_ name: String) throws {
                bridge = try Switch(name)
                directory = "/tmp/evbd-hairpin-\(UInt64.random(in: 0 ... .max))"
                _ = try Files.makeDirectory(directory, mode: 0o755)
                let (loop, notes) = (try EventLoop(), notes)
                self.loop = loop
                timers = Timers(loop: loop)
                queue = try KernelQueue(loop: loop) { notes.perform($0) }
                room = HairpinFlag.Room(
                    programmer: queue, table: try LinkTable(loop: loop, timers: timers, logger: logger),
                    timers: timers, runtimeDirectory: directory)
            }

            deinit {
                queue.finish()
                rmdir("\(directory)/hairpin")
                rmdir(directory)
            }

            var port: String { bridge.ports[0] }
            var isOn: Bool { (try? Links().hairpin(portIndex: bridge.index(port))) == true }
            var isNoted: Bool { !HairpinNotes(runtimeDirectory: directory).ports.isEmpty }

            func flag(period: Interval = .seconds(30)) -> HairpinFlag {
                let flag = HairpinFlag(room, portName: port, logger: logger, period: period)
                room.table.onChange = { [weak flag] _ in flag?.linkChanged() }
                return flag
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

        @Test("SEC-1129 the last of several wishes decides, and what was under way for the others does not count")
        func wishes() throws {
            let bench = try Bench("nfr")
            let flag = bench.flag()
            flag.want(true)
            #expect(bench.isNoted)
            flag.want(false)
            flag.want(true)
            try bench.run { bench.notes.state.withLock { $0.commands } == [true, false, true] && bench.isOn }
            #expect(bench.isNoted)
            flag.want(false)
            try bench.run { !bench.isNoted }
            #expect(!bench.isOn && bench.notes.state.withLock { $0.commands } == [true, false, true, false])
        }

        @Test("SEC-1129 a refusal is told once, and nothing is left to restore")
        func refusal() throws {
            let bench = try Bench("nfs")
            bench.notes.state.withLock { $0.refuses = true }
            let flag = bench.flag()
            var failures = 0
            flag.onFailure = { _ in failures += 1 }
            flag.want(true)
            try bench.run { failures == 1 }
            #expect(!bench.isNoted && !bench.isOn)
        }

        @Test("SEC-1129 a flag that another process cleared is set again, though no news of that came")
        func lostNews() throws {
            let bench = try Bench("nfv")
            let flag = bench.flag(period: .milliseconds(20))
            var overridden = 0
            flag.onOverridden = { overridden += 1 }
            flag.want(true)
            try bench.run { bench.notes.state.withLock { $0.looks } >= 2 }
            #expect(overridden == 0 && bench.notes.state.withLock { $0.commands } == [true])
            bench.notes.state.withLock { $0.seen = false }
            try bench.run { overridden == 1 }
            bench.notes.state.withLock { $0.seen = nil }
            try bench.run { bench.notes.state.withLock { $0.commands.count } >= 2 }
            #expect(bench.isOn && bench.notes.state.withLock { $0.commands.allSatisfy(\.self) })
            flag.want(false)
            try bench.run { !bench.isNoted }
        }
    }
}

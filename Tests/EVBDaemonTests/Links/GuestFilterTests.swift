import EVBProtocol
import EVBTime
import LinuxSystem
import Logging
import Nftables
import Testing

@testable import Dataplane
@testable import EVBDaemon
@testable import EdgeRelays
@testable import EventLoop

extension EnforcementTests {
    /// What reaches the kernel of the guest filter, in which order.
    @Suite struct GuestFilterTests {
        private let one = HardwareAddress(0x5254_0000_0001)
        private let two = HardwareAddress(0x5254_0000_0002)

        /// Runs the loop for as long as all changes take, and some more.
        private func run(_ loop: EventLoop, _ timers: Timers) throws {
            let timer = timers.timer { loop.stop() }
            timer.set(timers.now + .milliseconds(400))
            try loop.run()
        }

        @Test("SEC-511 what is closed after a port's gate is released and begun again is closed afterwards")
        func releaseFirst() throws {
            let loop = try EventLoop()
            let timers = Timers(loop: loop)
            let programmer = try KernelQueue(loop: loop)
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let filter = GuestFilter(programmer: programmer, loop: loop, timers: timers, logger: logger)
            let session = try NftablesSession()
            func closed() throws -> [Int32: Set<HardwareAddress>] {
                GuestRulesListing(json: [try session.list("list table netdev evbd-guests")]).closed
            }
            func close(_ address: HardwareAddress) {
                filter.setClosed(
                    [ClosedAddresses.Change(address: address, isClosed: true)], port: 4094, isUrgent: true)
            }
            close(one)
            try run(loop, timers)
            #expect(try closed()[4094] == [one])
            // The first is given to the worker at once, so that the others wait.
            filter.release(link: 4093)
            filter.release(port: 4094)
            close(two)
            try run(loop, timers)
            #expect(try closed()[4094] == [two])
            filter.release(link: 4093)
            filter.release(port: 4094)
            close(one)
            filter.release(port: 4094)
            close(two)
            filter.finish()
            try run(loop, timers)
            #expect(try closed()[4094] == [two], "also where evbd stops meanwhile")
            programmer.finish()
            try session.run("delete table netdev evbd-guests")
        }
    }
}

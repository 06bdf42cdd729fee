import Dataplane
import EVBTime
import EventLoop
import Glibc
import LinuxSystem
import Logging
import Netlink
import NetnsSupport
import Testing

@testable import ChannelDataplane

/// Whether this kernel has 802.1ad devices; asked once, by making one.
private let hasVLANs: Bool = {
    guard inOwnNamespace, (try? run("ip link add probe-v type veth peer name probe-w")) != nil else { return false }
    defer { try? run("ip link delete probe-v") }
    return (try? runShell("ip link add link probe-v name probe-x type vlan proto 802.1ad id 2 2>/dev/null")) != nil
}()

/// An uplink `up0`, whose other end is `port0`, and what evbd has around its channels.
final class ChannelBench {
    let loop: EventLoop
    let timers: Timers
    let table: LinkTable
    let queue: KernelQueue
    private(set) var devices: ChannelDevices
    private var timer: Timers.Timer?
    private let period: Interval
    let uplink: String

    static func plan(_ channels: (String, UInt16, UInt16?)..., uplink: String = "up0", bridge: String? = nil)
        -> ChannelPlan
    {
        ChannelPlan(
            uplink: uplink, side: bridge == nil ? .station : .bridge,
            channels: channels.map { .init(name: $0.0, scid: $0.1, svid: $0.2, bridge: bridge) })
    }

    init(_ plan: ChannelPlan, period: Interval = .seconds(3600)) throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        loop = try EventLoop()
        timers = Timers(loop: loop)
        table = try LinkTable(loop: loop, timers: timers, logger: logger)
        queue = try KernelQueue(loop: loop)
        self.period = period
        uplink = plan.uplink
        devices = Self.devices(plan, queue, table, timers, loop, period)
        table.onChange = { [weak self] in self?.devices.linkChanged($0) }
    }

    private static func devices(
        _ plan: ChannelPlan, _ queue: KernelQueue, _ table: LinkTable, _ timers: Timers, _ loop: EventLoop,
        _ period: Interval
    ) -> ChannelDevices {
        ChannelDevices(
            plan: plan, .init(programmer: queue, table: table, timers: timers, loop: loop),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, period: period)
    }

    /// Lets the loop work until something is so; false after ten seconds.
    func reach(_ isSo: @escaping () throws -> Bool) throws -> Bool {
        let limit = MonotonicClock.now() + 10_000_000_000
        var (result, failure): (Bool, (any Error)?) = (false, nil)
        timer = timers.timer { [weak self] in
            guard let self else { return }
            do { result = try isSo() } catch { failure = error }
            if result || failure != nil || MonotonicClock.now() > limit { return loop.stop() }
            timer?.set(timers.now + .milliseconds(1))
        }
        timer?.set(timers.now)
        try loop.run()
        if let failure { throw failure }
        return result
    }

    func settle() throws -> Bool { try reach { [devices] in devices.isSettled } }

    func want(_ plan: ChannelPlan) throws {
        devices.want(plan)
        let isReached = try reach { [self] in
            try devices.isSettled && devices.failures.isEmpty && isAsWanted(plan)
        }
        #expect(isReached, "\(devices.failures)")
    }

    func link(_ name: String) -> Link? {
        table.catchUp()
        return table[name]
    }

    func isAsWanted(_ plan: ChannelPlan) throws -> Bool {
        guard let uplink = link(plan.uplink) else { return false }
        var rules = UplinkRules()
        for channel in plan.channels {
            guard let link = link(channel.name), link.isUp == (channel.svid != nil && uplink.isUp) else { return false }
            if let svid = channel.svid { rules.devices[svid] = link.vlanID }
        }
        return rules.stand(in: try TrafficControl().listing(index: uplink.index))
    }

    func listing(_ name: String = "up0") throws -> TrafficListing {
        try TrafficControl().listing(index: Int32(if_nametoindex(name)))
    }

    func remove() throws {
        var isDone = false
        devices.remove { isDone = true }
        #expect(try reach { isDone })
    }

    deinit {
        devices.finish()
        queue.finish()
    }
}

/// All tests of channels in the kernel: one at a time, as they use the same names.
@Suite(
    .serialized,
    .enabled(
        if: hasVLANs,
        "needs VLAN devices, and root in a network namespace of its own: EVBD_TEST_NETNS=1 Tests/uml/run unshare -n ..."
    ))
struct ChannelDevicesSuites {}

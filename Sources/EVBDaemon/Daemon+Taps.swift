internal import ControlServer
internal import Dataplane
internal import EVBModel
internal import EVBPorts
internal import EdgeRelays
internal import EventLoop
internal import Glibc
internal import HostTaps
internal import Netlink
internal import OpenVSwitch

// The host's Open vSwitch, taps that are associated without a manager, and the way of news to those who follow them.

extension Daemon {
    /// The ports are there: what is beside them is followed.
    func portsHaveBegun() {
        keepGuestFilter()
        followTaps()
    }

    private func followTaps() {
        openVSwitch.onChange = { [weak self] in self?.switchChanged($0) }
        openVSwitch.onState = { [weak self] in
            guard let self else { return }
            for case .station(let station) in ports.ports { station.switchStateChanged() }
            taps.switchStateChanged()
        }
        taps.begin()
    }

    /// The row of an interface is news of its link.
    private func switchChanged(_ name: String) {
        // First: a machine that is just being started is kept out before its link gets its rules.
        taps.linkChanged(name)
        for case .station(let station) in ports.ports { station.switchChanged(name) }
    }

    /// Goes on with the rules of an earlier run: its links still have to be kept from the host, and no other rules stay.
    private func keepGuestFilter() {
        let groups = [MacvlanSpec.group, MacvlanSpec.leavingGroup]
        if table.first(where: { groups.contains($0.group) }) != nil { guestFilter.keepHostOff { _ in } }
        guestFilter.releaseLeftovers()
    }

    /// Sends news to the monitors, with the time at which it happened: now, or at `moment` of the loop's clock.
    func publish(_ news: PortNews, port: String, since moment: UInt64? = nil) {
        let now = loop.now()
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        let origin = clock.tv_sec * 1_000_000_000 + clock.tv_nsec - Int(clamping: now)
        // Within a millisecond it is the same, so that what happened at one moment has one time.
        if abs(origin - clockOrigin) > 1_000_000 { clockOrigin = origin }
        service?.publish(
            news, port: port, timeMilliseconds: (clockOrigin + Int(clamping: moment ?? now)) / 1_000_000)
        if news.kind == .vsi, let vsiID = news.vsiID { taps.changed(vsiID, on: port) }
    }
}

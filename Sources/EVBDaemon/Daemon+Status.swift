internal import EVBModel
internal import EVBTime
internal import EventLoop
internal import LibvirtServer

// What the daemon says of itself.

extension Daemon {
    /// What an operator should know beside the ports' own status.
    var notes: [StatusNote] {
        let reload = reloadProblem.map {
            StatusNote(
                kind: .reload, isProblem: true, port: nil,
                message: "the configuration in force is not the file's: \($0)",
                hint: "correct the file, or see evbctl reload --dry-run")
        }
        return [reload].compactMap(\.self) + (libvirt?.notes ?? []) + typeServers.notes
    }

    static func counters(of log: LogOutput) -> [Counter: UInt64] {
        let counters = log.counters
        return [.logLinesLost: counters.lost, .logLinesLeftOut: counters.leftOut]
    }

    /// Says to systemd that the loop runs, twice in the time after which it would be ended.
    func startWatchdog() {
        guard let period = serviceManager.watchdogPeriod else { return }
        let half = Interval(nanoseconds: max(period / 2, 1_000_000))
        watchdog = timers.timer { [weak self] in
            guard let self else { return }
            serviceManager.notify("WATCHDOG=1")
            watchdog?.set(timers.now + half)
        }
        watchdog?.set(timers.now + half)
    }
}

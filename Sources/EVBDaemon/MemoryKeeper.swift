internal import EVBTime
internal import EventLoop
internal import LinuxSystem

/// Gives the kernel back what only the start, or a burst, had needed.
///
/// Thousands of VSIs that come or go at once leave room behind between what stays: tables that have grown, requests, lines of the log. The C
/// library keeps it. It is given back once nothing has come or gone for a while, by a thread of its own: the loop waits for it only where
/// it asks for memory meanwhile.
final class MemoryKeeper {
    /// After which time what follows a start or a burst at once is over: rules, links and the first PDUs.
    private static let patience = Interval.seconds(2)
    /// VSIs that come or go at once, below which nothing is worth it.
    private static let fewMax = 256
    /// What comes or goes so long after the last one is not of the same burst.
    private static let pause = Interval.milliseconds(500)

    private let loop: EventLoop
    private let timers: Timers
    private var timer: Timers.Timer?
    private var task: BackgroundTask<Void>?
    /// How many have come or gone in this burst, and when the last of them.
    private var changes = 0
    private var lastChange: Instant?

    /// Gives back what the start has needed.
    init(loop: EventLoop, timers: Timers) {
        self.loop = loop
        self.timers = timers
        timer = timers.timer { [weak self] in self?.giveBack() }
        wait()
    }

    /// So many VSIs have come or gone.
    func changed(_ count: Int) {
        let now = timers.now
        // A burst that was large enough is remembered until its memory is given back.
        if changes <= Self.fewMax, let lastChange, now.since(lastChange) > Self.pause { changes = 0 }
        lastChange = now
        changes += count
        if changes > Self.fewMax { wait() }
    }

    private func wait() { timer?.set(timers.now + Self.patience) }

    private func giveBack() {
        // A start leaves little, and a thread has memory too.
        let isLittle = changes <= Self.fewMax
        changes = 0
        guard !isLittle else { return ProcessMemory.giveBack() }
        // One that has not ended has more to do now.
        guard task == nil else { return wait() }
        task = try? BackgroundTask(
            on: loop, { ProcessMemory.giveBack() }, completion: { [weak self] in self?.task = nil })
        if task == nil { ProcessMemory.giveBack() }
    }
}

internal import EVBTime
internal import EventLoop
internal import LinuxSystem

/// Gives the kernel back what only the start, or a burst, had needed.
///
/// Thousands of VSIs that come or go at once leave room behind between what stays: tables that have grown, requests, lines of the log. The C
/// library keeps it. It is given back once nothing has come or gone for a while, by a thread of its own: the loop waits for it only where
/// it asks for memory meanwhile. Once more some time later: what was under way about each VSI goes with its first keep-alives. And after a
/// long listing of rules, each of which fills the holes between what stays.
final class MemoryKeeper {
    /// After which time what follows a start or a burst at once is over: rules, links and the first PDUs.
    static let patience = Interval.seconds(2)
    /// After which time from then on the first keep-alives of all are answered, at the standard's period of ten seconds.
    static let roundPatience = Interval.seconds(12)
    /// VSIs that come or go at once, below which nothing is worth it.
    private static let fewMax = 256
    /// Octets of a text that was read, up to which nothing is worth it.
    private static let shortMax = 65_536
    /// What comes or goes so long after the last one is not of the same burst.
    private static let pause = Interval.milliseconds(500)

    private let loop: EventLoop
    private let timers: Timers
    private let patience: Interval
    private let roundPatience: Interval
    private let work: @Sendable () -> Void
    private var timer: Timers.Timer?
    private var task: BackgroundTask<Void>?
    /// When the burst's first keep-alives are answered; nil where none is awaited.
    private var roundEnd: Instant?
    /// There is more to give back than a start leaves, which is worth a thread.
    private var isMuch = false
    /// How many have come or gone in this burst, and when the last of them.
    private var changes = 0
    private var lastChange: Instant?

    /// Gives back what the start has needed. `work` does so, and the times are others in tests.
    init(
        loop: EventLoop, timers: Timers, patience: Interval = patience, roundPatience: Interval = roundPatience,
        work: @escaping @Sendable () -> Void = { ProcessMemory.giveBack() }
    ) {
        self.loop = loop
        self.timers = timers
        (self.patience, self.roundPatience, self.work) = (patience, roundPatience, work)
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
        guard changes > Self.fewMax else { return }
        isMuch = true
        wait()
    }

    /// A text of so many octets was read, which takes some twenty times as many in small pieces.
    func read(_ octets: Int) {
        guard octets > Self.shortMax else { return }
        isMuch = true
        // What waits for the end of a burst waits no longer than before.
        if changes <= Self.fewMax { wait() }
    }

    private func wait() { timer?.set(timers.now + patience) }

    private func giveBack() {
        guard isMuch else {
            changes = 0
            return work()
        }
        // One that has not ended has more to do now.
        guard task == nil else { return wait() }
        if changes > Self.fewMax {
            roundEnd = timers.now + roundPatience
        } else if let end = roundEnd, end <= timers.now {
            roundEnd = nil
        }
        changes = 0
        isMuch = roundEnd != nil
        timer?.set(roundEnd)
        task = try? BackgroundTask(on: loop, work, completion: { [weak self] in self?.task = nil })
        if task == nil { work() }
    }
}

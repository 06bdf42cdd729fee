package import EVBTime

/// Everything in the daemon that waits for a time, behind the loop's one timer.
///
/// Used on the thread of the loop only.
package final class Timers {
    /// One thing that waits. It ends with its owner: a timer that nobody holds does not fire.
    package final class Timer {
        fileprivate let slot: Int
        fileprivate weak var timers: Timers?
        fileprivate let work: () -> Void

        fileprivate init(slot: Int, timers: Timers, work: @escaping () -> Void) {
            self.slot = slot
            self.timers = timers
            self.work = work
        }

        /// Sets the time, or another time; nil for none.
        package func set(_ deadline: Instant?) { timers?.set(slot, deadline) }

        deinit { timers?.release(slot) }
    }

    private struct WeakTimer {
        weak var timer: Timer?
    }

    private let loop: EventLoop
    private var heap = DeadlineHeap()
    private var slots: [WeakTimer] = []
    private var free: [Int] = []

    /// Takes the loop's deadline for itself.
    package init(loop: EventLoop) {
        self.loop = loop
        loop.onDeadline = { [weak self] in self?.fire() }
    }

    /// How long the loop's turns take.
    package var turns: DurationHistogram { loop.turns }

    /// The loop's clock.
    package var now: Instant { Instant(nanoseconds: loop.now()) }

    /// A timer that calls `work` each time that the time set for it has come.
    package func timer(_ work: @escaping () -> Void) -> Timer {
        let slot = free.popLast() ?? slots.count
        let timer = Timer(slot: slot, timers: self, work: work)
        if slot == slots.count { slots.append(WeakTimer(timer: timer)) } else { slots[slot].timer = timer }
        return timer
    }

    private func set(_ slot: Int, _ deadline: Instant?) {
        heap.set(slot, deadline)
        loop.setDeadline(heap.next?.deadline.nanoseconds)
    }

    private func release(_ slot: Int) {
        set(slot, nil)
        free.append(slot)
    }

    /// Calls what is due now. What that sets anew for a time already past has its turn after the descriptors'.
    private func fire() {
        let now = now
        // Weakly: one of them may end another.
        var due: [WeakTimer] = []
        while let next = heap.next, next.deadline <= now {
            heap.set(next.member, nil)
            due.append(slots[next.member])
        }
        for entry in due { entry.timer?.work() }
        loop.setDeadline(heap.next?.deadline.nanoseconds)
    }
}

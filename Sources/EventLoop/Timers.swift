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
        /// Its time has come, and its turn has not.
        var isDue = false
    }

    private let loop: EventLoop
    private var heap = DeadlineHeap()
    private var slots: [WeakTimer] = []
    private var free: [Int] = []
    /// Those whose time has come, in the order in which it came.
    private var due = FIFO<Int>()

    /// Takes the loop's deadline for itself.
    package init(loop: EventLoop) {
        self.loop = loop
        loop.onDeadline = { [weak self] in self?.fire() }
    }

    /// How long the loop's turns take.
    package var turns: DurationHistogram { loop.turns }
    /// The most that the loop has computed in one turn.
    package var mostComputed: Interval { loop.mostComputed }

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
        if slots[slot].isDue {
            // It keeps its place: a port that sets its timer with each frame would never have its turn.
            if let deadline, deadline <= now { return }
            slots[slot].isDue = false
        }
        heap.set(slot, deadline)
        setDeadline()
    }

    private func setDeadline() { loop.setDeadline(due.isEmpty ? heap.next?.deadline.nanoseconds : 0) }

    private func release(_ slot: Int) {
        set(slot, nil)
        free.append(slot)
    }

    /// Calls what is due, as long as a handler may go on; the rest has its turn after the descriptors', and so has what is
    /// set for a time already past meanwhile.
    private func fire() {
        let began = now
        while let next = heap.next, next.deadline <= began {
            heap.set(next.member, nil)
            slots[next.member].isDue = true
            due.append(next.member)
        }
        for _ in 0..<due.count {
            guard let slot = due.popFirst() else { break }
            // One of them may have ended another, or given it another time.
            guard slots[slot].isDue else { continue }
            slots[slot].isDue = false
            slots[slot].timer?.work()
            if now.since(began).nanoseconds >= EventLoop.handlerTime { break }
        }
        setDeadline()
    }
}

// One thread, one epoll set. This file owns the set, its slots and the one timer; it knows nothing of what is watched.
//
// Level-triggered: what a handler leaves unread is reported again in the next turn, so a handler may stop at a limit.
// The 64 bits that epoll keeps with a descriptor are the slot's number and its generation. A slot that was freed has
// another generation, so an event that was already in the batch when its watch was cancelled is recognised as stale,
// even if the same descriptor number has been opened and watched again meanwhile.

internal import CLinux
package import EVBTime
internal import Glibc
public import LinuxSystem

/// Waits for descriptors, one deadline and signals, and calls handlers on the thread that runs it.
///
/// Everything is done on one thread, from handlers or before `run`.
public final class EventLoop {
    /// What a descriptor is ready for, or has met.
    public struct Readiness: OptionSet, Sendable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// Reading does not block: octets, a datagram, a connection, or the end of the stream.
        public static let readable = Readiness(rawValue: 1 << 0)
        /// Writing does not block.
        public static let writable = Readiness(rawValue: 1 << 1)
        /// The other end is gone.
        ///
        /// Reported whether asked for or not; what was sent before can still be read.
        public static let hangup = Readiness(rawValue: 1 << 2)
        /// The descriptor has an error to be read by SO_ERROR or the next call.
        ///
        /// Reported whether asked for or not.
        public static let error = Readiness(rawValue: 1 << 3)
    }

    /// One descriptor in the loop.
    ///
    /// The loop holds it until it is cancelled; it does not own the descriptor.
    ///
    /// Cancel before the descriptor is closed.
    public final class Watch {
        fileprivate let descriptor: Int32
        fileprivate let slot: Int
        fileprivate let isBulk: Bool
        fileprivate var interest: Readiness
        /// What it waits for its turn with.
        fileprivate var waiting: Readiness = []
        fileprivate var handler: ((Readiness) -> Void)?
        fileprivate weak var loop: EventLoop?

        fileprivate init(
            descriptor: Int32, slot: Int, interest: Readiness, isBulk: Bool, loop: EventLoop,
            handler: @escaping (Readiness) -> Void
        ) {
            self.descriptor = descriptor
            self.slot = slot
            self.isBulk = isBulk
            self.interest = interest
            self.loop = loop
            self.handler = handler
        }

        /// Changes what is waited for.
        ///
        /// Without effect on a cancelled watch.
        public func update(_ interest: Readiness) {
            guard handler != nil, interest != self.interest, let loop else {
                return
            }
            self.interest = interest
            loop.modify(self)
        }

        /// Ends the watch: its handler is never called again, nor for an event of the batch in hand.
        ///
        /// Idempotent.
        public func cancel() {
            guard handler != nil else {
                return
            }
            handler = nil
            loop?.remove(self, deregister: true)
        }
    }

    private struct Slot {
        var generation: UInt32
        var watch: Watch?
    }

    /// Owns a signalfd for as long as the loop lives.
    private final class SignalSource {
        let descriptor: FileDescriptor

        init(owning descriptor: consuming FileDescriptor) {
            self.descriptor = descriptor
        }
    }

    /// How many events one turn takes from the kernel.
    ///
    /// More wait for the next turn, so `later` work is never far off.
    private static let eventsPerTurn = 64
    /// The slot number that stands for the timer; no watch gets that far.
    private static let timerSlot: UInt32 = .max
    /// Nanoseconds that one slice of long work may take: a client waits for some of them, and the turns between cost a hundredth.
    @usableFromInline package static let sliceTime: UInt64 = 50_000
    /// Nanoseconds for which one handler goes on where there is always more for it to do.
    @usableFromInline package static let handlerTime: UInt64 = 100_000
    /// Nanoseconds that the slices of one turn take in all: as many as the turn has taken for all else, so that neither falls behind
    /// the other, and no less and no more than these. One slice is always done.
    private static let slicesTime: ClosedRange<UInt64> = 100_000...250_000
    /// Nanoseconds that the handlers of bulk take of one turn in all. One of them is always called.
    private static let bulkTime: UInt64 = 250_000

    private let epoll: FileDescriptor
    private let timer: FileDescriptor
    private let events: UnsafeMutablePointer<epoll_event>
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    /// The slot that watches a descriptor, to notice that its number was closed and reused behind a watch's back.
    private var slotOfDescriptor: [Int32: Int] = [:]
    private var signalSources: [SignalSource] = []
    private var pending: [() -> Void] = []
    private var underWay: [() -> Void] = []
    private var slices = FIFO<() -> Void>()
    /// Queues that have begun to put work off in this turn (``KeyedWorkQueue``).
    @usableFromInline var queuesPuttingOff = 0
    /// Bulk that is ready, in the order in which it was found so.
    private var bulk = FIFO<Watch>()
    private var deadline: UInt64?
    private var armed: UInt64?
    private var isRunning = false
    private var stopRequested = false
    /// How long turns take, from the moment at which the kernel has events to the next wait.
    package private(set) var turns = DurationHistogram(.turn)
    /// The most that the thread has computed from one wait to the next. A turn that took longer has waited: for a processor that
    /// others had, or for the kernel.
    package private(set) var mostComputed = Interval(nanoseconds: 0)

    /// Called in the turn after the deadline is reached.
    ///
    /// The deadline is disarmed first.
    public var onDeadline: (() -> Void)?

    /// Creates a loop that watches nothing.
    ///
    /// - Throws: `SystemError`, for example EMFILE.
    public init() throws(SystemError) {
        let set = try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        epoll = FileDescriptor(owning: set)
        let clock = try systemCall("timerfd_create") {
            timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
        }
        timer = FileDescriptor(owning: clock)
        events = .allocate(capacity: Self.eventsPerTurn)
        try control(EPOLL_CTL_ADD, clock, for: .readable, userData: UInt64(Self.timerSlot))
    }

    deinit {
        events.deallocate()
    }

    /// Nanoseconds of CLOCK_MONOTONIC.
    public func now() -> UInt64 {
        MonotonicClock.now()
    }

    // MARK: Watches

    /// Calls a handler whenever a descriptor is ready.
    ///
    /// - Parameters:
    ///   - descriptor: An open descriptor that epoll can wait for; it stays the caller's.
    ///   - interest: What is waited for; hangup and error always are.
    ///   - isBulk: Whether there may be much of it, from many at once. Such handlers are called by turns, some in each turn of the loop, so
    ///     that all else does not wait for each of them.
    ///   - handler: Called once a turn with everything that is so.
    /// - Returns: The watch, by which it is changed and ended. The loop keeps it, the caller need not.
    /// - Throws: `SystemError`: EEXIST if the descriptor is watched already, EPERM for a regular file.
    @discardableResult
    public func watch(
        _ descriptor: Int32, for interest: Readiness, isBulk: Bool = false, _ handler: @escaping (Readiness) -> Void
    ) throws(SystemError) -> Watch {
        let index = takeSlot()
        do {
            try control(EPOLL_CTL_ADD, descriptor, for: interest, userData: userData(of: index))
        } catch {
            freeSlots.append(index)
            throw error
        }
        // The kernel took it as new: an older watch of the same number lost its file without a cancel. It is ended
        // here, so that its late cancel cannot take the new registration away.
        if let stale = slotOfDescriptor[descriptor], let watch = slots[stale].watch {
            watch.handler = nil
            remove(watch, deregister: false)
        }
        let watch = Watch(
            descriptor: descriptor, slot: index, interest: interest, isBulk: isBulk, loop: self, handler: handler)
        slots[index].watch = watch
        slotOfDescriptor[descriptor] = index
        return watch
    }

    private func takeSlot() -> Int {
        if let index = freeSlots.popLast() {
            return index
        }
        slots.append(Slot(generation: 0, watch: nil))
        return slots.count - 1
    }

    private func userData(of slot: Int) -> UInt64 {
        UInt64(slots[slot].generation) << 32 | UInt64(UInt32(slot))
    }

    private func modify(_ watch: Watch) {
        do {
            try control(EPOLL_CTL_MOD, watch.descriptor, for: watch.interest, userData: userData(of: watch.slot))
        } catch {
            // EBADF and ENOENT: the descriptor was closed under its watch, which only a bug of ours can do.
            preconditionFailure("\(error)")
        }
    }

    private func remove(_ watch: Watch, deregister: Bool) {
        slots[watch.slot].watch = nil
        slots[watch.slot].generation &+= 1
        freeSlots.append(watch.slot)
        if slotOfDescriptor[watch.descriptor] == watch.slot {
            slotOfDescriptor[watch.descriptor] = nil
        }
        if deregister {
            // A descriptor that was closed before has left the set by itself: EBADF and ENOENT tell nothing new.
            var none = epoll_event()
            _ = epoll_ctl(epoll.rawValue, EPOLL_CTL_DEL, watch.descriptor, &none)
        }
    }

    private func control(
        _ operation: Int32, _ descriptor: Int32, for interest: Readiness, userData: UInt64
    ) throws(SystemError) {
        var event = epoll_event()
        event.events = interest.epollEvents
        event.data.u64 = userData
        try systemCall("epoll_ctl") { epoll_ctl(epoll.rawValue, operation, descriptor, &event) }
    }

    // MARK: Deadline, signals, later

    /// Sets the one deadline, in place of the one before.
    ///
    /// The kernel's timer is moved once a turn at most, however often this is called, and only where the loop would sleep too long.
    /// - Parameter nanoseconds: Absolute, of CLOCK_MONOTONIC; one that has passed fires at once; nil disarms.
    public func setDeadline(_ nanoseconds: UInt64?) {
        deadline = nanoseconds
    }

    /// Takes signals as events: blocks them in the calling thread and reads them from a signalfd.
    ///
    /// Call before other threads are started: they inherit the blocked signals. A child process does too.
    /// - Parameters:
    ///   - signals: Signal numbers, for example SIGTERM.
    ///   - handler: Called with the number of each signal that arrives.
    /// - Throws: `SystemError`, EINVAL for a number that is no signal.
    public func watchSignals(_ signals: [Int32], _ handler: @escaping (Int32) -> Void) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals {
            try systemCall("sigaddset \(signal)") { sigaddset(&set, signal) }
        }
        let code = pthread_sigmask(SIG_BLOCK, &set, nil)
        guard code == 0 else {
            throw SystemError(call: "pthread_sigmask", code: code)
        }
        let descriptor = try systemCall("signalfd") {
            signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        }
        let source = SignalSource(owning: FileDescriptor(owning: descriptor))
        try watch(descriptor, for: .readable) { _ in
            var information = signalfd_siginfo()
            while read(descriptor, &information, MemoryLayout<signalfd_siginfo>.size)
                == MemoryLayout<signalfd_siginfo>.size
            {
                handler(Int32(truncatingIfNeeded: information.ssi_signo))
            }
        }
        signalSources.append(source)
    }

    /// Puts work off until the handlers of the batch in hand have run; it is done before the loop sleeps.
    ///
    /// Work that is put off by such work is done in the next turn, after the descriptors have been asked, so that it
    /// cannot keep the loop from them.
    public func later(_ work: @escaping () -> Void) {
        pending.append(work)
    }

    /// Puts a slice of long work off: each turn ends with those that have waited longest, as far as its time allows.
    ///
    /// However many have long work to do, what comes in meanwhile waits for a few slices and not for one of each.
    @usableFromInline package func laterSlice(_ work: @escaping () -> Void) {
        slices.append(work)
    }

    // MARK: Running

    /// Runs until `stop` is called; the turn in which it is called is finished, with its `later` work.
    ///
    /// - Throws: `SystemError`, if the kernel refuses to wait; nothing that a peer does causes that.
    public func run() throws(SystemError) {
        precondition(!isRunning, "the loop is running already")
        isRunning = true
        defer {
            isRunning = false
            stopRequested = false
        }
        runPending()
        var computed = ThreadClock.now()
        while !stopRequested {
            // Work that is waiting lets the descriptors be asked, but not slept on.
            let maySleep = pending.isEmpty && slices.isEmpty && bulk.isEmpty ? try armTimer() : false
            let count = try systemCall("epoll_wait") {
                epoll_wait(epoll.rawValue, events, Int32(Self.eventsPerTurn), maySleep ? -1 : 0)
            }
            queuesPuttingOff = 0
            let began = now()
            for index in 0..<Int(count) {
                try dispatch(events[index])
            }
            fireDeadline(at: began)
            runBulk()
            runPending()
            runSlices(after: began)
            turns.record(Instant(nanoseconds: now()).since(Instant(nanoseconds: began)))
            let former = computed
            computed = ThreadClock.now()
            mostComputed = max(mostComputed, Interval(nanoseconds: computed &- former))
        }
    }

    /// Makes `run` return after the turn in hand.
    ///
    /// Called before `run`, it makes that return without waiting.
    public func stop() {
        stopRequested = true
    }

    private func dispatch(_ event: epoll_event) throws(SystemError) {
        let index = UInt32(truncatingIfNeeded: event.data.u64)
        if index == Self.timerSlot {
            try fireTimer()
            return
        }
        let generation = UInt32(truncatingIfNeeded: event.data.u64 >> 32)
        let slot = slots[Int(index)]
        guard slot.generation == generation, let watch = slot.watch else {
            return
        }
        let readiness = Readiness(epollEvents: event.events)
        guard watch.isBulk else {
            watch.handler?(readiness)
            return
        }
        if watch.waiting.isEmpty {
            bulk.append(watch)
        }
        watch.waiting.formUnion(readiness)
    }

    private func runBulk() {
        guard !bulk.isEmpty else {
            return
        }
        let end = now() &+ Self.bulkTime
        repeat {
            guard let watch = bulk.popFirst() else {
                return
            }
            // It may wait for less by now.
            let readiness = watch.waiting.intersection(watch.interest.union([.hangup, .error]))
            watch.waiting = []
            if !readiness.isEmpty {
                watch.handler?(readiness)
            }
        } while now() < end
    }

    private func runPending() {
        guard !pending.isEmpty else {
            return
        }
        swap(&pending, &underWay)
        for work in underWay {
            work()
        }
        underWay.removeAll(keepingCapacity: true)
    }

    private func runSlices(after began: UInt64) {
        guard !slices.isEmpty else {
            return
        }
        let start = now()
        let spent = start &- began
        let end = start &+ min(max(spent, Self.slicesTime.lowerBound), Self.slicesTime.upperBound)
        while let slice = slices.popFirst() {
            slice()
            if now() >= end {
                return
            }
        }
    }

    /// Sees to it that the loop wakes for the deadline.
    ///
    /// A timer that is set for an earlier moment stays, and wakes the loop once in vain. To move it with each exchange would cost more: of an
    /// association that is asked for alone it was a tenth of the processor time.
    /// - Returns: whether the loop may sleep; false if the deadline has passed.
    private func armTimer() throws(SystemError) -> Bool {
        guard let deadline else { return true }
        guard deadline > now() else { return false }
        if let armed, armed <= deadline { return true }
        var setting = itimerspec()
        setting.it_value.tv_sec = Int(deadline / 1_000_000_000)
        setting.it_value.tv_nsec = Int(deadline % 1_000_000_000)
        try systemCall("timerfd_settime") {
            timerfd_settime(timer.rawValue, Int32(TFD_TIMER_ABSTIME), &setting, nil)
        }
        armed = deadline
        return true
    }

    /// The kernel's timer has woken the loop; what is due is seen behind the other events.
    private func fireTimer() throws(SystemError) {
        var expirations: UInt64 = 0
        let length = try systemCallUnlessBlocked("read timerfd") { read(timer.rawValue, &expirations, 8) }
        if length != nil { armed = nil }
    }

    private func fireDeadline(at now: UInt64) {
        guard let deadline, deadline <= now else { return }
        self.deadline = nil
        onDeadline?()
    }
}

extension EventLoop.Readiness {
    fileprivate var epollEvents: UInt32 {
        var events: UInt32 = 0
        if contains(.readable) {
            events |= EPOLLIN.rawValue
        }
        if contains(.writable) {
            events |= EPOLLOUT.rawValue
        }
        return events
    }

    fileprivate init(epollEvents events: UInt32) {
        self = []
        if events & EPOLLIN.rawValue != 0 {
            insert(.readable)
        }
        if events & EPOLLOUT.rawValue != 0 {
            insert(.writable)
        }
        if events & EPOLLHUP.rawValue != 0 {
            insert(.hangup)
        }
        if events & EPOLLERR.rawValue != 0 {
            insert(.error)
        }
    }
}

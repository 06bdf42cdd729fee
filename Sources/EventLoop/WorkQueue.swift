/// Work that is done in its order, some of it in each turn of the loop: what one port has to do ten thousand times over leaves the
/// other ports and the clients their turns.
///
/// Used on the thread of the loop.
public typealias WorkQueue<Work> = KeyedWorkQueue<Never, Work>

/// A ``WorkQueue`` whose work is of something: what waits for one thing can be done before its turn.
public final class KeyedWorkQueue<Key: Hashable, Work> {
    /// Nanoseconds that a queue works at once when work is added. One piece of work is always done.
    @inlinable public static var timePerTurn: UInt64 { EventLoop.handlerTime }

    /// Pieces of work that are put off at most, and by so many queues in a turn: those of one VSI that is asked for alone. A
    /// burst's are done as they come: slices have less of a turn than what makes work for them, and what piles up until its end would keep
    /// clients waiting then.
    @inlinable public static var putOffMax: Int { 8 }
    @inlinable public static var queuesMax: Int { 2 }

    @usableFromInline let loop: EventLoop
    @usableFromInline let key: (Work) -> Key?
    @usableFromInline let body: (Work) -> Void
    /// Called after each later turn with the nanoseconds that it took.
    public var onSpent: ((UInt64) -> Void)?
    @usableFromInline var waiting = KeyedFIFO<Key, (work: Work, addedAt: UInt64)>()
    /// When the piece of work that is being done was added, by the loop's clock; nil between two.
    public var workAddedAt: UInt64? { addedAtNow }
    @usableFromInline var addedAtNow: UInt64?
    @usableFromInline var isWorking = false
    /// The rest is done in a later turn.
    @usableFromInline var isDue = false
    /// It was put off, and no turn was too short for it.
    @usableFromInline var isPutOff = false

    /// A queue without work.
    ///
    /// - Parameters:
    ///   - loop: has the turns.
    ///   - key: tells what a piece of work is of.
    ///   - body: does a piece of work; what it adds is done after all that waits.
    @inlinable public init(loop: EventLoop, key: @escaping (Work) -> Key?, _ body: @escaping (Work) -> Void) {
        self.loop = loop
        self.key = key
        self.body = body
    }

    @inlinable public var isEmpty: Bool { waiting.isEmpty }

    /// Nothing waits, and nothing is being done.
    @inlinable public var isIdle: Bool { waiting.isEmpty && !isWorking }

    /// Adds work, and does what a turn allows of it, unless there is other work already.
    ///
    /// - Parameters:
    ///   - work: the work.
    ///   - isForLater: whether it is put off until the turn has done all else, as what nothing waits for may be, if it is little.
    @inlinable public func append(contentsOf work: [Work], isForLater: Bool = false) {
        let now = loop.now()
        for each in work { waiting.append((each, now), key: key(each)) }
        if isForLater, mayPutOff {
            if !isPutOff { loop.queuesPuttingOff += 1 }
            isPutOff = true
            goOnLater()
        } else if !isDue || isPutOff && waiting.count > Self.putOffMax {
            isPutOff = false
            workOneTurn(Self.timePerTurn)
        }
    }

    @inlinable var mayPutOff: Bool {
        !isWorking && waiting.count <= Self.putOffMax && (isPutOff || loop.queuesPuttingOff < Self.queuesMax)
    }

    /// Forgets what waits.
    @inlinable public func removeAll() { waiting.removeAll() }

    /// Does all that waits now.
    @inlinable public func finish() { work(until: nil) }

    /// Does the work of one thing now, before all that waits.
    @inlinable public func finish(_ key: Key) {
        guard !waiting.isEmpty else { return }
        for (work, addedAt) in waiting.takeAll(key) { perform(work, addedAt) }
    }

    /// Works for so many nanoseconds of this turn; one piece of work is always done.
    @inlinable func workOneTurn(_ time: UInt64) {
        work(until: loop.now() &+ time)
        goOnLater()
    }

    /// Has what waits done in a slice.
    @inlinable func goOnLater() {
        guard !isWorking, !isDue, !waiting.isEmpty else { return }
        isDue = true
        loop.laterSlice { [weak self] in
            guard let self else { return }
            (isDue, isPutOff) = (false, false)
            let began = self.loop.now()
            workOneTurn(EventLoop.sliceTime)
            onSpent?(self.loop.now() &- began)
        }
    }

    @inlinable func work(until end: UInt64?) {
        guard !isWorking else { return }
        isWorking = true
        defer { isWorking = false }
        while let (work, addedAt) = waiting.popFirst() {
            perform(work, addedAt)
            if let end, loop.now() >= end { return }
        }
    }

    @inlinable func perform(_ work: Work, _ addedAt: UInt64) {
        let outer = addedAtNow
        addedAtNow = addedAt
        defer { addedAtNow = outer }
        body(work)
    }
}

extension KeyedWorkQueue where Key == Never {
    /// A queue without work.
    ///
    /// - Parameters:
    ///   - loop: has the turns.
    ///   - body: does a piece of work; what it adds is done after all that waits.
    @inlinable public convenience init(loop: EventLoop, _ body: @escaping (Work) -> Void) {
        self.init(loop: loop, key: { _ in nil }, body)
    }
}

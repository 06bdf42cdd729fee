/// What brings something in the kernel into line with what is wanted: at most one step is under way, and when it is done, what is
/// wanted is compared again with what there is. Pure: who uses it makes the comparison and performs the steps.
///
/// The result of a step counts only while that step is the latest. One that was overtaken by `begin`, or dropped by `reset`,
/// changes nothing when it is done.
///
/// It is public, and its methods are inlinable: what is inlinable for the package alone is not specialized in other rooms.
public struct Reconciler<Step> {
    /// Names one step; a name is used once.
    public struct Turn: Hashable, Sendable {
        @usableFromInline let number: UInt64

        @inlinable init(number: UInt64) { self.number = number }
    }

    @usableFromInline enum State {
        case idle
        case underWay(Step, Turn, mustCompare: Bool)
    }

    @usableFromInline var state = State.idle
    @usableFromInline var lastTurn: UInt64 = 0

    /// Has nothing under way.
    @inlinable public init() {}

    /// The step that is under way.
    @inlinable public var underWay: Step? { if case .underWay(let step, _, _) = state { step } else { nil } }

    /// Whether a step is under way.
    @inlinable public var isBusy: Bool { if case .underWay = state { true } else { false } }

    /// Compares, unless a step is under way; then it is compared when that is done.
    ///
    /// - Parameter plan: The next step towards what is wanted; nil if there is nothing to do. Not called while a step is under way.
    /// - Returns: The step to perform, and its name for `ended`.
    @inlinable public mutating func next(_ plan: () -> Step?) -> (step: Step, turn: Turn)? {
        if case .underWay(let step, let turn, _) = state {
            state = .underWay(step, turn, mustCompare: true)
            return nil
        }
        return plan().map { ($0, begin($0)) }
    }

    /// Begins a step whatever is under way, for steps that the kernel performs in their order: the latest decides.
    @inlinable public mutating func begin(_ step: Step) -> Turn {
        lastTurn &+= 1
        let turn = Turn(number: lastTurn)
        state = .underWay(step, turn, mustCompare: false)
        return turn
    }

    /// A step is done, or cannot be.
    ///
    /// - Returns: The step, and whether `next` was called meanwhile; nil if the step does not count any more.
    @inlinable public mutating func ended(_ turn: Turn) -> (step: Step, mustCompare: Bool)? {
        guard case .underWay(let step, turn, let mustCompare) = state else { return nil }
        state = .idle
        return (step, mustCompare)
    }

    /// What is under way does not count any more.
    @inlinable public mutating func reset() { state = .idle }
}

/// How a set of things has to change.
package struct Difference<Key: Hashable, Value: Equatable> {
    /// What is wanted and not there.
    package var added: [Key: Value] = [:]
    /// What is there and wanted otherwise, as it is wanted.
    package var replaced: [Key: Value] = [:]
    /// What is there and not wanted.
    package var removed: [Key] = []

    /// Compares what is wanted of some things with what is there.
    package init(of keys: some Sequence<Key>, wanted: (Key) -> Value?, actual: (Key) -> Value?) {
        for key in keys {
            switch (wanted(key), actual(key)) {
            case (let wanted?, nil): added[key] = wanted
            case (let wanted?, let actual?) where wanted != actual: replaced[key] = wanted
            case (nil, _?): removed.append(key)
            default: break
            }
        }
    }
}

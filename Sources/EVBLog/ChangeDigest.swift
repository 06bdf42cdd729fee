package import EVBTime

/// Decides which changes of VSIs have a line of their own, and sums up the others.
///
/// A change has its line at once. Many at once, such as the VSIs of a port whose link flaps, have one line together when the
/// upheaval is over. An upheaval begins with a cause that concerns several VSIs, or with more changes than fit a short time. It
/// ends when as many VSIs as expected have changed, when none has for a while, or after a time.
///
/// Pure: the time is given, and nothing is written here. What is kept does not grow with the number of VSIs.
package struct ChangeDigest {
    /// The bounds.
    package struct Limits {
        /// An upheaval of fewer VSIs has a line for each.
        package var fewest = 4
        /// So many changes have their lines within `window`, without a cause that concerns several VSIs.
        package var burst = 10
        package var window = Interval.seconds(2)
        /// Without a change for so long an upheaval is over.
        package var quiet = Interval.seconds(2)
        /// It is over after so long in any case.
        package var longest = Interval.seconds(30)
        /// VSIs that are named for each outcome and reason.
        package var names = 3
        /// Outcomes and reasons that have a group of their own.
        package var kinds = 8

        package init() {}
    }

    /// What has become of a VSI.
    package enum Outcome: Int, Comparable, Sendable {
        case associated, preassociated, refused, lost, released

        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

        /// Whether an operator is to be warned of it.
        package var isTrouble: Bool { self == .refused || self == .lost }

        fileprivate var words: String {
            switch self {
            case .associated: "associated"
            case .preassociated: "pre-associated"
            case .refused: "refused"
            case .lost: "lost"
            case .released: "released"
            }
        }
    }

    /// What a line says of many changes.
    package struct Summary: Equatable {
        /// `link up: 40 VSIs associated again in 1.2 s, 2 refused (insufficient-resources): a, b`.
        package var text: String
        package var counts: [Outcome: Int]
        /// The worst of the changes.
        package var alert: LogAlert {
            if counts[.lost] != nil { return .vsiLost }
            return counts[.refused] != nil ? .vsiRefused : .vsiSummary
        }
    }

    private struct Kind: Hashable {
        var outcome: Outcome
        var reason: String?
    }

    private struct Group {
        var count = 0
        var names: [String] = []
    }

    private struct Upheaval {
        var cause: String
        /// Whether VSIs come back or go; nil where that is not known.
        var isReturn: Bool?
        var expected: Int
        var began: Instant
        var lastChange: Instant?
        var groups: [Kind: Group] = [:]

        var count: Int { groups.values.reduce(0) { $0 + $1.count } }
    }

    private let limits: Limits
    private var upheaval: Upheaval?
    private var windowBegan: Instant?
    private var windowCount = 0
    /// VSIs that were lost in the last upheaval in which any was.
    package private(set) var lastLost = 0

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Whether changes are being summed up.
    package var isSummingUp: Bool { upheaval != nil }

    /// Something has happened that changes several VSIs, or is about to.
    ///
    /// - Parameters:
    ///   - cause: what has happened, such as `link up`. What follows in the same direction belongs to it.
    ///   - expecting: how many VSIs it concerns.
    ///   - isReturn: whether they come back.
    ///   - now: the time.
    /// - Returns: the summary of what was before.
    package mutating func begin(_ cause: String, expecting: Int, isReturn: Bool, at now: Instant) -> Summary? {
        if let upheaval, upheaval.isReturn == isReturn, now <= upheaval.began + limits.longest {
            self.upheaval?.expected = max(expecting, upheaval.expected)
            return nil
        }
        let former = end()
        guard expecting >= limits.fewest else { return former }
        upheaval = Upheaval(cause: cause, isReturn: isReturn, expected: expecting, began: now)
        return former
    }

    /// A VSI has changed.
    ///
    /// - Returns: whether it is summed up, and has no line of its own.
    package mutating func take(
        _ outcome: Outcome, _ vsi: @autoclosure () -> String, reason: String?, at now: Instant
    ) -> Bool {
        if upheaval == nil {
            if let windowBegan, now < windowBegan + limits.window {
                windowCount += 1
            } else {
                (windowBegan, windowCount) = (now, 1)
            }
            guard windowCount > limits.burst else { return false }
            upheaval = Upheaval(cause: "many changes at once", isReturn: nil, expected: .max, began: now)
        }
        var kind = Kind(outcome: outcome, reason: outcome.isTrouble ? reason : nil)
        if let groups = upheaval?.groups, groups[kind] == nil, groups.count >= limits.kinds { kind.reason = nil }
        var group = upheaval?.groups[kind] ?? Group()
        group.count += 1
        if outcome.isTrouble, group.names.count < limits.names { group.names.append(vsi()) }
        upheaval?.groups[kind] = group
        upheaval?.lastChange = now
        return true
    }

    /// When a summary is due; nil while nothing is summed up.
    package var nextDeadline: Instant? {
        guard let upheaval else { return nil }
        let end = upheaval.began + limits.longest
        guard let last = upheaval.lastChange else { return end }
        return upheaval.count >= upheaval.expected ? last : min(last + limits.quiet, end)
    }

    /// The summary, if it is due.
    package mutating func advance(to now: Instant) -> Summary? {
        guard let nextDeadline, nextDeadline <= now else { return nil }
        return end()
    }

    /// The summary of what has no line yet; nil if there is nothing.
    package mutating func end() -> Summary? {
        guard let ended = upheaval else { return nil }
        upheaval = nil
        (windowBegan, windowCount) = (nil, 0)
        guard let last = ended.lastChange else { return nil }
        let counts = ended.groups.reduce(into: [:]) { $0[$1.key.outcome, default: 0] += $1.value.count }
        lastLost = counts[.lost] ?? lastLost
        return Summary(text: "\(ended.cause): \(text(ended, seconds: last.since(ended.began)))", counts: counts)
    }

    private func text(_ upheaval: Upheaval, seconds: Interval) -> String {
        let sorted = upheaval.groups.sorted { left, right in
            (left.key.outcome, left.key.reason ?? "") < (right.key.outcome, right.key.reason ?? "")
        }
        let parts = sorted.enumerated().map { index, element in
            let (kind, group) = element
            var words = "\(group.count)"
            if index == 0 { words += group.count == 1 ? " VSI" : " VSIs" }
            words += " \(kind.outcome.words)"
            if kind.outcome == .associated, upheaval.isReturn == true { words += " again" }
            if let reason = kind.reason { words += " (\(reason))" }
            if index == 0 {
                let tenths = (seconds.nanoseconds + 50_000_000) / 100_000_000
                words += " in \(tenths / 10).\(tenths % 10) s"
            }
            guard !group.names.isEmpty else { return words }
            let rest = group.count - group.names.count
            return words + ": " + group.names.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
        }
        return parts.joined(separator: "; ")
    }
}

package import EVBTime

/// The objects of evbd as they were last fetched. Old ones serve for a while, so that a walk does not wait for evbd; then there are
/// none, so that what is long over is not shown.
package struct Snapshot: Sendable {
    private var tree = ObjectTree()
    private var fetchedAt: Instant?
    private let maxAge: Interval

    /// Begins with nothing.
    package init(maxAge: Interval) { self.maxAge = maxAge }

    /// Takes what has been fetched. `now` is when the fetch began.
    package mutating func replace(with tree: ObjectTree, at now: Instant) {
        self.tree = tree
        fetchedAt = now
    }

    /// What to answer from.
    package func objects(at now: Instant) -> ObjectTree {
        guard let fetchedAt, now.since(fetchedAt) <= maxAge else { return ObjectTree() }
        return tree
    }
}

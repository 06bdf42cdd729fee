/// The entries of a filter, in their order.
///
/// Nearly all filters have one entry, of tens of thousands of VSIs: that one needs no memory of its own.
public struct FilterEntries: RandomAccessCollection, ExpressibleByArrayLiteral, Hashable, Sendable {
    private enum Storage: Hashable, Sendable {
        case one(FilterEntry)
        /// Any other number of them.
        case several([FilterEntry])
    }

    private let storage: Storage

    /// Takes entries in their order.
    public init(_ entries: [FilterEntry]) {
        storage = entries.count == 1 ? .one(entries[0]) : .several(entries)
    }

    /// Takes one entry.
    init(only entry: FilterEntry) { storage = .one(entry) }

    /// Reads so many entries, each by `next`.
    init(_ count: Int, _ next: () throws(WireError) -> FilterEntry) throws(WireError) {
        guard count != 1 else {
            storage = .one(try next())
            return
        }
        var entries: [FilterEntry] = []
        entries.reserveCapacity(count)
        for _ in 0..<count { entries.append(try next()) }
        storage = .several(entries)
    }

    /// The entry that is the only one; nil where there are several, or none.
    public var only: FilterEntry? {
        if case .one(let entry) = storage { entry } else { nil }
    }

    public init(arrayLiteral entries: FilterEntry...) { self.init(entries) }

    public var startIndex: Int { 0 }

    public var endIndex: Int {
        switch storage {
        case .one: 1
        case .several(let entries): entries.count
        }
    }

    public subscript(position: Int) -> FilterEntry {
        switch storage {
        case .one(let entry):
            precondition(position == 0, "a filter of one entry has no entry \(position)")
            return entry
        case .several(let entries): return entries[position]
        }
    }
}
